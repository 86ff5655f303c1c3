"""The ccxt client of an exchange: its markets, limits and requests.

Options are the exchange's own. Only the list of market types is shortened, in the form of the
exchange, to the types of the requested symbols.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial
from threading import Lock
from typing import Any

from coin_assets.market.base import Meter
from coin_assets.market.bounds import OF_EXCHANGE, BoundedSession
from coin_assets.market.ccxt_json import parsed_json
from coin_assets.market.pace import Halt, Pace
from coin_assets.market.retrying import REMEDY
from coin_assets.market.server_clock import ServerClock, ServerTime

TIMEOUT_MS = 20_000
_MOST_ROWS = 100_000  # twice the longest documented answer
# Words that exchanges use for the types of markets, by what a symbol is.
_TYPES = {
    "spot": {"spot"},
    "linear": {"swap", "linear", "contract"},
    "inverse": {"swap", "inverse", "contract"},
    "dated": {"future", "delivery", "linear", "inverse", "contract"},
    "option": {"option"},
}
_KNOWN = {word for words in _TYPES.values() for word in words}


@dataclass
class _Listing:
    """List of an exchange's markets, requested once for the clients of all threads.

    Attributes:
        client: the ccxt client that holds it; None before the first request.
        kinds: kinds of symbols in it.
    """

    client: Any = None
    kinds: frozenset[str] = frozenset()
    lock: Lock = field(default_factory=Lock)


class Client:
    """One ccxt client, created at first use, for one thread.

    ccxt keeps the last answer and the time of the last request in the client, so threads have one
    each. These share the list of markets, the pace of requests and the exchange's clock.

    Attributes:
        answered: whether the last request was sent and returned or failed.
        sent: address and body of the last request.

    Args:
        configure: called once with the new ccxt client.
        meter: counts requests.
        pace: of the exchange.
        sleep: waits a number of seconds for the pace.
    """

    def __init__(
        self,
        exchange_id: str,
        configure: Callable[[Any], None],
        meter: Meter,
        pace: Pace | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._exchange_id, self._configure, self._meter = exchange_id, configure, meter
        self._pace, self._sleep = pace or Pace(), sleep
        self._halt: Halt | None = None  # of a twin
        self._listing = _Listing()
        self._clock = ServerClock()
        self._ccxt: Any = None
        self._kinds: frozenset[str] = frozenset()
        self._own_types: Any = None
        self.answered = False
        self.sent: tuple[str, Any] = ("", None)

    @property
    def ccxt(self) -> Any:
        """The client itself."""
        if self._ccxt is None:
            made = new_client(self._exchange_id)
            made.fetch = self._recorded(made.fetch)
            made.parse_ohlcvs = unfiltered(made)
            made.throttle = partial(self._throttle, made)
            self._configure(made)
            made.session.hooks["response"].append(self._clock.note_answer)
            self._ccxt, self._kinds = made, frozenset()
            listing = made.options.get("fetchMarkets")
            self._own_types = listing.get("types") if isinstance(listing, dict) else None
        return self._ccxt

    def twin(self, meter: Meter, halt: Halt) -> "Client":
        """A client of the same exchange for another thread, until ``halt``."""
        made = Client(self._exchange_id, self._configure, meter, self._pace, halt.sleep)
        made._listing, made._clock, made._halt = self._listing, self._clock, halt
        return made

    def load_markets(self, symbol: str) -> dict[str, Any]:
        """Markets of the exchange, including those of the type of ``symbol``."""
        client, kind = self.ccxt, kind_of(symbol)
        if kind in self._kinds:
            return dict(client.markets)
        with self._listing.lock:
            if kind not in self._listing.kinds:
                return self._request_markets(kind)
            client.set_markets_from_exchange(self._listing.client)
            self._kinds = self._listing.kinds
        return dict(client.markets)

    def _request_markets(self, kind: str) -> dict[str, Any]:
        client, kinds = self.ccxt, self._listing.kinds | {kind}
        shortened = shortened_types(self._own_types, kinds)
        if shortened is not None:
            client.options["fetchMarkets"] = {
                **client.options["fetchMarkets"],
                "types": shortened,
            }
        found: dict[str, Any] = client.load_markets(reload=bool(self._kinds))
        if found:
            self._kinds = self._listing.kinds = kinds
            self._listing.client = client
        return found

    def documented_limit(self, symbol: str) -> int | None:
        """Documented maximum of candles in an answer; None without documentation."""
        features, kind = self.ccxt.features or {}, kind_of(symbol)
        places: dict[str, list[tuple[str, ...]]] = {
            "spot": [("spot",)],
            "linear": [("swap", "linear"), ("swap",)],
            "inverse": [("swap", "inverse"), ("swap",)],
            "dated": [("future", "linear"), ("future", "inverse"), ("swap", "linear")],
        }
        for place in places.get(kind, []):
            found: Any = features
            for name in (*place, "fetchOHLCV", "limit"):
                found = found.get(name) if isinstance(found, dict) else None
            if found:
                return int(found)
        return None

    def server_time(self) -> ServerTime | None:
        """The exchange's time, asked for once if answers have no usable ``Date``."""
        if self._clock.now() is None and self.answered and not self._clock.is_asked:
            self._clock.is_asked = True
            if self.ccxt.has.get("fetchTime") is True:
                sent = time.monotonic()
                # The candles do not depend on it, and ccxt raises anything on an odd answer.
                with suppress(Exception):
                    posix = self.ccxt.fetch_time() / 1000
                    self._clock.note(posix, posix, sent, time.monotonic())
        return self._clock.now()

    def near(self, symbol: str) -> list[str]:
        """Symbols of the exchange similar to ``symbol``, at most three."""
        known = list(self.ccxt.symbols or [])
        base = symbol.partition("/")[0]
        same = [each for each in known if each.partition("/")[0] == base]
        close = get_close_matches(symbol, same, 3, 0.0) or get_close_matches(symbol, known, 3)
        return list(close)

    def close(self) -> None:
        """Close the session; the next use creates another client."""
        if self._ccxt is not None:
            self._ccxt.session.close()
            self._ccxt = None
            if self._halt is None:
                self._listing = _Listing()  # twins keep the one that they have

    def _throttle(self, client: Any, cost: float | None = None) -> None:
        """Replacement of ``Exchange.throttle``, for the clients of all threads together."""
        milliseconds = client.rateLimit * (1 if cost is None else cost)
        self._pace.turn(milliseconds / 1000, self._sleep)

    def _recorded(self, fetch: Callable[..., Any]) -> Callable[..., Any]:
        """Sender of one HTTP request for ccxt, with counting and a record of it."""

        def recorded(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
            if self._halt is not None:
                self._halt.check()
            self._meter.count(requests=1)
            self.answered, self.sent = False, (url, body)
            try:
                return fetch(url, method, headers, body)
            finally:
                self.answered = True

        return recorded


def new_client(exchange_id: str) -> Any:
    """A ccxt client with the exchange's own options, and answers within bounds."""
    import ccxt  # takes 0.9 s, and only this market needs it

    client = getattr(ccxt, exchange_id)(
        {
            "enableRateLimit": True,
            "enableLastJsonResponse": True,
            "enableLastResponseHeaders": True,
            "timeout": TIMEOUT_MS,
        }
    )
    client.has["fetchCurrencies"] = False  # candles need no list of currencies
    client.session = BoundedSession(OF_EXCHANGE, REMEDY)
    client.session.trust_env = client.requests_trust_env  # as ccxt sets it
    client.on_json_response = parsed_json
    return client


def unfiltered(client: Any) -> Callable[..., Any]:
    """Parser of candles that keeps every row.

    ccxt drops rows that open before ``since``, so wrong times would look like missing candles, and
    it fails as a whole at one row that it cannot parse. Such a row becomes ``[None, the row]``.

    Raises:
        ccxt.BadResponse: by the parser, for no list of rows, or more than any exchange sends.
    """
    import ccxt

    def parse_all(rows: Any, market: Any = None, *_: Any, **__: Any) -> list[list[Any]]:
        found, sent = [], client.to_array(rows)
        if not isinstance(sent, list) or len(sent) > _MOST_ROWS:
            raise ccxt.BadResponse(f"the answer is no list of up to {_MOST_ROWS} candles")
        for row in sent:
            try:
                candle = list(client.parse_ohlcv(row, market))
            except Exception:  # noqa: BLE001 (ccxt's parsers raise anything on this row)
                candle = [None]
            found.append([None, row] if candle[:1] == [None] or not candle else candle)
        return found

    return parse_all


def kind_of(symbol: str) -> str:
    """Kind of a unified symbol: ``spot``, ``linear``, ``inverse``, ``dated`` or ``option``."""
    pair, is_contract, rest = symbol.partition(":")
    if not is_contract:
        return "spot"
    settle, _, expiry = rest.partition("-")
    if expiry:
        return "option" if expiry.count("-") else "dated"
    return "inverse" if settle == pair.partition("/")[0] else "linear"


def shortened_types(types: Any, kinds: Iterable[str]) -> Any:
    """The exchange's list of market types, shortened to ``kinds``, in its own form.

    None if the list has another form or none of the types; it must then stay unchanged.
    """
    wanted = {word for kind in kinds for word in _TYPES[kind]}
    if isinstance(types, list) and all(isinstance(each, str) for each in types):
        kept = [each for each in types if each in wanted or each not in _KNOWN]
        return kept if any(each in wanted for each in kept) else None
    if isinstance(types, dict) and all(isinstance(each, str) for each in types):
        if not any(types.get(name) for name in wanted):
            return None
        return {
            name: value if name in wanted or name not in _KNOWN else False
            for name, value in types.items()
        }
    return None
