"""Sources of exogenous series: Deribit's volatility index, and funding rates, through ccxt.

Both are public. Each answer is paged as its exchange pages, and no range between two pages is
skipped: a page that does not advance is a defect of the exchange.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from coin_assets.domain.forecasting.exogenous import empty_values, published
from coin_assets.domain.forecasting.har_exogenous import FUNDING, IMPLIED
from coin_assets.errors import MarketDefect, MarketUnavailable, RangeRefused

_INDEXED = ("BTC", "ETH")  # currencies of which Deribit publishes a volatility index
_HOUR = timedelta(hours=1)
_MOST_RATES = 1000  # in one answer of Binance; others send fewer
_REASON_LENGTH = 300

T = TypeVar("T")


class DeribitVolatilityIndex:
    """Implied volatility of 30 days in percent a year: Deribit's DVOL, at the close of each hour.

    ccxt has no unified method for it; this calls ``public/get_volatility_index_data`` by its
    implicit one. ``fetchVolatilityHistory`` is the realised volatility, which candles hold.

    Args:
        client: ccxt client of Deribit; see `ccxt_client.new_client`.
    """

    name = IMPLIED

    def __init__(self, client: Any) -> None:
        self._client = client

    def values(self, symbol: str, start: datetime, end: datetime) -> pd.DataFrame:
        """Index at the closes of hours in ``[start, end)``; published at once.

        Raises:
            MarketUnavailable: the exchange does not answer; try later.
            RangeRefused, MarketDefect: it refuses the range, or breaks its own rules.
        """
        currency = symbol.partition("/")[0]
        if currency not in _INDEXED or start >= end:
            return empty_values()
        closes: dict[int, float] = {}
        for page in self._pages(currency, start - _HOUR, end - _HOUR):
            for row in page:
                closes[int(row[0])] = float(row[4])
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
            answer = _asked(lambda q: self._client.publicGetGetVolatilityIndexData(q), query)
            found = answer.get("result") if isinstance(answer, dict) else None
            if not isinstance(found, dict) or not isinstance(found.get("data"), list):
                raise MarketDefect(
                    f"Deribit sent no volatility index of {currency}: {answer!r:.200}"
                )
            yield [row for row in found["data"] if first <= int(row[0]) <= last]
            before = found.get("continuation")
            if before is None:
                return
            if not int(before) < last:
                raise MarketDefect(
                    f"Deribit's continuation {before} does not come before {last}, the end of what "
                    "was asked for."
                )
            last = int(before)


class FundingRates:
    """Funding rates of a symbol's perpetual contract, each published when it is settled.

    Args:
        client: ccxt client of an exchange with ``fetchFundingRateHistory``.
        settles_in: currency of the contract, for example ``USDT``.
    """

    name = FUNDING

    def __init__(self, client: Any, settles_in: str = "USDT") -> None:
        self._client, self._settles_in = client, settles_in

    def values(self, symbol: str, start: datetime, end: datetime) -> pd.DataFrame:
        """Rates that are settled in ``[start, end)``; empty if there is no such contract.

        Raises:
            MarketUnavailable, RangeRefused, MarketDefect: as `DeribitVolatilityIndex.values`.
        """
        base = symbol.partition("/")[0]
        contract = f"{base}/{self._settles_in}:{self._settles_in}"
        _asked(lambda _: self._client.load_markets(), None)
        if contract not in self._client.markets:
            return empty_values()
        rates: dict[int, float] = {}
        since, last = _stamp(start), _stamp(end) - 1
        while since <= last:
            page = _asked(
                lambda begin: self._client.fetch_funding_rate_history(contract, begin, _MOST_RATES),
                since,
            )
            new = [each for each in page if since <= each["timestamp"]]
            if not new:
                break
            for each in new:
                if each["timestamp"] <= last:
                    rates[each["timestamp"]] = float(each["fundingRate"])
            since = max(each["timestamp"] for each in new) + 1
        return _frame(rates)


def _frame(values: dict[int, float]) -> pd.DataFrame:
    """Exogenous frame of values by the time (ms) that they describe and are published at."""
    if not values:
        return empty_values()
    times = pd.DatetimeIndex(pd.to_datetime(sorted(values), unit="ms", utc=True))
    return published(times, timedelta(0), np.array([values[each] for each in sorted(values)]))


def _asked(request: Callable[[Any], T], argument: Any) -> T:
    import ccxt

    try:
        return request(argument)
    except ccxt.OperationFailed as error:
        raise MarketUnavailable(f"{type(error).__name__}: {error}"[:_REASON_LENGTH]) from error
    except ccxt.BaseError as error:
        reason = f"{type(error).__name__}: {error}"[:_REASON_LENGTH]
        raise RangeRefused(f"The exchange refuses exogenous values ({reason}).") from error


def _stamp(time: datetime) -> int:
    return _milliseconds(time.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC))


def _milliseconds(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
