"""The job ``train_models``: trains on demand, outside the job ``update``."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import cast

import dagster as dg
from pydantic import Field

from coin_assets.config import notation
from coin_assets.domain.forecasting.trainable import why_no_model
from coin_assets.domain.layers import MODELS
from coin_assets.errors import CoinAssetsError, ConfigurationError, PartsFailed
from coin_assets.models.registry import ModelRegistry
from coin_assets.models.training import (
    TrainingRequest,
    TrainingResult,
    train_all,
    training_candles,
)
from coin_assets.orchestration.assets.models import (
    report_months_without_model,
    training_line,
    training_metadata,
    training_summary,
)
from coin_assets.orchestration.assets.specs import (
    TRAINING_POOL,
    SeriesAssets,
    asset_key,
    failures_named,
)
from coin_assets.orchestration.jobs.one_op import BACKGROUND, one_op_job, require_all_done
from coin_assets.orchestration.jobs.selection import chosen_specs
from coin_assets.orchestration.partitions import partition_of
from coin_assets.orchestration.resources import Clock, RegistryResource, StoreResource
from coin_assets.store.base import Store

# A training that a schedule or sensor launched is retried after these times.
RETRY_AFTER = (timedelta(minutes=10), timedelta(minutes=30))
_UNATTENDED_TAGS = {"dagster/schedule_name", "dagster/sensor_name"}


class TrainingConfig(dg.Config):
    """Settings of ``train_models``; each is optional."""

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


def training_job(
    specs: tuple[SeriesAssets, ...], retry_after: tuple[timedelta, ...] = RETRY_AFTER
) -> dg.JobDefinition:
    """The job ``train_models``: one op that trains series in parallel.

    Args:
        retry_after: waiting times before each retry of a run that no person launched.
    """

    @dg.op(
        pool=TRAINING_POOL,
        description="Train each method for each chosen series and report it on its model asset.",
    )
    def train(
        context: dg.OpExecutionContext,
        config: TrainingConfig,
        store: StoreResource,
        registry: RegistryResource,
        clock: Clock,
    ) -> None:
        with failures_named(), _retried(context, retry_after):
            chosen = chosen_specs("train_models", specs, config.symbols, config.timeframes)
            by_series = {spec.series: spec for spec in chosen}
            now, earlier = clock.now(), _reported_before(context)
            requests = [
                _same_again(
                    _request(config, spec, now, store, context.run.run_id),
                    earlier,
                )
                for spec in chosen
            ]
            if config.dry_run:
                _log_plan(context, store.client(), requests)
                return
            begun = perf_counter()
            results = train_all(
                store.client(),
                registry.client(),
                requests,
                now,
                lambda result: _report(
                    context, by_series[result.request.series], result, earlier, registry.client()
                ),
            )
            whole = [_of_the_run(result, earlier) for result in results]
            _require_all_trained(context, whole, perf_counter() - begun, retry_after)

    return one_op_job(
        "train_models",
        train,
        TrainingConfig,
        (
            "Train forecast models now, outside the job update. All settings are optional: "
            "symbols, timeframes, lookback, cutoff, dry_run. A failed run is retried after 10 and "
            "30 minutes if a schedule or sensor launched it, and fails at once otherwise."
        ),
        BACKGROUND,
    )


@contextmanager
def _retried(context: dg.OpExecutionContext, retry_after: tuple[timedelta, ...]) -> Iterator[None]:
    """Retry the op later if it fails unattended; configuration errors are not retried."""
    try:
        yield
    except ConfigurationError:
        raise
    except CoinAssetsError as error:
        attended = _UNATTENDED_TAGS.isdisjoint(context.run.tags)
        if attended or context.retry_number >= len(retry_after):
            raise
        wait = retry_after[context.retry_number]
        context.log.warning(f"{error} Retried in {wait}.")
        raise dg.RetryRequested(len(retry_after), wait.total_seconds()) from error


def _require_all_trained(
    context: dg.OpExecutionContext,
    results: list[TrainingResult],
    seconds: float,
    retry_after: tuple[timedelta, ...],
) -> None:
    """Attach the summary to the op's output, or to its failure."""
    summary = training_summary(results, seconds)
    context.log.info(summary["series"].value)
    failed = {
        str(result.request.series): each.error
        for result in results
        for each in result.of_all_methods
        if each.error is not None
    }
    try:
        with _retried(context, retry_after):
            require_all_done(context, "series", len(results), failed)
    except PartsFailed as error:
        facts = {"error": error.code, "failed_series": list(failed), **summary}
        raise dg.Failure(str(error), facts, allow_retries=False) from error
    context.add_output_metadata(summary)


