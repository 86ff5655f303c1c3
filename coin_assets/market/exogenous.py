"""Sources of exogenous series: Deribit's volatility index, funding rates and open interest.

All are public, through ccxt: Deribit's index backwards by its continuation, which must advance,
values of contracts by ranges of time that hold no more of them than fit into an answer. So it does
not matter whether an exchange sends the oldest or the newest of a range.
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
# Values in one answer, by ccxt's notes on its methods; every exchange sends at least `_FEWEST`.
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
        _asked(self._client, self._client.load_markets)
        if contract not in self._client.markets:
            return empty_values()
        found: dict[int, float] = {}
        since, last, step = _stamp(start), _stamp(end) - 1, self.step
        while since <= last:
            until = min(last, since + (self._most - 1) * _milliseconds(step) - 1)
            page = _asked(self._client, partial(self._page, contract, since, until))
            self._require_range(page, since, until)
            inside = {time: value for time, value in page.items() if since <= time <= until}
            if len(inside) >= self._most and step > _HOUR:
                step = _HOUR  # there are more of them, and the answer may be cut
                continue
            found |= inside
            since = until + 1
        return _frame(found)

    def _require_range(self, page: dict[int, float], since: int, until: int) -> None:
        """Refuse the newest values in place of those of a range: the others would be missing."""
        recent = self._client.milliseconds() - 2 * _milliseconds(max(self.step, _HOUR))
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
        return _parsed(page, lambda each: each["timestamp"], lambda each: each["fundingRate"])


class OpenInterest(_OfContract):
    """Open interest of each hour, in units of the base asset or in contracts.

    Binance serves the newest 30 days only, so the history grows from when it is collected.
    """

    name, step = OPEN_INTEREST, _HOUR
    usually_kept = timedelta(days=29)

    @property
    def _most(self) -> int:
        return _MOST_INTERESTS.get(self._client.id, _FEWEST)

    def _page(self, contract: str, since: int, until: int) -> dict[int, float]:
        page = self._client.fetch_open_interest_history(
            contract, "1h", since, self._most, {"until": until}
        )
        return _parsed(
            page, lambda each: each["timestamp"], lambda each: each["openInterestAmount"]
        )


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
