"""Training one key on its candles up to a cutoff."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from importlib.metadata import version as library_version
from time import perf_counter
from typing import Any

import pandas as pd

from coin_assets.domain.candles import closed_by, content_hash
from coin_assets.domain.forecasting import minimum_candles
from coin_assets.domain.keys import Key
from coin_assets.domain.scoring import recent_loss
from coin_assets.errors import CoinAssetsError, InsufficientData
from coin_assets.models.forecasters import new_forecaster
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.store.base import Store
from coin_assets.store.coverage import require_covered, require_newest

CODE_VERSION = "1"


@dataclass(frozen=True)
class TrainingRequest:
    """What to train.

    Attributes:
        cutoff: only candles closed by then are used.
        history_start: first month that exists.
        lookback: use only candles that open this long before the cutoff; None is all.
        lookback_text: ``lookback`` as the operator wrote it, part of the version's identity.
    """

    key: Key
    cutoff: datetime
    history_start: datetime
    lookback: timedelta | None = None
    lookback_text: str | None = None


@dataclass(frozen=True)
class TrainingResult:
    """Outcome of one request: a version, or the reason why there is none.

    Attributes:
        created: False if the version was there already.
        insufficient: why there are too few candles; then there is no version.
        error: the failure; then there is no version.
        loss: `recent_loss` of the version on its own candles; None if it was not scored.
        seconds: how long the training took, or the search for a version that is kept.
    """

    request: TrainingRequest
    version: ModelVersion | None = None
    created: bool = False
    rows: int = 0
    insufficient: str | None = None
    error: CoinAssetsError | None = None
    loss: float | None = None
    seconds: float = field(default=0.0, compare=False)


def training_candles(store: Store, request: TrainingRequest) -> pd.DataFrame:
    """The candles that a request may use.

    Raises:
        MonthsNotFetched: months of the range were never stored.
        CandlesNotYetAvailable: the last candle before the cutoff is not there.
    """
    key, start = request.key, request.history_start
    if request.lookback is not None:
        start = max(start, request.cutoff - request.lookback)
    newest = key.timeframe.newest_closed(request.cutoff)
    if newest < start:
        return store.read_candles(key, start, start)
    require_covered(store, key, start, newest + timedelta.resolution)
    require_newest(store, key, newest)
    return closed_by(store.read_candles(key, start, request.cutoff), key.timeframe, request.cutoff)


def train(
    store: Store, registry: ModelRegistry, request: TrainingRequest, now: datetime
) -> TrainingResult:
    """Make sure that the version asked for exists; an existing one is never replaced.

    Args:
        now: recorded as ``trained_at``; nothing depends on it.

    Raises:
        MonthsNotFetched, CandlesNotYetAvailable: see `training_candles`.
    """
    begun = perf_counter()
    result = _trained(store, registry, request, now)
    return replace(result, seconds=perf_counter() - begun)


def _trained(
    store: Store, registry: ModelRegistry, request: TrainingRequest, now: datetime
) -> TrainingResult:
    key = request.key
    known = registry.find(key, request.cutoff, request.lookback_text)
    if known is not None:
        facts = known.metadata()
        return TrainingResult(request, known, rows=facts["rows"], loss=facts.get("loss"))
    candles = training_candles(store, request)
    try:
        forecaster = new_forecaster(key).fit(candles)
    except InsufficientData as error:
        return TrainingResult(request, rows=len(candles), insufficient=str(error))
    loss = recent_loss(forecaster, candles, key.timeframe)
    facts = _facts(candles, request, now) | {"loss": loss}
    version = registry.add(key, forecaster, request.cutoff, facts)
    return TrainingResult(request, version, created=True, rows=len(candles), loss=loss)


def train_all(
    store: Store,
    registry: ModelRegistry,
    requests: list[TrainingRequest],
    now: datetime,
    report: Callable[[TrainingResult], None],
) -> list[TrainingResult]:
    """Train many keys in parallel; one that fails leaves the others. ``report`` hears each."""

    def attempt(request: TrainingRequest) -> TrainingResult:
        begun = perf_counter()
        try:
            return train(store, registry, request, now)
        except CoinAssetsError as error:
            return TrainingResult(request, error=error, seconds=perf_counter() - begun)

    results = []
    with ThreadPoolExecutor() as pool:
        for result in pool.map(attempt, requests):
            report(result)
            results.append(result)
    return results


def has_enough(store: Store, key: Key, history_start: datetime, cutoff: datetime) -> bool:
    """Whether the candles closed by ``cutoff`` suffice to train a model."""
    opened_before = key.timeframe.floor(cutoff)
    return store.count_candles(key, history_start, opened_before) >= minimum_candles(key.timeframe)


def _facts(candles: pd.DataFrame, request: TrainingRequest, now: datetime) -> dict[str, Any]:
    closes = request.key.timeframe.close_all(candles["timestamp"])
    return {
        "trained_at": now.isoformat(timespec="seconds"),
        "lookback": request.lookback_text,
        "data_start": candles["timestamp"].iloc[0].isoformat(),
        "data_end": closes[-1].isoformat(),
        "rows": len(candles),
        "data_hash": content_hash(candles),
        "code_version": CODE_VERSION,
        "libraries": {name: library_version(name) for name in ("numpy", "pandas", "scikit-learn")},
    }
