"""Benchmark ``sensors``: what a look at everything costs when nothing is due."""

import resource
import time
from collections.abc import Sequence
from typing import Any, TypedDict

import dagster as dg
from dagster._core.definitions.sensor_definition import SensorExecutionData

from benchmarks.harness import (
    Bench,
    BenchmarkFailed,
    Figure,
    Home,
    in_fresh_process,
    say,
    temporary_home,
    timed,
)
from benchmarks.many_series import (
    MONTHS,
    NOW,
    copy_original,
    make_original,
    record_history,
    settings_of,
    symbols_of,
)
from coin_assets.config.settings import Settings
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.build import configured_resources, series_specs
from coin_assets.orchestration.sensors.alert_settings import alert_settings
from coin_assets.orchestration.sensors.candles_due import candles_due_sensor
from coin_assets.orchestration.sensors.health_alerts import health_alerts_sensor
from coin_assets.orchestration.sensors.late_candles import late_candles_sensor
from coin_assets.orchestration.sensors.machine import MachineFaults
from coin_assets.orchestration.sensors.publish_due import publish_due_sensor
from coin_assets_tests.platform import StoppedClock

_COUNTS, _QUICK_COUNTS = (25, 250, 2500), (25,)
NAMES = ("candles_due", "publish_due", "late_candles", "health_alerts")
_LATER_TICKS = 5
_TIMED_RESULTS = 100
_MIB = 1 << 10  # of the kilobytes that the system counts


class Prepared(TypedDict):
    """What the preparing process returns."""

    first_seconds: float
    results: int
    seconds_a_result: float


class Ticks(TypedDict):
    """What a measuring process returns.

    Attributes:
        reading: ticks until one had looked at all series. The first value of ``seconds`` and of
            ``cpu_seconds`` is their sum, the others are of single ticks.
    """

    reading: int
    seconds: list[float]
    cpu_seconds: list[float]
    peak_kib: int


def measure(bench: Bench) -> list[Figure]:
    """One tick of each sensor at 25, 250 and 2,500 series when nothing is due.

    Each sensor is evaluated by itself in a fresh process (its imports done), first once, then five
    times more, as the code server does it: through ``build_sensor_context`` with the instance of
    ``dagster.yaml`` (SQLite on disk) and the Parquet store. The series are 5, 50 and 500 symbols
    with 1h and the derived 4h, 1d, 1w and 1M, of 28 months: copies of one symbol that the platform
    made. The instance has 48 runs of all series, a freshness state of every asset and a result of
    every check on the clock. The clock stands still shortly after a boundary. The page cache is
    warm. A quick run takes 25 series.
    """
    figures = []
    with temporary_home() as original:
        say(f"one symbol with {MONTHS} months")
        in_fresh_process(original, make_original)
        for count in bench.pick(_COUNTS, _QUICK_COUNTS):
            symbols = symbols_of(count)
            with temporary_home(**settings_of(symbols)) as home:
                say(f"{count:,} series: making them")
                copy_original(original.folder, home.folder, symbols)
                prepared = in_fresh_process(home, prepare)
                say(f"{count:,} series: ticks")
                figures += _figures(home, count, prepared)
    return figures


def _figures(home: Home, count: int, prepared: Prepared) -> list[Figure]:
    figures, peak = [], 0
    for name in NAMES:
        found = in_fresh_process(home, measure_ticks, name=name, later=_LATER_TICKS)
        first, *later = found["seconds"]
        peak = max(peak, found["peak_kib"])
        title = f"{name}, {count:,} series"
        how = f"of {found['reading']} in a new process: every file is read; 60 s are allowed each"
        figures.append(Figure(f"{title}: first ticks", first, "s", how))
        how = "the others in the same process: unchanged files are cached"
        figures.append(Figure.median(f"{title}: later ticks", later, "s", how))
    results = f"{prepared['results']:,} check results"
    return [
        *figures,
        Figure(
            f"health_alerts, {count:,} series: very first tick",
            prepared["first_seconds"],
            "s",
            f"of a new instance, after a tick of `publish_due`; it returns {results}",
        ),
        Figure(
            f"health_alerts, {count:,} series: recording one of these results",
            prepared["seconds_a_result"],
            "s",
            "by the daemon after the tick, not within its 60 s: `report_runless_asset_event`, mean "
            f"of the first {_TIMED_RESULTS}",
        ),
        Figure(
            f"memory, {count:,} series",
            peak / _MIB,
            "MiB",
            "the largest resident set of the processes that each evaluated one sensor",
        ),
    ]


