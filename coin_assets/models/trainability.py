"""Whether the stored candles of a series allow a model, remembered until they change."""

from collections.abc import Hashable
from datetime import datetime
from threading import Lock

import pandas as pd

from coin_assets.domain.forecasting.trainable import (
    calibrated_candles,
    minimum_candles,
    too_few,
    why_no_model,
)
from coin_assets.domain.series import Series
from coin_assets.store.base import Store

# Results of `why_none` in this process, each with the state of the candles it was computed from.
_ANSWERS: dict[tuple[Series, datetime, datetime], tuple[Hashable, str | None]] = {}
_ANSWERS_LOCK = Lock()
_MOST_ANSWERS = 10_000


def why_none(store: Store, series: Series, history_start: datetime, cutoff: datetime) -> str | None:
    """The reason why no model can be trained by ``cutoff``; None if one can.

    The result equals `why_no_model` of all candles closed by ``cutoff``. Only as many candles are
    read as the rule needs. The result is cached until the stored candles change.
    """
    end = series.timeframe.floor(cutoff)
    count = store.count_candles(series, history_start, end)
    if (few := too_few(count, series.timeframe)) is not None:
        return few
    state = store.candles_state(series, history_start, end)
    question = (series, history_start, end)
    known = _ANSWERS.get(question)
    if state is not None and known is not None and known[0] == state:
        return known[1]
    reason = why_no_model(_deciding(store, series, history_start, end, count), series.timeframe)
    if state is not None:
        with _ANSWERS_LOCK:
            if question not in _ANSWERS and len(_ANSWERS) >= _MOST_ANSWERS:
                del _ANSWERS[next(iter(_ANSWERS))]  # the oldest entry
            _ANSWERS[question] = state, reason
    return reason


def _deciding(
    store: Store, series: Series, start: datetime, end: datetime, count: int
) -> pd.DataFrame:
    """The newest of ``count`` candles in ``[start, end)``, enough for `why_no_model`."""
    timeframe = series.timeframe
    wanted = min(count, max(calibrated_candles(timeframe), minimum_candles(timeframe)))
    opens = wanted
    begin = max(start, timeframe.shift(end, -opens))
    while begin > start and store.count_candles(series, begin, end) < wanted:
        opens *= 2
        begin = max(start, timeframe.shift(end, -opens))
    return store.read_candles(series, begin, end)
