"""A tick ends in time whatever is left to do, and the next ones do the rest: no series starves.

Each reading of the clock takes ten seconds here, so that a tick has time for two parts at most.
"""

from collections.abc import Callable, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.orchestration.build import series_specs
from coin_assets.orchestration.resources import Clock
from coin_assets.orchestration.sensors import failed_steps, tick_time
from coin_assets.orchestration.sensors.runs import runs_of
from coin_assets.orchestration.sensors.tick_time import (
    TICK_SECONDS,
    Rotation,
    TickTime,
    left_over,
    parts_of,
)
from coin_assets_tests.platform import Platform, utc

SYMBOLS = ("A/USDT", "B/USDT", "C/USDT", "D/USDT", "E/USDT")
NOW = "2024-02-10T12:30"


def ticking(*steps: float) -> Callable[[], float]:
    """A clock that reads these times, then the last one for good."""
    times = chain(steps, repeat(steps[-1]))
    return lambda: next(times)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock on which ten seconds pass with each reading, and parts of one symbol."""
    readings = iter(range(10**6))
    monkeypatch.setattr(Clock, "monotonic", lambda _self: 10.0 * next(readings))
    monkeypatch.setattr(tick_time, "_PART_SYMBOLS", 1)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """Five symbols of which nothing is stored."""
    return Platform(tmp_path / "home", NOW, symbols=",".join(SYMBOLS), derived_timeframes="4h")


def symbols_of(requests: Sequence[dg.RunRequest] | None) -> set[str]:
    keys = [key for each in requests or [] for key in each.asset_selection or []]
    return {key.path[0].replace("_", "/") for key in keys}


# -------------------------------------------------------------------------------------- the parts


def test_a_tick_has_a_time_and_no_more() -> None:
    time_left = TickTime(ticking(100.0, 100.0, 124.9, 125.0, 999.0))
    assert time_left.left() == TICK_SECONDS
    assert not time_left.is_over()
    assert time_left.is_over()
    assert time_left.left() == 0.0


@given(count=st.integers(1, 30), allowed=st.lists(st.integers(1, 9), min_size=60, max_size=60))
def test_items_are_taken_in_turn_and_none_waits_for_more_than_one_round(
    count: int, allowed: list[int]
) -> None:
    rotation, taken = Rotation(range(count)), list[int]()
    for most in allowed:
        # The budget is over once as many items as ``most`` were taken.
        time_left = TickTime(ticking(0.0, *[0.0] * (most - 1), TICK_SECONDS))
        found = list(rotation.take(time_left))
        assert len(found) == min(most, count)
        taken += found
    assert taken == [number % count for number in range(len(taken))]


def test_with_time_enough_each_tick_takes_every_item_from_the_first_one_on() -> None:
    rotation = Rotation("abc")
    for _ in range(3):
        assert list(rotation.take(TickTime(lambda: 0.0))) == ["a", "b", "c"]


def test_a_part_holds_whole_symbols(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tick_time, "_PART_SYMBOLS", 2)
    specs = series_specs(platform.settings)
    parts = parts_of(specs)
    assert [spec for part in parts for spec in part] == list(specs)
    assert [len({spec.series.symbol for spec in part}) for part in parts] == [2, 2, 1]
    assert (left_over(3, 3), left_over(1, 3)) == (
        "",
        "; the time of a tick was over, 2 series follow in the next one",
    )


# ------------------------------------------------------------------------------------ the sensors


@pytest.mark.usefixtures("slow")
def test_candles_due_requests_some_series_at_once_and_the_others_at_the_next_ticks(
    platform: Platform,
) -> None:
    requested = list[set[str]]()
    for _ in SYMBOLS:
        found = platform.tick("candles_due").run_requests
        requested.append(symbols_of(found))
        for request in found or []:
            platform.begin(request)
        if set().union(*requested) == set(SYMBOLS):
            break
    assert set().union(*requested) == set(SYMBOLS)
    assert len(requested) > 1
    assert sum(map(len, requested)) == len(SYMBOLS)  # none twice


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("sensor", ["publish_due", "late_candles", "health_alerts"])
def test_a_tick_says_what_it_left_to_the_next_ones(platform: Platform, sensor: str) -> None:
    assert "follow in the next one" in str(platform.tick(sensor).skip_message)


@pytest.mark.usefixtures("slow")
def test_alerts_wait_until_every_series_was_looked_at(platform: Platform) -> None:
    """A condition that nobody looked at would count as over."""
    reasons = [str(platform.tick("health_alerts").skip_message) for _ in SYMBOLS]
    assert reasons[0].startswith("starting")
    assert not reasons[-1].startswith("starting")
    assert "insufficient_data" in reasons[-1] or "missing" in reasons[-1]


@pytest.mark.usefixtures("slow")
def test_the_manifest_waits_until_every_series_was_looked_at(platform: Platform) -> None:
    found = [len(platform.tick("publish_due").asset_events) for _ in SYMBOLS]
    assert found[0] == 0
    assert sum(found) == 1


def test_with_time_enough_nothing_is_left(platform: Platform) -> None:
    for sensor in ("publish_due", "late_candles", "health_alerts"):
        assert "follow in the next one" not in str(platform.tick(sensor).skip_message)
    assert symbols_of(platform.tick("candles_due").run_requests) == set(SYMBOLS)


def test_a_failed_run_that_was_not_read_in_time_counts_as_in_flight(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache: dict[str, Any] = {}
    monkeypatch.setattr(failed_steps, "_CACHE", cache)
    (request, *_) = platform.tick("candles_due").run_requests or []
    run = platform.begin(request)
    platform.instance.report_run_failed(run, "killed")
    specs = series_specs(platform.settings)
    month = utc("2024-02-01")
    machine = platform.overrides["clock"].machine_time()
    late = runs_of(platform.instance, specs, machine, month, TickTime(ticking(0.0, TICK_SECONDS)))
    assert late.in_flight
    assert not late.failures
    assert not cache
    after = runs_of(platform.instance, specs, machine, month, TickTime(lambda: 0.0))
    assert not after.in_flight
    assert {task for task, _ in late.in_flight} == set(after.failures)
    again = runs_of(platform.instance, specs, machine, month, TickTime(ticking(0.0, TICK_SECONDS)))
    assert again.failures == after.failures  # what was read once costs nothing
