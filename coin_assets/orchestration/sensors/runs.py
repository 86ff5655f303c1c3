"""Runs in flight and failed tasks, from Dagster's run storage and event log.

No state is kept between ticks. The events of a finished run never change, so each process reads
them once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import takewhile
from typing import NamedTuple

import dagster as dg

from coin_assets.domain.failures import FailureRecord
from coin_assets.domain.layers import MODELS, Task
from coin_assets.domain.series import Series
from coin_assets.orchestration.assets.specs import SeriesAssets, asset_key
from coin_assets.orchestration.failures import OF_RUN
from coin_assets.orchestration.sensors.failed_steps import (
    failed_steps,
    is_misconfigured,
    is_read,
    killed_run,
)
from coin_assets.orchestration.sensors.run_tasks import (
    UPDATE_JOB as UPDATE_JOB,
)
from coin_assets.orchestration.sensors.run_tasks import (
    TaskOfAsset,
    configured_series,
    months_of,
    tasks_of_assets,
    tasks_of_run,
)
from coin_assets.orchestration.sensors.tick_time import TickTime
from coin_assets.planning.facts import (
    EVALUATION,
    GAPS,
    HISTORY,
    LONGEST_DELAY,
    MONTHLY,
    PROMOTION,
    TRAINING,
    Failures,
    Runs,
    failures_look_back,
    most_counted_failures,
)

PURPOSE_TAG = "coin_assets/purpose"
TRAIN_JOB, EVALUATE_JOB, PROMOTE_JOB = (
    "train_models",
    "evaluate",
    "promote_champion",
)
_BACKFILL_TAG = "dagster/backfill"
_BACKGROUND = (HISTORY, GAPS, MONTHLY, EVALUATION)
_MOST_RUNS = 200
# Finished runs of a job that its alert looks at: failures in a row.
NEWEST_OF_A_JOB = max(12, most_counted_failures())
_IN_FLIGHT = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def runs_of(
    instance: dg.DagsterInstance,
    specs: Sequence[SeriesAssets],
    now: datetime,
    month: datetime,
    time_left: TickTime | None = None,
) -> Runs:
    """Runs and failures that a plan at ``now`` depends on.

    Args:
        now: machine time, as in Dagster's records.
        month: start of the running month.
        time_left: failed runs that could not be read within it count as in flight, so that their
            tasks wait for a tick that has read them.
    """
    tasks = tasks_of_assets(specs)
    in_flight: set[tuple[Task, datetime | None]] = set()
    training: set[Series] = set()
    promoting: set[Series] = set()
    busy: set[str] = set()
    for run in instance.get_runs(dg.RunsFilter(statuses=_IN_FLIGHT)):
        busy |= {run.tags[PURPOSE_TAG]} if PURPOSE_TAG in run.tags else set()
        if run.job_name == TRAIN_JOB:
            training |= configured_series(run, specs)
        elif run.job_name == PROMOTE_JOB:
            promoting |= configured_series(run, specs)
        elif _BACKFILL_TAG not in run.tags:  # live work never waits for a backfill
            in_flight |= tasks_of_run(run, tasks)
    # Background tasks rest after each run.
    rested: set[tuple[Task, datetime | None]] = set()
    for run in _recent_background(instance, now):
        if run.job_name == PROMOTE_JOB:
            promoting |= configured_series(run, specs)
        elif run.job_name != TRAIN_JOB:
            rested |= tasks_of_run(run, tasks)
        elif run.is_success:
            training |= configured_series(run, specs)
    failed = _failed_runs(instance, now, month)
    unread = _read_within(instance, failed, time_left)
    for record in unread:
        in_flight |= tasks_of_run(record.dagster_run, tasks)
    failures = _failures(instance, specs, tasks, [each for each in failed if each not in unread])
    return Runs(
        frozenset(in_flight),
        frozenset(training),
        frozenset(promoting),
        frozenset(busy),
        failures,
        frozenset(rested),
    )


def job_failures(instance: dg.DagsterInstance, job: str) -> Failures | None:
    """Consecutive failures of a job's newest finished runs; None if the last one succeeded."""
    finished = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    records = instance.get_run_records(
        dg.RunsFilter(job_name=job, statuses=finished), limit=NEWEST_OF_A_JOB
    )
    row = [
        each
        for each in takewhile(
            lambda each: each.dagster_run.status is dg.DagsterRunStatus.FAILURE, records
        )
        if not is_misconfigured(instance, each.dagster_run)
    ]
    if not row:
        return None
    run, ended = row[0].dagster_run, row[0].end_time or row[0].update_timestamp.timestamp()
    failed = failed_steps(instance, run.run_id).values()
    newest = next(iter(failed), killed_run(job, _time(ended)))
    return Failures(len(row), _time(ended), newest)


def is_running(instance: dg.DagsterInstance, job: str) -> bool:
    """Whether a run of the job is queued or started."""
    return bool(instance.get_runs(dg.RunsFilter(job_name=job, statuses=_IN_FLIGHT), limit=1))


