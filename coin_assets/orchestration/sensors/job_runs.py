"""Runs of a job, whatever they work on: whether one is open, and how the newest ended."""

from datetime import UTC, datetime
from itertools import takewhile

import dagster as dg

from coin_assets.orchestration.locations import labelled
from coin_assets.orchestration.sensors.failed_steps import (
    failed_steps,
    is_misconfigured,
    killed_run,
)
from coin_assets.planning.facts import Failures, most_counted_failures

# Finished runs of a job that its alert looks at: failures in a row.
NEWEST_OF_A_JOB = max(12, most_counted_failures())
IN_FLIGHT = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def job_failures(
    instance: dg.DagsterInstance, job: str, label: str | None = None
) -> Failures | None:
    """Consecutive failures of a job's newest finished runs; None if the last one succeeded."""
    finished = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    records = instance.get_run_records(
        dg.RunsFilter(job_name=job, statuses=finished, tags=labelled(label)),
        limit=NEWEST_OF_A_JOB,
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
    newest = next(iter(failed), killed_run(job, time_of(ended)))
    return Failures(len(row), time_of(ended), newest)


def is_running(instance: dg.DagsterInstance, job: str, label: str | None = None) -> bool:
    """Whether a run of the job is queued or started."""
    wanted = dg.RunsFilter(job_name=job, statuses=IN_FLIGHT, tags=labelled(label))
    return bool(instance.get_runs(wanted, limit=1))


def why_waiting(
    instance: dg.DagsterInstance, job: str, now: datetime, label: str | None = None
) -> str | None:
    """The reason why no run of the job is launched yet: one is open, or backs off; else None.

    Args:
        now: machine time, as in Dagster's records.
    """
    if is_running(instance, job, label):
        return f"{job} is queued or running"
    failures = job_failures(instance, job, label)
    if failures is None or now >= failures.retry_at:
        return None
    return f"{job} failed; next try at {failures.retry_at:%H:%M:%S} UTC"


def time_of(timestamp: float) -> datetime:
    """A time of Dagster's records."""
    return datetime.fromtimestamp(timestamp, UTC)
