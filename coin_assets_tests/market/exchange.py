"""A fake exchange: Binance's public spot interface on 127.0.0.1, for the real ccxt client.

- ``/api/v3/exchangeInfo`` lists the symbols; ``/api/v3/klines`` serves the candles of a `Market`
  as they stand at ``now``, the running one included, and refuses what Binance refuses.
- Every request is kept in ``requests``.
- A `Fault` is what happens to a reply on its way out; `FakeExchange.spoil` queues some. A new kind
  of failure is a new function from reply to reply.
"""

import json
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import pandas as pd

from coin_assets.domain.keys import Key
from coin_assets.domain.timeframes import EPOCH, Timeframe
from coin_assets.market.base import Market
from coin_assets.market.sandbox import SandboxMarket

INTERVALS = ["1s", "1m", "3m", "5m", "15m", "30m"]
INTERVALS += ["1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"]
LISTED = datetime(2017, 8, 17, 4, tzinfo=UTC)  # as BTC/USDT really was
_DEFAULT_ROWS, _MOST_ROWS = 500, 1000
_INVALID_SYMBOL = {"code": -1121, "msg": "Invalid symbol."}
_INVALID_INTERVAL = {"code": -1120, "msg": "Invalid interval."}

Kline = list[Any]


@dataclass(frozen=True)
class Request:
    """What was asked: ``klines`` or ``exchangeInfo``, and the query as it was sent."""

    endpoint: str
    query: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Fault = Callable[[Reply], Reply | None]
"""From what would be answered to what is answered instead; None drops the connection."""


def json_reply(content: Any, status: int = 200) -> Reply:
    return Reply(json.dumps(content).encode(), status, {"Content-Type": "application/json"})


def http_status(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Fault:
    """Answer with ``status``, as a proxy before the exchange does: with no JSON in the body."""
    return lambda _: Reply(body, status, headers or {})


def json_error(code: int, message: str, status: int = 400) -> Fault:
    """Answer with one of Binance's own errors."""
    return lambda _: json_reply({"code": code, "msg": message}, status)


def dropped_connection(_: Reply) -> None:
    """Hang up instead of answering."""


def cut_off(reply: Reply) -> Reply:
    """Announce the whole body, send half of it and hang up."""
    length = str(len(reply.body))
    return replace(
        reply,
        body=reply.body[: len(reply.body) // 2],
        headers={**reply.headers, "Content-Length": length, "Connection": "close"},
    )


def changed_klines(change: Callable[[list[Kline]], Iterable[Kline]]) -> Fault:
    """Answer with other candles than the true ones."""
    return lambda reply: json_reply(list(change(json.loads(reply.body))))


class FakeExchange:
    """Serves while the ``with`` block runs.

    Args:
        now: the exchange's clock; may be set while it runs.
        market: whose candles it serves.
        symbols: what it lists.
        listed: no symbol has a candle that closes before this time.
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
        self._market = market or SandboxMarket()
        self._symbols = {symbol.replace("/", ""): symbol for symbol in symbols}
        self._listed = listed
        self._faults: dict[str, deque[Fault]] = {"klines": deque(), "exchangeInfo": deque()}
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
        self._faults[endpoint].extend([fault] * times)

    def asked(self, endpoint: str = "klines") -> list[Request]:
        """Requests to ``endpoint`` so far."""
        return [request for request in self.requests if request.endpoint == endpoint]

    def answer(self, request: Request) -> Reply | None:
        """The reply on the wire; None hangs up."""
        self.requests.append(request)
        if request.endpoint not in self._faults:
            return Reply(b"", 404)
        faults = self._faults[request.endpoint]
        fault = faults.popleft() if faults else None
        reply = self._klines(request.query) if request.endpoint == "klines" else self._info()
        return fault(reply) if fault else reply

    def _info(self) -> Reply:
        return json_reply(
            {
                "timezone": "UTC",
                "serverTime": _milliseconds(self.now),
                "rateLimits": [],
                "exchangeFilters": [],
                "symbols": [_listing(name, symbol) for name, symbol in self._symbols.items()],
            }
        )

    def _klines(self, query: Mapping[str, str]) -> Reply:
        if query.get("symbol") not in self._symbols:
            return json_reply(_INVALID_SYMBOL, 400)
        if query.get("interval") not in INTERVALS:
            return json_reply(_INVALID_INTERVAL, 400)
        key = Key(self._symbols[query["symbol"]], Timeframe.parse(query["interval"]))
        rows = min(int(query.get("limit", _DEFAULT_ROWS)), _MOST_ROWS)
        if "startTime" in query:
            start = EPOCH + timedelta(milliseconds=int(query["startTime"]))
        else:
            start = key.timeframe.shift(self.now, 1 - rows)
        return json_reply(self._candles(key, start, rows))

    def _candles(self, key: Key, start: datetime, rows: int) -> list[Kline]:
        """At most ``rows`` candles from ``start`` on; the one that contains now comes last."""
        first = max(start, key.timeframe.floor(self._listed))
        klines: list[Kline] = []
        for page in self._market.pages(key, first, self.now, self.now):
            wanted = page.candles.head(rows - len(klines))
            klines += [_kline(key.timeframe, *row) for row in _rows(wanted)]
            if len(klines) == rows:
                return klines
        running = key.timeframe.floor(self.now)
        close = key.timeframe.close_of(running)
        if first <= running < self.now:
            for page in self._market.pages(key, running, close, close):
                klines += [_kline(key.timeframe, *_unfinished(*row)) for row in _rows(page.candles)]
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

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        request = Request(url.path.removeprefix("/api/v3/"), dict(parse_qsl(url.query)))
        reply = self.server.exchange.answer(request)
        if reply is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (inherited)
        """Tests look at ``requests`` instead."""


def _listing(name: str, symbol: str) -> dict[str, Any]:
    """What the exchange says about a symbol, as far as ccxt reads it."""
    base, quote = symbol.split("/")
    return {
        "symbol": name,
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": "0.00000001",
                "maxPrice": "1000000.00000000",
                "tickSize": "0.00000001",
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": "0.00000001",
                "maxQty": "9000000.00000000",
                "stepSize": "0.00000001",
            },
        ],
        "permissions": ["SPOT"],
    }


def _rows(candles: pd.DataFrame) -> Iterable[tuple[Any, ...]]:
    return candles.itertuples(index=False, name=None)


def _kline(
    timeframe: Timeframe,
    opened: pd.Timestamp,
    first: float,
    high: float,
    low: float,
    last: float,
    volume: float,
) -> Kline:
    """The 12 fields of Binance; numbers are text with eight decimals."""
    open_time = opened.to_pydatetime()
    return [
        _milliseconds(open_time),
        *(f"{value:.8f}" for value in (first, high, low, last, volume)),
        _milliseconds(timeframe.close_of(open_time)) - 1,
        f"{volume * last:.8f}",
        1,
        f"{volume / 2:.8f}",
        f"{volume * last / 2:.8f}",
        "0",
    ]


def _unfinished(
    opened: pd.Timestamp, first: float, high: float, low: float, _last: float, volume: float
) -> tuple[Any, ...]:
    """A candle that is not over: half traded, and the price is back where it began."""
    return opened, first, high, low, first, volume / 2


def _milliseconds(time: datetime) -> int:
    return (time - EPOCH) // timedelta(milliseconds=1)
