"""A living exchange through ccxt."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pandas as pd

from coin_assets.domain.candles import COLUMNS, between, closed_by, validated
from coin_assets.domain.keys import Key
from coin_assets.domain.timeframes import EPOCH
from coin_assets.errors import MarketUnavailable, PermanentError, SymbolUnavailable
from coin_assets.market.base import Estimate, Page

_PAGE = 1000
_TIMEOUT_MS = 20_000
# Without these ccxt also asks the futures and currency hosts of some exchanges.
_SPOT_ONLY = {
    "defaultType": "spot",
    "fetchMarkets": {"types": ["spot"]},
    "fetchCurrencies": False,
}


class CcxtMarket:
    """`Market` over one ccxt exchange; the client is built on first use.

    Args:
        exchange_id: as ccxt spells it, for example ``binance``.
        configure: called once with the new client, for example to point it at another server.
    """

    def __init__(
        self, exchange_id: str, configure: Callable[[Any], None] = lambda _client: None
    ) -> None:
        self._exchange_id = exchange_id
        self._configure = configure
        self._client: Any = None

    def pages(self, key: Key, start: datetime, end: datetime, now: datetime) -> Iterator[Page]:
        """Pages of at most 1000 candles, until the range is covered or no progress is made."""
        self._require(key)
        since = start
        last = min(end, key.timeframe.floor(now))
        while since < last:
            page = between(closed_by(self._fetch(key, since), key.timeframe, now), since, end)
            if page.empty:
                yield Page(page, since, last)
                return
            until = key.timeframe.close_of(page["timestamp"].iloc[-1].to_pydatetime())
            yield Page(page, since, until)
            since = until

    def listed(self, key: Key, now: datetime) -> datetime | None:
        self._require(key)
        found = closed_by(self._fetch(key, EPOCH), key.timeframe, now)
        return None if found.empty else found["timestamp"].iloc[0].to_pydatetime()

    def estimate(self, key: Key, start: datetime, end: datetime) -> Estimate:
        requests = -(-key.timeframe.count(start, end) // _PAGE)
        return Estimate(requests, requests * 0.1)

    def horizon(self, key: Key, now: datetime) -> datetime:  # noqa: ARG002 (protocol)
        """``now``: a living exchange is expected to have every closed candle."""
        return now

    def close(self) -> None:
        if self._client is not None:
            self._client.session.close()
            self._client = None

    def _fetch(self, key: Key, since: datetime) -> pd.DataFrame:
        import ccxt  # takes 0.9 s, and only this market needs it

        try:
            rows = self._rows(key, since)
        except ccxt.BadSymbol as error:
            raise SymbolUnavailable(
                f"{self._exchange_id} has no {key.symbol} ({error}). Correct COIN_SYMBOLS."
            ) from error
        except ccxt.BaseError as error:
            if isinstance(error, ccxt.OperationFailed) or _is_server_error(error):
                raise MarketUnavailable(
                    f"{self._exchange_id} did not deliver {key} candles from "
                    f"{since:%Y-%m-%d %H:%M} ({type(error).__name__}: {error}). "
                    "Check the network and COIN_MARKET; asking again later may help."
                ) from error
            raise PermanentError(
                f"{self._exchange_id} refuses to deliver {key} candles "
                f"({type(error).__name__}: {error}). Check the symbol and the exchange's rules."
            ) from error
        frame = pd.DataFrame(rows, columns=COLUMNS)
        frame["timestamp"] = pd.to_datetime(frame["timestamp"], unit="ms", utc=True)
        # Stable, so that of two readings of a candle the one sent last counts.
        ordered = frame.sort_values("timestamp", kind="stable")
        ordered = ordered.drop_duplicates("timestamp", keep="last")
        return validated(ordered, key.timeframe, f"{self._exchange_id} {key}")

    def _rows(self, key: Key, since: datetime) -> list[list[Any]]:
        """What the exchange sends, as ccxt reads it.

        Raises:
            ccxt.BaseError: as ccxt, and for an answer that is no JSON (a maintenance page, half a
                reply), which ccxt would take for an empty one.
        """
        import ccxt

        client = self._exchange()
        if not client.load_markets():
            raise ccxt.BadResponse("it lists no markets")
        rows: list[list[Any]] = client.fetch_ohlcv(
            key.symbol, key.timeframe.name, since=int(since.timestamp() * 1000), limit=_PAGE
        )
        if not rows and client.last_json_response is None:
            raise ccxt.BadResponse("the answer is not JSON")
        return rows

    def _require(self, key: Key) -> None:
        offered = self._exchange().timeframes or {}
        if key.timeframe.name not in offered:
            raise SymbolUnavailable(
                f"{self._exchange_id} has no {key.timeframe} candles; it offers "
                f"{' '.join(offered)}. Correct COIN_SOURCE_TIMEFRAMES."
            )

    def _exchange(self) -> Any:
        if self._client is None:
            import ccxt

            self._client = getattr(ccxt, self._exchange_id)(
                {
                    "enableRateLimit": True,
                    "enableLastJsonResponse": True,
                    "timeout": _TIMEOUT_MS,
                    "options": _SPOT_ONLY,
                }
            )
            self._configure(self._client)
        return self._client


def _is_server_error(error: BaseException) -> bool:
    """Whether the answer was an HTTP 5xx; ccxt knows only some of them as temporary."""
    refused = error.__cause__ or error.__context__
    status: int = getattr(getattr(refused, "response", None), "status_code", 0)
    return status >= 500
