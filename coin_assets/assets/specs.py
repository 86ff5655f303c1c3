"""What all assets of one key share: names, tags, freshness, schema, failure handling."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from coin_assets.domain.keys import Key
from coin_assets.domain.layers import CANDLES, MODELS, PREDICTIONS, PUBLISHED, QUALITY
from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.retention import kept_from
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


@dataclass(frozen=True)
class SeriesSpec:
    """One key and everything its assets are built from.

    Attributes:
        source: the key its candles are derived from; the key itself if they are fetched.
        months_so_far: how a month of models or forecasts depends on candles.
        history_window: lookback of the history file; None is the whole range.
        reread_candles: stored candles that a pull reads again before the new ones.
        retention, source_retention: how long candles of the key and of its source are kept; None
            is for ever.
    """

    key: Key
    source: Key
    partitions: dg.MonthlyPartitionsDefinition
    months_so_far: dg.TimeWindowPartitionMapping
    history_start: datetime
    limits: FreshnessLimits
    history_window: timedelta | None
    reread_candles: int
    retention: timedelta | None
    source_retention: timedelta | None

    @property
    def is_fetched(self) -> bool:
        return self.source == self.key

    def first_expected(self, now: datetime) -> datetime:
        """No candle of the key is kept or expected that opens before this time."""
        return _first_expected(self.history_start, self.retention, now)

    def first_source_expected(self, now: datetime) -> datetime:
        """No candle of the key can be derived that opens before: its source is not kept, or it
        would not be kept itself."""
        source = _first_expected(self.history_start, self.source_retention, now)
        return max(source, self.first_expected(now))

    def first_usable(self, now: datetime, oldest: datetime | None) -> datetime:
        """Models and forecasts of the key see no candle that opens before this time.

        Args:
            oldest: open of the oldest stored candle: what was derived stays when its source goes.
        """
        derivable = self.first_source_expected(now)
        return max(self.first_expected(now), min(derivable, oldest or derivable))

    def asset_key(self, layer: str) -> dg.AssetKey:
        return asset_key(self.key, layer)

    @property
    def freshness(self) -> dg.FreshnessPolicy:
        """Data-age limits, applied by Dagster to the time of the last materialisation."""
        return dg.FreshnessPolicy.time_window(
            fail_window=self.limits.hard, warn_window=self.limits.soft
        )

    @property
    def training_limits(self) -> FreshnessLimits:
        """Age of a model's training cutoff: retrained daily, weekly or monthly, with slack."""
        soft_hours, hard_hours = {"w": (9 * 24, 16 * 24), "M": (35 * 24, 70 * 24)}.get(
            self.key.timeframe.unit, (36, 72)
        )
        return FreshnessLimits(timedelta(hours=soft_hours), timedelta(hours=hard_hours))

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
            "group_name": self.key.symbol_name,
            "tags": {"timeframe": self.key.timeframe.name, "layer": layer},
            "kinds": kinds,
            "owners": OWNERS,
            "metadata": {"symbol": self.key.symbol, **metadata},
        }

    def partitioned(self) -> dict[str, Any]:
        return {
            "partitions_def": self.partitions,
            "backfill_policy": dg.BackfillPolicy.single_run(),
        }


def _first_expected(start: datetime, keep: timedelta | None, now: datetime) -> datetime:
    return start if keep is None else max(start, kept_from(now, keep))


def asset_key(key: Key, layer: str) -> dg.AssetKey:
    return dg.AssetKey([key.symbol_name, f"{_NAMES[layer]}_{key.timeframe}"])


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
