"""Materialising candles: any month, any range, any number of times, with the same bytes.

- A month holds every closed candle; the running month grows by the ones that closed since.
- Derived candles exist only when their source is covered; a week that straddles months waits.
- What cannot be done fails with an error that names months or candles, and what to do.
"""

from datetime import datetime
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from coin_assets.domain.candles.frame import between
from coin_assets.market.sandbox import SandboxMarket
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.platform import BTC, ETH, Platform, failures, files_of, given, series, utc

HOUR, DAY, WEEK = "BTC_USDT/ohlcv_1h", "BTC_USDT/ohlcv_1d", "BTC_USDT/ohlcv_1w"


def sandbox(start: str, end: str, timeframe: str = "1h") -> pd.DataFrame:
    pages = SandboxMarket().pages(series(timeframe), utc(start), utc(end), utc("2030-01-01"))
    return pd.concat([page.candles for page in pages], ignore_index=True)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(tmp_path / "home", now="2024-07-10T12:30")


def test_one_month_holds_every_candle_of_it(platform: Platform) -> None:
    assert platform.materialise([HOUR], "2024-02-01").success
    stored = platform.store.read_candles(series("1h"), utc("2020-01-01"), utc("2030-01-01"))
    pd.testing.assert_frame_equal(stored, sandbox("2024-02-01", "2024-03-01"))
    facts = platform.metadata(HOUR, "2024-02-01")
    assert facts["dagster/partition_row_count"] == 29 * 24
    assert facts["rows_changed"] == 29 * 24
    assert (facts["missing"], facts["partial"], facts["origin"]) == (0, 0, "fetched")
    assert facts["window"] == "[2024-02-01, 2024-03-01)"
    assert facts["first_candle"] == utc("2024-02-01").timestamp()
    assert facts["last_candle"] == utc("2024-02-29T23:00").timestamp()


def test_a_range_of_months_is_recorded_month_by_month(platform: Platform) -> None:
    assert platform.materialise([HOUR, DAY], "2024-02-01", "2024-04-01").success
    for asset in (HOUR, DAY):
        recorded = platform.materialisations(asset)
        assert sorted(str(month) for month in recorded) == [
            "2024-02-01",
            "2024-03-01",
            "2024-04-01",
        ]
    assert platform.metadata(DAY, "2024-02-01")["dagster/partition_row_count"] == 29
    assert platform.metadata(DAY, "2024-03-01")["dagster/partition_row_count"] == 31
    assert platform.metadata(DAY, "2024-04-01")["origin"] == "derived"


def test_the_same_range_twice_gives_the_same_bytes(platform: Platform) -> None:
    assets = [HOUR, DAY, WEEK]
    platform.materialise(assets, "2024-02-01", "2024-05-01")
    once = files_of(platform.settings.home / "candles")
    assert (
        platform.materialise(assets, "2024-02-01", "2024-05-01").success is False
    )  # 1w, see below
    assert platform.materialise([HOUR, DAY], "2024-02-01", "2024-05-01").success
    assert files_of(platform.settings.home / "candles") == once
    assert platform.metadata(HOUR, "2024-03-01")["rows_changed"] == 0
    assert platform.metadata(DAY, "2024-03-01")["rows_changed"] == 0


def test_month_by_month_gives_the_bytes_of_one_range(tmp_path: Path) -> None:
    ranged = Platform(tmp_path / "ranged", now="2024-07-10T12:30")
    single = Platform(tmp_path / "single", now="2024-07-10T12:30")
    assert ranged.materialise([HOUR, DAY], "2024-02-01", "2024-04-01").success
    for month in ("2024-04-01", "2024-02-01", "2024-03-01"):
        assert single.materialise([HOUR, DAY], month).success
    candles = files_of(ranged.settings.home / "candles")
    assert len(candles) == 6
    assert files_of(single.settings.home / "candles") == candles


def test_derived_candles_equal_those_of_the_market(platform: Platform) -> None:
    assert platform.materialise([HOUR, DAY, WEEK], "2024-01-01", "2024-07-01").success
    for timeframe in ("1d", "1w"):
        stored = platform.store.read_candles(
            series(timeframe), utc("2020-01-01"), utc("2030-01-01")
        )
        market = between(sandbox("2024-01-01", "2024-07-10", timeframe), *stored_span(stored))
        pd.testing.assert_frame_equal(stored, market, rtol=1e-9, atol=0)
    newest = platform.store.newest_candles([series("1d"), series("1w")])
    assert newest == {series("1d"): utc("2024-07-09"), series("1w"): utc("2024-07-01")}


def stored_span(candles: pd.DataFrame) -> tuple[datetime, datetime]:
    return candles["timestamp"].iloc[0], candles["timestamp"].iloc[-1] + pd.Timedelta(days=1)


def test_buckets_that_open_before_the_history_are_not_derived(tmp_path: Path) -> None:
    platform = Platform(tmp_path, now="2024-04-10T12:30", history_start="2024-02-01")
    assert platform.materialise([HOUR, WEEK], "2024-02-01", "2024-04-01").success
    extent = platform.store.extent(series("1w"))
    assert extent is not None
    assert extent.first == utc("2024-02-05")  # 2024-02-01 is a Thursday of the week before


