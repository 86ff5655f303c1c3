"""Builds Dagster definitions from settings, for production, tests and tools."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dagster as dg

from coin_assets.alerts.database import FOLDER
from coin_assets.config.locks import choose_locks
from coin_assets.config.records import records_of, temporary_folder
from coin_assets.config.settings import STORES, Settings
from coin_assets.domain.publishing.documents import published_market
from coin_assets.domain.timeframes import months_between
from coin_assets.errors import ConfigurationError
from coin_assets.files.atomic import private_folder
from coin_assets.orchestration.assets.candles import derived_candles, fetched_candles
from coin_assets.orchestration.assets.evaluations import evaluations
from coin_assets.orchestration.assets.models import trained_models
from coin_assets.orchestration.assets.predictions import predictions
from coin_assets.orchestration.assets.published import published_files
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.checks.clock import clock_checks
from coin_assets.orchestration.checks.reconciled import reconciled_check
from coin_assets.orchestration.code_references import with_sources
from coin_assets.orchestration.executor import noted_in_process_executor
from coin_assets.orchestration.exogenous import (
    exogenous_assets,
    exogenous_fetches,
    exogenous_resources,
)
from coin_assets.orchestration.hidden import hidden_address
from coin_assets.orchestration.jobs.acknowledge import acknowledge_job
from coin_assets.orchestration.jobs.backfill import backfill_job
from coin_assets.orchestration.jobs.copy_store import Openers, copy_store_job
from coin_assets.orchestration.jobs.doctor import doctor_job
from coin_assets.orchestration.jobs.evaluate import evaluate_job
from coin_assets.orchestration.jobs.promotion import promote_job, rollback_job
from coin_assets.orchestration.jobs.prune_records import prune_job, prune_schedule
from coin_assets.orchestration.jobs.publish_archive import archive_job, archive_schedule
from coin_assets.orchestration.jobs.recompute import recompute_job
from coin_assets.orchestration.jobs.reconcile import reconcile_job
from coin_assets.orchestration.jobs.retention import retention_job, retention_schedule
from coin_assets.orchestration.jobs.training import training_job
from coin_assets.orchestration.jobs.update import update_job
from coin_assets.orchestration.manifest import manifest
from coin_assets.orchestration.partitions import (
    beta_features_accepted,
    monthly_partitions,
    months_so_far,
)
from coin_assets.orchestration.resources import (
    Clock,
    DiskResource,
    MarketResource,
    PublisherResource,
    RegistryResource,
    Resources,
    StoreResource,
)
from coin_assets.orchestration.sensors.alert_settings import AlertSettings, alert_settings
from coin_assets.orchestration.sensors.candles_due import candles_due_sensor
from coin_assets.orchestration.sensors.health_alerts import health_alerts_sensor
from coin_assets.orchestration.sensors.late_candles import late_candles_sensor
from coin_assets.orchestration.sensors.machine import MachineFaults
from coin_assets.orchestration.sensors.publish_due import publish_due_sensor
from coin_assets.orchestration.sensors.requests import checks_of
from coin_assets.orchestration.sensors.retrain import retrain_schedule
from coin_assets.orchestration.sensors.training_events import training_events_sensor
from coin_assets.planning.series_status import read_status
from coin_assets.store.base import Store
from coin_assets.store.home import open_home

# A code location that runs longer without a reload shows an incomplete lineage.
MONTHS_UNTIL_RELOAD = 24


def build_definitions(
    settings: Settings | None = None,
    symbol_names: Collection[str] | None = None,
    **resource_overrides: dg.ConfigurableResource,
) -> dg.Definitions:
    """All definitions of the code location.

    Args:
        settings: read from the environment by default.
        symbol_names: the only symbols that get assets, for a process that executes a run of them;
            of names that are not configured, and by default, all symbols get them.
        resource_overrides: resources to use instead of the configured ones, by name: ``market``,
            ``store``, ``registry``, ``publisher``, ``clock``, ``disk``, ``exogenous``.

    Raises:
        ConfigurationError: the settings or the home cannot be used.
    """
    settings = settings or Settings()
    shard, resources = settings.own_shard, _resources(settings, resource_overrides)
    choose_locks(settings)
    _open_home(settings)
    specs = series_specs(settings)
    chosen = _chosen(specs, symbol_names)
    with beta_features_accepted():
        steps = with_sources([asset for spec in chosen for asset in series_assets(spec, specs)])
        scored = with_sources([evaluations(spec) for spec in chosen])
        collected = with_sources(exogenous_assets(chosen))
    checks = [check for spec in chosen for check in _separate_checks(spec)]
    alerts = alert_settings(settings)
    faults = MachineFaults(resources["disk"])
    update, training = update_job(steps, checks), training_job(specs)
    recompute, retention = recompute_job(specs), retention_job(specs)
    prune, archive = prune_job(settings.records_retention), archive_job(specs, settings.paths)
    due = [update, training, evaluate_job(scored), promote_job(specs)]
    retrain, retain = retrain_schedule(specs, training), retention_schedule(retention)
    schedules = [retrain, retain, archive_schedule(archive)]
    schedules += [prune_schedule(prune)] if shard.is_first else []  # of the records of all shards
    sensors: list[Any] = [
        candles_due_sensor(specs, checks_of(steps), due, faults, shard),
        publish_due_sensor(specs, checks_of(steps), update, faults, shard),
        late_candles_sensor(specs, recompute, faults, shard),
        training_events_sensor(specs, training, faults, shard),
    ]
    fetch, fetch_due = exogenous_fetches(collected, specs, faults, shard)
    launched: list[Any] = [*due, recompute, retention, prune, *fetch]
    sensors += fetch_due
    watched = [each.name for each in (*sensors, *schedules)]
    definitions = dg.Definitions(
        assets=[*steps, *scored, *collected, manifest(chosen, shard)],
        jobs=[*launched, archive, *_operator_jobs(settings, specs, alerts)],
        asset_checks=checks,
        schedules=schedules,
        sensors=[*sensors, health_alerts_sensor(specs, alerts, watched, faults)],
        resources=resources,
        # A step costs about 0.1 s in this process and seconds in one of its own.
        executor=noted_in_process_executor,
    )
    with beta_features_accepted():  # Dagster copies sensors with a parameter that is one
        definitions.get_repository_def()
    return definitions


def _resources(
    settings: Settings, overrides: Mapping[str, dg.ConfigurableResource]
) -> dict[str, Any]:
    known = configured_resources(settings)._asdict() | exogenous_resources(settings)
    if unknown := set(overrides) - set(known):
        raise ConfigurationError(f"No resources {sorted(unknown)}; there are {sorted(known)}.")
    return known | dict(overrides)


def _chosen(
    specs: tuple[SeriesAssets, ...], names: Collection[str] | None
) -> tuple[SeriesAssets, ...]:
    if names is None:
        return specs
    return tuple(spec for spec in specs if spec.series.symbol_name in names) or specs


def _open_home(settings: Settings) -> None:
    names = {timeframe.name for timeframe in settings.timeframes}
    needs_case = names >= {"1m", "1M"}
    open_home(settings.home, market_name(settings), settings.symbols, needs_case=needs_case)
    private_folder(settings.home / FOLDER)  # texts of errors are in it


def _operator_jobs(
    settings: Settings, specs: tuple[SeriesAssets, ...], alerts: AlertSettings
) -> list[dg.JobDefinition]:
    """Jobs that no sensor or schedule launches."""
    return [
        rollback_job(specs),
        backfill_job(specs),
        reconcile_job(specs),
        copy_store_job(specs, store_openers(settings), settings.store),
        acknowledge_job(specs, alerts.book),
        doctor_job(specs),
    ]


def series_specs(settings: Settings) -> tuple[SeriesAssets, ...]:
    """One `SeriesAssets` a symbol and timeframe: of the shard, if the settings name one."""
    shard = None if settings.shard is None else settings.own_shard
    partitions = monthly_partitions(settings.history_start)
    months = len(months_between(settings.history_start, datetime.now(UTC)))
    mapping = months_so_far(months + MONTHS_UNTIL_RELOAD)
    return tuple(
        SeriesAssets(
            series=series,
            source=series.at(settings.source_of(series.timeframe) or series.timeframe),
            partitions=partitions,
            months_so_far=mapping,
            history_start=settings.history_start,
            limits=settings.freshness[series.timeframe],
            history_window=settings.history_window.get(series.timeframe),
            reread_candles=settings.reread_candles,
            retention=settings.retention.get(series.timeframe),
            source_retention=settings.retention.get(
                settings.source_of(series.timeframe) or series.timeframe
            ),
            methods=settings.methods,
            exogenous=settings.exogenous,
        )
        for series in settings.series_list
        if shard is None or shard.owns(series.symbol)
    )


def series_assets(spec: SeriesAssets, specs: tuple[SeriesAssets, ...]) -> list[dg.AssetsDefinition]:
    """The assets of one series, from candles to published files."""
    return [
        fetched_candles(spec, specs) if spec.is_fetched else derived_candles(spec),
        trained_models(spec),
        predictions(spec),
        published_files(spec, specs),
    ]


def _separate_checks(spec: SeriesAssets) -> tuple[dg.AssetChecksDefinition, ...]:
    """Checks that no asset of the series records by itself."""
    return reconciled_check(spec), clock_checks(spec, read_status)


def market_name(settings: Settings) -> str:
    """Name of the market in a home or bucket."""
    return ":".join(filter(None, (settings.market_kind, settings.market_argument)))


def configured_store(settings: Settings) -> StoreResource:
    """The configured store. Runs read its token from the environment; no config contains it."""
    home = str(settings.home)
    if settings.store == "parquet":
        return StoreResource(home=home)
    return StoreResource(
        home=home,
        kind=settings.store,
        market=market_name(settings),
        url=settings.influxdb_v2_url,
        org=settings.influxdb_v2_org,
        bucket=settings.influxdb_bucket,
        token=dg.EnvVar("INFLUXDB_V2_TOKEN"),
    )


def store_openers(settings: Settings) -> Openers:
    """Functions that open each kind of store of this installation."""
    given = {name: getattr(settings, name) for name in settings.model_fields_set}

    def opened(kind: str) -> Store:
        # The settings of the store that is not in use are checked only now.
        if missing := settings.missing_for(kind):
            raise ConfigurationError(
                f"{', '.join(missing)}: not set, but the {kind} store needs them. Set them in the "
                "environment of make up and restart it, or in the shell of dagster job execute."
            )
        return configured_store(Settings(**(given | {"store": kind}))).client()

    return {kind: partial(opened, kind) for kind in STORES}


def configured_resources(settings: Settings) -> Resources:
    """Resources configured by ``settings``."""
    home, shard = str(settings.home), settings.own_shard
    limits = {
        each.name: [limit.total_seconds() / 60 for limit in (known.soft, known.hard)]
        for each, known in ((each, settings.freshness[each]) for each in settings.timeframes)
    }
    return Resources(
        clock=Clock(settle_seconds=settings.settle_seconds),
        market=MarketResource(
            kind=settings.market_kind,
            argument=settings.market_argument,
            archive=hidden_address(settings.archive),
            downloads=str(settings.home / "downloads"),
        ),
        store=configured_store(settings),
        registry=RegistryResource(home=home),
        publisher=PublisherResource(
            home=home,
            folder=str(settings.publish_dir),
            symbols=list(filter(shard.owns, settings.symbols)),
            limits_minutes=limits,
            shard=shard.number,
            shards=shard.count,
            market=published_market(settings.market_kind, settings.market_argument),
            dagster_url=settings.dagster_url or None,
            site_url=settings.site_url or None,
        ),
        disk=DiskResource(
            home=home,
            warn=settings.disk_limits.warn,
            critical=settings.disk_limits.critical,
            block=settings.disk_limits.block,
            folders=[str(settings.publish_dir), str(records_of(settings.home).folder)],
            temporary=temporary_folder(),
        ),
    )
