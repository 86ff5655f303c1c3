"""What all assets of one key share: names, tags, freshness, schema, failure handling."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from coin_assets.domain.layers import CANDLES, MODELS, PREDICTIONS, PUBLISHED, QUALITY
from coin_assets.domain.series import Series
from coin_assets.domain.series_policy import SeriesPolicy
from coin_assets.errors import CoinAssetsError, TemporaryError

if TYPE_CHECKING:
    from dagster_shared.error import SerializableErrorInfo

OWNERS = ["team:coin_assets"]
_NAMES = {
    CANDLES: "ohlcv",
    MODELS: "model",
    PREDICTIONS: "prediction",
    PUBLISHED: "published",
    QUALITY: "evaluation",
}
TRAINING_POOL = "training"
_TYPE = re.compile(r"^(?:\w+\.)+\w+: ")
FAILURES = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.STEP_UP_FOR_RETRY}

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
        return asset_key(self.series, layer)

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

    def common(self, layer: str, kinds: set[str], **metadata: Any) -> dict[str, Any]:
        """Keyword arguments that every asset of ``layer`` passes to ``dg.asset``."""
        return {
            "key": self.asset_key(layer),
            "group_name": self.series.symbol_name,
            "tags": {"timeframe": self.series.timeframe.name, "layer": layer},
            "kinds": kinds,
            "owners": OWNERS,
            "metadata": {"symbol": self.series.symbol, **metadata},
        }

    def partitioned(self) -> dict[str, Any]:
        return {
            "partitions_def": self.partitions,
            "backfill_policy": dg.BackfillPolicy.single_run(),
        }


def asset_key(series: Series, layer: str) -> dg.AssetKey:
    return dg.AssetKey([series.symbol_name, f"{_NAMES[layer]}_{series.timeframe}"])


def column_schema(schema: Mapping[str, tuple[str, str]]) -> dg.TableSchema:
    """For the UI, from one of the schema constants of the domain."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name, kind, description=meaning)
            for name, (kind, meaning) in schema.items()
        ]
    )


@contextmanager
def failures_named() -> Iterator[None]:
    """The boundary to Dagster: what cannot pass by itself is not tried again in this run."""
    try:
        yield
    except TemporaryError:
        raise
    except CoinAssetsError as error:
        raise dg.Failure(
            description=str(error),
            metadata={"error": type(error).__name__},
            allow_retries=False,
        ) from error


def failure_message(entry: dg.EventLogEntry) -> str:
    """What one of `FAILURES` says to a person, without the stack."""
    event = entry.get_dagster_event()
    if event.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY:
        return _root_cause(event.step_retry_data.error)
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return data.user_failure_data.description
    return _root_cause(data.error)


def failure_kind(entry: dg.EventLogEntry) -> str:
    """Name of the error type behind one of `FAILURES`."""
    event = entry.get_dagster_event()
    if event.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY:
        return _root_kind(event.step_retry_data.error)
    data = event.step_failure_data
    named = data.user_failure_data and data.user_failure_data.metadata.get("error")
    return str(named.value) if named else _root_kind(data.error)


def _root_kind(error: "SerializableErrorInfo | None") -> str:
    root = _root(error)
    return "unknown" if root is None else (root.cls_name or "unknown").rpartition(".")[2]


def _root_cause(error: "SerializableErrorInfo | None") -> str:
    root = _root(error)
    # Without the type in front, which is for programs.
    return "unknown error" if root is None else _TYPE.sub("", root.message.strip())


def _root(error: "SerializableErrorInfo | None") -> "SerializableErrorInfo | None":
    while error is not None and error.cause is not None:
        error = error.cause
    return error
