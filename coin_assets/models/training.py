"""Training of series on their candles up to a cutoff."""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from importlib.metadata import version as library_version
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

from coin_assets.domain.candles.frame import closed_by, content_hash, validated
from coin_assets.domain.evaluation.holdout import validation, validation_facts
from coin_assets.domain.evaluation.scoring import recent_loss
from coin_assets.domain.forecasting.realised import VARIANCE
from coin_assets.domain.methods import DEFAULT_METHOD
from coin_assets.domain.series import Series
from coin_assets.domain.series_policy import VarianceSource
from coin_assets.domain.timeframes import just_after
from coin_assets.errors import CoinAssetsError, InsufficientData
from coin_assets.models.exogenous import (
    ExogenousInputs,
    exogenous_facts,
    names_in,
    training_columns,
)
from coin_assets.models.forecasters import new_forecaster
from coin_assets.models.measured import measured
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.store.base import Store
from coin_assets.store.coverage import require_covered, require_newest

CODE_VERSION = "7"  # increased when the same candles give another artefact
CHALLENGES = "newest training while there is no challenger"


@dataclass(frozen=True)
class TrainingRequest:
    """Request to train one series.

    Attributes:
        series: symbol and timeframe.
        cutoff: only candles closed by this time are used.
        history_start: start of the first month.
        lookback: only candles that open at most this long before the cutoff are used; None uses
            all.
        lookback_text: ``lookback`` as the operator wrote it, part of the version's identity.
        run_id: of the Dagster run, recorded with the version.
        source: finer candles that measure the variance; None for the candles' own ranges.
        method: that is trained.
        others: further methods, trained on the same candles.
        exogenous: what methods with exogenous series read; None if nothing is collected.
    """

    series: Series
    cutoff: datetime
    history_start: datetime
    lookback: timedelta | None = None
    lookback_text: str | None = None
    run_id: str | None = None
    source: VarianceSource | None = None
    method: str = DEFAULT_METHOD
    others: tuple[str, ...] = ()
    exogenous: ExogenousInputs | None = None


@dataclass(frozen=True)
class TrainingResult:
    """Outcome of one request: a version, or the reason why there is none.

    Attributes:
        request: the request.
        version: the trained or existing version; None with ``insufficient`` or ``error``.
        created: False if the version existed already.
        rows: number of candles used.
        insufficient: reason of `InsufficientData`; None otherwise.
        error: the failure; None otherwise.
        loss: `recent_loss` of the version on its own candles; None if it was not scored.
        skill: `Validation.skill` of the method on held-out candles; None if it was not scored.
        seconds: duration of the training, or of finding the existing version.
        others: outcomes of the further methods, in their order.
    """

    request: TrainingRequest
    version: ModelVersion | None = None
    created: bool = False
    rows: int = 0
    insufficient: str | None = None
    error: CoinAssetsError | None = None
    loss: float | None = None
    skill: float | None = None
    seconds: float = field(default=0.0, compare=False)
    others: tuple["TrainingResult", ...] = ()

    @property
    def of_all_methods(self) -> tuple["TrainingResult", ...]:
        """The outcome of each method, first that of the request's own."""
        return self, *self.others


def training_candles(store: Store, request: TrainingRequest) -> pd.DataFrame:
    """The candles that a request uses, as candle frame with their variance; see `measured`.

    Raises:
        MonthsNotFetched: months of the range were never stored.
        CandlesNotYetAvailable: the last candle before the cutoff is missing.
        InvalidCandles: stored candles break the candle contract.
    """
    series, start = request.series, request.history_start
    if request.lookback is not None:
        start = max(start, request.cutoff - request.lookback)
    newest = series.timeframe.newest_closed(request.cutoff)
    if newest < start:
        return store.read_candles(series, start, start)
    require_covered(store, series, start, just_after(newest))
    require_newest(store, series, newest)
    stored = store.read_candles(series, start, request.cutoff)
    candles = validated(stored, series.timeframe, f"{series} candles in the store")
    candles = closed_by(candles, series.timeframe, request.cutoff)
    return measured(store, series, candles, request.source)


def train(
    store: Store, registry: ModelRegistry, request: TrainingRequest, now: datetime
) -> TrainingResult:
    """Train the requested version, and those of the further methods, unless they exist.

    Then `ModelRegistry.appoint_next_challenger` appoints challengers where there are none. An error
    of a further method is in its result, and does not affect the other methods.

    Args:
        store: provides the candles.
        registry: receives the version.
        request: series, cutoff and history.
        now: recorded as ``trained_at``; nothing depends on it.

    Raises:
        MonthsNotFetched, CandlesNotYetAvailable: see `training_candles`.
        MachineFault: the machine failed; nothing was stored.
        CorruptArtefact: a version of that cutoff, the record of roles, or a stored forecast is
            damaged.
    """
    result = _timed(store, registry, request, now)
    others = []
    for method in request.others:
        further = replace(request, method=method, others=())
        try:
            others.append(_timed(store, registry, further, now))
        except CoinAssetsError as error:
            others.append(TrainingResult(further, error=error))
    result = replace(result, others=tuple(others))
    if any(each.version is not None for each in result.of_all_methods):
        registry.appoint_next_challenger(
            request.series, reason=CHALLENGES, by="training", recorded_at=now
        )
    return result


