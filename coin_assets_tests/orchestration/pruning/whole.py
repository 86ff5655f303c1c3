"""The job ``prune_records`` on a platform with records of its own, for any storage of Dagster."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.storage.event_log.base import AssetRecord

from coin_assets.errors import SymbolUnavailable
from coin_assets.orchestration.build import series_specs
from coin_assets.orchestration.checks.recorded import last_materialised, recorded_checks
from coin_assets.orchestration.sensors.health import native_states
from coin_assets.orchestration.sensors.health_alerts import WATCHED_JOBS
from coin_assets.orchestration.sensors.runs import job_failures
from coin_assets_tests.orchestration.pruning.history import record_run
from coin_assets_tests.orchestration.sensors.failing import FailingMarket
from coin_assets_tests.platform import BTC, ETH, Platform, given

MONTHS = "2024-01-01", "2024-02-01"


def record_platform(platform: Platform) -> None:
    """A failed backfill, two updates of the same months, check results without a run."""
    platform.market = given(FailingMarket([BTC, ETH], SymbolUnavailable))
    assert not platform.run("backfill").success
    platform.market = None
    for _ in range(2):
        assert platform.update(*MONTHS).success
    platform.tick("health_alerts")
    for _ in range(12):
        record_run(platform.instance, datetime.now(UTC))


def everything_said(platform: Platform) -> dict[str, Any]:
    """What web UI, manifest and alerts say, from Dagster's records."""
    instance, specs = platform.instance, series_specs(platform.settings)
    graph = platform.definitions.resolve_asset_graph()
    assets = sorted(graph.get_all_asset_keys())
    records = instance.get_asset_records(assets)
    platform.tick("publish_due")
    parts = {name: platform.manifest[name]["entries"] for name in ("ops", "public")}
    return parts | {
        "records": {each.asset_entry.asset_key: each.asset_entry for each in records},
        "runs": {
            each.asset_entry.last_run_id for each in records if _is_last_there(instance, each)
        },
        "partitions": {each: instance.get_materialized_partitions(each) for each in assets},
        "checks": recorded_checks(instance, graph.asset_check_keys),
        "materialised": last_materialised(instance, assets),
        "jobs": {job: job_failures(instance, job) for job in WATCHED_JOBS},
        "native": native_states(instance, specs),
    }


def _is_last_there(instance: dg.DagsterInstance, record: AssetRecord) -> bool:
    run_id = record.asset_entry.last_run_id
    return run_id is not None and instance.has_run(run_id)


def prune_by_job(platform: Platform, **config: Any) -> dict[str, Any]:
    """Run the job 40 days later; its metadata."""
    platform.ahead = timedelta(days=40).total_seconds()
    result = platform.run("prune_records", **config)
    assert result.success
    (output,) = [each for each in result.all_events if each.is_successful_output]
    return {name: value.value for name, value in output.step_output_data.metadata.items()}


def assert_pruned(platform: Platform) -> None:
    """The job removes one update and the fillers, and no status changes."""
    record_platform(platform)
    platform.ahead = timedelta(days=40).total_seconds()
    before, runs = everything_said(platform), platform.instance.get_runs_count()
    assert before["jobs"]["backfill"] is not None
    tried = prune_by_job(platform, dry_run=True)
    assert platform.instance.get_runs_count() == runs + 1
    done = prune_by_job(platform)
    assert done["runs"] == tried["runs"] >= 1
    assert done["kept"] >= 2
    assert done["left"] == 0
    assert platform.instance.get_runs_count() == runs + 2 - done["runs"]
    assert everything_said(platform) == before
    assert prune_by_job(platform)["runs"] == 0