def _reported_before(context: dg.OpExecutionContext) -> dict[dg.AssetKey, dg.AssetMaterialization]:
    """Materializations of earlier attempts of this run, by model asset."""
    if context.retry_number == 0:
        return {}
    entries = context.instance.all_logs(
        context.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    found = [entry.asset_materialization for entry in entries]
    # Months without a model have no cutoff.
    trained = [each for each in found if each is not None and "cutoff" in each.metadata]
    return {each.asset_key: each for each in trained}


def _same_again(
    request: TrainingRequest, earlier: dict[dg.AssetKey, dg.AssetMaterialization]
) -> TrainingRequest:
    """``request`` with the cutoff of an earlier attempt, so that its version is found."""
    reported = earlier.get(asset_key(request.series, MODELS))
    if reported is None:
        return request
    seconds = cast(float, reported.metadata["cutoff"].value)
    return replace(request, cutoff=datetime.fromtimestamp(seconds, UTC))


def _of_the_run(
    result: TrainingResult, earlier: dict[dg.AssetKey, dg.AssetMaterialization]
) -> TrainingResult:
    """``result``, marked as created if an earlier attempt of the run created the version."""
    reported = earlier.get(asset_key(result.request.series, MODELS))
    if reported is None:
        return result
    return replace(result, created=bool(reported.metadata["created"].value))


def _report(
    context: dg.OpExecutionContext,
    spec: SeriesAssets,
    result: TrainingResult,
    earlier: dict[dg.AssetKey, dg.AssetMaterialization],
    registry: ModelRegistry,
) -> None:
    """Log one line, and once a run the materialization of the model asset."""
    for each in result.of_all_methods:
        context.log.info(training_line(each))
    asset = spec.asset_key(MODELS)
    if result.error is None and asset not in earlier:
        report_months_without_model(context, spec, registry, result.request.cutoff)
        context.log_event(
            dg.AssetMaterialization(
                asset,
                partition=partition_of(result.request.cutoff),
                metadata=training_metadata(result),
            )
        )


def _request(
    config: TrainingConfig, spec: SeriesAssets, now: datetime, store: StoreResource, run_id: str
) -> TrainingRequest:
    """Training request of a series."""
    extent = store.client().extent(spec.series)
    lookback = _lookback(config.lookback)
    if config.cutoff is not None:
        cutoff = _cutoff(config.cutoff)
    elif extent is not None:
        cutoff = spec.series.timeframe.close_of(extent.last)
    else:
        # The training fails and names the months that were never fetched.
        cutoff = spec.series.timeframe.floor(now)
    if not spec.history_start < cutoff <= now:
        raise ConfigurationError(
            f"train_models config: cutoff {cutoff:%Y-%m-%d %H:%M} lies outside the candles of "
            f"{spec.series}. Choose one after {spec.history_start:%Y-%m-%d} and not after now."
        )
    first = spec.first_usable(now, None if extent is None else extent.first)
    return TrainingRequest(
        spec.series,
        cutoff,
        first,
        lookback,
        config.lookback,
        run_id,
        method=spec.methods[0],
        others=spec.methods[1:],
        source=spec.variance_source(now),
        exogenous=store.exogenous_inputs(spec.exogenous),
    )


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
            f"train_models config: cutoff {text!r} is not a time. Write for example "
            "2026-11-01T00:00:00Z."
        ) from error
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def _log_plan(
    context: dg.OpExecutionContext, store: Store, requests: list[TrainingRequest]
) -> None:
    for request in requests:
        try:
            candles = training_candles(store, request)
        except CoinAssetsError as error:
            context.log.warning(f"could not train {request.series}: {error}")
            continue
        plan = (
            f"{request.series} on {len(candles)} candles closed by {request.cutoff:%Y-%m-%d %H:%M}"
        )
        reason = why_no_model(candles, request.series.timeframe)
        if reason is not None:
            context.log.warning(f"would not train {plan}: {reason}")
        else:
            context.log.info(f"would train {plan}")
