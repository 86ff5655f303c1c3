"""Sources of exogenous series: Deribit's volatility index, funding rates and open interest.

All are public, through ccxt, and paged as their exchanges page: backwards by Deribit's
continuation, which must advance, and forwards from the newest time of a page elsewhere.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from coin_assets.domain.forecasting.exogenous import ExogenousSource, empty_values, published
from coin_assets.domain.methods import FUNDING, IMPLIED, OF_MARKET, OPEN_INTEREST
from coin_assets.errors import (
    CoinAssetsError,
    MarketDefect,
    MarketUnavailable,
    RangeRefused,
)
from coin_assets.market.ccxt_client import new_client, shortened_types
from coin_assets.market.retrying import REMEDY

# Values count from this long after the time that they describe: time enough to fetch them, so that
# the history tells a model what it will have later.
DELAY = timedelta(minutes=10)
# ccxt's unified method by series; a market without it cannot give the series.
METHODS_OF_CCXT = {FUNDING: "fetchFundingRateHistory", OPEN_INTEREST: "fetchOpenInterestHistory"}
_INDEXED = ("BTC", "ETH")  # currencies of which Deribit publishes a volatility index
_DOLLAR = "USD"  # in the names of all currencies worth one: the index is about prices in dollars
_HOUR = timedelta(hours=1)
_TYPES = ("linear", "inverse")  # of perpetual contracts
_MOST_RATES, _MOST_INTERESTS = 1000, 500  # in one answer of Binance; others send fewer
_REASON_LENGTH = 200
_DEFECT = "It is fetched again; if it stays, leave the series out of COIN_EXOGENOUS."

T = TypeVar("T")


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
        rows = [row for page in self._pages(currency, start - _HOUR, end - _HOUR) for row in page]
        closes = _parsed(rows, lambda row: int(row[0]), lambda row: row[4])
        return _frame({opened + _milliseconds(_HOUR): value for opened, value in closes.items()})

    def _pages(self, currency: str, start: datetime, end: datetime) -> Iterator[list[list[Any]]]:
        """Rows ``[open in ms, open, high, low, close]`` of hours that open in ``[start, end)``."""
        first, last = _stamp(start), _stamp(end) - 1
        while first <= last:
            query = {
                "currency": currency,
                "start_timestamp": first,
                "end_timestamp": last,
                "resolution": "3600",
            }
            request = self._client.publicGetGetVolatilityIndexData
            answer = _asked(self._client, partial(request, query))
            found = answer.get("result") if isinstance(answer, dict) else None
            if not isinstance(found, dict) or not isinstance(found.get("data"), list):
                raise MarketDefect(
                    f"deribit sent no volatility index of {currency}: {answer!r:.200}. {_DEFECT}"
                )
            rows = _parsed(found["data"], lambda row: int(row[0]), lambda row: row[4])
            yield [row for row in found["data"] if first <= int(row[0]) <= last] if rows else []
            before = found.get("continuation")
            if before is None:
                return
            if not str(before).isdecimal() or not int(before) < last:
                raise MarketDefect(
                    f"deribit's continuation {before!r:.40} does not come before {last}, the end "
                    f"of what was asked for. {_DEFECT}"
                )
            last = int(before)


class _OfContract:
    """Values of a symbol's perpetual contract, paged by time as ccxt's unified methods page.

    Args:
        client: ccxt client of an exchange with the method of the series.
    """

    name: str
    kept: timedelta | None = None

    def __init__(self, client: Any) -> None:
        self._client = client

    def values(self, symbol: str, start: datetime, end: datetime) -> pd.DataFrame:
        """Values of times in ``[start, end)``; empty if there is no such contract.

        Raises:
            MarketUnavailable, RangeRefused, MarketDefect: as `DeribitVolatilityIndex.values`.
        """
        is_contract = ":" in symbol
        contract = symbol if is_contract else f"{symbol}:{symbol.partition('/')[2]}"
        _asked(self._client, self._client.load_markets)
        if contract not in self._client.markets:
            return empty_values()
        found: dict[int, float] = {}
        since, last = _stamp(start), _stamp(end) - 1
        while since <= last:
            page = _asked(self._client, partial(self._page, contract, since))
            new = {time: value for time, value in page.items() if since <= time}
            if not new:
                since = self._after_nothing(since, last)
                continue
            found |= {time: value for time, value in new.items() if time <= last}
            since = max(new) + 1
        return _frame(found)

    def _page(self, contract: str, since: int) -> dict[int, float]:
        """Values by time in ms, some of them not before ``since`` if there are any."""
        raise NotImplementedError

    def _after_nothing(self, since: int, last: int) -> int:  # noqa: ARG002
        """Where to go on after an answer without values from ``since`` on."""
        return last + 1


class FundingRates(_OfContract):
    """Funding rates, each published when it is settled."""

    name = FUNDING

    def _page(self, contract: str, since: int) -> dict[int, float]:
        page = self._client.fetch_funding_rate_history(contract, since, _MOST_RATES)
        return _parsed(page, lambda each: each["timestamp"], lambda each: each["fundingRate"])


class OpenInterest(_OfContract):
    """Open interest of each hour, in units of the base asset.

    Binance serves the newest 30 days only, so the history grows from when it is collected.
    """

    name = OPEN_INTEREST
    kept: timedelta | None = timedelta(days=29)

    def _page(self, contract: str, since: int) -> dict[int, float]:
        page = self._client.fetch_open_interest_history(contract, "1h", since, _MOST_INTERESTS)
        return _parsed(
            page, lambda each: each["timestamp"], lambda each: each["openInterestAmount"]
        )

    def _after_nothing(self, since: int, last: int) -> int:  # noqa: ARG002
        """After the range of one answer: ccxt asks for ``limit`` hours, not for all that follow."""
        return since + _MOST_INTERESTS * _milliseconds(_HOUR)


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


def _parsed(
    rows: list[Any], time: Callable[[Any], int], value: Callable[[Any], Any]
) -> dict[int, float]:
    """Values by time in ms.

    Raises:
        MarketDefect: a row is none of its kind.
    """
    try:
        return {int(time(row)): float(value(row)) for row in rows}
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise MarketDefect(
            f"The exchange sent other rows than values: {error!r:.200}. {_DEFECT}"
        ) from error


def _frame(values: dict[int, float]) -> pd.DataFrame:
    """Exogenous frame of values by the time (ms) that they describe."""
    if not values:
        return empty_values()
    times = pd.DatetimeIndex(pd.to_datetime(sorted(values), unit="ms", utc=True))
    return published(times, DELAY, np.array([values[each] for each in sorted(values)]))


def _asked(client: Any, request: Callable[[], T]) -> T:
    """The result of a request to an exchange, with ccxt's errors as those of the platform."""
    import ccxt

    try:
        return request()
    except CoinAssetsError:
        raise
    except Exception as error:  # ccxt's parsers raise anything on an odd answer
        reason = f"{type(error).__name__}: {error}"[:_REASON_LENGTH]
        if isinstance(error, ccxt.OperationFailed):
            raise MarketUnavailable(f"{client.id} does not answer ({reason}). {REMEDY}") from error
        if isinstance(error, ccxt.BaseError):
            raise RangeRefused(
                f"{client.id} refuses exogenous values ({reason}). Check its rules, or leave the "
                "series out of COIN_EXOGENOUS."
            ) from error
        raise MarketDefect(
            f"An answer of {client.id} cannot be read ({reason}). {_DEFECT}"
        ) from error


def _stamp(time: datetime) -> int:
    return _milliseconds(time.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC))


def _milliseconds(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
