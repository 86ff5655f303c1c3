"""The job ``prune_records``: removes Dagster's records of old runs.

Candles, forecasts and models are not among them; the job ``enforce_retention`` is about those.
"""

from datetime import timedelta

import dagster as dg
from pydantic import Field

from coin_assets.orchestration.assets.specs import failures_named
from coin_assets.orchestration.jobs.one_op import BACKGROUND, one_op_job
from coin_assets.orchestration.records.prune import MOST_RUNS, Pruned, prune
from coin_assets.orchestration.records.shrink import shrink
from coin_assets.orchestration.records.sizes import databases
from coin_assets.orchestration.resources import Clock


class PruneConfig(dg.Config):
    """Settings of ``prune_records``; each is optional."""

    dry_run: bool = Field(
        default=False, description="Report what would be removed, remove nothing."
    )


def prune_job(retention: timedelta) -> dg.JobDefinition:
    """The job ``prune_records``: one op.

    Args:
        retention: how long records of finished runs are kept.
    """

    @dg.op(
        name="prune",
        description=(
            "Remove finished runs that are older than COIN_RECORDS_RETENTION with their events, "
            f"check results and logs, at most {MOST_RUNS} a run; the oldest first. The newest "
            "records of each asset, partition and check stay with their runs."
        ),
    )
    def prune_op(context: dg.OpExecutionContext, config: PruneConfig, clock: Clock) -> None:
        with failures_named():
            before = clock.machine_time() - retention
            context.log.info(f"Removing runs that finished before {before:%Y-%m-%d %H:%M}")
            pruned = prune(context.instance, before, context.log.info, dry_run=config.dry_run)
            files = [] if config.dry_run else databases(context.instance)
            shrunk = sum(shrink(path, context.log.info) for path in files)
            context.log.info(_line(pruned, shrunk, config.dry_run))
            context.add_output_metadata(
                {
                    "runs": pruned.runs,
                    "kept": pruned.kept,
                    "left": pruned.left,
                    "rows_without_run": pruned.rows,
                    "bytes_freed": pruned.freed + shrunk,
                }
            )

    return one_op_job(
        "prune_records",
        prune_op,
        PruneConfig,
        (
            "Remove Dagster's records of runs that are older than COIN_RECORDS_RETENTION keeps. "
            "Optional setting: dry_run. The schedule `records_retention` launches it every day."
        ),
        BACKGROUND,
    )


def prune_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """The schedule ``records_retention``: every day at 03:50 UTC, after ``retention``."""
    return dg.ScheduleDefinition(
        name="records_retention",
        job=job,
        cron_schedule="50 3 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Launches prune_records, which removes old runs, every day at 03:50 UTC.",
    )


def _line(pruned: Pruned, shrunk: int, dry_run: bool) -> str:
    verb = "would remove" if dry_run else "removed"
    return (
        f"{verb} {pruned.runs} runs, kept {pruned.kept} old ones that a status is read from; "
        f"{pruned.rows} rows without a run; {(pruned.freed + shrunk) / 2**20:.1f} MiB freed"
        + (f"; up to {pruned.left} runs are left for the next day" if pruned.left else "")
    )
