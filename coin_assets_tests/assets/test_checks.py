"""What is said of candles beyond the candles: checks at write time, gaps, outages, visibility.

- Each fetched asset records its checks with its materialisation, for a month, a range, a backfill.
- A gap is open until the market has denied it twice, an hour or more apart.
- A symbol is hidden from readers until its history is collected; the others do not notice.
- What two symbols miss at once is one outage.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from coin_assets.domain.keys import Key
from coin_assets.errors import MarketUnavailable
from coin_assets.market.base import Page
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.platform import BTC, ETH, Platform, given, utc
from coin_assets_tests.schemas import assert_valid

HOUR, DAY, PUBLISHED = "BTC_USDT/ohlcv_1h", "BTC_USDT/ohlcv_1d", "BTC_USDT/published_1h"
HOLE = ("2024-03-10T05:00", "2024-03-10T09:00")


class FailingUntil(PatchyMarket):
    """Answers for nothing that opens before a time."""

    def __init__(self, until: str) -> None:
        super().__init__()
        self._until = utc(until)

    def pages(self, key: Key, start: datetime, end: datetime, now: datetime) -> Iterator[Page]:
        if start < self._until:
            raise MarketUnavailable("down for maintenance")
        yield from super().pages(key, start, end, now)


class SpikyMarket(PatchyMarket):
    """One candle reaches twice as high as it should."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self._at = utc(at)

    def pages(self, key: Key, start: datetime, end: datetime, now: datetime) -> Iterator[Page]:
        for page in super().pages(key, start, end, now):
            candles = page.candles.copy()
            candles.loc[candles["timestamp"] == self._at, "high"] *= 2
            yield replace(page, candles=candles)


def manifest(platform: Platform) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((platform.published / "manifest.json").read_text())
    assert_valid("manifest", found)
    return found


def ops(platform: Platform, symbol: str = BTC, timeframe: str = "1h") -> dict[str, Any]:
    entry: dict[str, Any]
    for entry in manifest(platform)["ops"]["entries"]:
        if (entry["symbol"], entry["timeframe"]) == (symbol, timeframe):
            return entry
    raise AssertionError(f"{symbol} {timeframe} is not in the manifest")


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    """Check results of a run, as ``BTC_USDT/ohlcv_1h gaps``."""
    found = result.get_asset_check_evaluations()
    assert len({(each.asset_key, each.check_name) for each in found}) == len(found)
    return {f"{each.asset_key.to_user_string()} {each.check_name}": each for each in found}


def facts(check: dg.AssetCheckEvaluation) -> dict[str, Any]:
    return {name: value.value for name, value in check.metadata.items()}


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(
        tmp_path / "home",
        now="2024-04-20T12:30",
        history_start="2024-02-01",
        derived_timeframes="1d",
    )


# ------------------------------------------------------------------------------------------- checks


@pytest.mark.parametrize("last", [None, "2024-04-01"], ids=["a month", "a range"])
def test_checks_are_recorded_with_the_materialisation(platform: Platform, last: str | None) -> None:
    result = platform.materialise([HOUR, DAY], "2024-02-01", last)
    assert result.success
    assert set(checks(result)) == {f"{HOUR} gaps", f"{HOUR} suspicious_bars"}
    assert {event.step_key for event in result.all_events if event.is_step_start} == {
        "BTC_USDT__ohlcv_1h",
        "BTC_USDT__ohlcv_1d",
    }
    gaps = checks(result)[f"{HOUR} gaps"]
    assert gaps.passed
    assert gaps.severity is dg.AssetCheckSeverity.WARN
    assert gaps.description == "no candle is missing"
    assert facts(gaps) == {
        "verified_absent": 0,
        "pending": 0,
        "failed": 0,
        "never_asked": 0,
        "verified_gaps": 0,
    }


def test_the_whole_job_records_them_too(platform: Platform) -> None:
    result = platform.update("2024-02-01", "2024-04-01")
    assert result.success
    assert set(checks(result)) == {f"{HOUR} gaps", f"{HOUR} suspicious_bars"}


def test_an_asset_run_alone_from_code_records_them(platform: Platform) -> None:
    asset = platform.definitions.resolve_assets_def(dg.AssetKey(HOUR.split("/")))
    result = dg.materialize([asset], partition_key="2024-03-01", instance=platform.instance)
    assert result.success
    assert len(result.get_asset_check_evaluations()) == 2


