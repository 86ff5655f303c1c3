"""The job ``enforce_retention`` and its schedule: what COIN_RETENTION does not keep is removed."""

from typing import Any

import dagster as dg
from pydantic import Field

from coin_assets.assets.specs import SeriesSpec, failures_named
from coin_assets.domain.retention import kept_from
from coin_assets.errors import CoinAssetsError
from coin_assets.jobs.one_op import BACKGROUND, one_op_job, require_all_done
from coin_assets.resources import Clock, StoreResource
from coin_assets.steps.retain import Removed, count_old, remove_old


class RetentionConfig(dg.Config):
    """How ``enforce_retention`` runs."""

    dry_run: bool = Field(default=False, description="Only log what would be removed.")


def retention_job(specs: tuple[SeriesSpec, ...]) -> dg.JobDefinition:
    """``enforce_retention``: one op; one failing key leaves the others."""

    @dg.op(
        description=(
            "Remove candles, forecasts, revisions and ledger entries that are older than "
            "COIN_RETENTION keeps. Timeframes without a retention are never touched."
        ),
    )
    def retain(
        context: dg.OpExecutionContext,
        config: RetentionConfig,
        store: StoreResource,
        clock: Clock,
    ) -> None:
        remove = count_old if config.dry_run else remove_old
        now, done, failed = clock.now(), list[Removed](), dict[str, CoinAssetsError]()
        for spec in specs:
            if spec.retention is None:
                continue
            try:
                removed = remove(store.client(), spec.key, kept_from(now, spec.retention))
            except CoinAssetsError as error:
                context.log.error(f"{spec.key}: {error}")
                failed[str(spec.key)] = error
            else:
                context.log.info(_line(removed, config.dry_run))
                done.append(removed)
        context.add_output_metadata(_metadata(done))
        if not done and not failed:
            context.log.info("COIN_RETENTION names no timeframe that is configured; all is kept")
        with failures_named():
            require_all_done(context, "keys", len(done) + len(failed), failed)

    return one_op_job(
        "enforce_retention",
        retain,
        RetentionConfig,
        (
            "Remove what is older than COIN_RETENTION keeps. Optional setting: dry_run. The "
            "schedule `retention` launches it every day."
        ),
        BACKGROUND,
    )


def retention_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """``retention``: daily, when nothing else is due."""
    return dg.ScheduleDefinition(
        name="retention",
        job=job,
        cron_schedule="20 3 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Removes what COIN_RETENTION does not keep, every day at 03:20 UTC.",
    )


def _line(removed: Removed, dry_run: bool) -> str:
    verb = "would remove" if dry_run else "removed"
    return (
        f"{removed.key}: {verb} {removed.candles} candles, {removed.forecasts} forecast rows, "
        f"{removed.revisions} revisions before {removed.kept_from:%Y-%m-%d %H:%M}"
    )


def _metadata(done: list[Removed]) -> dict[str, Any]:
    rows = [
        f"| {each.key} | {each.kept_from:%Y-%m-%d %H:%M} | {each.candles} | {each.forecasts} "
        f"| {each.revisions} |"
        for each in done
    ]
    head = ["| key | kept from | candles | forecasts | revisions |", "|---|---|---|---|---|"]
    return {
        "candles": sum(each.candles for each in done),
        "forecasts": sum(each.forecasts for each in done),
        "revisions": sum(each.revisions for each in done),
        "keys": dg.MetadataValue.md("\n".join([*head, *rows])),
    }
