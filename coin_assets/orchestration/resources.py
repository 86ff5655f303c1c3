"""Dagster resources: market, store, registry, publisher, disk and clock.

A resource holds plain configuration. Its client opens on first use and closes when the run ends.
Tests override resources, never the clients inside them.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
from pydantic import PrivateAttr

from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.publishing.manifest_entries import Installation
from coin_assets.domain.series import Series
from coin_assets.domain.shards import Shard
from coin_assets.domain.timeframes import Timeframe
from coin_assets.market.base import Market
from coin_assets.market.factory import open_market
from coin_assets.models.evaluations import EvaluationBook
from coin_assets.models.exogenous import ExogenousInputs
from coin_assets.models.registry import ModelRegistry
from coin_assets.orchestration.disk import DiskResource as DiskResource
from coin_assets.orchestration.hidden import reveal
from coin_assets.orchestration.manifest import manifest_materialization
from coin_assets.pipeline.context import Pipeline
from coin_assets.pipeline.fetch_ahead import FetchesAhead
from coin_assets.publish.batch import PublishingBatch
from coin_assets.publish.publisher import Publisher
from coin_assets.store.base import Store
from coin_assets.store.exogenous import ExogenousTables
from coin_assets.store.influxdb.connection import Connection
from coin_assets.store.influxdb.store import InfluxStore
from coin_assets.store.parquet import ParquetStore


class Clock(dg.ConfigurableResource):
    """The clock of runs and sensors; nothing else reads the time."""

    settle_seconds: int
    _started: datetime | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """Keep the start of the run, for `closed_by`."""
        self._started = self.now()

    def now(self) -> datetime:
        """The current time, UTC."""
        return datetime.now(UTC)

    def machine_time(self) -> datetime:
        """The time of Dagster's records; it differs from `now` in tests only."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back, for time limits."""
        return time.monotonic()

    def settled(self) -> datetime:
        """Candles that close up to this time are final: now, less the settle delay."""
        return self.now() - timedelta(seconds=self.settle_seconds)

    def closed_by(self) -> datetime:
        """As `settled`, at the start of the run.

        All tasks of a run share it: candles that close during a run are left to the next one.
        """
        settle = timedelta(seconds=self.settle_seconds)
        return self.settled() if self._started is None else self._started - settle


class MarketResource(dg.ConfigurableResource):
    """The market that candles are fetched from.

    Attributes:
        archive: bulk history beside the exchange: a folder, or what `hidden_address` returned
            for a base URL; empty for none.
        downloads: working folder for the files of an archive that is a URL.
    """

    kind: str
    argument: str
    archive: str = ""
    downloads: str = ""
    _market: Market | None = PrivateAttr(default=None)

    def client(self) -> Market:
        """The market, opened on first use; it stays open until the run ends.

        Raises:
            ConfigurationError: the kind is unknown, or an archive does not fit it.
        """
        if self._market is None:
            self._market = open_market(
                self.kind,
                self.argument,
                reveal(self.archive),
                Path(self.downloads) if self.downloads else None,
            )
        return self._market

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """Close the market, if it was opened."""
        if self._market is not None:
            self._market.close()


