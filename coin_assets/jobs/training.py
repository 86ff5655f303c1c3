"""The job ``train_models``: training on demand, outside the update path."""

from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from coin_assets.assets.models import training_line, training_metadata
from coin_assets.assets.specs import (
    MODELS,
    TRAINING_POOL,
    SeriesSpec,
    asset_key,
    failures_named,
)
from coin_assets.domain import notation
from coin_assets.errors import CoinAssetsError, ConfigurationError
from coin_assets.jobs.one_op import one_op_job, require_all_done
from coin_assets.jobs.selection import chosen_specs
from coin_assets.models.training import (
    TrainingRequest,
    TrainingResult,
    train_all,
    training_candles,
)
from coin_assets.partitions import partition_of
from coin_assets.resources import Clock, RegistryResource, StoreResource
from coin_assets.store.base import Store


class TrainingConfig(dg.Config):
    """What ``train_models`` trains; everything is optional."""

    symbols: list[str] = Field(default=[], description="Symbols to train; empty is all.")
    timeframes: list[str] = Field(default=[], description="Timeframes to train; empty is all.")
    lookback: str | None = Field(
        default=None, description="Train on candles this long before the cutoff, for example 365d."
    )
    cutoff: str | None = Field(
        default=None,
        description="Use only candles closed by this time (ISO 8601, UTC); default is the close "
        "of the newest stored candle.",
    )
    dry_run: bool = Field(default=False, description="Only log what would be trained.")


def training_job(specs: tuple[SeriesSpec, ...]) -> dg.JobDefinition:
    """``train_models``: one op, keys in parallel, one failing key leaves the others."""

    @dg.op(
        pool=TRAINING_POOL,
        description="Train a model version for each chosen key and report it on its model asset.",
    )
    def train(
        context: dg.OpExecutionContext,
        config: TrainingConfig,
        store: StoreResource,
        registry: RegistryResource,
        clock: Clock,
    ) -> None:
        with failures_named():
            chosen = chosen_specs("train_models", specs, config.symbols, config.timeframes)
            newest = store.client().newest_candles(spec.key for spec in chosen)
            now = clock.now()
            requests = [_request(config, spec, now, newest.get(spec.key)) for spec in chosen]
            if config.dry_run:
                _log_plan(context, store.client(), requests)
                return
            results = train_all(
                store.client(),
                registry.client(),
                requests,
                now,
                lambda result: _report(context, result),
            )
            failed = {
                str(result.request.key): result.error
                for result in results
                if result.error is not None
            }
            require_all_done(context, "keys", len(results), failed)

    return one_op_job(
        "train_models",
        train,
        TrainingConfig,
        (
            "Train forecast models now, outside the update path. All settings are optional: "
            "symbols, timeframes, lookback, cutoff, dry_run."
        ),
    )


def _report(context: dg.OpExecutionContext, result: TrainingResult) -> None:
    """One INFO line, and the materialisation of the key's model asset."""
    context.log.info(training_line(result))
    if result.error is None:
        request = result.request
        context.log_event(
            dg.AssetMaterialization(
                asset_key(request.key, MODELS),
                partition=partition_of(request.cutoff),
                metadata=training_metadata(result),
            )
        )


def _request(
    config: TrainingConfig, spec: SeriesSpec, now: datetime, newest: datetime | None
) -> TrainingRequest:
    """What to train for a key whose newest stored candle opens at ``newest``."""
    lookback = _lookback(config.lookback)
    if config.cutoff is not None:
        cutoff = _cutoff(config.cutoff)
    elif newest is not None:
        cutoff = spec.key.timeframe.close_of(newest)
    else:
        cutoff = spec.key.timeframe.floor(now)  # the training says which months were never fetched
    if not spec.history_start < cutoff <= now:
        raise ConfigurationError(
            f"train_models config: cutoff {cutoff:%Y-%m-%d %H:%M} lies outside the candles of "
            f"{spec.key}. Choose one after {spec.history_start:%Y-%m-%d} and not after now."
        )
    return TrainingRequest(spec.key, cutoff, spec.first_expected(now), lookback, config.lookback)


def _lookback(text: str | None) -> timedelta | None:
    try:
        return None if text is None else notation.duration(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"train_models config: lookback {error}") from error


def _cutoff(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(
            f"train_models config: cutoff {text!r} is no time. Write for example "
            "2026-11-01T00:00:00Z."
        ) from error
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _log_plan(
    context: dg.OpExecutionContext, store: Store, requests: list[TrainingRequest]
) -> None:
    for request in requests:
        try:
            rows = len(training_candles(store, request))
        except CoinAssetsError as error:
            context.log.warning(f"could not train {request.key}: {error}")
        else:
            until = f"{request.cutoff:%Y-%m-%d %H:%M}"
            context.log.info(f"would train {request.key} on {rows} candles closed by {until}")
