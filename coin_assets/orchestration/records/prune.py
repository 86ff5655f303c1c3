"""Removes Dagster's records of old runs, but for what a status is read from.

A run is removed whole or kept whole. One that is killed while it prunes leaves runs that the next
one removes: the record of a run goes last.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg
import sqlalchemy as db
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES, BulkActionsFilter
from dagster._core.execution.backfill import BulkActionStatus as BackfillStatus
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable

from coin_assets.orchestration.records.files import RunFiles
from coin_assets.orchestration.records.needed import Needed, needed_records
from coin_assets.orchestration.records.rows import IndexRows, batches
from coin_assets.orchestration.sensors.runs import NEWEST_OF_A_JOB

# Bounds of one call; what is left is for the next day.
MOST_RUNS = 20_000
_RUNS_A_PAGE, _RUNS_A_BATCH = 5000, 100
_BATCHES_A_LINE = 10
_FINISHED = [status.value for status in FINISHED_STATUSES]


@dataclass(frozen=True)
class Pruned:
    """Outcome of `prune`.

    Attributes:
        runs: removed, or to be removed by a dry run.
        kept: old runs that a status is read from.
        left: old runs that were not looked at.
        rows: events and check results without a run that were removed.
        freed: bytes of removed files.
    """

    runs: int
    kept: int
    left: int
    rows: int
    freed: int


@dataclass(frozen=True)
class _Chosen:
    remove: list[str]
    kept: int
    left: int


def prune(
    instance: dg.DagsterInstance,
    before: datetime,
    log: Callable[[str], object],
    *,
    dry_run: bool = False,
    most_runs: int = MOST_RUNS,
) -> Pruned:
    """Remove runs that finished before a time, and events without a run from before it.

    These stay: runs in progress or of a backfill in progress, runs with a record of
    `needed_records`, and the newest of each job, which alerts read.
    """
    index = IndexRows(instance.event_log_storage)
    # Taken once: a record that is not needed now is never needed again.
    needed = needed_records(index.storage)
    chosen = _chosen(instance, needed, before, most_runs)
    log(f"{len(chosen.remove)} runs to remove, {chosen.kept} old ones are kept for statuses")
    if dry_run:
        return Pruned(len(chosen.remove), chosen.kept, chosen.left, 0, 0)
    freed = _remove_runs(instance, index, chosen.remove, log)
    rows = index.remove_without_run(needed, before)
    freed += _remove_abandoned(instance, index, needed, before)
    return Pruned(len(chosen.remove), chosen.kept, chosen.left, rows, freed)


def _chosen(
    instance: dg.DagsterInstance, needed: Needed, before: datetime, most_runs: int
) -> _Chosen:
    """The oldest runs to remove, at most `most_runs`."""
    remove: list[str] = []
    kept = 0
    active, newest = _active_backfills(instance), dict[str, set[str]]()
    for run_id, job, backfill in _old_runs(instance, before):
        if job not in newest:
            newest[job] = _newest_of(instance, job)
        if run_id in needed.runs or run_id in newest[job] or backfill in active:
            kept += 1
        elif len(remove) < most_runs:
            remove.append(run_id)
        else:
            break
    return _Chosen(remove, kept, _count_old(instance, before) - len(remove) - kept)


def _old_runs(
    instance: dg.DagsterInstance, before: datetime
) -> Iterator[tuple[str, str, str | None]]:
    """Id, job and backfill of each run that finished before a time, oldest first."""
    runs, last = RunsTable.c, -1
    while True:
        query = (
            db.select(runs.id, runs.run_id, runs.pipeline_name, runs.backfill_id)
            .where(_is_old(before), runs.id > last)
            .order_by(runs.id)
            .limit(_RUNS_A_PAGE)
        )
        with _runs_of(instance).connect() as connection:
            page = connection.execute(query).all()
        if not page:
            return
        last = page[-1].id
        yield from ((row.run_id, row.pipeline_name, row.backfill_id) for row in page)


def _count_old(instance: dg.DagsterInstance, before: datetime) -> int:
    query = db.select(db.func.count()).select_from(RunsTable).where(_is_old(before))
    with _runs_of(instance).connect() as connection:
        return int(connection.execute(query).scalar_one())


def _is_old(before: datetime) -> Any:
    # Dagster's tables have UTC without a time zone.
    return RunsTable.c.status.in_(_FINISHED) & (
        RunsTable.c.update_timestamp < before.replace(tzinfo=None)
    )


def _newest_of(instance: dg.DagsterInstance, job: str) -> set[str]:
    """The finished runs whose outcomes alerts count."""
    finished = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    of_job = dg.RunsFilter(job_name=job, statuses=finished)
    return {
        record.dagster_run.run_id
        for record in instance.get_run_records(of_job, limit=NEWEST_OF_A_JOB)
    }


def _active_backfills(instance: dg.DagsterInstance) -> set[str]:
    active = [each for each in BackfillStatus if each not in BULK_ACTION_TERMINAL_STATUSES]
    found = instance.get_backfills(filters=BulkActionsFilter(statuses=active))
    return {backfill.backfill_id for backfill in found}


def _remove_runs(
    instance: dg.DagsterInstance,
    index: IndexRows,
    run_ids: Sequence[str],
    log: Callable[[str], object],
) -> int:
    """Remove runs, their events, check results and files; returns bytes of files."""
    files, freed, done = RunFiles(instance), 0, 0
    for run_id in index.storage.get_concurrency_run_ids() & set(run_ids):
        index.storage.free_concurrency_slots_for_run(run_id)
    checks = index.checks_of(run_ids)
    for number, batch in enumerate(batches(run_ids, _RUNS_A_BATCH), start=1):
        index.remove_runs(batch, [each for run_id in batch for each in checks.get(run_id, ())])
        freed += sum(map(files.remove, batch))
        with _runs_of(instance).connect() as connection:
            connection.execute(db.delete(RunTagsTable).where(RunTagsTable.c.run_id.in_(batch)))
            connection.execute(db.delete(RunsTable).where(RunsTable.c.run_id.in_(batch)))
        done += len(batch)
        if number % _BATCHES_A_LINE == 0 or done == len(run_ids):
            log(f"{done} of {len(run_ids)} runs removed, {freed / 2**20:.1f} MiB of files")
    return freed


def _remove_abandoned(
    instance: dg.DagsterInstance, index: IndexRows, needed: Needed, before: datetime
) -> int:
    """Remove files and check results of runs that have no record any more."""
    with _runs_of(instance).connect() as connection:
        known = set(connection.execute(db.select(RunsTable.c.run_id)).scalars())
    files = RunFiles(instance)
    freed = sum(map(files.remove, sorted(files.abandoned(known, before))))
    index.remove_unknown(known, needed, before)
    return freed


def _runs_of(instance: dg.DagsterInstance) -> Any:
    """The storage of runs, which has the same tables in SQLite and PostgreSQL."""
    return instance.run_storage