def prepare() -> Prepared:
    """Let the sensors bring the home of this process to rest; runs in a process of its own."""
    specs = series_specs(Settings())
    with dg.DagsterInstance.get() as instance:
        record_history(instance, specs)
        publishing, health = (_sensor(each, specs) for each in ("publish_due", "health_alerts"))
        data = _tick(instance, publishing)
        while data.asset_events or not _is_whole(data):  # until the manifest is complete
            data = _tick(instance, publishing)
        first_seconds, data = timed(_tick, instance, health)
        events = data.asset_events
        record_seconds, _ = timed(_record, instance, events[:_TIMED_RESULTS])
        rest = events[_TIMED_RESULTS:]
        while rest or not _is_whole(data):  # a tick returns a bounded number of results
            _record(instance, rest)
            data = _tick(instance, health)
            rest = data.asset_events
    return {
        "first_seconds": first_seconds,
        "results": len(events),
        "seconds_a_result": record_seconds / len(events[:_TIMED_RESULTS]),
    }


def measure_ticks(name: str, later: int) -> Ticks:
    """Ticks of one sensor in the home of this process; runs in a process of its own.

    Raises:
        BenchmarkFailed: something was due.
    """
    sensor = _sensor(name, series_specs(Settings()))
    seconds, cpu_seconds, reading = [0.0], [0.0], 0
    with dg.DagsterInstance.get() as instance:
        while len(seconds) <= later:
            began = time.process_time()
            spent, data = timed(_tick, instance, sensor)
            cpu_spent = time.process_time() - began
            if data.run_requests or data.asset_events:
                raise BenchmarkFailed(
                    f"{name} was to find nothing due, but found {data.run_requests} and "
                    f"{len(data.asset_events)} events."
                )
            if "corrupt" in (data.skip_message or ""):
                raise BenchmarkFailed(f"{name} was to find nothing damaged: {data.skip_message}")
            if reading == 0 or not _is_whole(data):
                seconds[0], cpu_seconds[0] = seconds[0] + spent, cpu_seconds[0] + cpu_spent
                reading += 1
            else:
                seconds.append(spent)
                cpu_seconds.append(cpu_spent)
    peak: int = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "reading": reading,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "peak_kib": peak,
    }


def _is_whole(data: SensorExecutionData) -> bool:
    """Whether a tick looked at all series: `left_over` says of how many it did not."""
    return "series follow in the next one" not in (data.skip_message or "")


def _tick(instance: dg.DagsterInstance, sensor: dg.SensorDefinition) -> SensorExecutionData:
    settings = Settings()
    resources: dict[str, Any] = configured_resources(settings)._asdict()
    resources["clock"] = StoppedClock(settle_seconds=settings.settle_seconds, at=NOW)
    needed = {each: resources[each] for each in sensor.required_resource_keys}
    with dg.build_sensor_context(instance=instance, resources=needed) as context:
        return sensor.evaluate_tick(context)


def _sensor(name: str, specs: tuple[SeriesAssets, ...]) -> dg.SensorDefinition:
    """A sensor with stand-ins for its jobs, which matter to what is requested alone.

    One tick goes on where the one before stopped, so a process makes it once, as the code server.
    """
    settings = Settings()
    faults = MachineFaults(configured_resources(settings).disk)
    if name == "candles_due":
        return candles_due_sensor(specs, {}, [_job("update"), _job("train_models")], faults)
    if name == "publish_due":
        return publish_due_sensor(specs, {}, _job("update"), faults)
    if name == "late_candles":
        return late_candles_sensor(specs, _job("redo_touched"), faults)
    return health_alerts_sensor(specs, alert_settings(settings), NAMES, faults)


def _job(name: str) -> dg.JobDefinition:
    @dg.op
    def nothing() -> None:
        """Never run."""

    @dg.job(name=name)
    def job() -> None:
        nothing()

    return job


def _record(instance: dg.DagsterInstance, events: Sequence[Any]) -> None:
    for event in events:
        instance.report_runless_asset_event(event)
