"""A fake exchange: Binance's public spot interface on 127.0.0.1, for the real ccxt client.

- ``/api/v3/exchangeInfo`` lists the symbols; ``/api/v3/time`` tells the time; ``/api/v3/klines``
  serves the candles of a `Market` as they stand at ``now`` and refuses what Binance refuses.
- Every request is kept in ``requests``, every connection is counted in ``connections``.
- Attributes are the habits of an exchange; by default they are Binance's.
- A `Fault` is what happens to a reply on its way out: `FakeExchange.spoil` queues some,
  `FakeExchange.spoil_always` lasts until `FakeExchange.heal`.
"""

import socket
import struct
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.market.base import Market
from coin_assets.market.sandbox import SandboxMarket
from coin_assets_tests.market.binance import (
    kline,
    listing,
    milliseconds,
    rows_of,
    time_of,
    unfinished,
)
from coin_assets_tests.market.faults import Fault, Kline, Reply, json_reply

INTERVALS = ["1s", "1m", "3m", "5m", "15m", "30m"]
INTERVALS += ["1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"]
LISTED = datetime(2017, 8, 17, 4, tzinfo=UTC)  # as BTC/USDT really was
_DEFAULT_ROWS, _MOST_ROWS = 500, 1000
_INVALID_SYMBOL = {"code": -1121, "msg": "Invalid symbol."}
_INVALID_INTERVAL = {"code": -1120, "msg": "Invalid interval."}


@dataclass(frozen=True)
class Request:
    """What was asked: ``klines``, ``exchangeInfo`` or ``time``, and the query as it was sent."""

    endpoint: str
    query: Mapping[str, str]


