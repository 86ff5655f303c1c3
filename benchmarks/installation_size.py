"""Size of an installation: what follows from its settings, and what from measured figures.

Pure arithmetic. Each row tells its formula, and what it rests on: *settings*, counted and exact, or
*extrapolated*, a figure of ``benchmarks/results.json`` taken to a size at which nobody measured. A
row whose figures are not in the results yet has no value.
"""

from collections.abc import Callable, Iterator, Mapping

from benchmarks.installation_plan import (
    DAYS_A_MONTH,
    EXTRAPOLATED,
    HOURS,
    LAYERS_DUE,
    MINUTES,
    QUEUES,
    Plan,
    Row,
    counted,
)

# Seconds between two ticks of a sensor.
INTERVALS = {"candles_due": 5, "publish_due": 15, "late_candles": 30, "health_alerts": 60}
_DAY = 86_400.0
# The sizes at which the groups `shards` and `workers` measure: series of a location, of all.
_SHARD_SERIES = {"50 symbols a shard": 50 * 5, "250 symbols a shard": 250 * 5}
_WORKER_SERIES = {"5 symbols": 5 * 2, "2 x 25 symbols": 2 * 25 * 2}
_LARGEST_SHARD, _LARGEST = "250 symbols a shard", "2 x 25 symbols"
_KEPT_DAYS = 30  # the default of COIN_RECORDS_RETENTION
_MIB_A_GIB = 1024

Figures = Mapping[tuple[str, str], float]  # (group, name) -> value
# What the rows below use.
INPUTS = (
    *(
        ("shards", f"{_LARGEST_SHARD}: {name}")
        for name in (
            *(f"tick of {sensor}" for sensor in INTERVALS),
            "hourly update, CPU a task",
            "load a series",
            "memory",
        )
    ),
    ("shards", "50 symbols a shard: memory"),
    *(("shards", f"stored: {name}") for name in ("a candle", "a forecast", "other files a series")),
    *(("workers", f"{_LARGEST}: {name} a task") for name in ("events", "records")),
    *(("workers", f"{_LARGEST}: memory of a {role}") for role in ("worker", "run server", "run")),
    *(
        ("workers", f"{name}: memory of a {role}")
        for role in ("daemon", "web UI")
        for name in _WORKER_SERIES
    ),
    *(
        ("workers", f"{name}: connections of a {role}")
        for role in ("code location", "daemon", "web UI", "watcher", "worker", "run")
        for name in _WORKER_SERIES
    ),
)


def rows(plan: Plan, figures: Figures) -> list[Row]:
    """The table of an installation."""
    return [*counted(plan), *_load(plan, figures), *_memory(plan, figures), *_kept(plan, figures)]


def _load(plan: Plan, figures: Figures) -> Iterator[Row]:
    """CPU time."""

    def shard(name: str) -> float:
        return figures["shards", f"{_LARGEST_SHARD}: {name}"]

    measured = _SHARD_SERIES[_LARGEST_SHARD]
    yield _row(
        "CPU of all sensors",
        lambda: (
            sum(shard(f"tick of {name}") / every for name, every in INTERVALS.items())
            * plan.series
            / measured
        ),
        "cores",
        "sum of tick / interval of the four sensors at 250 symbols a shard, x series / 1,250; when "
        "nothing is due",
    )
    due = plan.symbols * LAYERS_DUE
    yield _row(
        "CPU of a close of the source",
        lambda: due * shard("hourly update, CPU a task") / 1000,
        "core seconds",
        "symbols x 3 x CPU a task at 250 symbols a shard",
    )
    yield _row(
        "cores for a day's tasks, mean",
        lambda: (
            plan.symbols
            * plan.closes_a_day
            * LAYERS_DUE
            * shard("hourly update, CPU a task")
            / 1000
            / _DAY
        ),
        "cores",
        "tasks a day x CPU a task; a close needs more for a moment: the row above by the seconds "
        "in which it is to be public",
    )
    yield _row(
        "CPU to load all code locations",
        lambda: plan.series * shard("load a series") / 1000,
        "core seconds",
        "series x load a series, at each start",
    )