def _recent_background(instance: dg.DagsterInstance, now: datetime) -> list[dg.DagsterRun]:
    found = instance.get_runs(
        dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE],
            tags={PURPOSE_TAG: [*_BACKGROUND, TRAINING, PROMOTION]},
            updated_after=now - LONGEST_DELAY,
        ),
        limit=_MOST_RUNS,
    )
    return list(found)


def _failed_runs(
    instance: dg.DagsterInstance, now: datetime, month: datetime
) -> list[dg.RunRecord]:
    """Runs that failed within `failures_look_back`, but for those of old months.

    A bad old month must not delay the running one.
    """
    records = instance.get_run_records(
        dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.FAILURE], updated_after=now - failures_look_back()
        ),
        limit=_MOST_RUNS,
    )
    return [
        record
        for record in records
        if record.dagster_run.tags.get(PURPOSE_TAG) not in _BACKGROUND
        and not _is_about_the_past(record.dagster_run, month)
    ]


def _read_within(
    instance: dg.DagsterInstance, records: Iterable[dg.RunRecord], time_left: TickTime | None
) -> list[dg.RunRecord]:
    """Read the failed steps of these runs; return the runs that there was no time for."""
    if time_left is None:
        return []
    unread = []
    for record in records:
        run_id = record.dagster_run.run_id
        if is_read(run_id) or not time_left.is_over():
            failed_steps(instance, run_id)
        else:
            unread.append(record)
    return unread


def _failures(
    instance: dg.DagsterInstance,
    specs: Sequence[SeriesAssets],
    tasks: TaskOfAsset,
    records: Iterable[dg.RunRecord],
) -> dict[Task, Failures]:
    """Consecutive failures of each task that failed in these runs and not succeeded since."""
    found: dict[Task, list[_Failure]] = {}
    for record in records:
        run = record.dagster_run
        ended = record.end_time or record.update_timestamp.timestamp()
        if run.job_name == TRAIN_JOB:
            # One step trains many series; its record lists those that failed.
            began = record.start_time or ended
            failed = _failed_trainings(instance, run, specs, _time(ended))
        else:
            began, failed = ended, _failed_in(instance, run, tasks, _time(ended))
        for task, failure in failed.items():
            found.setdefault(task, []).append(_Failure(_time(ended), _time(began), failure))
    succeeded = _last_successes(instance, found) if found else {}
    failures = {}
    for task, all_known in found.items():
        since = succeeded.get(task)
        row = [each for each in all_known if since is None or each.began > since]
        if row:
            last = max(row, key=lambda each: each.ended)
            failures[task] = Failures(len(row), last.ended, last.record)
    return failures


def _is_about_the_past(run: dg.DagsterRun, month: datetime) -> bool:
    """Whether a person launched the run for earlier months only; the planner does not retry it."""
    months = months_of(run)
    return PURPOSE_TAG not in run.tags and bool(months) and months[-1] < month


class _Failure(NamedTuple):
    """A failed task. A success after ``began`` makes up for it."""

    ended: datetime
    began: datetime
    record: FailureRecord


def _time(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)


def _last_successes(
    instance: dg.DagsterInstance, tasks: Iterable[Task]
) -> dict[Task, datetime | None]:
    by_asset = {asset_key(task.series, task.layer): task for task in tasks}
    found: dict[Task, datetime | None] = {}
    for record in instance.get_asset_records(list(by_asset)):
        entry = record.asset_entry.last_materialization
        time = None if entry is None else _time(entry.timestamp)
        found[by_asset[record.asset_entry.asset_key]] = time
    return found


def _failed_in(
    instance: dg.DagsterInstance, run: dg.DagsterRun, tasks: TaskOfAsset, ended: datetime
) -> dict[Task, FailureRecord]:
    """Failed tasks of a run of assets; all of its tasks if no step reported a failure."""
    chosen = {asset: tasks[asset] for asset in tasks.keys() & (run.asset_selection or tasks.keys())}
    failed = failed_steps(instance, run.run_id)
    found = {}
    if run.asset_selection and (not failed or OF_RUN in failed):
        whole = failed.get(OF_RUN) or killed_run("", ended)
        for task in chosen.values():
            found[task] = replace(whole, series=task.series, task=task.layer)
    by_step = {"__".join(asset.path): task for asset, task in chosen.items()}
    return found | {by_step[step]: record for step, record in failed.items() if step in by_step}


def _failed_trainings(
    instance: dg.DagsterInstance, run: dg.DagsterRun, specs: Iterable[SeriesAssets], ended: datetime
) -> dict[Task, FailureRecord]:
    """Models that a training could not make: all of its series if no record lists any."""
    if is_misconfigured(instance, run):
        return {}
    records = [*failed_steps(instance, run.run_id).values()] or [killed_run(MODELS, ended)]
    parts = {part for record in records for part in record.parts}
    return {
        Task(series, MODELS): records[0]
        for series in configured_series(run, specs)
        if not parts or str(series) in parts
    }
