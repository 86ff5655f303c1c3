"""Sources of exogenous series: Deribit's volatility index, and those of perpetual contracts.

All are public, through ccxt. The index is paged backwards by Deribit's continuation, which must
advance.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd

from coin_assets.domain.forecasting.exogenous import ExogenousSource, empty_values
from coin_assets.domain.methods import FUNDING, IMPLIED, OF_MARKET, OPEN_INTEREST
from coin_assets.errors import MarketDefect
from coin_assets.market.ccxt_client import new_client, shortened_types
from coin_assets.market.exogenous_answers import (
    DEFECT,
    HOUR,
    asked,
    frame,
    milliseconds,
    parsed,
    stamp,
)
from coin_assets.market.exogenous_contracts import FundingRates, OpenInterest

# ccxt's unified method by series; a market without it cannot give the series.
METHODS_OF_CCXT = {FUNDING: "fetchFundingRateHistory", OPEN_INTEREST: "fetchOpenInterestHistory"}
_INDEXED = ("BTC", "ETH")  # currencies of which Deribit publishes a volatility index
_DOLLAR = "USD"  # in the names of all currencies worth one: the index is about prices in dollars
_TYPES = ("linear", "inverse")  # of perpetual contracts


class DeribitVolatilityIndex:
    """Implied volatility of 30 days in percent a year: Deribit's DVOL, at the close of each hour.

    ccxt has no unified method for it; this calls ``public/get_volatility_index_data`` by its
    implicit one. ``fetchVolatilityHistory`` is the realised volatility, which candles hold.

    Args:
        client: ccxt client of Deribit; see `ccxt_client.new_client`.
    """

    name = IMPLIED
    kept: timedelta | None = None

    def __init__(self, client: Any) -> None:
        self._client = client

    def values(self, symbol: str, start: datetime, end: datetime) -> pd.DataFrame:
        """Index at the closes of hours in ``[start, end)``.

        Raises:
            MarketUnavailable: the exchange does not answer; try later.
            RangeRefused, MarketDefect: it refuses the range, or breaks its own rules.
        """
        currency, _, quote = symbol.partition("/")
        if currency not in _INDEXED or _DOLLAR not in quote or start >= end:
            return empty_values()
        rows = [row for page in self._pages(currency, start - HOUR, end - HOUR) for row in page]
        closes = parsed(rows, lambda row: int(row[0]), lambda row: row[4])
        return frame({opened + milliseconds(HOUR): value for opened, value in closes.items()})

    def _pages(self, currency: str, start: datetime, end: datetime) -> Iterator[list[list[Any]]]:
        """Rows ``[open in ms, open, high, low, close]`` of hours that open in ``[start, end)``."""
        first, last = stamp(start), stamp(end) - 1
        while first <= last:
            query = {
                "currency": currency,
                "start_timestamp": first,
                "end_timestamp": last,
                "resolution": "3600",
            }
            request = self._client.publicGetGetVolatilityIndexData
            answer = asked(self._client, partial(request, query))
            found = answer.get("result") if isinstance(answer, dict) else None
            if not isinstance(found, dict) or not isinstance(found.get("data"), list):
                raise MarketDefect(
                    f"deribit sent no volatility index of {currency}: {answer!r:.200}. {DEFECT}"
                )
            rows = parsed(found["data"], lambda row: int(row[0]), lambda row: row[4])
            yield [row for row in found["data"] if first <= int(row[0]) <= last] if rows else []
            before = found.get("continuation")
            if before is None:
                return
            if not str(before).isdecimal() or not int(before) < last:
                raise MarketDefect(
                    f"deribit's continuation {before!r:.40} does not come before {last}, the end "
                    f"of what was asked for. {DEFECT}"
                )
            last = int(before)


def exchange_of(name: str, market: str) -> str:
    """The exchange that serves a series: the volatility index is always Deribit's.

    Args:
        name: one of `EXOGENOUS`.
        market: exchange of the market, in ccxt.
    """
    return market if name in OF_MARKET else "deribit"


def open_client(exchange_id: str) -> Any:
    """The ccxt client for the series of an exchange, which share its list of contracts."""
    client = new_client(exchange_id)
    listing = client.options.get("fetchMarkets")
    types = shortened_types(listing.get("types"), _TYPES) if isinstance(listing, dict) else None
    if types is not None:  # the list of spot markets would be the longest part
        client.options["fetchMarkets"] = {**listing, "types": types}
    return client


def open_source(name: str, client: Any) -> ExogenousSource:
    """The source of a series; it opens no connection before its first use.

    Args:
        name: one of `EXOGENOUS`.
        client: of `exchange_of` the series, from `open_client`.
    """
    if name == IMPLIED:
        return DeribitVolatilityIndex(client)
    kind: type[FundingRates | OpenInterest] = FundingRates if name == FUNDING else OpenInterest
    return kind(client)


def why_none(name: str, exchange_id: str) -> str | None:
    """Reason why a market cannot give a series by ccxt's description; None if it can."""
    method = METHODS_OF_CCXT.get(name)
    if method is None or new_client(exchange_id).has.get(method) is True:
        return None
    return f"{name} needs ccxt's {method}, which {exchange_id} does not have"
