"""The job ``enforce_retention`` and its schedule: remove old rows and old model versions.

Rows are old when COIN_RETENTION does not keep them, model versions when nothing refers to them.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg
from pydantic import Field

from coin_assets.domain.evaluation.version_retention import NEWEST_VERSIONS_KEPT, VERSIONS_KEPT_FOR
from coin_assets.domain.series_policy import kept_from
from coin_assets.models.registry import ModelVersion
from coin_assets.orchestration.assets.specs import SeriesAssets, failures_named
from coin_assets.orchestration.jobs.one_op import BACKGROUND, one_op_job
from coin_assets.orchestration.jobs.parts import run_series
from coin_assets.orchestration.resources import PIPELINE, pipeline_of
from coin_assets.pipeline.apply_retention import Removed, count_old, old_versions, remove_old
from coin_assets.pipeline.context import Pipeline


class RetentionConfig(dg.Config):
    """Settings of ``enforce_retention``."""

    dry_run: bool = Field(default=False, description="Only log; remove nothing.")


@dataclass(frozen=True)
class _Done:
    """Rows and versions of one series that were removed, or would be.

    Attributes:
        rows: None if COIN_RETENTION keeps all candles of the timeframe.
    """

    spec: SeriesAssets
    rows: Removed | None
    versions: list[ModelVersion]


def retention_job(specs: tuple[SeriesAssets, ...]) -> dg.JobDefinition:
    """The job ``enforce_retention``: one op, one series after the other."""

    @dg.op(
        required_resource_keys=PIPELINE,
        description=(
            "Remove candles, forecasts, revisions and ledger entries that are older than "
            "COIN_RETENTION keeps; timeframes without a retention keep all of them. Remove model "
            f"versions older than {VERSIONS_KEPT_FOR.days} days, but for the first of each month, "
            f"the newest {NEWEST_VERSIONS_KEPT}, all that were ever champion or challenger, and "
            "those in an evaluation."
        ),
    )
    def enforce(context: dg.OpExecutionContext, config: RetentionConfig) -> None:
        with failures_named():
            pipeline = pipeline_of(context)
            now = pipeline.clock.now()

            def run(spec: SeriesAssets) -> _Done:
                done = _removed(pipeline, spec, now, dry_run=config.dry_run)
                context.log.info(_line(done, config.dry_run))
                return done

            parts = run_series(context, specs, run)
            context.add_output_metadata(_metadata(parts.results))
            parts.require_all_done("series")

    return one_op_job(
        "enforce_retention",
        enforce,
        RetentionConfig,
        (
            "Remove rows that are older than COIN_RETENTION keeps, and old model versions that "
            "nothing refers to. Optional setting: dry_run. The schedule `retention` launches it "
            "every day."
        ),
        BACKGROUND,
    )


def retention_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """The schedule ``retention``: every day at 03:20 UTC, between full hours."""
    return dg.ScheduleDefinition(
        name="retention",
        job=job,
        cron_schedule="20 3 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=(
            "Launches enforce_retention, which removes old rows and model versions, every day at "
            "03:20 UTC."
        ),
    )


def _removed(pipeline: Pipeline, spec: SeriesAssets, now: datetime, *, dry_run: bool) -> _Done:
    store, registry, series = pipeline.store, pipeline.registry, spec.series
    rows = None
    if spec.retention is not None:
        remove = count_old if dry_run else remove_old
        rows = remove(store, series, kept_from(now, spec.retention))
    evaluated = pipeline.evaluations.versions(series)
    versions = old_versions(store, registry, series, evaluated, now)
    for version in [] if dry_run else versions:
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
        "| series | kept from | candles | forecasts | revisions | model versions |",
        "|---|---|---|---|---|---|",
    ]
    return {
        "candles": sum(each.candles for each in rows),
        "forecasts": sum(each.forecasts for each in rows),
        "revisions": sum(each.revisions for each in rows),
        "model_versions": sum(len(each.versions) for each in done),
        "series": dg.MetadataValue.md("\n".join([*head, *map(_row, done)])),
    }


def _row(done: _Done) -> str:
    cells = [str(done.spec.series), "always", "0", "0", "0", _names(done)]
    if (rows := done.rows) is not None:
        counts = (rows.candles, rows.forecasts, rows.revisions)
        cells[1:5] = [f"{rows.kept_from:%Y-%m-%d %H:%M}", *map(str, counts)]
    return f"| {' | '.join(cells)} |"


def _names(done: _Done) -> str:
    return ", ".join(version.name for version in done.versions)
