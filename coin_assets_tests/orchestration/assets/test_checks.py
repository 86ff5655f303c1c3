"""What is reported about candles: checks at write time, gaps, outages, visibility.

- Each candle asset records its checks with its materialisation, for a month, a range, a backfill.
- What is stored and cannot be right stops the steps after it, and is named.
- A derived bucket is what the source gives now; what it lacks is explained by the source's ledger.
- A forecast that cannot be right is not published; the last good file stays.
- A gap is open until the market has denied it twice, an hour or more apart.
- A symbol is hidden from readers until its history is collected; the others do not notice.
- What two symbols miss at once is one outage.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coin_assets.domain.forecasting.har import HarForecaster
from coin_assets.domain.methods import CHAMPION
from coin_assets.domain.series import Series
from coin_assets.errors import MarketUnavailable
from coin_assets.market.base import Page
from coin_assets.orchestration.assets.candle_checks import derived_results, fetched_results
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.build import configured_resources, series_specs
from coin_assets.pipeline.derive import Derivation
from coin_assets.store.parquet import CANDLES
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.platform import BTC, ETH, Platform, failures, files_of, given, series, utc
from coin_assets_tests.schemas import assert_valid

Change = Callable[[pd.DataFrame], pd.DataFrame]
HOUR, DAY, PUBLISHED = "BTC_USDT/ohlcv_1h", "BTC_USDT/ohlcv_1d", "BTC_USDT/published_1h"
MODEL, PREDICTION = "BTC_USDT/model_1h", "BTC_USDT/prediction_1h"
FETCHED = {f"{HOUR} {name}" for name in ("contract", "gaps", "suspicious_bars")}
DERIVED = {f"{DAY} {name}" for name in ("contract", "matches_source", "gaps", "suspicious_bars")}
ALWAYS = (utc("2000-01-01"), utc("2100-01-01"))
HOLE = ("2024-03-10T05:00", "2024-03-10T09:00")


class FailingUntil(PatchyMarket):
    """Answers for nothing that opens before a time."""

    def __init__(self, until: str) -> None:
        super().__init__()
        self._until = utc(until)

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        if start < self._until:
            raise MarketUnavailable("down for maintenance")
        yield from super().pages(series, start, end, now)


class SpikyMarket(PatchyMarket):
    """One candle reaches some times as high as it should."""

    def __init__(self, at: str, times: float = 2) -> None:
        super().__init__()
        self._at, self._times = utc(at), times

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        for page in super().pages(series, start, end, now):
            candles = page.candles.copy()
            candles.loc[candles["timestamp"] == self._at, "high"] *= self._times
            yield replace(page, candles=candles)


# Candles that no market here refuses or ceases to serve.
NEITHER = {"unavailable": 0, "refused": 0}


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
    assert set(checks(result)) == FETCHED | DERIVED
    assert all(check.passed for check in checks(result).values())
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
        **NEITHER,
        "never_asked": 0,
        "verified_gaps": 0,
    }


def test_the_whole_job_records_them_too(platform: Platform) -> None:
    result = platform.update("2024-02-01", "2024-04-01")
    assert result.success
    sane = {f"BTC_USDT/prediction_{timeframe} sane_forecast" for timeframe in ("1h", "1d")}
    assert set(checks(result)) == FETCHED | DERIVED | sane
    assert all(check.passed for check in checks(result).values())


def test_an_asset_run_alone_from_code_records_them(platform: Platform) -> None:
    asset = platform.definitions.resolve_assets_def(dg.AssetKey(HOUR.split("/")))
    result = dg.materialize([asset], partition_key="2024-03-01", instance=platform.instance)
    assert result.success
    assert set(checks(result)) == FETCHED


def test_gaps_are_open_until_the_market_denied_them_twice(platform: Platform) -> None:
    platform.market = given(PatchyMarket([HOLE]))
    first = platform.update("2024-02-01", "2024-04-01")
    assert first.success
    gaps = checks(first)[f"{HOUR} gaps"]
    assert not gaps.passed
    assert gaps.description == "4 pending"
    assert facts(gaps)["open_gaps"] == "- 2024-03-10 05:00 to 2024-03-10 09:00 (4) pending"
    assert ops(platform)["gaps"] == {"verified_absent": 0, "pending": 4, "failed": 0, **NEITHER}
    assert ops(platform, timeframe="1d")["gaps"] is None
    assert platform.metadata(HOUR, "2024-03-01")["pending"] == 4

    platform.now = "2024-04-20T13:30"
    second = platform.update("2024-03-01", "2024-04-01")
    assert second.success
    gaps = checks(second)[f"{HOUR} gaps"]
    assert gaps.passed
    assert gaps.description == "4 verified absent"
    assert (facts(gaps)["verified_gaps"], "open_gaps" in facts(gaps)) == (1, False)
    assert ops(platform)["gaps"] == {"verified_absent": 4, "pending": 0, "failed": 0, **NEITHER}
    assert ops(platform)["missing_candles"] == 4
    march = platform.metadata(HOUR, "2024-03-01")
    assert (march["verified_absent"], "pending" in march) == (4, False)


def test_months_that_were_never_requested_are_pending(platform: Platform) -> None:
    assert platform.materialise([HOUR], "2024-02-01").success
    result = platform.materialise([HOUR, PUBLISHED], "2024-04-01")
    gaps = checks(result)[f"{HOUR} gaps"]
    assert not gaps.passed
    assert facts(gaps)["never_asked"] == facts(gaps)["pending"] == 31 * 24
    assert ops(platform)["gaps"] == {
        "verified_absent": 0,
        "pending": 31 * 24,
        "failed": 0,
        **NEITHER,
    }


def test_what_the_market_did_not_answer_is_reported_with_its_error(platform: Platform) -> None:
    assert platform.materialise([HOUR], "2024-04-01").success
    platform.market = given(FailingUntil("2024-04-01"))
    assert not platform.materialise([HOUR], "2024-02-01", "2024-03-01").success
    result = platform.materialise([HOUR, PUBLISHED], "2024-04-01")
    assert result.success
    gaps = checks(result)[f"{HOUR} gaps"]
    assert not gaps.passed
    assert facts(gaps)["failed"] == 60 * 24
    assert facts(gaps)["open_gaps"].endswith("(1440) failed: down for maintenance")
    assert ops(platform)["gaps"] == {
        "verified_absent": 0,
        "pending": 0,
        "failed": 60 * 24,
        **NEITHER,
    }


def test_a_fetch_that_fails_leaves_no_check_result(platform: Platform) -> None:
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


# ---------------------------------------------------------------------------- stored and not right


def edited(platform: Platform, timeframe: str, month: str, change: Change) -> None:
    """Change a month's file behind the store's back."""
    file = file_of(platform, timeframe, month)
    table = pa.Table.from_pandas(change(pd.read_parquet(file)), CANDLES, preserve_index=False)
    pq.write_table(table.replace_schema_metadata(None), file)


def file_of(platform: Platform, timeframe: str, month: str) -> Path:
    folder = platform.settings.home / "candles" / "symbol=BTC_USDT" / f"timeframe={timeframe}"
    return folder / f"month={month}" / "candles.parquet"


def spec_of(platform: Platform, timeframe: str) -> SeriesAssets:
    (spec,) = [each for each in series_specs(platform.settings) if each.series == series(timeframe)]
    return spec


def fetched(platform: Platform, start: str, end: str) -> dict[str, dg.AssetCheckResult]:
    results = fetched_results(
        spec_of(platform, "1h"), platform.store, utc(start), utc(end), utc(platform.now)
    )
    return {each.check_name or "": each for each in results}


def derived(
    platform: Platform, start: str, end: str, first: str = "2024-02-01"
) -> dict[str, dg.AssetCheckResult]:
    window = utc(start), utc(end)
    derivation = Derivation(series("1d"), series("1h"), *window, utc(first), utc(platform.now))
    results = derived_results(spec_of(platform, "1d"), platform.store, derivation)
    return {each.check_name or "": each for each in results}


def test_a_stored_candle_that_breaks_the_contract_stops_what_depends_on_it(
    platform: Platform,
) -> None:
    assert platform.update("2024-02-01", "2024-04-01").success
    before = files_of(platform.published)
    edited(platform, "1h", "2024-04", lambda rows: rows.assign(high=rows["low"] / 2))
    platform.now = "2024-04-20T13:30"
    result = platform.update("2024-04-01")
    assert not result.success
    assert "BTC_USDT/ohlcv_1h: contract" in failures(result)["BTC_USDT__ohlcv_1h"]
    assert {event.step_key for event in result.all_events if event.is_step_up_for_retry} == set()
    found = checks(result)
    assert set(found) == FETCHED
    contract = found[f"{HOUR} contract"]
    assert (contract.passed, contract.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert contract.description is not None
    assert contract.description.startswith("[ohlc] BTC/USDT 1h candles in the store: ")
    assert "Remove the month's file and materialise it again." in contract.description
    assert found[f"{HOUR} gaps"].description == "cannot be checked: the contract is broken"
    assert platform.materialisations(HOUR)[0] == "2024-04-01"
    history = "history_BTC_USDT_1h.json"
    assert files_of(platform.published)[history] == before[history]

    file_of(platform, "1h", "2024-04").unlink()  # the remedy
    assert platform.update("2024-04-01").success


def test_a_damaged_file_breaks_the_contract_of_its_month_alone(platform: Platform) -> None:
    assert platform.materialise([HOUR, DAY], "2024-02-01", "2024-04-01").success
    for timeframe in ("1h", "1d"):
        file = file_of(platform, timeframe, "2024-03")
        file.write_bytes(file.read_bytes()[:-100])
    march, april = (
        fetched(platform, *window)
        for window in (("2024-03-01", "2024-04-01"), ("2024-04-01", "2024-05-01"))
    )
    assert not any(check.passed for check in march.values())
    assert str(file_of(platform, "1h", "2024-03")) in str(march["contract"].description)
    assert april["contract"].passed
    assert str(april["gaps"].description).startswith("cannot be checked: ")
    assert str(april["suspicious_bars"].description).startswith("cannot be checked: ")
    own = derived(platform, "2024-03-01", "2024-04-01")
    assert not any(check.passed for check in own.values())
    assert own["matches_source"].severity is dg.AssetCheckSeverity.ERROR


def test_a_source_that_cannot_be_read_proves_nothing(platform: Platform) -> None:
    assert platform.materialise([HOUR, DAY], "2024-03-01").success
    file_of(platform, "1h", "2024-03").write_bytes(b"no parquet")
    found = derived(platform, "2024-03-01", "2024-04-01", first="2024-03-01")
    assert found["contract"].passed
    for name in ("matches_source", "gaps"):
        assert not found[name].passed
        assert str(found[name].description).startswith("cannot be checked: ")


@pytest.mark.parametrize(
    ("change", "text", "bucket"),
    [
        (lambda rows: rows.drop(index=4), "1 missing of 31", "- 2024-03-05 00:00 missing"),
        (
            lambda rows: rows.assign(volume=rows["volume"] * np.where(rows.index == 4, 2, 1)),
            "1 differing of 31",
            "- 2024-03-05 00:00 differing: volume ",
        ),
        (
            lambda rows: rows.assign(close=rows["low"]).drop(index=4),
            "1 missing, 30 differing of 31",
            "- 2024-03-01 00:00 differing: close ",
        ),
    ],
)
def test_buckets_are_compared_with_what_the_source_gives_now(
    platform: Platform, change: Change, text: str, bucket: str
) -> None:
    assert platform.materialise([HOUR, DAY], "2024-02-01", "2024-03-01").success
    assert derived(platform, "2024-02-01", "2024-04-01")["matches_source"].passed
    edited(platform, "1d", "2024-03", change)
    found = derived(platform, "2024-03-01", "2024-04-01")
    check = found["matches_source"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert check.description == f"{text}; materialise the month again"
    shown = str(check.metadata["buckets"].value)
    assert shown.startswith(bucket)
    assert len(shown.splitlines()) <= 11
    assert found["contract"].passed
    assert derived(platform, "2024-02-01", "2024-03-01")["matches_source"].passed


def test_a_bucket_beyond_the_source_is_one_too_many(platform: Platform) -> None:
    assert platform.materialise([HOUR, DAY], "2024-04-01").success
    start, end = utc("2024-04-20"), utc("2024-04-21")
    last = platform.store.read_candles(series("1d"), utc("2024-04-19"), start)
    platform.store.write_candles(
        series("1d"), last.assign(timestamp=pd.Timestamp(start)), start, end
    )
    check = derived(platform, "2024-04-01", "2024-05-01", first="2024-04-01")["matches_source"]
    assert check.description == "1 extra of 20; materialise the month again"


def test_buckets_whose_source_is_not_kept_are_left_as_they_are(platform: Platform) -> None:
    assert platform.materialise([HOUR, DAY], "2024-03-01").success
    platform.store.delete_candles(series("1h"), *ALWAYS)
    for first in ("2024-03-20T05:00", "2024-04-02"):
        partly = derived(platform, "2024-03-01", "2024-04-01", first)["matches_source"]
        assert partly.passed == (first == "2024-04-02")
    assert partly.description == "0 buckets as the source gives them"


def test_what_buckets_lack_is_explained_by_the_ledger_of_the_source(platform: Platform) -> None:
    platform.market = given(PatchyMarket([HOLE, ("2024-03-12", "2024-03-14T06:00")]))
    first = checks(platform.materialise([HOUR, DAY], "2024-02-01", "2024-04-01"))
    assert first[f"{DAY} matches_source"].passed
    gaps = first[f"{DAY} gaps"]
    assert (gaps.passed, gaps.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert gaps.description == "2 partial and 2 missing buckets; of the source 58 pending"
    shown = facts(gaps)
    assert shown.pop("open_gaps").splitlines() == [
        "- 2024-03-10 05:00 to 2024-03-10 09:00 (4) pending",
        "- 2024-03-12 00:00 to 2024-03-14 06:00 (54) pending",
    ]
    assert shown == {
        "partial": 2,
        "missing": 2,
        "verified_absent": 0,
        "pending": 58,
        "failed": 0,
        **NEITHER,
    }

    platform.now = "2024-04-20T13:30"
    second = checks(platform.materialise([HOUR, DAY], "2024-03-01"))[f"{DAY} gaps"]
    assert second.passed
    assert second.description == "2 partial and 2 missing buckets; of the source 58 verified absent"
    assert facts(second)["verified_absent"] == 58


def test_a_listing_within_a_bucket_is_no_gap(platform: Platform) -> None:
    platform.market = given(PatchyMarket(listed="2024-04-10T03:00"))
    gaps = checks(platform.materialise([HOUR, DAY], "2024-04-01"))[f"{DAY} gaps"]
    assert gaps.passed
    assert (facts(gaps)["partial"], facts(gaps)["missing"]) == (1, 0)


def test_a_derived_bar_that_looks_wrong_is_pointed_out_as_well(platform: Platform) -> None:
    platform.market = given(SpikyMarket("2024-04-10T02:00", times=2.8))
    result = platform.materialise([HOUR, DAY], "2024-02-01", "2024-04-01")
    assert result.success
    assert checks(result)[f"{DAY} suspicious_bars"].description == "1 range"


# -------------------------------------------------------------------------------------- forecasts


def test_a_forecast_that_cannot_be_right_is_not_published(platform: Platform) -> None:
    assert platform.update("2024-02-01", "2024-04-01").success
    prediction = platform.published / "prediction_BTC_USDT_1h.json"
    before = prediction.read_bytes()
    registry = configured_resources(platform.settings).registry.client()
    good = registry.versions(series("1h"))[-1]
    model = registry.load(good)
    assert isinstance(model, HarForecaster)
    model.set_params(state_prior_strength=None)
    model.quantiles_, model.quantiles_by_state_ = model.quantiles_ * 500, None
    trained = {name: good.metadata()[name] for name in ("lookback", "rows", "data_end")}
    since = utc("2024-04-20T13:00")
    bad = registry.add(series("1h"), model, since, trained)
    registry.appoint(
        series("1h"), CHAMPION, bad, since, reason="a mistake", by="test", recorded_at=since
    )

    platform.now = "2024-04-20T13:30"
    result = platform.update("2024-04-01")
    assert not result.success
    assert "BTC_USDT/prediction_1h: sane_forecast" in failures(result)["BTC_USDT__prediction_1h"]
    check = checks(result)[f"{PREDICTION} sane_forecast"]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert str(check.description).startswith("the 80% interval at step 1 is ")
    assert len(facts(check)["problems"].splitlines()) == 2
    assert prediction.read_bytes() == before


def test_no_forecast_for_lack_of_candles_is_no_fault(platform: Platform) -> None:
    result = platform.materialise([HOUR, MODEL, PREDICTION], "2024-02-01")
    assert result.success
    check = checks(result)[f"{PREDICTION} sane_forecast"]
    assert check.passed
    assert check.description == "no forecast in the window: too few candles, or no model yet"


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
    assert ops(platform)["gaps"] == {"verified_absent": 0, "pending": 0, "failed": 0, **NEITHER}


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
    assert manifest(platform)["ops"]["outages"] == []  # one request so far
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
