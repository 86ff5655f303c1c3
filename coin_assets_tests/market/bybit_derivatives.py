"""A stand-in for Bybit's public interfaces of derivatives, for the real ccxt client.

- ``/v5/market/funding/history`` copies Bybit's, by its API reference (bybit-exchange.github.io, Get
  Funding Rate History): a lone ``startTime`` is an error, ``limit`` is 1 to 200, newest first. The
  form of the answer is quoted in ccxt's ``bybit.fetch_funding_rate_history``.
- ``/v5/market/open-interest`` copies Bybit's, by ccxt#30016, which shows answers of the live
  interface: it walks back from ``endTime``, newest first, and both ends of the range are
  included; a lone ``startTime`` is ignored. ``limit`` is at most 200 (50 if none is given).
- ``/v5/market/instruments-info`` has the fields of a contract that ccxt reads.

That a ``limit`` above 200 counts as 200 was not verified.
"""

from collections.abc import Mapping
from typing import Any

from coin_assets_tests.market.derivatives import FakeDerivatives

FUNDING, INTEREST = "/v5/market/funding/history", "/v5/market/open-interest"
CONTRACTS = "/v5/market/instruments-info"
_MOST = 200
_CONTRACT = {
    "symbol": "BTCUSDT",
    "contractType": "LinearPerpetual",
    "status": "Trading",
    "baseCoin": "BTC",
    "quoteCoin": "USDT",
    "settleCoin": "USDT",
    "launchTime": "1585526400000",
    "deliveryTime": "0",
    "fundingInterval": 480,
    "priceFilter": {"tickSize": "0.10"},
    "lotSizeFilter": {"minOrderQty": "0.001", "maxOrderQty": "1190", "qtyStep": "0.001"},
    "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
}


class FakeBybit(FakeDerivatives):
    """Serves while the ``with`` block runs.

    Attributes:
        now: clock of the client in ms.
        ignores_end: whether the newest values are sent, whatever ``endTime`` says.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now, self.ignores_end = 0, False

    def bybit(self) -> Any:
        """The platform's own client of Bybit."""
        client = self.client("bybit")
        client.milliseconds = lambda: self.now
        return client

    def answer(self, path: str, query: Mapping[str, str]) -> Any:
        if path == CONTRACTS:
            is_listed = query["category"] == "linear" and "status" not in query
            return _result(
                {"category": query["category"], "list": [_CONTRACT] if is_listed else []}
            )
        assert (query["category"], query["symbol"]) == ("linear", "BTCUSDT")
        if path == FUNDING:
            if "startTime" in query and "endTime" not in query:
                return _result({}, 10001, "params error: endTime is missing")
            rows = self._newest(self.rates, query, 200)
            names = ("fundingRateTimestamp", "fundingRate")
        else:
            assert path == INTEREST
            assert query["intervalTime"] == "1h"
            rows = self._newest(self.interest, query, 50)
            names = ("timestamp", "openInterest")
        sent = [dict(zip(names, (str(time), f"{value:.8f}"), strict=True)) for time, value in rows]
        found = {"symbol": "BTCUSDT", "category": "linear", "nextPageCursor": ""}
        return _result({**found, "list": [{"symbol": "BTCUSDT", **each} for each in sent]})

    def _newest(
        self, values: Mapping[int, float], query: Mapping[str, str], usual: int
    ) -> list[tuple[int, float]]:
        last = int(query.get("endTime", self.now))
        first = int(query.get("startTime", 0)) if "endTime" in query else 0
        if self.ignores_end:
            last = self.now
        inside = [(time, value) for time, value in values.items() if first <= time <= last]
        return sorted(inside, reverse=True)[: min(int(query.get("limit", usual)), _MOST)]


def _result(result: Mapping[str, Any], code: int = 0, message: str = "OK") -> dict[str, Any]:
    return {"retCode": code, "retMsg": message, "result": dict(result), "retExtInfo": {}, "time": 0}