def test_a_week_that_straddles_months_is_refused_until_the_later_month_is_there(
    platform: Platform,
) -> None:
    platform.materialise([HOUR], "2024-04-01")
    refused = platform.materialise([WEEK], "2024-04-01")  # its last week ends on 5 May
    assert not refused.success
    message = failures(refused)["BTC_USDT__ohlcv_1w"]
    assert "2024-05" in message
    assert "BTC_USDT/ohlcv_1h" in message
    assert platform.store.extent(series("1w")) is None
    platform.materialise([HOUR], "2024-05-01")
    assert platform.materialise([WEEK], "2024-04-01").success
    newest = platform.store.newest_candles([series("1w")])
    assert newest == {series("1w"): utc("2024-04-29")}


def test_a_source_that_was_never_fetched_is_named(platform: Platform) -> None:
    refused = platform.materialise([DAY], "2024-02-01", "2024-03-01")
    assert "2024-02 to 2024-03 were never fetched" in failures(refused)["BTC_USDT__ohlcv_1d"]


def test_the_running_month_grows_by_the_candles_that_closed_since(tmp_path: Path) -> None:
    platform = Platform(tmp_path, now="2024-03-05T10:00:02")
    market = PatchyMarket([])
    platform.market = given(market)
    assert platform.materialise([HOUR], "2024-03-01").success
    assert platform.metadata(HOUR)["dagster/partition_row_count"] == 4 * 24 + 10
    platform.now = "2024-03-05T12:00:02"
    assert platform.materialise([HOUR], "2024-03-01").success
    facts = platform.metadata(HOUR)
    assert (facts["dagster/partition_row_count"], facts["rows_changed"]) == (4 * 24 + 12, 2)
    assert facts["lag_seconds"] == 2.0
    # The three newest candles are read again (COIN_REREAD_CANDLES), nothing before them.
    assert market.asked[-1] == (utc("2024-03-05T07:00"), utc("2024-03-05T12:00"))


def test_a_candle_is_stored_only_after_it_settled(tmp_path: Path) -> None:
    platform = Platform(tmp_path, now="2024-03-05T10:00:01")
    assert platform.materialise([HOUR], "2024-03-01").success
    assert platform.store.newest_candles([series("1h")]) == {series("1h"): utc("2024-03-05T08:00")}


def test_a_late_candle_fails_the_step_until_it_comes(tmp_path: Path) -> None:
    platform = Platform(tmp_path, now="2024-03-05T10:00:02")
    platform.market = given(PatchyMarket([("2024-03-05T09:00", "2024-03-05T10:00")]))
    late = platform.materialise([HOUR], "2024-03-01")
    assert "2024-03-05 09:00" in failures(late)["BTC_USDT__ohlcv_1h"]
    assert platform.store.newest_candles([series("1h")]) == {series("1h"): utc("2024-03-05T08:00")}
    platform.market = given(PatchyMarket([]))
    assert platform.materialise([HOUR], "2024-03-01").success


def test_a_hole_that_the_market_has_passed_is_kept_and_counted(tmp_path: Path) -> None:
    platform = Platform(tmp_path, now="2024-05-05T10:00:02")
    platform.market = given(
        PatchyMarket([("2024-03-10T05:00", "2024-03-10T09:00"), ("2024-03-31", "2024-04-01T02:00")])
    )
    assert platform.materialise([HOUR, DAY], "2024-03-01", "2024-04-01").success
    march = platform.metadata(HOUR, "2024-03-01")
    assert march["missing"] == 4 + 24
    assert march["gaps"].startswith("2024-03-10 05:00 to 2024-03-10 09:00 (4) pending; ")
    days = platform.metadata(DAY, "2024-03-01")
    assert (days["dagster/partition_row_count"], days["partial"], days["missing"]) == (30, 1, 1)
    assert platform.metadata(DAY, "2024-04-01")["partial"] == 1


def test_months_before_listing_are_empty_and_not_missing(tmp_path: Path) -> None:
    platform = Platform(tmp_path, now="2024-05-05T10:00:02")
    platform.market = given(PatchyMarket(listed="2024-02-10T03:00"))
    assert platform.materialise([HOUR, DAY], "2024-01-01", "2024-02-01").success
    january, february = (platform.metadata(HOUR, f"2024-0{month}-01") for month in (1, 2))
    assert (january["dagster/partition_row_count"], january["missing"]) == (0, 0)
    assert (february["dagster/partition_row_count"], february["missing"]) == (20 * 24 - 3, 0)
    assert platform.store.fetched_months(series("1h")) == [utc("2024-01-01"), utc("2024-02-01")]


def test_from_code_a_single_asset_is_materialised_as_any_other(platform: Platform) -> None:
    asset = platform.definitions.resolve_assets_def(dg.AssetKey(HOUR.split("/")))
    result = dg.materialize([asset], partition_key="2024-03-01", instance=platform.instance)
    assert result.success
    assert platform.store.count_candles(series("1h"), utc("2024-03-01"), utc("2024-04-01")) == 744


def test_one_failing_symbol_leaves_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    sandbox("2024-01-01", "2024-03-01").to_parquet(folder / "BTC_USDT_1h.parquet")
    platform = Platform(
        tmp_path / "home",
        now="2024-03-05T00:00",
        market=f"archive:{folder}",
        symbols=f"{BTC},{ETH}",
    )
    result = platform.update("2024-01-01", "2024-03-01")
    assert not result.success
    message = failures(result)
    assert set(message) == {"ETH_USDT__ohlcv_1h"}
    assert str(folder / "ETH_USDT_1h.parquet") in message["ETH_USDT__ohlcv_1h"]
    assert (platform.published / "prediction_BTC_USDT_1h.json").exists()
    assert len(platform.materialisations("BTC_USDT/published_1w")) == 1
    assert not list(platform.published.glob("*ETH*"))