def _timed(
    store: Store, registry: ModelRegistry, request: TrainingRequest, now: datetime
) -> TrainingResult:
    begun = perf_counter()
    result = _trained(store, registry, request, now)
    return replace(result, seconds=perf_counter() - begun)


def _trained(
    store: Store, registry: ModelRegistry, request: TrainingRequest, now: datetime
) -> TrainingResult:
    series = request.series
    registry.roles(series)  # a damaged record fails before the training, not after it
    known = registry.find(series, request.cutoff, request.lookback_text, request.method)
    if known is not None:
        facts = known.metadata()
        loss, skill = facts.get("loss"), facts.get("validation_skill")
        return TrainingResult(request, known, rows=facts.get("rows", 0), loss=loss, skill=skill)
    candles = training_candles(store, request)
    try:
        candles = training_columns(
            request.exogenous, series, request.method, candles, request.cutoff
        )
        read = names_in(candles)
        forecaster = new_forecaster(series, request.method, read).fit(candles)
    except InsufficientData as error:
        return TrainingResult(request, rows=len(candles), insufficient=str(error))
    loss = recent_loss(forecaster, candles, series.timeframe)
    held_out = validation(new_forecaster(series, request.method, read), candles, series.timeframe)
    facts = {
        **_facts(candles, request, now),
        "features": list(forecaster.features),
        "loss": loss,
        **validation_facts(held_out),
    }
    used = store.forecast_versions(series)  # their folders may be gone
    version = registry.add(series, forecaster, request.cutoff, facts, used=used, once=True)
    skill = None if held_out is None else held_out.skill
    return TrainingResult(request, version, created=True, rows=len(candles), loss=loss, skill=skill)


def train_all(
    store: Store,
    registry: ModelRegistry,
    requests: list[TrainingRequest],
    now: datetime,
    report: Callable[[TrainingResult], None],
) -> list[TrainingResult]:
    """Train many series in parallel, one thread a core. A failure does not affect the others.

    Args:
        store, registry, now: see `train`.
        requests: one a version.
        report: called with each result, in the order of ``requests``.

    Returns:
        Results in the order of ``requests``.

    Raises:
        Exception: an error that is not a `CoinAssetsError` is a defect. It is raised after all
            other requests are done and reported, with the failed series as notes.
    """

    def attempt(request: TrainingRequest) -> TrainingResult:
        begun = perf_counter()
        try:
            return train(store, registry, request, now)
        except CoinAssetsError as error:
            return TrainingResult(request, error=error, seconds=perf_counter() - begun)

    results, defects = [], []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = [pool.submit(attempt, request) for request in requests]
        try:
            for request, future in zip(requests, futures, strict=True):
                if (defect := future.exception()) is not None:
                    defects.append((request.series, defect))
                    continue
                report(future.result())
                results.append(future.result())
        finally:
            _cancel(futures)
    for series, defect in defects:
        defects[0][1].add_note(f"Training {series} failed with {defect!r}.")
    if defects:
        raise defects[0][1]
    return results


def _cancel(futures: list[Future[TrainingResult]]) -> None:
    """Cancel trainings that have not begun, so that an interrupted run ends soon."""
    for future in futures:
        future.cancel()


def _facts(candles: pd.DataFrame, request: TrainingRequest, now: datetime) -> dict[str, Any]:
    closes = request.series.timeframe.close_all(candles["timestamp"])
    return {
        "trained_at": now.isoformat(timespec="seconds"),
        "run_id": request.run_id,
        "lookback": request.lookback_text,
        "data_start": candles["timestamp"].iloc[0].isoformat(),
        "data_end": closes[-1].isoformat(),
        "rows": len(candles),
        "data_hash": content_hash(candles),
        **_realised_facts(candles, request.source),
        **exogenous_facts(candles),
        "code_version": CODE_VERSION,
        "package_version": library_version("coin_assets"),
        "libraries": {name: library_version(name) for name in ("numpy", "pandas", "scikit-learn")},
    }


def _realised_facts(candles: pd.DataFrame, source: VarianceSource | None) -> dict[str, Any]:
    """What measured the variance of the candles, how many of them, and a hash of the values."""
    if source is None:
        return {}
    variance = np.ascontiguousarray(candles[VARIANCE], dtype="<f8")
    return {
        "realised": {
            "source": source.series.timeframe.name,
            "rows": int(np.isfinite(variance).sum()),
            "hash": sha256(variance.tobytes()).hexdigest(),
        }
    }
