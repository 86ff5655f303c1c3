"""Sandbox market: synthetic, realistic candles for any past range, without a network.

Prices are a function of seed, symbol and time; the clock only determines which candles are closed.
Every timeframe aggregates the same minutes, so timeframes are consistent.
"""

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import pandas as pd

from coin_assets.domain.candles.frame import empty_candles, validated
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe, as_micros, months_between
from coin_assets.errors import SymbolUnavailable
from coin_assets.market.base import Estimate, Meter, Page, Usage
from coin_assets.market.sandbox_paths import (
    FIRST,
    LAST,
    LOTS_PER_COIN,
    minutes_of_month,
    profile_of,
)

_MONTH = Timeframe("1M")
_MONTHS_A_PAGE = 3
_MINUTE_MICROS = 60_000_000
_CANDLES_A_SECOND = 100_000  # generated; measured on 2 cores


class SandboxMarket:
    """A deterministic market that has every ``BASE/QUOTE`` symbol and every timeframe.

    Args:
        seed: seed of all prices.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._meter = Meter()

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        """Yield the closed candles that open in ``[start, end)``, three months a page.

        Raises:
            SymbolUnavailable: the symbol has no slash, or the range leaves 2010 to 2100.
        """
        # The candle that contains ``now`` is the first that is not closed.
        stop = min(end, series.timeframe.floor(now))
        _refuse_unavailable(series, start, stop)
        for first in months_between(start, stop)[::_MONTHS_A_PAGE]:
            page_start = max(start, first)
            page_stop = min(stop, _MONTH.shift(first, _MONTHS_A_PAGE))
            opens = series.timeframe.opens(page_start, page_stop)
            candles = self._candles(series, opens) if len(opens) else empty_candles()
            self._meter.count(requests=1)
            yield Page(
                validated(candles, series.timeframe, f"sandbox {series}"), page_start, page_stop
            )

    def listed(
        self,
        series: Series,
        now: datetime,  # noqa: ARG002
        since: datetime | None = None,  # noqa: ARG002
    ) -> datetime | None:
        """Open of the sandbox's first candle, the same for all symbols."""
        return series.timeframe.ceil(FIRST)

    def edge(self, series: Series) -> datetime | None:  # noqa: ARG002 (protocol)
        """None: the sandbox serves its whole history."""
        return None

    def estimate(self, series: Series, start: datetime, end: datetime) -> Estimate:
        """One page for every three months."""
        pages = -(-len(months_between(start, end)) // _MONTHS_A_PAGE)
        return Estimate(pages, series.timeframe.count(start, end) / _CANDLES_A_SECOND)

    def horizon(self, series: Series, now: datetime) -> datetime:  # noqa: ARG002
        """``now``: the sandbox has every closed candle."""
        return now

    def usage(self) -> Usage:
        """Number of pages generated."""
        return self._meter.usage

    def close(self) -> None:
        """Do nothing: the sandbox has no connections."""

    def _candles(self, series: Series, opens: pd.DatetimeIndex) -> pd.DataFrame:
        """Candles at consecutive ``opens``, aggregated from whole months of minutes."""
        closing = series.timeframe.close_all(opens)
        months = months_between(opens[0].to_pydatetime(), closing[-1].to_pydatetime())
        minutes = np.concatenate(
            [minutes_of_month(self._seed, series.symbol, month) for month in months], axis=1
        )
        origin = int(months[0].timestamp()) * 1_000_000
        first = (as_micros(opens) - origin) // _MINUTE_MICROS
        last = (as_micros(closing) - origin) // _MINUTE_MICROS - 1
        opened, high, low, close, volume = minutes[:, : last[-1] + 1]
        ticks_per_unit = profile_of(series.symbol).ticks_per_unit
        return pd.DataFrame(
            {
                "timestamp": opens,
                "open": opened[first] / ticks_per_unit,
                "high": np.maximum.reduceat(high, first) / ticks_per_unit,
                "low": np.minimum.reduceat(low, first) / ticks_per_unit,
                "close": close[last] / ticks_per_unit,
                "volume": np.add.reduceat(volume, first) / LOTS_PER_COIN,
            }
        )


def _refuse_unavailable(series: Series, start: datetime, stop: datetime) -> None:
    base, _, quote = series.symbol.partition("/")
    if not base or not quote:
        raise SymbolUnavailable(
            f"The sandbox has no symbol {series.symbol!r}; write it as BASE/QUOTE, like BTC/USDT."
        )
    if start < FIRST or stop > LAST:
        raise SymbolUnavailable(
            f"The sandbox has {series} from {FIRST:%Y-%m-%d} until {LAST:%Y-%m-%d}, not in "
            f"[{start:%Y-%m-%dT%H:%M}, {stop:%Y-%m-%dT%H:%M}); ask for a range inside these days."
        )
