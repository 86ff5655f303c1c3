"""Benchmark ``live``: from the close of a candle to its published files, in a live installation."""

import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import dagster as dg

from benchmarks.harness import Bench, BenchmarkFailed, Figure, say
from benchmarks.machine import load_average
from coin_assets.domain.layers import CANDLES, PREDICTIONS, PUBLISHED
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe, month_start
from coin_assets.orchestration.assets.specs import asset_key
from coin_assets_tests.live.boundaries import Boundary, RunTimes, boundaries, run_times
from coin_assets_tests.live.installation import installation
from coin_assets_tests.live.market import Control
from coin_assets_tests.live.observer import Observer
from coin_assets_tests.live.timeline import Timeline
from coin_assets_tests.live.waiting import NotMet, until

# How many boundaries are measured, one a minute.
BOUNDARIES, QUICK_BOUNDARIES = 30, 5
SETTLE_SECONDS = 2
_SYMBOLS = ("BTC/USDT", "ETH/USDT", "XRP/USDT", "SOL/USDT", "DOGE/USDT")
_MINUTE, _FIVE = Timeframe("1m"), Timeframe("5m")
_SERIES = [Series(symbol, timeframe) for symbol in _SYMBOLS for timeframe in (_MINUTE, _FIVE)]
_FRESH_SECONDS, _LATE_SECONDS = 900.0, 300.0

# name -> (seconds of a boundary, how it was measured)
_PARTS: dict[str, tuple[Callable[[Boundary], float], str]] = {
    "boundary to published": (
        lambda each: each.total,
        "close of the candles until the last prediction file due then was written (its "
        "modification time): the sum of the next five",
    ),
    "settle": (lambda each: each.settle, "the default of `COIN_SETTLE_SECONDS`"),
    "tick": (
        lambda each: each.tick,
        "end of the settle time until the run was enqueued: waiting for the sensor's next tick, "
        "the tick, recording the run with its planned events",
    ),
    "queue": (
        lambda each: each.queue,
        "enqueued until the daemon, which looks every second, took it",
    ),
    "start": (
        lambda each: each.start,
        "until the first step began: a forked process, definitions, resources",
    ),
    "steps": (lambda each: each.steps, "until the last file was written"),
}


def measure(bench: Bench) -> list[Figure]:
    """Seconds from each boundary until everything due was published, 1m and 5m of five symbols.

    A real installation (``coin_assets.up``: web server, daemon, code server; loopback only) with
    1m candles of the sandbox market, derived 5m, and all sensors and schedules on their own. When
    an empty home has become fresh by itself, the next 30 boundaries are measured (a quick run: 5),
    one a minute, every fifth with 5m besides. At ordinary boundaries a run has 15 steps, at every
    fifth 30. Times are Dagster's own records and the modification times of the files.
    """
    count = bench.pick(BOUNDARIES, QUICK_BOUNDARIES)
    try:
        with _installed() as (observer, instance):
            return _measured(observer, instance, count)
    except NotMet as error:
        raise BenchmarkFailed(str(error)) from error


@contextmanager
def _installed() -> Iterator[tuple[Observer, dg.DagsterInstance]]:
    """A started installation, with someone who watches its files and an instance to read."""
    with installation("coin_bench_", _variables()) as made:
        Control().write(Path(made.environment["LIVE_CONTROL"]))
        names = ("DAGSTER_HOME", "COIN_DAGSTER_HOME")
        here = {name: made.environment[name] for name in names}
        with patch.dict(os.environ, here), dg.DagsterInstance.get() as instance:
            folder = made.home / "published"
            with Observer(folder, _SERIES, instance, Timeline(loud=())) as observer:
                say("starting an empty installation")
                made.start()
                yield observer, instance


def _variables() -> dict[str, str]:
    """Settings of the installation."""
    start = month_start(month_start(datetime.now(UTC)) - timedelta(days=1))
    return {
        "COIN_SYMBOLS": ",".join(_SYMBOLS),
        "COIN_SOURCE_TIMEFRAMES": "1m",
        "COIN_DERIVED_TIMEFRAMES": "5m",
        "COIN_HISTORY_START": f"{start:%Y-%m-%d}",
        "COIN_SETTLE_SECONDS": str(SETTLE_SECONDS),
        "COIN_RETENTION": "1m:2d",
        "LIVE_FRESHNESS": "1m:180/300,5m:600/1200",
        "FRESHNESS_DAEMON_INTERVAL_SECONDS": "30",  # Dagster's default
    }


