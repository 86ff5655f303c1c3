"""``reconcile``: stored candles against those of the market, as check results.

- Differences are results, named bucket by bucket; only what could not be compared is a failure.
- Candles derived from real hours show which native days were saved unfinished.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from coin_assets.domain.series import Series
from coin_assets.errors import MarketUnavailable, SymbolUnavailable
from coin_assets.market.base import Page
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.orchestration.build import configured_resources, series_specs
from coin_assets.orchestration.checks.reconciled import RECONCILED, reconciled_check
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.market.spoiled import Spoiled, SpoiledMarket
from coin_assets_tests.platform import (
    ETH,
    Platform,
    StoppedClock,
    failures,
    given,
    series,
    utc,
)
from coin_assets_tests.realdata import bad_file, real_candles, requires_real_data

NOW = "2024-07-10T12:30"
CANDLES = [f"BTC_USDT/ohlcv_{name}" for name in ("1h", "1d", "1w")]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    platform = Platform(tmp_path_factory.mktemp("home"), now=NOW)
    assert platform.materialise(CANDLES, "2024-03-01", "2024-07-01").success
    return platform


@pytest.fixture(autouse=True)
def _sandbox(request: pytest.FixtureRequest) -> None:
    if "platform" in request.fixturenames:
        request.getfixturevalue("platform").market = None


def results(platform: Platform, result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """Check results of a run by timeframe, as the instance remembers them."""
    found = {}
    for spec in series_specs(platform.settings):
        asset = spec.asset_key("candles")
        history = platform.instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(asset, RECONCILED), limit=1
        )
        for record in history:
            if record.run_id == result.run_id:
                assert record.event is not None
                event = record.event.get_dagster_event().asset_check_evaluation_data
                values = {name: value.value for name, value in event.metadata.items()}
                found[spec.series.timeframe.name] = event, values
    return found


def log_lines(platform: Platform, result: dg.ExecuteInProcessResult) -> list[str]:
    return [entry.user_message for entry in platform.instance.all_logs(result.run_id)]


def tampered(platform: Platform, timeframe: str, opened: str) -> tuple[Series, pd.DataFrame]:
    """Store another close for one candle; returns how to put it back."""
    which, start = series(timeframe), utc(opened)
    end = which.timeframe.close_of(start)
    candles = platform.store.read_candles(which, start, end)
    changed = candles.assign(close=(candles["low"] + candles["open"]) / 2)
    platform.store.merge_candles(which, changed, start, end)
    return which, candles


def test_on_the_sandbox_nothing_differs(platform: Platform) -> None:
    result = platform.run("reconcile", depth="deep")
    assert result.success
    found = results(platform, result)
    assert set(found) == {"1h", "1d", "1w"}
    for event, facts in found.values():
        assert event.passed
        assert (facts["missing"], facts["extra"], facts["differing"]) == (0, 0, 0)
    # 90 days up to the newest closed candle; weeks of 90 days begin on a Monday.
    assert [found[name][1]["compared"] for name in ("1h", "1d", "1w")] == [90 * 24, 90, 13]
    assert "3 of 3 series compared, 0 with differences, 0 not offered, 0 failed" in log_lines(
        platform, result
    )


def test_quick_looks_at_a_day_and_at_least_three_candles(platform: Platform) -> None:
    found = results(platform, platform.run("reconcile"))
    assert [found[name][1]["compared"] for name in ("1h", "1d", "1w")] == [24, 3, 3]


def test_only_what_is_chosen_is_compared(platform: Platform) -> None:
    assert set(results(platform, platform.run("reconcile", timeframes=["1d"]))) == {"1d"}


@pytest.mark.parametrize(("timeframe", "opened"), [("1d", "2024-06-20"), ("1h", "2024-06-20")])
def test_a_tampered_candle_is_shown_with_both_values(
    platform: Platform, timeframe: str, opened: str
) -> None:
    which, candles = tampered(platform, timeframe, opened)
    result = platform.run("reconcile", depth="deep")
    assert result.success
    event, facts = results(platform, result)[timeframe]
    assert not event.passed
    assert event.severity is dg.AssetCheckSeverity.ERROR
    assert (facts["missing"], facts["extra"], facts["differing"]) == (0, 0, 1)
    assert "| 2024-06-20 00:00 | differing |" in facts["differences"]
    assert f" / {candles['close'].iloc[0]:.12g} |" in facts["differences"]
    assert [event.passed for event, _ in results(platform, result).values()].count(False) == 1
    end = which.timeframe.close_of(utc(opened))
    platform.store.merge_candles(which, candles, utc(opened), end)
    assert all(e.passed for e, _ in results(platform, platform.run("reconcile")).values())


def test_missing_and_extra_candles_are_warnings(platform: Platform) -> None:
    platform.market = given(PatchyMarket([("2024-06-20T05:00", "2024-06-20T07:00")]))
    removed = series("1h"), utc("2024-06-21T05:00"), utc("2024-06-21T06:00")
    candles = platform.store.read_candles(*removed)
    platform.store.delete_candles(*removed)
    event, facts = results(platform, platform.run("reconcile", depth="deep"))["1h"]
    platform.store.merge_candles(removed[0], candles, *removed[1:])
    assert event.severity is dg.AssetCheckSeverity.WARN
    assert not event.passed
    assert (facts["missing"], facts["extra"], facts["differing"]) == (1, 2, 0)


class LimitedMarket(PatchyMarket):
    """A market that fails for one timeframe."""

    def __init__(self, timeframe: str, error: Exception, **options: Any) -> None:
        super().__init__(**options)
        self.timeframe, self.error = timeframe, error

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        if series.timeframe.name == self.timeframe:
            raise self.error
        yield from super().pages(series, start, end, now)


def test_a_timeframe_that_the_market_does_not_offer_is_counted(platform: Platform) -> None:
    platform.market = given(LimitedMarket("1w", SymbolUnavailable("no weeks here")))
    result = platform.run("reconcile")
    assert result.success
    assert set(results(platform, result)) == {"1h", "1d"}
    assert "BTC/USDT 1w: not offered by the market (no weeks here)" in log_lines(platform, result)
    assert "2 of 3 series compared, 0 with differences, 1 not offered, 0 failed" in log_lines(
        platform, result
    )


def test_a_market_that_is_down_fails_the_job_after_the_others(platform: Platform) -> None:
    platform.market = given(LimitedMarket("1h", MarketUnavailable("down")))
    result = platform.run("reconcile")
    message = failures(result)["reconcile_candles"]
    assert "1 of 3 series failed: BTC/USDT 1h: down" in message
    assert set(results(platform, result)) == {"1d", "1w"}


def test_an_error_of_a_part_is_no_absence_and_the_rest_is_compared(platform: Platform) -> None:
    down = Spoiled("2024-06-20", "2024-06-21", MarketUnavailable("down"))
    platform.market = given(SpoiledMarket(SandboxMarket(), [down]))
    _, candles = tampered(platform, "1h", "2024-06-25T05:00")
    result = platform.run("reconcile", depth="deep", timeframes=["1h"])
    hour = utc("2024-06-25T05:00"), utc("2024-06-25T06:00")
    platform.store.merge_candles(series("1h"), candles, *hour)
    event, facts = results(platform, result)["1h"]
    assert (facts["missing"], facts["extra"], facts["differing"]) == (0, 0, 1)
    assert (facts["compared"], facts["uncompared"]) == (89 * 24, 24)
    assert facts["error"] == "down"
    assert "24 not compared. A part could not be read: down" in event.description
    assert "1 of 1 series failed: BTC/USDT 1h: down" in failures(result)["reconcile_candles"]


def test_an_unread_part_alone_does_not_pass(platform: Platform) -> None:
    down = Spoiled("2024-06-20", "2024-06-21", MarketUnavailable("down"))
    platform.market = given(SpoiledMarket(SandboxMarket(), [down]))
    event, facts = results(platform, platform.run("reconcile", depth="deep"))["1d"]
    assert (facts["missing"], facts["extra"], facts["differing"]) == (0, 0, 0)
    assert (event.passed, event.severity) == (False, dg.AssetCheckSeverity.WARN)


def test_stored_candles_that_are_sent_broken_or_no_longer_served_are_no_extra_ones(
    platform: Platform,
) -> None:
    old, broken = Spoiled("2024-01-01", "2024-05-01"), ["2024-06-20T05:00"]
    platform.market = given(SpoiledMarket(SandboxMarket(), [old], broken))
    result = platform.run("reconcile", depth="deep", timeframes=["1h"])
    assert result.success
    event, facts = results(platform, result)["1h"]
    assert event.passed
    gone = (utc("2024-05-01") - facts_start(facts)) // timedelta(hours=1)
    assert gone > 400
    assert facts["uncompared"] == gone + 1
    assert facts["compared"] == 90 * 24 - gone - 1


def facts_start(facts: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(facts["start"], UTC)


def test_a_range_without_any_readable_part_is_an_error(platform: Platform) -> None:
    down = Spoiled("2024-01-01", "2024-08-01", MarketUnavailable("down"))
    platform.market = given(SpoiledMarket(SandboxMarket(), [down]))
    result = platform.run("reconcile", timeframes=["1h"])
    assert results(platform, result) == {}
    assert "BTC/USDT 1h: down" in failures(result)["reconcile_candles"]


def test_days_without_any_source_candle_are_explained(tmp_path: Path) -> None:
    class WithItsOwnDays(PatchyMarket):
        """The hours are absent; the exchange publishes the day nevertheless."""

        hours = (("2024-06-20", "2024-06-21"),)

        def pages(
            self, series: Series, start: datetime, end: datetime, now: datetime
        ) -> Iterator[Page]:
            own = (
                PatchyMarket() if series.timeframe.name == "1d" else PatchyMarket(list(self.hours))
            )
            yield from own.pages(series, start, end, now)

    platform = Platform(tmp_path, now=NOW, derived_timeframes="1d")
    platform.market = given(WithItsOwnDays())
    assert platform.materialise(CANDLES[:2], "2024-06-01", "2024-07-01").success
    (_, facts) = results(platform, platform.run("reconcile", depth="deep"))["1d"]
    assert (facts["missing"], facts["explained"]) == (1, 0)  # requested once only
    platform.now = "2024-07-10T14:30"
    assert platform.materialise(CANDLES[:1], "2024-06-01").success
    (_, facts) = results(platform, platform.run("reconcile", depth="deep"))["1d"]
    assert (facts["missing"], facts["explained"]) == (0, 1)


def test_nothing_stored_is_nothing_to_compare(tmp_path: Path) -> None:
    empty = Platform(tmp_path, now=NOW)
    result = empty.run("reconcile")
    assert result.success
    assert results(empty, result) == {}
    assert "0 of 3 series compared, 0 with differences, 0 not offered, 0 failed" in log_lines(
        empty, result
    )


@pytest.mark.parametrize(
    "config", [{"depth": "shallow"}, {"symbols": [ETH]}, {"timeframes": ["2h"]}]
)
def test_bad_config_is_refused_with_the_value(platform: Platform, config: dict[str, Any]) -> None:
    (value,) = config.values()
    message = failures(platform.run("reconcile", **config))["reconcile_candles"]
    assert (value if isinstance(value, str) else value[0]) in message


def test_the_declared_check_compares_quickly(platform: Platform) -> None:
    spec = next(
        spec for spec in series_specs(platform.settings) if spec.series.timeframe.name == "1d"
    )
    resources: dict[str, Any] = configured_resources(platform.settings)._asdict()
    clock = StoppedClock(settle_seconds=2, at=NOW)

    def run() -> dg.AssetCheckEvaluation:
        definitions = dg.Definitions(
            assets=[dg.AssetSpec(spec.asset_key("candles"))],
            asset_checks=[reconciled_check(spec)],
            jobs=[dg.define_asset_job("check", dg.AssetSelection.all_asset_checks())],
            resources=resources | {"clock": clock},
        )
        job = definitions.resolve_job_def("check")
        (event,) = job.execute_in_process(instance=platform.instance).get_asset_check_evaluations()
        return event

    assert run().passed
    which, candles = tampered(platform, "1d", "2024-07-08")
    event = run()
    platform.store.merge_candles(which, candles, utc("2024-07-08"), utc("2024-07-09"))
    assert (event.passed, event.metadata["differing"].value) == (False, 1)


class TestRealCandles:
    """Hours, and days of which the last two were saved unfinished."""

    STALE = ("2025-06-29", "2025-06-30")

    def reconciled(self, home: Path, archive: Path) -> tuple[dg.AssetCheckEvaluation, Any]:
        platform = Platform(
            home,
            now="2025-07-02T00:30",
            market=f"archive:{archive}",
            history_start="2025-03-01",
            derived_timeframes="1d",
        )
        assert platform.materialise(CANDLES[:2], "2025-03-01", "2025-06-01").success
        result = platform.run("reconcile", depth="deep")
        assert result.success
        found = results(platform, result)
        assert found["1h"][0].passed
        event, facts = found["1d"]
        return event, facts

    @requires_real_data
    def test_both_unfinished_days_and_no_others_are_reported(self, tmp_path: Path) -> None:
        archive = tmp_path / "archive"
        archive.mkdir()
        hours, days = real_candles("BTC/USDT", "1h"), real_candles("BTC/USDT", "1d")
        hours.to_parquet(archive / "BTC_USDT_1h.parquet")
        for row, opened in zip(days.index[-2:], self.STALE, strict=True):
            until = utc(opened) + timedelta(hours=9)
            seen = hours[(hours["timestamp"] >= utc(opened)) & (hours["timestamp"] < until)]
            days.loc[row, "high"] = seen["high"].max()
            days.loc[row, "low"] = seen["low"].min()
            days.loc[row, "close"] = seen["close"].iloc[-1]
            days.loc[row, "volume"] = seen["volume"].sum()
        days.to_csv(archive / "BTC_USDT_1d.csv", index=False)
        event, facts = self.reconciled(tmp_path / "home", archive)
        assert not event.passed
        assert (facts["compared"], facts["missing"], facts["extra"]) == (90, 0, 0)
        rows = [line for line in facts["differences"].splitlines() if line.startswith("| 20")]
        assert [row[2:12] for row in rows] == list(self.STALE)

    @requires_real_data
    def test_the_stale_file_agrees_where_its_days_were_finished(self, tmp_path: Path) -> None:
        archive = tmp_path / "archive"
        archive.mkdir()
        real_candles("BTC/USDT", "1h").to_parquet(archive / "BTC_USDT_1h.parquet")
        file = pd.read_csv(bad_file("BTC_1d_stale_partial_tail.csv"))
        file.rename(columns={"open_time": "timestamp"}).to_csv(
            archive / "BTC_USDT_1d.csv", index=False
        )
        event, facts = self.reconciled(tmp_path / "home", archive)
        assert event.passed
        assert (facts["compared"], facts["missing"], facts["extra"]) == (90, 0, 0)