def test_gaps_are_open_until_the_market_denied_them_twice(platform: Platform) -> None:
    platform.market = given(PatchyMarket([HOLE]))
    first = platform.update("2024-02-01", "2024-04-01")
    assert first.success
    gaps = checks(first)[f"{HOUR} gaps"]
    assert not gaps.passed
    assert gaps.description == "4 pending"
    assert facts(gaps)["open_gaps"] == "- 2024-03-10 05:00 to 2024-03-10 09:00 (4) pending"
    assert ops(platform)["gaps"] == {"verified_absent": 0, "pending": 4, "failed": 0}
    assert ops(platform, timeframe="1d")["gaps"] is None
    assert platform.metadata(HOUR, "2024-03-01")["pending"] == 4

    platform.now = "2024-04-20T13:30"
    second = platform.update("2024-03-01", "2024-04-01")
    assert second.success
    gaps = checks(second)[f"{HOUR} gaps"]
    assert gaps.passed
    assert gaps.description == "4 verified absent"
    assert (facts(gaps)["verified_gaps"], "open_gaps" in facts(gaps)) == (1, False)
    assert ops(platform)["gaps"] == {"verified_absent": 4, "pending": 0, "failed": 0}
    assert ops(platform)["missing_candles"] == 4
    march = platform.metadata(HOUR, "2024-03-01")
    assert (march["verified_absent"], "pending" in march) == (4, False)


def test_months_that_were_never_asked_for_are_pending(platform: Platform) -> None:
    assert platform.materialise([HOUR], "2024-02-01").success
    result = platform.materialise([HOUR, PUBLISHED], "2024-04-01")
    gaps = checks(result)[f"{HOUR} gaps"]
    assert not gaps.passed
    assert facts(gaps)["never_asked"] == facts(gaps)["pending"] == 31 * 24
    assert ops(platform)["gaps"] == {"verified_absent": 0, "pending": 31 * 24, "failed": 0}


def test_what_the_market_did_not_answer_is_told_with_its_error(platform: Platform) -> None:
    assert platform.materialise([HOUR], "2024-04-01").success
    platform.market = given(FailingUntil("2024-04-01"))
    assert not platform.materialise([HOUR], "2024-02-01", "2024-03-01").success
    result = platform.materialise([HOUR, PUBLISHED], "2024-04-01")
    assert result.success
    gaps = checks(result)[f"{HOUR} gaps"]
    assert not gaps.passed
    assert facts(gaps)["failed"] == 60 * 24
    assert facts(gaps)["open_gaps"].endswith("(1440) failed: down for maintenance")
    assert ops(platform)["gaps"] == {"verified_absent": 0, "pending": 0, "failed": 60 * 24}


def test_a_pull_that_fails_leaves_no_check_result(platform: Platform) -> None:
    platform.market = given(FailingUntil("2030-01-01"))
    result = platform.materialise([HOUR], "2024-02-01")
    assert not result.success
    assert checks(result) == {}


@pytest.mark.parametrize("month", ["2024-02-01", "2024-03-01", "2024-04-01"])
def test_a_bar_that_looks_wrong_is_stored_and_pointed_out_in_its_month(
    platform: Platform, month: str
) -> None:
    platform.market = given(SpikyMarket("2024-03-01T02:00"))
    assert platform.materialise([HOUR], "2024-02-01", "2024-04-01").success
    result = platform.materialise([HOUR], month)
    assert result.success
    bars = checks(result)[f"{HOUR} suspicious_bars"]
    assert bars.severity is dg.AssetCheckSeverity.WARN
    assert bars.passed == (month != "2024-03-01")
    if not bars.passed:
        assert bars.description == "1 range"
        assert (facts(bars)["suspicious"], facts(bars)["range"]) == (1, 1)
        assert facts(bars)["bars"].startswith("- 2024-03-01 02:00 range: low to high 1")


def test_a_long_list_of_gaps_is_cut(platform: Platform) -> None:
    holes = [(f"2024-03-{day:02d}T05:00", f"2024-03-{day:02d}T06:00") for day in range(1, 14)]
    platform.market = given(PatchyMarket(holes))
    gaps = checks(platform.materialise([HOUR], "2024-03-01"))[f"{HOUR} gaps"]
    lines = facts(gaps)["open_gaps"].splitlines()
    assert (len(lines), lines[-1]) == (11, "- and 3 more")


# --------------------------------------------------------------------------------------- visibility


