"""Runs fetch their source series at the same time; each step reports its own series.

- Events, metadata and bytes are those of a run whose steps fetch one after the other.
- A failing series fails its own step; a repeated step fetches by itself.
- Ranges of months and single series are fetched by their steps, what the disk refuses not at all.
- No thread outlives the run, whether it succeeds, fails or is cancelled.
"""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from coin_assets.market.ccxt import CcxtMarket
from coin_assets.orchestration.resources import DiskResource
from coin_assets.pipeline.fetch_ahead import FetchesAhead
from coin_assets_tests.market.busy import BusyExchange
from coin_assets_tests.market.faults import http_status, json_error
from coin_assets_tests.platform import Platform, failures, files_of, given, series, utc

NOW = "2024-03-05T10:00:02"
SYMBOLS = [f"C{number}/USDT" for number in range(5)]
HOURS = [f"C{number}_USDT/ohlcv_1h" for number in range(5)]
STEPS = [hour.replace("/", "__") for hour in HOURS]


@pytest.fixture
def exchange() -> Iterator[BusyExchange]:
    with BusyExchange(utc(NOW), SYMBOLS, delay=0.3) as running:
        yield running


def platform_at(home: Path, exchange: BusyExchange, **settings: Any) -> Platform:
    platform = Platform(home, now=NOW, symbols=",".join(SYMBOLS), **settings)
    platform.market = given(CcxtMarket("binance", exchange.configure, lambda _seconds: None))
    return platform


@pytest.fixture
def platform(tmp_path: Path, exchange: BusyExchange) -> Platform:
    return platform_at(tmp_path / "home", exchange)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [each for each in threading.enumerate() if each.name.startswith("fetch")] == []


def test_a_run_fetches_all_its_series_at_once_and_each_step_reports_its_own(
    tmp_path: Path, exchange: BusyExchange, platform: Platform
) -> None:
    assert platform.materialise(HOURS, "2024-03-01").success
    assert exchange.most_at_once > 2
    facts = [platform.metadata(hour) for hour in HOURS]
    assert {each["dagster/partition_row_count"] for each in facts} == {4 * 24 + 10}
    assert sum(each["requests"] for each in facts) == len(exchange.requests)
    assert {each["retries"] for each in facts} == {0}

    exchange.delay, exchange.most_at_once = 0.0, 0
    in_turn = platform_at(tmp_path / "in turn", exchange)
    for hour in HOURS:
        assert in_turn.materialise([hour], "2024-03-01").success
    assert exchange.most_at_once == 1
    for folder in ("candles", "ledger"):
        expected = files_of(tmp_path / "in turn" / folder)
        assert files_of(tmp_path / "home" / folder) == expected
        assert len(expected) == len(HOURS)


def test_a_failing_series_fails_its_own_step_and_a_repeated_step_fetches_itself(
    exchange: BusyExchange, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coin_assets.market.retrying.MOST_TRIES", 1)
    taken: list[str] = []
    take = FetchesAhead.take

    def counted(self: FetchesAhead, *arguments: Any) -> Any:
        taken.append(arguments[0].series.symbol)
        return take(self, *arguments)

    exchange.delay, exchange.broken["C2USDT"] = 0.0, http_status(503)
    with patch.object(FetchesAhead, "take", counted):
        result = platform.materialise(HOURS, "2024-03-01")
    assert set(failures(result)) == {STEPS[2]}
    assert "binance did not deliver C2/USDT 1d candles" in failures(result)[STEPS[2]]
    repeated = [each for each in result.all_events if each.is_step_restarted]
    assert [each.step_key for each in repeated] == [STEPS[2]] * 2
    assert sorted(taken) == SYMBOLS
    exchange.broken.clear()
    assert platform.materialise(HOURS, "2024-03-01").success


def test_a_lasting_error_is_the_same_failure_as_in_a_step_of_its_own(
    exchange: BusyExchange, platform: Platform
) -> None:
    exchange.delay, exchange.broken["C1USDT"] = 0.0, json_error(-1121, "Invalid symbol.")
    together = failures(platform.materialise(HOURS, "2024-03-01"))
    alone = failures(platform.materialise(HOURS[1:2], "2024-03-01"))
    assert together == alone
    assert set(together) == {STEPS[1]}


@pytest.mark.parametrize(
    ("hours", "last"), [(HOURS[:1], None), (HOURS[:3], "2024-03-01")], ids=["series", "months"]
)
def test_single_series_and_ranges_of_months_are_fetched_by_their_steps(
    exchange: BusyExchange, platform: Platform, hours: list[str], last: str | None
) -> None:
    exchange.delay = 0.02
    assert platform.materialise(hours, "2024-02-01" if last else "2024-03-01", last).success
    assert exchange.most_at_once == 1


def test_a_full_disk_refuses_history_before_anything_is_requested(
    exchange: BusyExchange, platform: Platform, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir(exist_ok=True)
    platform.disk = DiskResource(home=str(tmp_path / "home"), warn=0, critical=0, block=0)
    result = platform.materialise(HOURS, "2024-01-01")
    assert set(failures(result)) == set(STEPS)
    assert exchange.requests == []
    assert platform.materialise(HOURS, "2024-03-01").success  # live months are never refused


def test_only_series_of_the_run_are_fetched(exchange: BusyExchange, platform: Platform) -> None:
    exchange.delay = 0.02
    assert platform.materialise(HOURS[1:4], "2024-03-01").success
    asked = {request.query["symbol"] for request in exchange.asked()}
    assert asked == {"C1USDT", "C2USDT", "C3USDT"}


def test_a_run_whose_steps_are_interrupted_ends_its_threads_and_keeps_what_they_stored(
    exchange: BusyExchange, platform: Platform
) -> None:
    exchange.delay, exchange.page, platform.retries = 1.0, 20, 0
    with patch.object(FetchesAhead, "take", side_effect=DagsterExecutionInterruptedError):
        result = platform.materialise(HOURS, "2024-03-01")
    assert set(failures(result)) == set(STEPS)
    assert len(exchange.requests) < 45  # undisturbed it is 51
    assert [each for each in threading.enumerate() if each.name.startswith("fetch")] == []
    exchange.delay = 0.0
    assert platform.materialise(HOURS, "2024-03-01").success
    newest = platform.store.newest_candles([series("1h", symbol) for symbol in SYMBOLS])
    assert set(newest.values()) == {utc("2024-03-05T09:00")}
