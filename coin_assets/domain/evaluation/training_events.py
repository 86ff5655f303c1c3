"""Events that start a training before the next scheduled one.

Each function examines one series and returns a short reason, or None. Moves below a negligible size
are no event, because in a market that hardly moves one tick is many standard deviations.

- price shock: the newest log return is more than 8 robust standard deviations from the median of
  the 500 before it (1.4826 times their median absolute deviation; Rousseeuw and Croux, JASA 88,
  1993).
- volatility spike: the standard deviation of the last 24 log returns is more than 3 times that of
  the 500 before them.

`coin_assets.domain.evaluation.drift` detects drift of the champion.
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
# Number of candles that the events use, the newest included.
CANDLES = TRAILING + RECENT + 1

_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class Triggered:
    """Series given as the product of symbols and timeframes."""

    symbols: tuple[str, ...]
    timeframes: tuple[Timeframe, ...]

    def __contains__(self, series: Series) -> bool:
        return series.symbol in self.symbols and series.timeframe in self.timeframes


def log_returns(candles: pd.DataFrame, timeframe: Timeframe) -> Floats:
    """One-step log returns, shape (candles,); NaN for the first candle and after a gap."""
    closes = np.log(np.ascontiguousarray(candles["close"]))
    follows = np.diff(timeframe.ordinals(candles["timestamp"])) == 1
    return np.concatenate([[np.nan], np.where(follows, np.diff(closes), np.nan)])[: len(candles)]


def price_shock(returns: Floats) -> str | None:
    """The reason, if the newest return is a price shock.

    Args:
        returns: `log_returns` of the newest `CANDLES` candles.
    """
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
    return (
        f"price shock: {np.expm1(returns[-1]):+.2%}, {size / sigma:.0f} robust standard deviations"
    )


def volatility_spike(returns: Floats) -> str | None:
    """The reason, if the last returns are a volatility spike; argument as `price_shock`."""
    recent = returns[-RECENT:]
    recent = recent[np.isfinite(recent)]
    before = _known(returns[:-RECENT][-TRAILING:])
    if before is None or len(recent) < RECENT // 2:
        return None
    earlier, spread = float(np.std(before)), float(np.std(recent))
    if earlier == 0 or spread <= max(SPIKE * earlier, NEGLIGIBLE_SPREAD):
        return None
    return f"volatility spike: {spread:.2%} a candle, {spread / earlier:.1f} times that before"


def grouped(series_list: Iterable[Series]) -> list[Triggered]:
    """``series_list`` as few products of symbols and timeframes, without other series."""
    given = list(dict.fromkeys(series_list))
    timeframes: dict[str, list[Timeframe]] = {}
    symbols: dict[Timeframe, list[str]] = {}
    for series in given:
        timeframes.setdefault(series.symbol, []).append(series.timeframe)
        symbols.setdefault(series.timeframe, []).append(series.symbol)
    by_timeframes: dict[frozenset[Timeframe], list[str]] = {}
    for symbol, own_timeframes in timeframes.items():
        by_timeframes.setdefault(frozenset(own_timeframes), []).append(symbol)
    by_symbols: dict[frozenset[str], list[Timeframe]] = {}
    for timeframe, own_symbols in symbols.items():
        by_symbols.setdefault(frozenset(own_symbols), []).append(timeframe)
    if len(by_timeframes) <= len(by_symbols):
        return [
            Triggered(tuple(each), tuple(timeframes[each[0]])) for each in by_timeframes.values()
        ]
    return [Triggered(tuple(symbols[each[0]]), tuple(each)) for each in by_symbols.values()]


def _known(returns: Floats) -> Floats | None:
    """Returns that are not NaN; None if there are fewer than `FEWEST_RETURNS`."""
    known = returns[np.isfinite(returns)]
    return known if len(known) >= FEWEST_RETURNS else None