class StoreResource(dg.ConfigurableResource):
    """The store of candles and forecasts.

    Attributes:
        kind: ``parquet``, or ``influxdb``, which needs the rest as well.
        market: name of the market in the bucket.
        patience_seconds: how long requests are retried when the server does not answer.
    """

    home: str
    kind: str = "parquet"
    market: str = ""
    url: str = ""
    org: str = ""
    bucket: str = ""
    token: str = ""
    patience_seconds: float = 30.0
    _store: Store | None = PrivateAttr(default=None)
    _ahead: FetchesAhead | None = PrivateAttr(default=None)

    def client(self) -> Store:
        """The store, opened on first use; it stays open until the run ends."""
        if self._store is None:
            home = Path(self.home)
            if self.kind == "parquet":
                self._store = ParquetStore(home)
            else:
                self._store = InfluxStore(self.connection(), self.market, home / "locks")
        return self._store

    def exogenous(self) -> ExogenousTables:
        """Values of the exogenous series; they lie in the home, whatever the kind."""
        return ExogenousTables(Path(self.home))

    def exogenous_inputs(self, names: tuple[str, ...]) -> ExogenousInputs | None:
        """What versions of a series are trained on beside candles; None without ``names``."""
        return ExogenousInputs(self.exogenous(), names) if names else None

    def connection(self) -> Connection:
        """Connection to the InfluxDB server."""
        token = self.token
        if isinstance(token, dg.EnvVar):  # Dagster resolves it for runs and sensors only
            token = token.get_value() or ""
        return Connection(
            self.url,
            self.org,
            self.bucket,
            token.strip(),
            patience_seconds=self.patience_seconds,
        )

    def fetches_ahead(self, begin: Callable[[], FetchesAhead] | None = None) -> FetchesAhead | None:
        """Fetches that threads of this run write into the store; None before ``begin``.

        They are here because they end before the store is closed. ``begin`` is called once a run.
        """
        if self._ahead is None and begin is not None:
            self._ahead = begin()
        return self._ahead

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """End the fetches of threads, and close the store, if it was opened."""
        if self._ahead is not None:
            self._ahead.close()
        if self._store is not None:
            self._store.close()


class RegistryResource(dg.ConfigurableResource):
    """Model versions, their roles, and their evaluations."""

    home: str

    def client(self) -> ModelRegistry:
        """Model versions and their roles."""
        return ModelRegistry(Path(self.home))

    def evaluations(self) -> EvaluationBook:
        """The newest evaluation of each series."""
        return EvaluationBook(Path(self.home))


class PublisherResource(dg.ConfigurableResource):
    """The published folder; ``home`` holds its lock. ``symbols`` are those of the shard."""

    home: str
    folder: str
    symbols: list[str]
    limits_minutes: dict[str, list[float]]  # timeframe name -> [soft, hard]
    market: str | None = None
    dagster_url: str | None = None
    site_url: str | None = None  # where readers find the page
    shard: int = 0
    shards: int = 1
    _batch: PublishingBatch | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002
        """Begin a run."""
        self._batch = None

    def batch(self) -> PublishingBatch:
        """The publications of this run."""
        if self._batch is None:
            self._batch = PublishingBatch(self.client())
        return self._batch

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Write what the run did not, because a series that it was to publish failed."""
        if self._batch is None:
            return
        manifest = self._batch.close()
        if manifest is not None and context.instance is not None:
            event = manifest_materialization(manifest, "rewritten at the end of a run")
            context.instance.report_runless_asset_event(event)

    def client(self) -> Publisher:
        """Publisher of all symbols at each timeframe of ``limits_minutes``."""
        limits = {
            name: FreshnessLimits(timedelta(minutes=soft), timedelta(minutes=hard))
            for name, (soft, hard) in self.limits_minutes.items()
        }
        series_list = [
            Series(symbol, Timeframe.parse(name)) for symbol in self.symbols for name in limits
        ]
        locks = Path(self.home) / "locks" / "published"
        shard = Shard(self.shard, self.shards)
        installation = Installation(self.market, self.dagster_url, shard)
        return Publisher(Path(self.folder), locks, series_list, limits, installation)


class Resources(NamedTuple):
    """All resources, under the names by which assets request them."""

    clock: Clock
    market: MarketResource
    store: StoreResource
    registry: RegistryResource
    publisher: PublisherResource
    disk: DiskResource


# Resource keys that an asset or op requires for `pipeline_of`.
PIPELINE = {"store", "market", "registry", "publisher", "clock"}


def pipeline_of(context: dg.OpExecutionContext | dg.AssetExecutionContext) -> Pipeline:
    """The `Pipeline` of a run, built from its resources; no server is contacted yet.

    The asset or op has to require `PIPELINE`.
    """
    return pipeline_from(context.resources)


def pipeline_from(resources: Any) -> Pipeline:
    """The `Pipeline` of `Resources`, or of what a run has under their names."""
    return Pipeline(
        store=resources.store.client(),
        market=resources.market.client(),
        registry=resources.registry.client(),
        evaluations=resources.registry.evaluations(),
        publisher=resources.publisher.client(),
        clock=resources.clock,
        exogenous=resources.store.exogenous(),
    )
