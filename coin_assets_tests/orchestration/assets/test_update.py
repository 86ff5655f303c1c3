"""The main job: from candles to published files with their true age."""

import json
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import MarketUnavailable
from coin_assets.market.base import Page
from coin_assets.market.sandbox import SandboxMarket
from coin_assets_tests.platform import BTC, ETH, Platform, failures, given, series, utc
from coin_assets_tests.realdata import REAL_DATA, requires_real_data
from coin_assets_tests.schemas import assert_valid


def document(platform: Platform, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((platform.published / name).read_text())
    return found


def entries(platform: Platform, part: str = "public") -> dict[str, dict[str, Any]]:
    manifest = document(platform, "manifest.json")
    assert_valid("manifest", manifest)
    return {f"{each['symbol']} {each['timeframe']}": each for each in manifest[part]["entries"]}


class FailingMarket(SandboxMarket):
    """The sandbox, down for one symbol."""

    def __init__(self, symbol: str) -> None:
        super().__init__()
        self._symbol = symbol

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        if series.symbol == self._symbol:
            raise MarketUnavailable(f"{series.symbol} is down for maintenance")
        return super().pages(series, start, end, now)


def opened(home: Path) -> Platform:
    return Platform(
        home,
        now="2024-07-10T12:30",
        derived_timeframes="4h,1d,1w,1M",
        symbols=f"{BTC},{ETH}",
        history_start="2024-01-01",
        site_url="https://page.example",
        dagster_url="https://dagster.example",
    )


@pytest.fixture(scope="module")
def updated(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """After one run from the first month to the last, for tests that change nothing."""
    platform = opened(tmp_path_factory.mktemp("updated") / "home")
    assert platform.update("2024-01-01", "2024-07-01").success
    return platform


@pytest.fixture
def platform(updated: Platform, tmp_path: Path) -> Platform:
    """A copy of ``updated`` with an instance of its own, which has no run yet."""
    return opened(Path(shutil.copytree(updated.settings.home, tmp_path / "home")))


def test_one_run_goes_from_candles_to_valid_published_files(updated: Platform) -> None:
    for timeframe in ("1h", "4h", "1d"):
        history = document(updated, f"history_BTC_USDT_{timeframe}.json")
        prediction = document(updated, f"prediction_BTC_USDT_{timeframe}.json")
        assert_valid("history", history)
        assert_valid("prediction", prediction)
        step = Timeframe.parse(timeframe)
        newest = history["data"][-1]["timestamp"]
        close = step.close_of(datetime.fromisoformat(newest))
        assert datetime.fromisoformat(history["as_of"]) == close
        assert prediction["as_of"] == history["as_of"] == prediction["forecast"][0]["timestamp"]
        assert prediction["forecast"][0]["price"] == history["data"][-1]["close"]
        opens = [datetime.fromisoformat(each["timestamp"]) for each in prediction["forecast"]]
        assert opens == [step.shift(close, candle) for candle in range(24)]
        for each in prediction["forecast"]:
            levels = list(each["quantiles"].values())
            assert levels == sorted(levels)
            assert each["quantiles"]["0.5"] == each["price"]
            assert (each["quantiles"]["0.1"], each["quantiles"]["0.9"]) == (
                each["lower_bound"],
                each["upper_bound"],
            )


def test_readers_and_operators_find_page_and_web_ui(updated: Platform) -> None:
    page = updated.metadata("BTC_USDT/published_1h")["page"]
    assert page == "https://page.example/#/series/BTC_USDT/1h"
    assert updated.manifest["ops"]["dagster_url"] == "https://dagster.example"


def test_the_manifest_has_status_age_and_coverage(updated: Platform) -> None:
    public, ops = entries(updated), entries(updated, "ops")
    assert {name: each["status"] for name, each in public.items()} == {
        f"{symbol} {timeframe}": "insufficient_data" if timeframe in ("1w", "1M") else "fresh"
        for symbol in (BTC, ETH)
        for timeframe in ("1h", "4h", "1d", "1w", "1M")
    }
    hour = public["BTC/USDT 1h"]
    assert (hour["as_of"], hour["stale_at"], hour["hard_stale_at"], hour["serve_allowed"]) == (
        "2024-07-10T12:00:00Z",
        "2024-07-10T13:05:00Z",
        "2024-07-10T14:10:00Z",
        True,
    )
    facts = ops["BTC/USDT 1h"]
    assert (facts["coverage_start"], facts["coverage_end"]) == (
        "2024-01-01T00:00:00Z",
        "2024-07-10T12:00:00Z",
    )
    assert (facts["missing_candles"], facts["degraded"], facts["last_success_at"]) == (
        0,
        False,
        "2024-07-10T12:30:00Z",
    )
    assert len(updated.materialisations("manifest")) == 1  # once a run, which published ten series


def test_published_assets_name_their_files(updated: Platform) -> None:
    facts = updated.metadata("BTC_USDT/published_1h")
    names = {kind: facts[kind] for kind in ("history", "prediction", "manifest")}
    assert names == {
        "history": str(updated.published / "history_BTC_USDT_1h.json"),
        "prediction": str(updated.published / "prediction_BTC_USDT_1h.json"),
        "manifest": str(updated.published / "manifest.json"),
    }
    assert all(Path(name).is_file() for name in names.values())


def test_history_files_show_their_window(updated: Platform) -> None:
    hours = document(updated, "history_BTC_USDT_1h.json")["data"]
    assert len(hours) == 90 * 24  # COIN_HISTORY_WINDOW
    days = document(updated, "history_BTC_USDT_1d.json")["data"]
    assert days[0]["timestamp"] == "2024-01-01T00:00:00Z"  # no window, so all of it


def test_data_that_grows_old_is_not_dressed_up(platform: Platform) -> None:
    for now, word, allowed in (
        ("2024-07-10T13:05:00", "fresh", True),
        ("2024-07-10T13:05:01", "stale", True),
        ("2024-07-10T14:10:01", "hard_stale", False),
    ):
        platform.now = now
        # Publishing again renews the files, not the data in them.
        assert platform.materialise(["BTC_USDT/published_1h"], "2024-07-01").success
        hour = entries(platform)["BTC/USDT 1h"]
        assert (hour["status"], hour["serve_allowed"]) == (word, allowed)
        assert hour["as_of"] == "2024-07-10T12:00:00Z"
        assert (hour["warning"] is None) == (word == "fresh")


def test_a_failing_symbol_fails_alone_and_is_called_degraded(platform: Platform) -> None:
    platform.now = "2024-07-10T13:30"
    platform.market = given(FailingMarket(ETH))
    result = platform.update("2024-07-01")
    assert not result.success
    assert set(failures(result)) == {"ETH_USDT__ohlcv_1h"}
    public, ops = entries(platform), entries(platform, "ops")
    assert public["BTC/USDT 1h"]["as_of"] == "2024-07-10T13:00:00Z"
    assert public["ETH/USDT 1h"]["as_of"] == "2024-07-10T12:00:00Z"
    assert public["ETH/USDT 1h"]["status"] == "stale"
    for timeframe in ("1h", "1d"):
        failing = ops[f"ETH/USDT {timeframe}"]
        assert (failing["degraded"], failing["consecutive_failures"]) == (True, 1)
        assert "down for maintenance" in failing["last_error"]
        assert ops[f"BTC/USDT {timeframe}"]["degraded"] is False
    platform.market = None
    assert platform.update("2024-07-01").success
    assert entries(platform, "ops")["ETH/USDT 1h"]["degraded"] is False


def test_update_for_an_old_month_publishes_the_newest_data(platform: Platform) -> None:
    assert platform.update("2024-05-01").success
    assert entries(platform)["BTC/USDT 1h"]["as_of"] == "2024-07-10T12:00:00Z"


@requires_real_data
def test_an_archive_that_ended_is_hard_stale(tmp_path: Path) -> None:
    platform = Platform(
        tmp_path / "home",
        now="2026-01-10T12:30",
        market=f"archive:{REAL_DATA / 'candles'}",
        history_start="2023-01-01",
        derived_timeframes="1d,1w,1M",
    )
    candles = [f"BTC_USDT/ohlcv_{name}" for name in ("1h", "1d", "1w", "1M")]
    assert platform.materialise(candles, "2023-01-01", "2025-07-01").success
    assert platform.update("2025-06-01", "2025-07-01").success
    assert {name: each["status"] for name, each in entries(platform).items()} == {
        f"{BTC} {timeframe}": "hard_stale" for timeframe in ("1h", "1d", "1w", "1M")
    }
    for name, each in entries(platform).items():
        assert each["serve_allowed"] is False, name
        assert each["prediction"] is not None, name
    # The hours of the week of 30 June are not all there, so the week is not.
    assert platform.store.newest_candles([series("1w"), series("1d"), series("1M")]) == {
        series("1w"): utc("2025-06-23"),
        series("1d"): utc("2025-06-30"),
        series("1M"): utc("2025-06-01"),
    }
    kinds = platform.store.read_forecasts(series("1h"), utc("2025-07-01"), utc("2025-08-01"))[
        "kind"
    ]
    assert set(kinds) == {"backtest"}
