"""How long each boundary took until its candles were published, split by Dagster's own records."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.live.observer import Published
from coin_assets_tests.live.timeline import Timeline

_MINUTE = Timeframe("1m")
SHOWN = {
    dg.DagsterEventType.STEP_FAILURE: "failed",
    dg.DagsterEventType.STEP_UP_FOR_RETRY: "is tried again",
}


@dataclass(frozen=True)
class Boundary:
    """Seconds from a boundary until every key that has one there was published.

    Attributes:
        tick: from the end of the settle time until the run was created.
        queue: until it was taken from the queue.
        start: until its first step began.
        steps: until the last file was written.
        calm: whether nothing was made to fail meanwhile.
    """

    at: str
    total: float
    settle: float
    tick: float
    queue: float
    start: float
    steps: float
    calm: bool
    run_id: str


@dataclass(frozen=True)
class RunTimes:
    """Of one run, in seconds since the epoch; None of what it did not come to."""

    run_id: str
    job: str
    status: str
    purpose: str
    steps: int
    created: float
    dequeued: float | None
    first_step: float | None
    ended: float | None


def run_times(instance: dg.DagsterInstance, filters: dg.RunsFilter | None = None) -> list[RunTimes]:
    """Every run, or those of a filter, oldest first."""
    found = []
    for record in instance.get_run_records(filters, ascending=True):
        run = record.dagster_run
        stats = instance.get_run_stats(run.run_id)
        starts = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_START)
        found.append(
            RunTimes(
                run.run_id,
                run.job_name,
                run.status.value,
                next((text for tag, text in run.tags.items() if tag.endswith("purpose")), ""),
                len(run.asset_selection or ()),
                stats.enqueued_time or record.create_timestamp.replace(tzinfo=UTC).timestamp(),
                stats.launch_time,
                min((entry.timestamp for entry in starts), default=None),
                stats.end_time,
            )
        )
    return found


def note_runs(timeline: Timeline, runs: Iterable[RunTimes], instance: dg.DagsterInstance) -> None:
    """Each run's way, and what failed in it."""
    for run in runs:
        name = f"{run.run_id[:8]} {run.job} {run.purpose}".rstrip()
        timeline.note("run", f"{name} requested, {run.steps} steps", run.created)
        if run.first_step is not None:
            timeline.note("run", f"{name} begins its first step", run.first_step)
        if run.ended is not None:
            timeline.note("run", f"{name} ended as {run.status}", run.ended)
        for entry in instance.all_logs(run.run_id, of_type=set(SHOWN)):
            event = entry.get_dagster_event()
            text = f"{run.run_id[:8]} {entry.step_key} {SHOWN[event.event_type]}"
            timeline.note("step failure", text, entry.timestamp)


def boundaries(
    published: Sequence[Published],
    runs: Sequence[RunTimes],
    series_list: Sequence[Series],
    settle: float,
    first: datetime,
    last: datetime,
    is_calm: Callable[[float, float], bool],
) -> list[Boundary]:
    """Those in ``[first, last]`` that one run brought all the way; late ones are among them."""
    found = []
    for boundary in _MINUTE.opens(first, last + timedelta(seconds=1)).to_pydatetime():
        due = [series for series in series_list if series.timeframe.is_open_time(boundary)]
        times = [
            min(
                (each.at for each in published if each.series == series and each.as_of >= boundary),
                default=None,
            )
            for series in due
        ]
        known = [time for time in times if time is not None]
        if len(known) < len(due):
            continue
        at, end = boundary.timestamp(), max(known)
        run = _run_of(runs, at, end)
        if run is None or run.dequeued is None or run.first_step is None:
            continue
        found.append(
            Boundary(
                at=f"{boundary:%H:%M}",
                total=round(end - at, 2),
                settle=settle,
                tick=round(run.created - at - settle, 2),
                queue=round(run.dequeued - run.created, 2),
                start=round(run.first_step - run.dequeued, 2),
                steps=round(end - run.first_step, 2),
                calm=is_calm(at, end),
                run_id=run.run_id,
            )
        )
    return found


def _run_of(runs: Sequence[RunTimes], boundary: float, published: float) -> RunTimes | None:
    """The last run that was created after the boundary and working when the file was written."""
    working = [
        run
        for run in runs
        if run.created >= boundary
        and run.first_step is not None
        and run.first_step <= published <= (run.ended or published)
    ]
    return working[-1] if working else None


def as_documents(found: Iterable[Boundary]) -> list[dict[str, Any]]:
    return [asdict(each) for each in found]


def table(found: Sequence[Boundary]) -> str:
    """The split, a line each."""
    head = (
        f"{'boundary':>9}{'total':>8}{'settle':>8}{'tick':>8}{'queue':>8}{'start':>8}{'steps':>8}"
    )
    lines = [
        f"{each.at:>9}{each.total:8.1f}{each.settle:8.1f}{each.tick:8.1f}{each.queue:8.1f}"
        f"{each.start:8.1f}{each.steps:8.1f}{'' if each.calm else '  (made to fail)'}"
        for each in found
    ]
    return "\n".join([head, *lines])
