"""Live exchange market, backed by ccxt: any exchange and any market type.

Nothing here depends on the exchange. `coin_assets.market.ccxt_walk` determines the range that each
answer covers.
"""

import random
import time
from collections.abc import Callable, Iterator
from copy import copy
from datetime import UTC, datetime
from functools import partial
from typing import Any

from coin_assets.domain.candles.frame import EARLIEST
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import SymbolUnavailable
from coin_assets.market.base import Estimate, Meter, Page, Usage
from coin_assets.market.ccxt_answers import Answer, candles_of, failure_of
from coin_assets.market.ccxt_client import Client
from coin_assets.market.ccxt_probe import probe
from coin_assets.market.ccxt_requests import read_request
from coin_assets.market.ccxt_walk import Habits, Walk
from coin_assets.market.pace import Halt, Pace
from coin_assets.market.retrying import Retrying
from coin_assets.market.server_clock import ServerTime

_MOST_CANDLES = 1000


class CcxtMarket:
    """`Market` over one ccxt exchange; the client is built on first use and shared by all series.

    Args:
        exchange_id: identifier in ccxt, for example ``binance``.
        configure: called once with the new client, for example to point it at another server.
        sleep, chance, clock: see `Retrying`.
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
        self._clock = clock
        pace = Pace(clock=clock)
        self._retrying = Retrying(sleep, chance, clock, pace=pace)
        self._meter = Meter()
        self._client = Client(exchange_id, configure, self._meter, pace, sleep)
        self._habits = Habits()  # what a thread learns, and another one misses, costs requests only

    def twin(self, halt: Halt) -> "CcxtMarket":
        """See `TwinMarket.twin`."""
        made = copy(self)
        made._meter = Meter()
        made._retrying = self._retrying.twin(halt.sleep)
        made._client = self._client.twin(made._meter, halt)
        return made

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        """One page for each answer; the last reading of a candle wins."""
        self._require(series.timeframe)
        last = min(end, series.timeframe.floor(now))
        if not series.timeframe.count(start, last):
            return
        for page in self._walk(series, now).pages(start, last):
            if page.end == last and page.error is None and not (len(page.candles) or page.refused):
                self._require_traded(series, page.start)
            yield page

    def listed(
        self, series: Series, now: datetime, since: datetime | None = None
    ) -> datetime | None:
        """Open of the oldest closed candle: searched in days first, then in the timeframe."""
        self._require(series.timeframe)
        begin, coarse = max(EARLIEST, since or EARLIEST), self._coarser(series.timeframe)
        if coarse is not None:
            # Refused candles count, because weeks and months of some exchanges begin at other
            # times; the running one counts, because it may contain the first candle.
            found = _first(
                self._walk(Series(series.symbol, coarse), now).pages(begin, coarse.next(now))
            )
            if found is None:
                return None
            # One before, because an exchange may lack a coarse candle that is incomplete.
            begin = coarse.shift(found, -1)
        return _first(self.pages(series, begin, now, now))

    def edge(self, series: Series) -> datetime | None:
        """Open of the oldest candle that the exchange still serves, once it refused older ones."""
        return self._habits.edges.get(series)

    def estimate(self, series: Series, start: datetime, end: datetime) -> Estimate:
        """Full pages, at the pace that ccxt keeps for requests of weight 1."""
        requests = -(-series.timeframe.count(start, end) // self._limit(series.symbol))
        return Estimate(requests, requests * float(self._client.ccxt.rateLimit) / 1000)

    def horizon(self, series: Series, now: datetime) -> datetime:  # noqa: ARG002 (protocol)
        """``now``: a live exchange is expected to have every closed candle."""
        return now

    def probe(self, series: Series) -> None:
        """See `RemoteMarket.probe`."""
        client = self._client.twin(self._meter, Halt())
        try:
            probe(client, series, self._clock())
        finally:
            client.close()

    def server_time(self) -> ServerTime | None:
        """See `Clocked.server_time`."""
        return self._client.server_time()

    def usage(self) -> Usage:
        """HTTP requests, including those for the list of markets."""
        return self._meter.usage + Usage(retries=self._retrying.retries)

    def close(self) -> None:
        """See `Market.close`."""
        self._client.close()

    def _walk(self, series: Series, now: datetime) -> Walk:
        # ``now`` may lie in the past; candles after it are not implausible.
        latest = max(now, self._clock())
        return Walk(
            partial(self._read, latest),
            series,
            self._habits,
            self._limit(series.symbol),
            latest,
        )

    def _read(
        self, latest: datetime, series: Series, since: datetime, limit: int, until: datetime | None
    ) -> Answer:
        """One answer of the exchange, with retries.

        Raises:
            InvalidCandles: no candle has a plausible time.
            PermanentError, MarketUnavailable: as `failure_of` and `Retrying.call`.
        """
        import ccxt

        def ask() -> list[list[Any]]:
            try:
                return self._rows(series, since, limit, until)
            # Besides its own errors, ccxt raises those of its parsers on an odd answer.
            except (ccxt.BaseError, LookupError, TypeError, ValueError, AttributeError) as error:
                raise failure_of(error, self._client, series, self._clock()) from error

        purpose = (
            f"{self._exchange_id} did not deliver {series} candles from {since:%Y-%m-%d %H:%M}"
        )
        rows = self._retrying.call(ask, purpose)
        asked = read_request(*self._client.sent, since, series.timeframe)
        source = f"{self._exchange_id} {series}"
        candles, refused = candles_of(rows, series.timeframe, EARLIEST, latest, source)
        return Answer(candles, refused, asked)

    def _rows(
        self, series: Series, since: datetime, limit: int, until: datetime | None
    ) -> list[list[Any]]:
        """Rows of the exchange, as parsed by ccxt.

        Raises:
            ccxt.BaseError: as ccxt, and for an answer that is not JSON (a maintenance page, half a
                reply) or has no candles, which ccxt would return as no or empty rows.
        """
        import ccxt

        self._client.answered = False
        if not self._client.load_markets(series.symbol):
            raise ccxt.BadResponse("it lists no markets")
        client = self._client.ccxt
        # Futures-only classes of ccxt accept the symbol of a spot market.
        if client.market(series.symbol)["symbol"] != series.symbol:
            raise ccxt.BadSymbol(f"{client.id} lists no {series.symbol}")
        rows: list[list[Any]] = client.fetch_ohlcv(
            series.symbol,
            series.timeframe.name,
            # One less, because some exchanges send only candles that open after it.
            since=int(since.timestamp() * 1000) - 1,
            limit=limit,
            params={} if until is None else {"until": int(until.timestamp() * 1000) - 1},
        )
        if client.last_json_response in (None, {}):
            raise ccxt.BadResponse("the answer is not JSON, or an empty object")
        if rows and all(row[0] is None for row in rows):
            raise ccxt.BadResponse("the answer holds something else than candles")
        return rows

    def _limit(self, symbol: str) -> int:
        """Number of candles of one request."""
        return min(_MOST_CANDLES, self._client.documented_limit(symbol) or _MOST_CANDLES)

    def _coarser(self, timeframe: Timeframe) -> Timeframe | None:
        """Timeframe of the first search for the oldest candle.

        It is the finest one above ``timeframe`` from days on: some exchanges keep fewer years of
        the coarsest.
        """
        offered = self._client.ccxt.timeframes
        longer = [Timeframe(name) for name in ("1d", "1w", "1M") if name in offered]
        return next((each for each in longer if timeframe.seconds < each.seconds), None)

    def _require(self, timeframe: Timeframe) -> None:
        offered = self._client.ccxt.timeframes or {}
        if timeframe.name not in offered:
            raise SymbolUnavailable(
                f"{self._exchange_id} has no {timeframe} candles; it offers "
                f"{' '.join(offered)}. Correct COIN_SOURCE_TIMEFRAMES."
            )

    def _require_traded(self, series: Series, since: datetime) -> None:
        if self._client.ccxt.market(series.symbol).get("active") is False:
            raise SymbolUnavailable(
                f"{self._exchange_id} does not trade {series.symbol} at present and has no "
                f"{series} candles from {since:%Y-%m-%d %H:%M}. Earlier ones were delivered; take "
                "it out of COIN_SYMBOLS if it was delisted."
            )


def _first(pages: Iterator[Page]) -> datetime | None:
    """Open of the first candle, valid or refused; None if there is none.

    Raises:
        CoinAssetsError: a page before it could not be read.
    """
    for page in pages:
        if page.error is not None:
            raise page.error
        opens = [refusal.start for refusal in page.refused[:1]]
        if len(page.candles):
            opens.append(page.candles["timestamp"].iloc[0].to_pydatetime())
        if opens:
            return min(opens)
    return None
