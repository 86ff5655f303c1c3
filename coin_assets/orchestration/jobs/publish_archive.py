"""The job ``publish_archive`` and its schedule: all forecasts and candles as Parquet files."""

from typing import Any

import dagster as dg
from pydantic import Field

from coin_assets.domain.json_format import Document
from coin_assets.domain.publishing.archive import KINDS
from coin_assets.orchestration.assets.specs import SeriesAssets, failures_named
from coin_assets.orchestration.jobs.one_op import BACKGROUND, one_op_job
from coin_assets.orchestration.jobs.parts import run_series
from coin_assets.orchestration.manifest import manifest_materialization
from coin_assets.orchestration.resources import PIPELINE, pipeline_of
from coin_assets.pipeline.publish_archive import Archiving, archiving


class ArchiveConfig(dg.Config):
    """Settings of ``publish_archive``."""

    verify: bool = Field(
        default=False,
        description="Read every archived file, and write those again that are not as listed.",
    )


def archive_job(specs: tuple[SeriesAssets, ...], paths: int) -> dg.JobDefinition:
    """The job ``publish_archive``: one op, one series after the other.

    Args:
        paths: number of sample paths of each forecast.
    """

    @dg.op(
        name="archive",
        required_resource_keys=PIPELINE,
        description=(
            "Write the stored forecasts and candles of public series as Parquet files below "
            "archive/ in the published folder, one a series and month, and the list of them. A "
            "file is written only if its month changed."
        ),
    )
    def archive(context: dg.OpExecutionContext, config: ArchiveConfig) -> None:
        pipeline = pipeline_of(context)
        with failures_named(), archiving(pipeline, specs, paths, verify=config.verify) as run:

            def update(spec: SeriesAssets) -> int:
                written = run.archive(spec)
                _report(context, run.commit(at_once=False))
                context.log.info(f"{spec.series}: {written} files written")
                return written

            parts = run_series(context, [each for each in specs if each in run.public], update)
            _report(context, run.commit())
            context.add_output_metadata({"written": sum(parts.results), **_metadata(run)})
            parts.require_all_done("series")

    return one_op_job(
        "publish_archive",
        archive,
        ArchiveConfig,
        (
            "Archive the forecasts and candles of public series as Parquet files in the published "
            "folder. Optional setting: verify. The schedule `archive` launches it every day."
        ),
        BACKGROUND,
    )


def archive_schedule(job: dg.JobDefinition) -> dg.ScheduleDefinition:
    """The schedule ``archive``: every day at 02:50 UTC, before ``retention``."""
    return dg.ScheduleDefinition(
        name="archive",
        job=job,
        cron_schedule="50 2 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=(
            "Launches publish_archive, which archives new forecasts and candles, every day at "
            "02:50 UTC, before `retention` removes old ones."
        ),
    )


def _report(context: dg.OpExecutionContext, manifest: Document | None) -> None:
    if manifest is not None:
        context.log_event(manifest_materialization(manifest, "rewritten by publish_archive"))


def _metadata(run: Archiving) -> dict[str, Any]:
    files = run.folder.files
    counts = {kind: sum(file.place.kind == kind for file in files) for kind in KINDS}
    return {
        "files": len(files),
        **{f"{kind}_files": count for kind, count in counts.items()},
        "rows": sum(file.rows for file in files),
        "bytes": sum(file.size for file in files),
    }
