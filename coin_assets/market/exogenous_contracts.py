"""Funding rates and open interest of perpetual contracts, through ccxt.

They are read by ranges of time that hold no more values than fit into an answer. So it does not
matter whether an exchange sends the oldest or the newest of a range.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd

from coin_assets.domain.forecasting.exogenous import empty_values
from coin_assets.domain.methods import FUNDING, OPEN_INTEREST
from coin_assets.errors import RangeRefused
from coin_assets.market.exogenous_answers import HOUR, asked, frame, milliseconds, parsed, stamp

# Values in one answer, by ccxt's notes on its methods; other exchanges are asked for `_FEWEST`.
_MOST_RATES = {"binance": 1000, "bybit": 200}
_MOST_INTERESTS = {"binance": 500, "bybit": 200}
_FEWEST = 100
# How far back values are requested, where it is not as usual for the series. Bybit keeps open
# interest (ccxt#30016 has 2022). Of OKX and Bitget ccxt gets the newest 100 rates alone.
_KEPT: dict[tuple[str, str], timedelta | None] = {
    (OPEN_INTEREST, "bybit"): None,
    (FUNDING, "okx"): timedelta(days=32),
    (FUNDING, "bitget"): timedelta(days=32),
}
_FUNDING_STEP = timedelta(hours=8)  # mostly; no exchange settles more often than hourly


class _OfContract:
    """Values of a symbol's perpetual contract, by ccxt's unified methods.

    Args:
        client: ccxt client of an exchange with the method of the series.
    """

    name: str
    step: timedelta  # between two values, mostly
    usually_kept: timedelta | None = None

    def __init__(self, client: Any) -> None:
        self._client = client
        self.kept = _KEPT.get((self.name, client.id), self.usually_kept)

    def values(self, symbol: str, start: datetime, end: datetime) -> pd.DataFrame:
        """Values of times in ``[start, end)``; empty if there is no such contract.

        Raises:
            MarketUnavailable, RangeRefused, MarketDefect: as `DeribitVolatilityIndex.values`.
        """
        is_contract = ":" in symbol
        contract = symbol if is_contract else f"{symbol}:{symbol.partition('/')[2]}"
        asked(self._client, self._client.load_markets)
        if contract not in self._client.markets:
            return empty_values()
        found: dict[int, float] = {}
        since, last, step = stamp(start), stamp(end) - 1, self.step
        while since <= last:
            until = min(last, since + (self._most - 1) * milliseconds(step) - 1)
            page = asked(self._client, partial(self._page, contract, since, until))
            self._require_range(page, since, until)
            inside = {time: value for time, value in page.items() if since <= time <= until}
            if len(inside) >= self._most and step > HOUR:
                step = HOUR  # there are more of them, and the answer may be cut
                continue
            found |= inside
            since = until + 1
        return frame(found)

    def _require_range(self, page: dict[int, float], since: int, until: int) -> None:
        """Refuse the newest values in place of those of a range: the others would be missing."""
        recent = self._client.milliseconds() - 2 * milliseconds(max(self.step, HOUR))
        if len(page) >= _FEWEST and min(page) > since and max(page) > max(until, recent):
            raise RangeRefused(
                f"{self._client.id} sends the newest values of {self.name}, whatever the range. "
                "Leave the series out of COIN_EXOGENOUS."
            )

    @property
    def _most(self) -> int:
        """Values in one answer at most."""
        raise NotImplementedError

    def _page(self, contract: str, since: int, until: int) -> dict[int, float]:
        """Values by time in ms: those of ``[since, until]``, and maybe others."""
        raise NotImplementedError


class FundingRates(_OfContract):
    """Funding rates, each published when it is settled."""

    name, step = FUNDING, _FUNDING_STEP

    @property
    def _most(self) -> int:
        return _MOST_RATES.get(self._client.id, _FEWEST)

    def _page(self, contract: str, since: int, until: int) -> dict[int, float]:
        query = {"until": until}
        page = self._client.fetch_funding_rate_history(contract, since, self._most, query)
        return parsed(page, lambda each: each["timestamp"], lambda each: each["fundingRate"])


class OpenInterest(_OfContract):
    """Open interest of each hour, in units of the base asset or in contracts.

    Binance serves the newest 30 days only, so the history grows from when it is collected.
    """

    name, step = OPEN_INTEREST, HOUR
    usually_kept = timedelta(days=29)

    @property
    def _most(self) -> int:
        return _MOST_INTERESTS.get(self._client.id, _FEWEST)

    def _page(self, contract: str, since: int, until: int) -> dict[int, float]:
        page = self._client.fetch_open_interest_history(
            contract, "1h", since, self._most, {"until": until}
        )
        return parsed(page, lambda each: each["timestamp"], lambda each: each["openInterestAmount"])
