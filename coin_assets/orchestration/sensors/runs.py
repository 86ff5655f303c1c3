"""Runs in flight and failed tasks, from Dagster's run storage and event log.

No state is kept between ticks. The events of a finished run never change, so each process reads
them once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import dagster as dg

from coin_assets.domain.failures import FailureRecord
from coin_assets.domain.layers import MODELS, Task
from coin_assets.domain.series import Series
from coin_assets.orchestration.assets.specs import SeriesAssets, asset_key
from coin_assets.orchestration.failures import OF_RUN
from coin_assets.orchestration.locations import has_label
from coin_assets.orchestration.sensors.failed_steps import (
    failed_steps,
    is_misconfigured,
    is_read,
    killed_run,
)
from coin_assets.orchestration.sensors.job_runs import (
    IN_FLIGHT,
    time_of,
)
from coin_assets.orchestration.sensors.job_runs import (
    NEWEST_OF_A_JOB as NEWEST_OF_A_JOB,
)
from coin_assets.orchestration.sensors.job_runs import (
    is_running as is_running,
)
from coin_assets.orchestration.sensors.job_runs import (
    job_failures as job_failures,
)
from coin_assets.orchestration.sensors.run_tasks import (
    UPDATE_JOB as UPDATE_JOB,
)
from coin_assets.orchestration.sensors.run_tasks import (
    TaskOfAsset,
    concerns,
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
)

PURPOSE_TAG = "coin_assets/purpose"
TRAIN_JOB, EVALUATE_JOB, PROMOTE_JOB = (
    "train_models",
    "evaluate",
    "promote_champion",
)
_BACKFILL_TAG = "dagster/backfill"
_BACKGROUND = (HISTORY, GAPS, MONTHLY, EVALUATION)
_MOST_RUNS, _MOST_RUNS_OF_SHARDS = 200, 2000


def runs_of(
    instance: dg.DagsterInstance,
    specs: Sequence[SeriesAssets],
    now: datetime,
    month: datetime,
    time_left: TickTime | None = None,
    label: str | None = None,
) -> Runs:
    """Runs and failures that a plan at ``now`` depends on.

    Args:
        now: machine time, as in Dagster's records.
        month: start of the running month.
        time_left: failed runs that could not be read within it count as in flight, so that their
            tasks wait for a tick that has read them.
        label: of this location's runs among those of several shards.
    """
    tasks = tasks_of_assets(specs)
    in_flight: set[tuple[Task, datetime | None]] = set()
    training: set[Series] = set()
    promoting: set[Series] = set()
    busy: set[str] = set()
    found = instance.get_runs(dg.RunsFilter(statuses=IN_FLIGHT))
    for run in (each for each in found if concerns(each, tasks, label)):
        is_own = PURPOSE_TAG in run.tags and has_label(run, label)
        busy |= {run.tags[PURPOSE_TAG]} if is_own else set()
        if run.job_name == TRAIN_JOB:
            training |= configured_series(run, specs)
        elif run.job_name == PROMOTE_JOB:
            promoting |= configured_series(run, specs)
        elif _BACKFILL_TAG not in run.tags:  # live work never waits for a backfill
            in_flight |= tasks_of_run(run, tasks)
    # Background tasks rest after each run.
    rested: set[tuple[Task, datetime | None]] = set()
    recent = _recent_background(instance, now, _most(label))
    for run in (each for each in recent if concerns(each, tasks, label)):
        if run.job_name == PROMOTE_JOB:
            promoting |= configured_series(run, specs)
        elif run.job_name != TRAIN_JOB:
            rested |= tasks_of_run(run, tasks)
        elif run.is_success:
            training |= configured_series(run, specs)
    failed = [
        record
        for record in _failed_runs(instance, now, month, _most(label))
        if concerns(record.dagster_run, tasks, label)
    ]
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


def _most(label: str | None) -> int:
    """Runs that are read at most; with a label, there are also those of other shards."""
    return _MOST_RUNS if label is None else _MOST_RUNS_OF_SHARDS


def _recent_background(
    instance: dg.DagsterInstance, now: datetime, most: int
) -> list[dg.DagsterRun]:
    found = instance.get_runs(
        dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE],
            tags={PURPOSE_TAG: [*_BACKGROUND, TRAINING, PROMOTION]},
            updated_after=now - LONGEST_DELAY,
        ),
        limit=most,
    )
    return list(found)


def _failed_runs(
    instance: dg.DagsterInstance, now: datetime, month: datetime, most: int
) -> list[dg.RunRecord]:
    """Runs that failed within `failures_look_back`, but for those of old months.

    A bad old month must not delay the running one.
    """
    records = instance.get_run_records(
        dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.FAILURE], updated_after=now - failures_look_back()
        ),
        limit=most,
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
            failed = _failed_trainings(instance, run, specs, time_of(ended))
        else:
            began, failed = ended, _failed_in(instance, run, tasks, time_of(ended))
        for task, failure in failed.items():
            found.setdefault(task, []).append(_Failure(time_of(ended), time_of(began), failure))
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


def _last_successes(
    instance: dg.DagsterInstance, tasks: Iterable[Task]
) -> dict[Task, datetime | None]:
    by_asset = {asset_key(task.series, task.layer): task for task in tasks}
    found: dict[Task, datetime | None] = {}
    for record in instance.get_asset_records(list(by_asset)):
        entry = record.asset_entry.last_materialization
        time = None if entry is None else time_of(entry.timestamp)
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
