"""Support of exchanges by ccxt's own description, without any request."""

from functools import lru_cache
from typing import Any

from coin_assets.market.ccxt_client import kind_of, new_client

_SINCE_MS, _LIMIT = 1_772_323_200_000, 100  # 2026-03-01
_TYPE_OF_KIND = {"linear": "swap", "inverse": "swap", "dated": "future", "option": "option"}


class _Sent(BaseException):
    """Ends a request instead of sending it; no handler of ccxt catches it."""


@lru_cache(maxsize=64)
def why_not(exchange_id: str, symbol: str) -> str | None:
    """Reason why an exchange has no public candles of a symbol; None if it has them.

    Args:
        exchange_id: identifier in ccxt.
        symbol: unified symbol.
    """
    client = new_client(exchange_id)
    if client.has.get("fetchOHLCV") is not True:
        return "ccxt offers no candles of this exchange"
    kind = kind_of(symbol)
    if kind == "spot" and client.has.get("spot") is False:
        contract = f"{symbol}:{symbol.partition('/')[2]}"
        return why_not(exchange_id, contract) or (
            f"it lists no spot markets, and {symbol!a} names one; write the symbol of a contract, "
            f"as in {contract!a}"
        )
    types = [client.has.get(name) for name in ("swap", "future", "option")]
    if kind != "spot" and all(each is False for each in types):
        pair = symbol.partition(":")[0]
        return why_not(exchange_id, pair) or (
            f"it lists spot markets only, and {symbol!a} names a contract; write {pair!a}"
        )
    offered = list(client.timeframes or ["1h"])
    try:
        request_of(client, symbol, "1h" if "1h" in offered else offered[0])
    except _Sent:
        return None
    except Exception as error:  # noqa: BLE001 (ccxt raises anything before it sends)
        return _reason(error)
    return "ccxt sends no request for its candles"


def request_of(client: Any, symbol: str, timeframe: str) -> None:
    """Make ``client`` build a request for candles of ``symbol`` without sending it.

    Raises:
        Exception: what ccxt raises before it sends a request.
    """

    def send(*_: Any, **__: Any) -> Any:
        raise _Sent

    client.set_markets([made_up_market(client, symbol)])
    client.load_markets = lambda *_, **__: client.markets
    client.fetch = send
    client.fetch_ohlcv(symbol, timeframe, since=_SINCE_MS, limit=_LIMIT)


def made_up_market(client: Any, symbol: str) -> dict[str, Any]:
    """Market description in ccxt's form, for requests that are not sent."""
    kind = kind_of(symbol)
    pair, _, rest = symbol.partition(":")
    base, _, quote = pair.partition("/")
    settle = rest.partition("-")[0] or None
    kind_type = _TYPE_OF_KIND.get(kind, "spot")
    is_contract = kind != "spot"
    made: dict[str, Any] = client.safe_market_structure(
        {
            "id": "1",
            "lowercaseId": "1",
            "symbol": symbol,
            "base": base,
            "quote": quote,
            "settle": settle,
            "baseId": base,
            "quoteId": quote,
            "settleId": settle,
            "type": kind_type,
            "spot": not is_contract,
            "swap": kind_type == "swap",
            "future": kind_type == "future",
            "option": kind_type == "option",
            "contract": is_contract,
            "linear": (settle != base) if is_contract else None,
            "inverse": (settle == base) if is_contract else None,
            "contractSize": 1 if is_contract else None,
            "active": True,
            "precision": {"amount": 1e-8, "price": 1e-8},
            "info": {},
        }
    )
    return made


def _reason(error: Exception) -> str | None:
    import ccxt

    text = f"{type(error).__name__}: {error}"[:200]
    if isinstance(error, ccxt.AuthenticationError):
        return (
            f"it delivers candles to its customers only, and this platform sends no keys ({text})"
        )
    if isinstance(error, ccxt.ArgumentsRequired | ccxt.NotSupported):
        return f"its candles cannot be asked for from a time on alone ({text})"
    return None  # the made-up market may lack a field; only a real request can show it
