"""From settings to Dagster definitions; production, tests and tools all come through here."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from coin_assets.assets.candles import derived_candles, fetched_candles
from coin_assets.assets.models import trained_models
from coin_assets.assets.predictions import predictions
from coin_assets.assets.published import manifest, published_files
from coin_assets.assets.specs import SeriesSpec
from coin_assets.checks.reconciled import reconciled_check
from coin_assets.domain.timeframes import months_between
from coin_assets.errors import ConfigurationError
from coin_assets.jobs.backfill import backfill_job
from coin_assets.jobs.reconcile import reconcile_job
from coin_assets.jobs.redo import redo_job
from coin_assets.jobs.retention import retention_job, retention_schedule
from coin_assets.jobs.training import training_job
from coin_assets.jobs.update import update_job
from coin_assets.partitions import beta_features_accepted, monthly_partitions, months_so_far
from coin_assets.resources import (
    Clock,
    DiskResource,
    MarketResource,
    PublisherResource,
    RegistryResource,
    Resources,
    StoreResource,
)
from coin_assets.settings import Settings
from coin_assets.store.home import open_home

# A code location that runs for longer without a reload shows too short a lineage, no more.
MONTHS_UNTIL_RELOAD = 24


def build_definitions(
    settings: Settings | None = None, **resource_overrides: dg.ConfigurableResource
) -> dg.Definitions:
    """Everything Dagster serves.

    Args:
        settings: read from the environment by default.
        resource_overrides: resources to use instead of the configured ones, by name: ``market``,
            ``store``, ``registry``, ``publisher``, ``clock``, ``disk``.

    Raises:
        ConfigurationError: the settings or the home cannot be used.
    """
    settings = settings or Settings()
    resources: dict[str, Any] = configured_resources(settings)._asdict()
    unknown = set(resource_overrides) - set(resources)
    if unknown:
        raise ConfigurationError(f"No resources {sorted(unknown)}; there are {sorted(resources)}.")
    open_home(
        settings.home,
        ":".join(filter(None, (settings.market_kind, settings.market_argument))),
        needs_case={"1m", "1M"} <= {timeframe.name for timeframe in settings.timeframes},
    )
    specs = series_specs(settings)
    with beta_features_accepted():
        steps = [asset for spec in specs for asset in series_assets(spec, specs)]
    checks = [reconciled_check(spec) for spec in specs]
    retention = retention_job(specs)
    return dg.Definitions(
        assets=[*steps, manifest(specs)],
        jobs=[
            update_job(steps, checks),
            training_job(specs),
            backfill_job(specs),
            redo_job(specs),
            reconcile_job(specs),
            retention,
        ],
        asset_checks=checks,
        schedules=[retention_schedule(retention)],
        resources=resources | resource_overrides,
        # A step costs about 0.1 s in this process and seconds in one of its own.
        executor=dg.in_process_executor,
    )


def series_specs(settings: Settings) -> tuple[SeriesSpec, ...]:
    """One spec a symbol and timeframe."""
    partitions = monthly_partitions(settings.history_start)
    months = len(months_between(settings.history_start, datetime.now(UTC)))
    mapping = months_so_far(months + MONTHS_UNTIL_RELOAD)
    return tuple(
        SeriesSpec(
            key=key,
            source=key.at(settings.source_of(key.timeframe) or key.timeframe),
            partitions=partitions,
            months_so_far=mapping,
            history_start=settings.history_start,
            limits=settings.freshness[key.timeframe],
            history_window=settings.history_window.get(key.timeframe),
            reread_candles=settings.reread_candles,
            retention=settings.retention.get(key.timeframe),
            source_retention=settings.retention.get(
                settings.source_of(key.timeframe) or key.timeframe
            ),
        )
        for key in settings.keys
    )


def series_assets(spec: SeriesSpec, specs: tuple[SeriesSpec, ...]) -> list[dg.AssetsDefinition]:
    """The steps of one key, from candles to published files."""
    return [
        fetched_candles(spec) if spec.is_fetched else derived_candles(spec),
        trained_models(spec),
        predictions(spec),
        published_files(spec, specs),
    ]


def configured_resources(settings: Settings) -> Resources:
    """Resources as the settings say."""
    if settings.store != "parquet":
        raise ConfigurationError(
            f"COIN_STORE: {settings.store!r} is not available in this version; use parquet."
        )
    home = str(settings.home)
    limits = {
        timeframe.name: [
            settings.freshness[timeframe].soft.total_seconds() / 60,
            settings.freshness[timeframe].hard.total_seconds() / 60,
        ]
        for timeframe in settings.timeframes
    }
    return Resources(
        clock=Clock(settle_seconds=settings.settle_seconds),
        market=MarketResource(
            kind=settings.market_kind,
            argument=settings.market_argument,
            archive=settings.archive,
            downloads=str(settings.home / "downloads"),
        ),
        store=StoreResource(home=home),
        registry=RegistryResource(home=home),
        publisher=PublisherResource(
            folder=str(settings.publish_dir),
            symbols=list(settings.symbols),
            limits_minutes=limits,
        ),
        disk=DiskResource(
            home=home,
            warn=settings.disk_limits.warn,
            critical=settings.disk_limits.critical,
            block=settings.disk_limits.block,
        ),
    )
