"""The job ``enforce_retention`` and its schedule: old candles and old model versions go.

What COIN_RETENTION does not keep is removed, and model versions that nothing refers to any more.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg
from pydantic import Field

from coin_assets.domain.evaluation.version_retention import NEWEST_VERSIONS_KEPT, VERSIONS_KEPT_FOR
from coin_assets.domain.series_policy import kept_from
from coin_assets.errors import CoinAssetsError
from coin_assets.models.registry import ModelVersion
from coin_assets.orchestration.assets.specs import SeriesAssets, failures_named
from coin_assets.orchestration.jobs.one_op import BACKGROUND, one_op_job, require_all_done
from coin_assets.orchestration.resources import Clock, RegistryResource, StoreResource
from coin_assets.pipeline.apply_retention import Removed, count_old, old_versions, remove_old


class RetentionConfig(dg.Config):
    """How ``enforce_retention`` runs."""

    dry_run: bool = Field(default=False, description="Only log what would be removed.")


@dataclass(frozen=True)
class _Tools:
    """What the op works with."""

    store: StoreResource
    registry: RegistryResource
    now: datetime
    dry_run: bool


@dataclass(frozen=True)
class _Done:
    """What was removed of one key, or would be.

    Attributes:
        rows: None if COIN_RETENTION keeps all candles of the timeframe.
    """

    spec: SeriesAssets
    rows: Removed | None
    versions: list[ModelVersion]


def retention_job(specs: tuple[SeriesAssets, ...]) -> dg.JobDefinition:
    """``enforce_retention``: one op; one failing key leaves the others."""

    @dg.op(
        description=(
            "Remove candles, forecasts, revisions and ledger entries that are older than "
            "COIN_RETENTION keeps; timeframes without a retention keep all of them. Remove model "
            f"versions older than {VERSIONS_KEPT_FOR.days} days, but for the first of each month, "
            f"the newest {NEWEST_VERSIONS_KEPT}, all that were ever champion or challenger, and "
            "those in an evaluation."
        ),
    )
    def retain(
        context: dg.OpExecutionContext,
        config: RetentionConfig,
        store: StoreResource,
        registry: RegistryResource,
        clock: Clock,
    ) -> None:
        tools = _Tools(store, registry, clock.now(), config.dry_run)
        done, failed = list[_Done](), dict[str, CoinAssetsError]()
        for spec in specs:
            try:
                removed = _removed(tools, spec)
            except CoinAssetsError as error:
                context.log.error(f"{spec.series}: {error}")
                failed[str(spec.series)] = error
            else:
                context.log.info(_line(removed, config.dry_run))
                done.append(removed)
        context.add_output_metadata(_metadata(done))
        with failures_named():
            require_all_done(context, "keys", len(specs), failed)

    return one_op_job(
        "enforce_retention",
        retain,
        RetentionConfig,
        (
            "Remove what is older than COIN_RETENTION keeps, and model versions that nothing "
            "needs any more. Optional setting: dry_run. The schedule `retention` launches it "
            "every day."
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
        description=(
            "Removes what COIN_RETENTION does not keep, and old model versions, every day at "
            "03:20 UTC."
        ),
    )


def _removed(tools: _Tools, spec: SeriesAssets) -> _Done:
    store, registry, series = tools.store.client(), tools.registry.client(), spec.series
    rows = None
    if spec.retention is not None:
        remove = count_old if tools.dry_run else remove_old
        rows = remove(store, series, kept_from(tools.now, spec.retention))
    evaluated = tools.registry.evaluations().versions(series)
    versions = old_versions(store, registry, series, evaluated, tools.now)
    for version in [] if tools.dry_run else versions:
        registry.remove(version)
    return _Done(spec, rows, versions)


def _line(done: _Done, dry_run: bool) -> str:
    verb = "would remove" if dry_run else "removed"
    models = f"model versions {_names(done)}" if done.versions else "no model version"
    if done.rows is None:
        return f"{done.spec.series}: {verb} {models}; all candles are kept"
    return (
        f"{done.spec.series}: {verb} {done.rows.candles} candles, {done.rows.forecasts} forecast "
        f"rows, {done.rows.revisions} revisions before {done.rows.kept_from:%Y-%m-%d %H:%M}, and "
        f"{models}"
    )


def _metadata(done: list[_Done]) -> dict[str, Any]:
    rows = [each.rows for each in done if each.rows is not None]
    head = [
        "| key | kept from | candles | forecasts | revisions | model versions |",
        "|---|---|---|---|---|---|",
    ]
    return {
        "candles": sum(each.candles for each in rows),
        "forecasts": sum(each.forecasts for each in rows),
        "revisions": sum(each.revisions for each in rows),
        "model_versions": sum(len(each.versions) for each in done),
        "keys": dg.MetadataValue.md("\n".join([*head, *map(_row, done)])),
    }


def _row(done: _Done) -> str:
    cells = [str(done.spec.series), "always", "0", "0", "0", _names(done)]
    if (rows := done.rows) is not None:
        counts = (rows.candles, rows.forecasts, rows.revisions)
        cells[1:5] = [f"{rows.kept_from:%Y-%m-%d %H:%M}", *map(str, counts)]
    return f"| {' | '.join(cells)} |"


def _names(done: _Done) -> str:
    return ", ".join(version.name for version in done.versions)