def test_a_new_symbol_is_hidden_until_its_history_is_collected(tmp_path: Path) -> None:
    settings = {"history_start": "2024-02-01", "derived_timeframes": "1d"}
    before = Platform(tmp_path / "home", now="2024-04-20T12:30", **settings)
    assert before.update("2024-02-01", "2024-04-01").success
    btc = manifest(before)["public"]["entries"]

    both = Platform(tmp_path / "home", now="2024-04-20T12:30", symbols=f"{BTC},{ETH}", **settings)
    both.now = "2024-04-20T12:40"
    eth = ["ohlcv_1h", "ohlcv_1d", "published_1h", "published_1d"]
    assert both.materialise([f"ETH_USDT/{name}" for name in eth], "2024-04-01").success
    document = manifest(both)
    assert document["public"] == {"symbols": [BTC], "entries": btc}
    assert ops(both, ETH)["visibility"] == "hidden_backfilling"
    assert ops(both, ETH)["coverage_start"] == "2024-04-01T00:00:00Z"
    assert ops(both, ETH, "1d")["visibility"] == "hidden_backfilling"
    assert document["ops"]["summary"]["hidden_backfilling"] == 2
    assert ops(both, BTC)["visibility"] == "public"

    hours, days = "ETH_USDT/ohlcv_1h", "ETH_USDT/ohlcv_1d"
    assert both.materialise([hours, "ETH_USDT/published_1h"], "2024-03-01").success
    assert ops(both, ETH)["visibility"] == "hidden_backfilling"  # February is still to come
    published = ["ETH_USDT/published_1h", "ETH_USDT/published_1d"]
    assert both.materialise([hours, days, *published], "2024-02-01", "2024-03-01").success
    document = manifest(both)
    assert document["public"]["symbols"] == [BTC, ETH]
    assert [ops(both, ETH, name)["visibility"] for name in ("1h", "1d")] == ["public"] * 2
    assert document["ops"]["summary"]["hidden_backfilling"] == 0


def test_an_aborted_onboarding_stays_hidden_until_it_succeeds(platform: Platform) -> None:
    assert platform.materialise([HOUR], "2024-04-01").success
    platform.market = given(FailingUntil("2024-04-01"))
    assert not platform.materialise([HOUR], "2024-02-01", "2024-03-01").success
    assert platform.materialise([PUBLISHED], "2024-04-01").success
    assert ops(platform)["visibility"] == "hidden_backfilling"
    platform.market = None
    assert platform.materialise([HOUR, PUBLISHED], "2024-02-01", "2024-03-01").success
    assert ops(platform)["visibility"] == "public"


def test_a_symbol_is_complete_from_its_listing_on(platform: Platform) -> None:
    platform.market = given(PatchyMarket(listed="2024-04-10T03:00"))
    assert platform.materialise([HOUR, PUBLISHED], "2024-04-01").success
    assert ops(platform)["visibility"] == "public"
    assert ops(platform)["gaps"] == {"verified_absent": 0, "pending": 0, "failed": 0}


def test_a_longer_history_does_not_hide_what_is_public(tmp_path: Path) -> None:
    short = Platform(tmp_path, now="2024-04-20T12:30", history_start="2024-04-01")
    assert short.materialise([HOUR, PUBLISHED], "2024-04-01").success
    assert ops(short)["visibility"] == "public"
    longer = Platform(tmp_path, now="2024-04-20T12:30", history_start="2024-02-01")
    assert longer.materialise([PUBLISHED], "2024-04-01").success
    assert ops(longer)["visibility"] == "public"
    assert ops(longer)["gaps"]["pending"] == 60 * 24


# ------------------------------------------------------------------------------------------ outages


def test_what_two_symbols_miss_at_once_is_one_outage(tmp_path: Path) -> None:
    platform = Platform(
        tmp_path / "home",
        now="2024-04-20T12:30",
        symbols=f"{BTC},{ETH}",
        history_start="2024-03-01",
        derived_timeframes="1d",
    )
    platform.market = given(PatchyMarket([HOLE, ("2024-04-02", "2024-04-02T01:00")]))
    assert platform.update("2024-03-01", "2024-04-01").success
    assert manifest(platform)["ops"]["outages"] == []  # so far the market was asked once
    platform.now = "2024-04-20T13:30"
    assert platform.update("2024-03-01", "2024-04-01").success
    assert manifest(platform)["ops"]["outages"] == [
        {
            "timeframe": "1h",
            "start": "2024-04-02T00:00:00Z",
            "end": "2024-04-02T01:00:00Z",
            "candles": 1,
            "symbols": [BTC, ETH],
        },
        {
            "timeframe": "1h",
            "start": "2024-03-10T05:00:00Z",
            "end": "2024-03-10T09:00:00Z",
            "candles": 4,
            "symbols": [BTC, ETH],
        },
    ]
