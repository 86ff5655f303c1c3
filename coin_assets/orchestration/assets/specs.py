"""What all assets of one series share: names, tags, freshness, schema, retries."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from coin_assets.domain.layers import CANDLES, MODELS, PREDICTIONS, PUBLISHED, QUALITY
from coin_assets.domain.methods import METHODS
from coin_assets.domain.series import Series, safe_name
from coin_assets.domain.series_policy import SeriesPolicy
from coin_assets.orchestration.failures import failures_named as failures_named

OWNERS = ["team:coin_assets"]
_NAMES = {
    CANDLES: "ohlcv",
    MODELS: "model",
    PREDICTIONS: "prediction",
    PUBLISHED: "published",
    QUALITY: "evaluation",
}
TRAINING_POOL = "training"
_SCHEMA = "dagster/column_schema"

# Passing faults are tried again at once; what lasts longer is left to the next run.
RETRIES = dg.RetryPolicy(
    max_retries=2, delay=2, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
)


@dataclass(frozen=True, kw_only=True)
class SeriesAssets(SeriesPolicy):
    """The policy of one series, and what its assets have in common.

    Attributes:
        months_so_far: how a month of models or forecasts depends on candles.
    """

    partitions: dg.MonthlyPartitionsDefinition
    months_so_far: dg.TimeWindowPartitionMapping

    def asset_key(self, layer: str) -> dg.AssetKey:
        """Asset key of the series in ``layer``."""
        return asset_key(self.series, layer)

    @property
    def candles_so_far(self) -> list[dg.AssetDep]:
        """The candles that a month of models or forecasts depends on.

        Its own, and those of the source where these measure the variance.
        """
        read = [self.series, *([self.source] if self.measures_by_source else [])]
        return [
            dg.AssetDep(asset_key(series, CANDLES), partition_mapping=self.months_so_far)
            for series in read
        ]

    @property
    def exogenous_read(self) -> list[dg.AssetDep]:
        """The exogenous series that models and forecasts depend on, if a method reads any."""
        if not any(METHODS[method].reads_exogenous for method in self.methods):
            return []
        return [dg.AssetDep(exogenous_key(self.series.symbol, name)) for name in self.exogenous]

    @property
    def freshness(self) -> dg.FreshnessPolicy:
        """Data-age limits, applied by Dagster to the time of the last materialisation."""
        return dg.FreshnessPolicy.time_window(
            fail_window=self.limits.hard, warn_window=self.limits.soft
        )

    @property
    def training_freshness(self) -> dg.FreshnessPolicy:
        """`training_limits`, applied by Dagster to the time of the last materialisation."""
        return dg.FreshnessPolicy.time_window(
            fail_window=self.training_limits.hard, warn_window=self.training_limits.soft
        )

    def common(
        self, layer: str, kinds: set[str], schema: dg.TableSchema | None = None
    ) -> dict[str, Any]:
        """Keyword arguments that every asset of ``layer`` passes to ``dg.asset``.

        Args:
            schema: columns of the rows. All series of a layer have the same ones, and they take
                5 KB of the repository snapshot, so only assets of fetched series show them.
        """
        shown = {} if schema is None or not self.is_fetched else {_SCHEMA: schema}
        return {
            "key": self.asset_key(layer),
            "group_name": self.series.symbol_name,
            "tags": {"timeframe": self.series.timeframe.name, "layer": layer},
            "kinds": kinds,
            "owners": OWNERS,
            "metadata": {"symbol": self.series.symbol, **shown},
        }

    def partitioned(self) -> dict[str, Any]:
        """Keyword arguments of ``dg.asset`` for assets with monthly partitions."""
        return {
            "partitions_def": self.partitions,
            "backfill_policy": dg.BackfillPolicy.single_run(),
        }


def asset_key(series: Series, layer: str) -> dg.AssetKey:
    """Asset key of one layer of a series, for example ``BTC_USDT/ohlcv_1h``."""
    return dg.AssetKey([series.symbol_name, f"{_NAMES[layer]}_{series.timeframe}"])


def exogenous_key(symbol: str, name: str) -> dg.AssetKey:
    """Asset key of an exogenous series, for example ``BTC_USDT/implied_volatility``."""
    return dg.AssetKey([safe_name(symbol), name])


def column_schema(schema: Mapping[str, tuple[str, str]]) -> dg.TableSchema:
    """For the UI, from one of the schema constants of the domain."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name, kind, description=meaning)
            for name, (kind, meaning) in schema.items()
        ]
    )
