"""A stand-in for public interfaces of derivatives exchanges, for the real ccxt clients.

- ``/api/v2/public/get_volatility_index_data`` copies Deribit's, by its API reference
  (docs.deribit.com): ``data`` of ``[ms, open, high, low, close]``,
  the newest `most_rows` of the range in ascending order, and ``continuation``, which is
  ``end_timestamp`` of the next request, or null.
- ``/fapi/v1/fundingRate`` copies Binance's, by its API reference (developers.binance.com, Get
  Funding Rate History): ascending from ``startTime`` to ``endTime``, both included, at most
  ``limit`` of them (100 if none is given), numbers as text.
- ``/futures/data/openInterestHist`` copies Binance's, by ccxt's ``fetch_open_interest_history``,
  the answer quoted there and the API reference (Open Interest Statistics): rows of ``period`` from
  ``startTime`` to ``endTime``, which ccxt sends always, at most ``limit`` (500), of the newest 30
  days (binance/binance-public-data#48). An earlier ``startTime`` is refused with -1130, numbers
  are text.
- ``exchangeInfo`` copies the fields that ccxt's ``fetch_markets`` reads of Binance's; there is one
  contract, margined in USDT.
"""

import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from coin_assets.market.exogenous import open_client
from coin_assets_tests.market.exchanges.binance_futures import BinanceUsdM
from coin_assets_tests.market.exchanges.server import moved

INDEX, FUNDING = "/api/v2/public/get_volatility_index_data", "/fapi/v1/fundingRate"
INTEREST, CONTRACTS = "/futures/data/openInterestHist", "/fapi/v1/exchangeInfo"
CONTRACT = {"id": "BTCUSDT", "symbol": "BTC/USDT:USDT", "base": "BTC", "quote": "USDT"}


class FakeDerivatives:
    """Serves while the ``with`` block runs.

    Attributes:
        index: hour in ms -> close of the volatility index.
        rates: time in ms -> funding rate.
        interest: hour in ms -> open interest.
        served_from: time in ms from which open interest is served.
        most_rows: of one answer of the index.
        requests: path and query of each request.
        failing: HTTP status of all answers; 0 for none.
        failing_paths: path -> HTTP status of its answers.
        stuck: whether the continuation is the end that was asked for.
    """

    def __init__(self) -> None:
        self.index: dict[int, float] = {}
        self.rates: dict[int, float] = {}
        self.interest: dict[int, float] = {}
        self.served_from = 0
        self.most_rows, self.failing, self.stuck = 1000, 0, False
        self.failing_paths: dict[str, int] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []

    def __enter__(self) -> Self:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = dict(parse_qsl(parts.query))
                stand_in.requests.append((parts.path, query))
                failing = stand_in.failing or stand_in.failing_paths.get(parts.path, 0)
                answer = _refusal(failing) if failing else stand_in.answer(parts.path, query)
                body = json.dumps(answer).encode()
                self.send_response(400 if b'"code": -' in body else failing or 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, query: Mapping[str, str]) -> Any:
        if path.endswith("/exchangeInfo"):
            return {"symbols": [dict(BinanceUsdM.contract)] if path == CONTRACTS else []}
        if path == INDEX:
            return {"jsonrpc": "2.0", "result": self._index(query)}
        if path == INTEREST:
            return self._interest(query)
        first, most = int(query["startTime"]), int(query.get("limit", 100))
        last = int(query.get("endTime", 2**63))
        rows = [
            {"symbol": query["symbol"], "fundingTime": time, "fundingRate": f"{rate:.8f}"}
            for time, rate in sorted(self.rates.items())
            if first <= time <= last
        ]
        return rows[:most]

    def _interest(self, query: Mapping[str, str]) -> Any:
        first, last = int(query["startTime"]), int(query["endTime"])
        if first < self.served_from:
            return {"code": -1130, "msg": "parameter 'startTime' is invalid."}
        assert (query["period"], int(query["limit"]) <= 500) == ("1h", True)
        rows = [
            {
                "symbol": query["symbol"],
                "sumOpenInterest": f"{value:.8f}",
                "sumOpenInterestValue": f"{value * 100:.8f}",
                "timestamp": time,
            }
            for time, value in sorted(self.interest.items())
            if first <= time <= last
        ]
        return rows[: int(query["limit"])]

    def _index(self, query: Mapping[str, str]) -> dict[str, Any]:
        first, last = int(query["start_timestamp"]), int(query["end_timestamp"])
        times = [time for time in sorted(self.index) if first <= time <= last]
        sent = times[-self.most_rows :]
        rest = len(times) > len(sent)
        before = last if self.stuck else (sent[0] - 1 if rest else None)
        rows = [[time, *[self.index[time]] * 4] for time in sent]
        return {"data": rows, "continuation": before}

    def deribit(self) -> Any:
        """The real ccxt client, which asks this server."""
        import ccxt

        client = ccxt.deribit({"enableRateLimit": False})
        client.urls["api"] = {"rest": self.address}
        return client

    def binance(self) -> Any:
        """The real ccxt client with one perpetual contract, which asks this server."""
        import ccxt

        client = ccxt.binance({"enableRateLimit": False})
        client.urls["api"] |= {
            "fapiPublic": f"{self.address}/fapi/v1",
            "fapiData": f"{self.address}/futures/data",
        }
        market = client.safe_market_structure(
            CONTRACT
            | {"settle": "USDT", "type": "swap", "swap": True, "contract": True, "linear": True}
        )
        client.set_markets([market])
        return client

    def client(self, exchange: str) -> Any:
        """The client that the platform itself opens, with its addresses here."""
        client = open_client(exchange)
        client.enableRateLimit = False
        client.urls["api"] = moved(client.urls["api"], self.address)
        return client


def _refusal(status: int) -> Any:
    # Deribit's codes of maintenance and of too many requests, as ccxt knows them.
    return {"error": {"code": 10028 if status == 429 else 11051, "message": "try later"}}
