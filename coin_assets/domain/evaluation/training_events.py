"""Events that ask for a new model before the next scheduled training.

Each looks at one key and gives a short reason, or None. What is below a negligible size is no
event: in a market that hardly moves, one tick is many times the usual.

- price shock: the newest log return is beyond 8 robust standard deviations of the 500 before it
  (1.4826 times their median absolute deviation; Rousseeuw and Croux, JASA 88, 1993).
- volatility spike: the last 24 log returns spread over 3 times as much as the 500 before them.

That the champion itself has changed is told by `coin_assets.domain.evaluation.drift`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from coin_assets.domain.forecasting.frame import Floats
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe

TRAILING, FEWEST_RETURNS = 500, 100
SHOCK, NEGLIGIBLE_RETURN = 8.0, 0.005
RECENT, SPIKE, NEGLIGIBLE_SPREAD = 24, 3.0, 0.0005
# Candles that the events look at, the newest included.
CANDLES = TRAILING + RECENT + 1

_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class Triggered:
    """Keys whose symbols x timeframes are exactly these keys, in the order they were given."""

    symbols: tuple[str, ...]
    timeframes: tuple[Timeframe, ...]

    def __contains__(self, series: Series) -> bool:
        return series.symbol in self.symbols and series.timeframe in self.timeframes


def log_returns(candles: pd.DataFrame, timeframe: Timeframe) -> Floats:
    """Log return of each candle's close over the one just before it; NaN after a gap."""
    closes = np.log(np.ascontiguousarray(candles["close"]))
    follows = np.diff(timeframe.ordinals(candles["timestamp"])) == 1
    return np.concatenate([[np.nan], np.where(follows, np.diff(closes), np.nan)])[: len(candles)]


def price_shock(returns: Floats) -> str | None:
    """Whether the newest of `log_returns` is unlike those before it."""
    if not len(returns) or np.isnan(returns[-1]):
        return None
    before = _known(returns[:-1][-TRAILING:])
    if before is None:
        return None
    middle = float(np.median(before))
    sigma = _MAD_TO_SIGMA * float(np.median(np.abs(before - middle)))
    size = abs(float(returns[-1]) - middle)
    if sigma == 0 or size <= max(SHOCK * sigma, NEGLIGIBLE_RETURN):
        return None
    return f"price shock: {np.expm1(returns[-1]):+.2%}, {size / sigma:.0f} times the usual"


def volatility_spike(returns: Floats) -> str | None:
    """Whether the last of `log_returns` spread more than those before them."""
    recent = returns[-RECENT:]
    recent = recent[np.isfinite(recent)]
    before = _known(returns[:-RECENT][-TRAILING:])
    if before is None or len(recent) < RECENT // 2:
        return None
    usual, spread = float(np.std(before)), float(np.std(recent))
    if usual == 0 or spread <= max(SPIKE * usual, NEGLIGIBLE_SPREAD):
        return None
    return f"volatility spike: {spread:.2%} a candle, {spread / usual:.1f} times the usual"


def grouped(series_list: Iterable[Series]) -> list[Triggered]:
    """``keys`` as products of symbols and timeframes that name no other key, few of them."""
    given = list(dict.fromkeys(series_list))
    timeframes: dict[str, list[Timeframe]] = {}
    symbols: dict[Timeframe, list[str]] = {}
    for series in given:
        timeframes.setdefault(series.symbol, []).append(series.timeframe)
        symbols.setdefault(series.timeframe, []).append(series.symbol)
    by_timeframes: dict[frozenset[Timeframe], list[str]] = {}
    for symbol, its in timeframes.items():
        by_timeframes.setdefault(frozenset(its), []).append(symbol)
    by_symbols: dict[frozenset[str], list[Timeframe]] = {}
    for timeframe, their in symbols.items():
        by_symbols.setdefault(frozenset(their), []).append(timeframe)
    if len(by_timeframes) <= len(by_symbols):
        return [
            Triggered(tuple(each), tuple(timeframes[each[0]])) for each in by_timeframes.values()
        ]
    return [Triggered(tuple(symbols[each[0]]), tuple(each)) for each in by_symbols.values()]


def _known(returns: Floats) -> Floats | None:
    """Returns that are not NaN, if there are enough to judge by."""
    known = returns[np.isfinite(returns)]
    return known if len(known) >= FEWEST_RETURNS else None