def _memory(plan: Plan, figures: Figures) -> Iterator[Row]:
    """Memory and connections."""

    def role(name: str, what: str = "memory") -> float:
        return figures["workers", f"{_LARGEST}: {what} of {name}"]

    def location() -> float:
        known = {each: figures["shards", f"{name}: memory"] for name, each in _SHARD_SERIES.items()}
        return line(known, plan.series / plan.shards) / _MIB_A_GIB

    yield _row(
        "memory of a code location",
        location,
        "GiB",
        "line through 250 and 1,250 series a shard",
    )
    yield _row(
        "memory of all code locations",
        lambda: plan.shards * location(),
        "GiB",
        "x shards",
    )
    yield _row(
        "memory of workers and runs",
        lambda: (
            (QUEUES * (role("a worker") + role("a run server")) + plan.slots * role("a run"))
            / _MIB_A_GIB
        ),
        "GiB",
        "3 queues x (worker, run server), slots x the largest run of 25 symbols; all slots in use",
    )
    yield _row(
        "memory of daemon and web UI",
        lambda: (
            sum(
                line(
                    {
                        each: figures["workers", f"{name}: memory of a {part}"]
                        for name, each in _WORKER_SERIES.items()
                    },
                    plan.series,
                )
                for part in ("daemon", "web UI")
            )
            / _MIB_A_GIB
        ),
        "GiB",
        "line through 10 and 100 series: far beyond what was measured, so an order of magnitude",
    )
    yield _row(
        "connections to PostgreSQL, at most",
        lambda: connections(plan, figures),
        "",
        "the most of one process: locations, daemon, web UI, watcher, workers of 3 queues, and "
        "slots x (run, and the lease that its worker holds)",
    )


def connections(plan: Plan, figures: Figures) -> float:
    """Bound of the connections if all processes have their most at the same time."""

    def most(role: str) -> float:
        names = _WORKER_SERIES
        return max(figures["workers", f"{name}: connections of a {role}"] for name in names)

    fixed = plan.shards * most("code location") + most("daemon") + most("web UI")
    return fixed + most("watcher") + QUEUES * most("worker") + plan.slots * (most("run") + 1)


def _kept(plan: Plan, figures: Figures) -> Iterator[Row]:
    """Records and disk."""
    tasks = plan.tasks_a_day

    def of_task(name: str) -> float:
        return figures["workers", f"{_LARGEST}: {name} a task"]

    def stored(name: str) -> float:
        return figures["shards", f"stored: {name}"]

    def closes(months: int) -> float:
        return plan.symbols * plan.closes_kept(months * DAYS_A_MONTH)

    yield _row(
        "events a day",
        lambda: tasks * of_task("events"),
        "rows",
        "tasks a day x events a task, on PostgreSQL",
    )
    yield _row(
        "records a day",
        lambda: tasks * of_task("records") / 1e6,
        "GB",
        "tasks a day x bytes a task, indexes, ticks and check results included",
    )
    yield _row(
        "records that stay",
        lambda: _KEPT_DAYS * tasks * of_task("records") / 1e6,
        "GB",
        f"x the {_KEPT_DAYS} days of COIN_RECORDS_RETENTION",
    )
    yield _row(
        "candles",
        lambda: closes(plan.months) * stored("a candle") / 1e9,
        "GB",
        f"{HOURS.months} months of hours, {MINUTES.months} of minutes, of which 1m is kept for "
        f"{MINUTES.source_days:.0f} days: closes x bytes a candle, Parquet",
    )
    yield _row(
        "forecasts of a year",
        lambda: closes(12) * stored("a forecast") / 1e9,
        "GB",
        "closes that are kept of a year x bytes a forecast, Parquet",
    )
    yield _row(
        "models, evaluations, ledgers, published files",
        lambda: plan.series * stored("other files a series") / 1e6,
        "GB",
        "series x what a series of 28 months has",
    )


def line(points: Mapping[int, float], at: float) -> float:
    """The value at ``at`` of the straight line through two measured points."""
    (low, first), (high, last) = sorted(points.items())
    return first + (last - first) * (at - low) / (high - low)


def _row(name: str, value: Callable[[], float], unit: str, formula: str) -> Row:
    """A row of measured figures; without a value if one of them is missing."""
    try:
        found: float | None = value()
    except KeyError:
        found = None
    return Row(name, found, unit, EXTRAPOLATED, formula)
