"""A living exchange through ccxt, whatever its habits.

Exchanges differ in how many candles they send, whether ``since`` is included, whether an answer
looks beyond a window after ``since``, and whether the running candle comes along. Nothing here
depends on which exchange it is.
"""

import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from coin_assets.domain.candles import between, validated
from coin_assets.domain.keys import Key
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import SymbolUnavailable
from coin_assets.market.base import Estimate, Meter, Page, Usage
from coin_assets.market.ccxt_answers import candles_of, failure_of
from coin_assets.market.retrying import Retrying

_MOST_CANDLES = 1000
_SMALLEST_WINDOW = 100  # fewer candles than this in an answer say nothing about its cap
_TIMEOUT_MS = 20_000
_FIRST_CANDLE_EVER = datetime(2009, 1, 1, tzinfo=UTC)
# Without these ccxt also asks the futures and currency hosts of some exchanges.
_SPOT_ONLY = {
    "defaultType": "spot",
    "fetchMarkets": {"types": ["spot"]},
    "fetchCurrencies": False,
}


class CcxtMarket:
    """`Market` over one ccxt exchange; the client is built on first use and shared by all keys.

    Args:
        exchange_id: as ccxt spells it, for example ``binance``.
        configure: called once with the new client, for example to point it at another server.
        sleep, chance, clock: as `Retrying`.
    """

    def __init__(
        self,
        exchange_id: str,
        configure: Callable[[Any], None] = lambda _client: None,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._exchange_id = exchange_id
        self._configure = configure
        self._clock = clock
        self._retrying = Retrying(sleep, chance, clock)
        self._client: Any = None
        self._largest_answer = 0
        self._meter = Meter()

    def pages(self, key: Key, start: datetime, end: datetime, now: datetime) -> Iterator[Page]:
        """A page an answer; of readings of the same candle the one sent last counts."""
        self._require(key.timeframe)
        last = min(end, key.timeframe.floor(now))
        if not key.timeframe.count(start, last):
            return
        source = f"{self._exchange_id} {key}"
        for answer, since, until in self._answers(key, start, last, now):
            if answer.empty and until == last:
                self._require_traded(key, since)
            yield Page(validated(between(answer, since, last), key.timeframe, source), since, until)

    def edge(self, key: Key) -> datetime | None:  # noqa: ARG002
        """Not looked for yet."""
        return None

    def listed(self, key: Key, now: datetime, since: datetime | None = None) -> datetime | None:  # noqa: ARG002
        """Found in days first, then in the timeframe itself from the first day on."""
        self._require(key.timeframe)
        begin, coarse = _FIRST_CANDLE_EVER, self._coarser(key.timeframe)
        if coarse is not None:
            # Unchecked, for weeks and months of some exchanges begin elsewhere; and the running
            # one counts, for the first candle may be in it.
            answers = self._answers(Key(key.symbol, coarse), begin, coarse.next(now), now)
            found = next((answer for answer, _, _ in answers if len(answer)), None)
            if found is None:
                return None
            # One before, for an exchange may have no coarse candle of which it lacks a part.
            begin = coarse.shift(found["timestamp"].iloc[0].to_pydatetime(), -1)
        for page in self.pages(key, begin, now, now):
            if len(page.candles):
                first: datetime = page.candles["timestamp"].iloc[0].to_pydatetime()
                return first
        return None

    def estimate(self, key: Key, start: datetime, end: datetime) -> Estimate:
        """Full pages, at the pace that ccxt keeps for requests of weight 1."""
        requests = -(-key.timeframe.count(start, end) // self._limit())
        return Estimate(requests, requests * float(self._exchange().rateLimit) / 1000)

    def horizon(self, key: Key, now: datetime) -> datetime:  # noqa: ARG002 (protocol)
        """``now``: a living exchange is expected to have every closed candle."""
        return now

    def usage(self) -> Usage:
        """HTTP requests, the exchange's list of markets included."""
        return self._meter.usage + Usage(retries=self._retrying.retries)

    def close(self) -> None:
        if self._client is not None:
            self._client.session.close()
            self._client = None

    def _answers(
        self, key: Key, start: datetime, last: datetime, now: datetime
    ) -> Iterator[tuple[pd.DataFrame, datetime, datetime]]:
        """Walk from ``start`` to ``last``: all candles of an answer from ``since`` on, and the
        range ``[since, until)`` for which it is the answer.

        A short answer says nothing about what follows it. An empty one speaks for the window that
        the exchange may have looked at only, so there is always progress.
        """
        since = start
        while since < last:
            sent = self._fetch(key, since, now)
            answer = sent[sent["timestamp"] >= since].reset_index(drop=True)
            if answer.empty:
                until = key.timeframe.shift(since, self._window())
            else:
                until = key.timeframe.close_of(answer["timestamp"].iloc[-1].to_pydatetime())
            if until < last:
                self._largest_answer = max(self._largest_answer, len(answer))
            until = min(until, last)
            yield answer, since, until
            since = until

    def _fetch(self, key: Key, since: datetime, now: datetime) -> pd.DataFrame:
        import ccxt

        def ask() -> list[list[Any]]:
            try:
                return self._rows(key, since)
            # Besides its own errors, ccxt lets out what its parsers trip over in an odd answer.
            except (ccxt.BaseError, LookupError, TypeError, ValueError, AttributeError) as error:
                raise failure_of(error, self._client, key, self._clock()) from error

        purpose = f"{self._exchange_id} did not deliver {key} candles from {since:%Y-%m-%d %H:%M}"
        rows = self._retrying.call(ask, purpose)
        # ``now`` may lie in the past, and what the exchange has since then is not implausible.
        latest = max(now, self._clock())
        return candles_of(
            rows, key.timeframe, _FIRST_CANDLE_EVER, latest, f"{self._exchange_id} {key}"
        )

    def _rows(self, key: Key, since: datetime) -> list[list[Any]]:
        """What the exchange sends, as ccxt reads it.

        Raises:
            ccxt.BaseError: as ccxt, and for an answer that is no JSON (a maintenance page, half a
                reply) or not about candles, which ccxt would take for none or for empty ones.
        """
        import ccxt  # takes 0.9 s, and only this market needs it

        client = self._exchange()
        if not client.load_markets():
            raise ccxt.BadResponse("it lists no markets")
        rows: list[list[Any]] = client.fetch_ohlcv(
            key.symbol,
            key.timeframe.name,
            # One less, for some exchanges send only what opens after this.
            since=int(since.timestamp() * 1000) - 1,
            limit=self._limit(),
        )
        if client.last_json_response in (None, {}):
            raise ccxt.BadResponse("the answer is not JSON, or an empty object")
        if any(row[0] is None for row in rows):
            raise ccxt.BadResponse("the answer holds something else than candles")
        return rows

    def _limit(self) -> int:
        """Candles to ask for at once."""
        spot = (self._exchange().features or {}).get("spot") or {}
        known = (spot.get("fetchOHLCV") or {}).get("limit")
        return min(_MOST_CANDLES, int(known or _MOST_CANDLES))

    def _window(self) -> int:
        """Candles that an empty answer speaks for; the exchange may send fewer than asked for."""
        if not self._largest_answer:
            return self._limit()
        return min(self._limit(), max(self._largest_answer, _SMALLEST_WINDOW))

    def _coarser(self, timeframe: Timeframe) -> Timeframe | None:
        """Timeframe in which to look for the first candle before looking in ``timeframe``: the
        finest, for some exchanges keep fewer years of the coarsest."""
        offered = self._exchange().timeframes
        longer = [Timeframe(name) for name in ("1d", "1w", "1M") if name in offered]
        return next((each for each in longer if timeframe.seconds < each.seconds), None)

    def _require(self, timeframe: Timeframe) -> None:
        offered = self._exchange().timeframes or {}
        if timeframe.name not in offered:
            raise SymbolUnavailable(
                f"{self._exchange_id} has no {timeframe} candles; it offers "
                f"{' '.join(offered)}. Correct COIN_SOURCE_TIMEFRAMES."
            )

    def _require_traded(self, key: Key, since: datetime) -> None:
        if self._exchange().market(key.symbol).get("active") is False:
            raise SymbolUnavailable(
                f"{self._exchange_id} does not trade {key.symbol} at present and has no {key} "
                f"candles from {since:%Y-%m-%d %H:%M}. Earlier ones were delivered; take it out of "
                "COIN_SYMBOLS if it was delisted."
            )

    def _exchange(self) -> Any:
        if self._client is None:
            import ccxt

            self._client = getattr(ccxt, self._exchange_id)(
                {
                    "enableRateLimit": True,
                    "enableLastJsonResponse": True,
                    "enableLastResponseHeaders": True,
                    "timeout": _TIMEOUT_MS,
                    "options": _SPOT_ONLY,
                }
            )
            self._client.fetch = _counted(self._client.fetch, self._meter)
            self._client.parse_ohlcvs = _unfiltered(self._client.parse_ohlcvs)
            self._configure(self._client)
        return self._client


def _counted(fetch: Callable[..., Any], meter: Meter) -> Callable[..., Any]:
    """ccxt's way of sending one HTTP request, counted."""

    def counted(*arguments: Any, **options: Any) -> Any:
        meter.count(requests=1)
        return fetch(*arguments, **options)

    return counted


def _unfiltered(parse: Callable[..., Any]) -> Callable[..., Any]:
    """ccxt drops what opens before ``since`` unseen, so wrong times would look like no candles."""

    def parse_all(rows: Any, market: Any = None, timeframe: str = "1m", *_: Any, **__: Any) -> Any:
        return parse(rows, market, timeframe)

    return parse_all