def _measured(observer: Observer, instance: dg.DagsterInstance, count: int) -> list[Figure]:
    until(
        "every series is fresh and no run is in flight",
        lambda: (
            all(observer.status(series) == "fresh" for series in _SERIES)
            and not _in_flight(instance)
        ),
        _FRESH_SECONDS,
        lambda: {str(series): observer.status(series) for series in _SERIES},
    )
    first = _MINUTE.next(datetime.now(UTC))
    last = first + timedelta(minutes=count - 1)
    say(f"{count} boundaries, {first:%H:%M} to {last:%H:%M} UTC")
    due = {series: series.timeframe.floor(last) for series in _SERIES}
    until(
        f"everything as of {last:%H:%M} is published",
        lambda: (
            all((observer.as_of(series) or first) >= due[series] for series in _SERIES)
            and datetime.now(UTC) > last
            and not _in_flight(instance)
        ),
        60 * count + _LATE_SECONDS,
        lambda: {str(series): str(observer.as_of(series)) for series in _SERIES},
    )
    runs = run_times(instance)
    found = boundaries(
        observer.published, runs, _SERIES, SETTLE_SECONDS, first, last, lambda _start, _end: True
    )
    if len(found) < count:
        seen = ", ".join(each.at for each in found)
        raise BenchmarkFailed(f"Of {count} boundaries only these can be split into parts: {seen}.")
    return [
        *_part_figures(found),
        *_tick_figures(found, runs, instance),
        *_step_figures(found, instance),
        *_other_figures(found, runs, first),
    ]


def _in_flight(instance: dg.DagsterInstance) -> bool:
    states = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    return instance.get_runs_count(dg.RunsFilter(statuses=states)) > 0


def _part_figures(found: Sequence[Boundary]) -> list[Figure]:
    """The whole and its parts, with the 95th percentile; then the whole by what was due."""
    figures = []
    for name, (value, how) in _PARTS.items():
        samples = [value(each) for each in found]
        figures.append(Figure.median(name, samples, "s", how))
        if name != "settle":
            how = f"of the same {len(samples)} boundaries"
            figures.append(Figure(f"{name}, p95", _p95(samples), "s", how))
    for name, is_five in (("1m alone", False), ("1m and 5m", True)):
        samples = [each.total for each in found if (int(each.at[-1]) % 5 == 0) is is_five]
        if samples:
            figures.append(
                Figure.median(f"boundary to published, {name}", samples, "s", "those among them")
            )
    return figures


def _tick_figures(
    found: Sequence[Boundary], runs: Sequence[RunTimes], instance: dg.DagsterInstance
) -> list[Figure]:
    """The two halves of the tick."""
    origins = {
        (state.instigator_origin_id, state.selector_id)
        for state in instance.all_instigator_state()
        if state.instigator_name == "candles_due"
    }
    ticks = [tick for origin in origins for tick in instance.get_ticks(*origin)]
    began = {run_id: tick.timestamp for tick in ticks for run_id in tick.run_ids}
    created = {run.run_id: run.created for run in runs}
    known = [each for each in found if each.run_id in began]
    if not known:
        return []
    works = [created[each.run_id] - began[each.run_id] for each in known]
    waits = [each.tick - work for each, work in zip(known, works, strict=True)]
    return [
        Figure.median(
            "tick: waiting for it", waits, "s", "end of the settle time until a tick began that saw"
        ),
        Figure.median(
            "tick: at work", works, "s", "that tick's beginning until the run was enqueued"
        ),
    ]


def _step_figures(found: Sequence[Boundary], instance: dg.DagsterInstance) -> list[Figure]:
    """The steps of the boundaries' runs by layer."""
    samples: dict[str, list[float]] = {layer: [] for layer in (CANDLES, PREDICTIONS, PUBLISHED)}
    layers = {
        "__".join(asset_key(series, layer).path): layer for series in _SERIES for layer in samples
    }
    kinds = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_SUCCESS}
    for run_id in {each.run_id for each in found}:
        spent = dict.fromkeys(samples, 0.0)
        for entry in instance.all_logs(run_id, of_type=kinds):
            if (layer := layers.get(entry.step_key or "")) is not None:
                is_start = entry.get_dagster_event().event_type is dg.DagsterEventType.STEP_START
                spent[layer] += -entry.timestamp if is_start else entry.timestamp
        for layer, seconds in spent.items():
            samples[layer].append(seconds)
    return [
        Figure.median(
            f"steps: {layer}", seconds, "s", f"sum over the `{layer}_*` steps of a boundary's run"
        )
        for layer, seconds in samples.items()
    ]


def _other_figures(
    found: Sequence[Boundary], runs: Sequence[RunTimes], first: datetime
) -> list[Figure]:
    others = [
        run
        for run in runs
        if run.created >= first.timestamp() and run.run_id not in {each.run_id for each in found}
    ]
    return [
        Figure("boundaries", len(found), "boundaries", f"from {first:%H:%M} UTC on, none left out"),
        Figure("other runs", len(others), "runs", "requested meanwhile by sensors and schedules"),
        Figure("load average after", load_average(), "", "of one minute; the installation itself"),
    ]


def _p95(samples: Sequence[float]) -> float:
    if len(samples) == 1:
        return samples[0]
    return statistics.quantiles(samples, n=20, method="inclusive")[-1]
