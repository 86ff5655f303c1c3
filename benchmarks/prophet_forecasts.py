"""Prophet (Taylor and Letham, Forecasting at scale, The American Statistician 72, 2018) as people
use it: fitted at each origin to the last closes as they are, all else at its defaults."""

import logging
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.util import find_spec

import numpy as np
import pandas as pd

from coin_assets.domain.candles.frame import between
from coin_assets.domain.forecasting.frame import QUANTILES, STEPS, Floats
from coin_assets.domain.timeframes import Timeframe

CLOSES = 500
MISSING = (
    "prophet is not installed: pip install --require-hashes -r requirements-bench.lock. "
    "Its rows are left out."
)
_SEED = 7
_LEAST = 0.1


def is_installed() -> bool:
    """Whether there is a Prophet to compare with; it is an optional dependency."""
    return find_spec("prophet") is not None


def prophet_quantiles(
    candles: pd.DataFrame, timeframe: Timeframe, origins: pd.DatetimeIndex
) -> Floats:
    """Quantiles of Prophet's predictive samples of the price, on all cores.

    It does not know that prices are above zero: what is less than `_LEAST` of the lowest close it
    saw is raised to that, which the loss on log price is lenient to.

    Args:
        origins: closes of ``candles``; what lies after an origin is not shown to its fit.

    Returns:
        Prices of shape (origins, `STEPS`, quantiles).
    """
    series = [_seen(candles, timeframe, origin) for origin in origins]
    # A fork would inherit whatever threads numpy and pyarrow have.
    workers = ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"))
    with workers as pool:
        quantiles = list(pool.map(partial(_forecast, timeframe), origins, series))
    return np.array(quantiles)


def _seen(candles: pd.DataFrame, timeframe: Timeframe, origin: pd.Timestamp) -> pd.DataFrame:
    end = origin.to_pydatetime()
    recent = between(candles, timeframe.shift(end, -CLOSES), end)
    return pd.DataFrame({"ds": _zoneless(recent["timestamp"]), "y": recent["close"]})


def _forecast(timeframe: Timeframe, origin: pd.Timestamp, series: pd.DataFrame) -> Floats:
    """Quantiles of one origin, shape (`STEPS`, quantiles)."""
    logging.getLogger("prophet.plot").disabled = True  # logs that plotly is missing
    from prophet import Prophet

    logging.getLogger("cmdstanpy").disabled = True  # logs each fit; failures rise

    start = origin.to_pydatetime()
    future = pd.Series(timeframe.opens(start, timeframe.shift(start, STEPS)))
    np.random.seed(_SEED)  # Prophet draws its samples from this generator
    model = Prophet().fit(series, seed=_SEED)
    samples = model.predictive_samples(pd.DataFrame({"ds": _zoneless(future)}))["yhat"]
    quantiles = np.quantile(samples, QUANTILES, axis=1).T
    return np.asarray(np.maximum(quantiles, _LEAST * series["y"].min()), dtype=np.float64)


def _zoneless(times: "pd.Series[pd.Timestamp]") -> "pd.Series[pd.Timestamp]":
    """Prophet refuses time zones."""
    return times.dt.tz_localize(None)