class FakeExchange:
    """Serves while the ``with`` block runs.

    Args:
        now: the exchange's clock; may be set while it runs.
        market: whose candles it serves.
        symbols: what it lists.
        listed: no symbol has a candle that closes before this time.

    Attributes:
        most_rows: candles in an answer at most, whatever was asked for.
        windowed: answers look at as many candles as may be sent and no further, so an empty one
            may have candles behind it.
        exclusive: a candle that opens at ``startTime`` is not sent.
        running: the running candle is sent as well.
        late: so many of the newest closed candles are not sent yet.
        delisted: when trading in a symbol ended.
    """

    def __init__(
        self,
        now: datetime,
        market: Market | None = None,
        symbols: Iterable[str] = ("BTC/USDT", "ETH/USDT"),
        listed: datetime = LISTED,
    ) -> None:
        self.now = now
        self.requests: list[Request] = []
        self.connections = 0
        self.most_rows = _MOST_ROWS
        self.windowed = self.exclusive = False
        self.running = True
        self.late = 0
        self.delisted: dict[str, datetime] = {}
        self._market = market or SandboxMarket()
        self._symbols = {symbol.replace("/", ""): symbol for symbol in symbols}
        self._listed = listed
        self._faults: dict[str, deque[Fault]] = {}
        self._lasting: dict[str, Fault] = {}
        self._server = _Server(self)
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; raises what went wrong in here, which clients saw as a dropped connection."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for mistake in self._server.mistakes:
            raise mistake

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def configure(self, client: Any) -> None:
        """Point a ``ccxt.binance`` client here and let it ask as fast as it can."""
        client.urls["api"]["public"] = f"{self.url}/api/v3"
        client.enableRateLimit = False

    def spoil(self, fault: Fault, times: int = 1, endpoint: str = "klines") -> None:
        """Let ``fault`` happen to the next replies of ``endpoint``, after those queued before."""
        self._faults.setdefault(endpoint, deque()).extend([fault] * times)

    def spoil_always(self, fault: Fault, endpoint: str = "klines") -> None:
        """Let ``fault`` happen to every reply of ``endpoint`` that no queued one happens to."""
        self._lasting[endpoint] = fault

    def heal(self) -> None:
        """No more faults, and the habits of Binance."""
        self._faults.clear()
        self._lasting.clear()
        self.most_rows, self.late, self.running = _MOST_ROWS, 0, True
        self.windowed = self.exclusive = False
        self.delisted.clear()

    def asked(self, endpoint: str = "klines") -> list[Request]:
        """Requests to ``endpoint`` so far."""
        return [request for request in self.requests if request.endpoint == endpoint]

    def answer(self, request: Request) -> Reply | None:
        """The reply on the wire; None hangs up."""
        self.requests.append(request)
        match request.endpoint:
            case "klines":
                reply = self._klines(request.query)
            case "exchangeInfo":
                reply = self._info()
            case "time":
                reply = json_reply({"serverTime": milliseconds(self.now)})
            case _:
                return Reply(b"", 404)
        queued = self._faults.get(request.endpoint)
        fault = queued.popleft() if queued else self._lasting.get(request.endpoint)
        return fault(reply) if fault else reply

    def _info(self) -> Reply:
        return json_reply(
            {
                "timezone": "UTC",
                "serverTime": milliseconds(self.now),
                "rateLimits": [],
                "exchangeFilters": [],
                "symbols": [
                    listing(name, symbol, "BREAK" if symbol in self.delisted else "TRADING")
                    for name, symbol in self._symbols.items()
                ],
            }
        )

    def _klines(self, query: Mapping[str, str]) -> Reply:
        if query.get("symbol") not in self._symbols:
            return json_reply(_INVALID_SYMBOL, 400)
        if query.get("interval") not in INTERVALS:
            return json_reply(_INVALID_INTERVAL, 400)
        series = Series(self._symbols[query["symbol"]], Timeframe.parse(query["interval"]))
        rows = min(int(query.get("limit", _DEFAULT_ROWS)), self.most_rows)
        if "startTime" in query:
            start = time_of(query["startTime"])
        else:
            start = series.timeframe.shift(self.now, 1 - rows)
        end = time_of(query["endTime"]) if "endTime" in query else self.now
        if self.exclusive:
            start += timedelta(milliseconds=1)
        if self.windowed:
            end = min(end, start + rows * timedelta(seconds=series.timeframe.seconds))
        return json_reply(self._candles(series, start, end, rows))

    def _candles(self, series: Series, start: datetime, end: datetime, rows: int) -> list[Kline]:
        """At most ``rows`` candles that open from ``start`` to ``end``, the running one last."""
        first = max(start, series.timeframe.floor(self._listed))
        over = self.delisted.get(series.symbol, self.now)
        closed = min(series.timeframe.shift(over, -self.late), end)
        klines: list[Kline] = []
        for page in self._market.pages(series, first, closed, self.now):
            wanted = page.candles.head(rows - len(klines))
            klines += [kline(series.timeframe, *row) for row in rows_of(wanted)]
            if len(klines) == rows:
                return klines
        opened = series.timeframe.floor(self.now)
        close = series.timeframe.close_of(opened)
        if self.running and first <= opened < min(self.now, end, over + timedelta.resolution):
            for page in self._market.pages(series, opened, close, close):
                klines += [
                    kline(series.timeframe, *unfinished(*row)) for row in rows_of(page.candles)
                ]
        return klines


class _Server(ThreadingHTTPServer):
    def __init__(self, exchange: FakeExchange) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.exchange = exchange
        self.mistakes: list[BaseException] = []

    def handle_error(self, *_: object) -> None:
        """Clients may hang up at any time; anything else is a mistake of the fake."""
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError):
            self.mistakes.append(error)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet a reply; unbuffered ones wait 40 ms for the client's ACK

    def setup(self) -> None:
        super().setup()
        self.server.exchange.connections += 1

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        request = Request(url.path.removeprefix("/api/v3/"), dict(parse_qsl(url.query)))
        reply = self.server.exchange.answer(request)
        if reply is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if reply.reset:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        self.send_response(reply.status)
        date = format_datetime(self.server.exchange.now, usegmt=True)
        usual = {"Date": date, "Content-Length": str(len(reply.body))}
        for name, value in {**usual, **reply.headers}.items():
            if value:
                super().send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def send_header(self, keyword: str, value: str) -> None:
        """Leave out the machine's own time, which `BaseHTTPRequestHandler` sends."""
        if keyword != "Date":
            super().send_header(keyword, value)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (inherited)
        """Tests look at ``requests`` instead."""
