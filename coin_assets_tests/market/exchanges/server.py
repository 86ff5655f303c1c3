"""What all stand-ins share: a server on 127.0.0.1, and the candles that it has."""

import json
import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from threading import Thread
from typing import Any, ClassVar, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

from coin_assets.domain.timeframes import EPOCH, Timeframe

LISTED = datetime(2024, 3, 5, 7, tzinfo=UTC)
Answer = tuple[int, Any]
Values = tuple[float | None, float | None, float | None, float | None, float | None]
_MINUTE = 60_000
_MONDAY = 4 * 86_400_000  # 1970-01-05


class Candle(NamedTuple):
    """``open_time`` in milliseconds; a value is None only where a test broke the candle."""

    open_time: int
    first: float | None
    high: float | None
    low: float | None
    last: float | None
    volume: float | None


@dataclass(frozen=True)
class Request:
    """What was asked, and with which HTTP status it was answered."""

    path: str
    query: Mapping[str, str]
    status: int


class StandIn:
    """An exchange with one market. It serves from the first `configure` or ``with`` on until the
    ``with`` block, or else the process, ends.

    Args:
        now: the exchange's clock, and by `configure` the client's; may be set while it runs.
        listed: the first candle is the one that contains this time.
        holes: ranges ``[start, end)`` of which it has no candles; a candle that is only partly in
            one is there.
        broken: by open time, what is sent instead of open, high, low, close and volume.
        edge: how many candles back (the running one is the first) or how long ago candles begin
            that are still served; by default as the exchange's ``usual_edge``.

    Attributes:
        exchange_id, symbol: as ccxt spells them.
        intervals: from what is on the wire to our timeframes.
        cap: candles in an answer at most.
        usual_edge: see ``edge``; None serves everything.
        week_anchor: milliseconds since the epoch at which some week opens.
        requests: all that was asked so far.
    """

    exchange_id: ClassVar[str]
    symbol: ClassVar[str] = "BTC/USDT"
    intervals: ClassVar[Mapping[str, str]]
    cap: ClassVar[int]
    usual_edge: ClassVar[int | timedelta | None] = None
    week_anchor: ClassVar[int] = _MONDAY

    def __init__(
        self,
        now: datetime,
        listed: datetime = LISTED,
        holes: Iterable[tuple[datetime, datetime]] = (),
        broken: Mapping[datetime, Values] | None = None,
        edge: int | timedelta | None = None,
    ) -> None:
        self.now = now
        self.requests: list[Request] = []
        self.edge = self.usual_edge if edge is None else edge
        self._listed = listed
        self._holes = [(milliseconds(start), milliseconds(end)) for start, end in holes]
        self._broken = {milliseconds(time): values for time, values in (broken or {}).items()}
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self._serve()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; raises what went wrong in here, which clients saw as a server error."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        server.server_close()
        for mistake in server.mistakes:
            raise mistake

    @classmethod
    def timeframes(cls) -> list[str]:
        return list(cls.intervals.values())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._serve().server_port}"

    def configure(self, client: Any) -> None:
        """Point every address of a ccxt client here, and its clock to the exchange's."""
        client.urls["api"] = moved(client.urls["api"], self.url)
        client.hostname = self.url.removeprefix("http://")
        client.enableRateLimit = False
        client.milliseconds = lambda: milliseconds(self.now)
        client.seconds = lambda: milliseconds(self.now) // 1000

    def answer(self, path: str, query: Mapping[str, str]) -> Answer:
        """HTTP status and JSON for a request."""
        raise NotImplementedError

    def asked(self, end_of_path: str) -> list[Request]:
        """Requests so far to paths that end so."""
        return [each for each in self.requests if each.path.endswith(end_of_path)]

    def candles(self, timeframe: str, start: datetime, end: datetime) -> list[Candle]:
        """The truth: all closed candles that open in ``[start, end)`` and that the exchange still
        serves, but for the broken ones.
        """
        frame = Timeframe(timeframe)
        closed = min(milliseconds(end), milliseconds(self.floor(frame, self.now))) - 1
        served = self.sent(frame, milliseconds(start), closed)
        return [each for each in served if each.open_time not in self._broken]

    def oldest(self, timeframe: Timeframe) -> datetime:
        """Open of the oldest candle that is still served, were there no holes."""
        listed = self.floor(timeframe, self._listed)
        match self.edge:
            case None:
                return listed
            case int(candles):
                running = self.floor(timeframe, self.now)
                if timeframe.is_month:
                    return max(listed, timeframe.shift(running, 1 - candles))
                return max(listed, running - (candles - 1) * timedelta(seconds=timeframe.seconds))
            case age:
                return max(listed, self.at_or_after(timeframe, self.now - age))

    def floor(self, timeframe: Timeframe, time: datetime) -> datetime:
        """As `Timeframe.floor`, but weeks open when this exchange's do."""
        if timeframe.unit != "w":
            return timeframe.floor(time)
        anchor = EPOCH + timedelta(milliseconds=self.week_anchor)
        return time - (time - anchor) % timedelta(seconds=timeframe.seconds)

    def close(self, timeframe: Timeframe, time: int) -> int:
        """Close of the candle that opens at ``time``, in milliseconds."""
        if timeframe.is_month:
            return milliseconds(timeframe.next(EPOCH + timedelta(milliseconds=time)))
        return time + timeframe.seconds * 1000

    def at_or_after(self, timeframe: Timeframe, time: datetime) -> datetime:
        """The first open that is not before ``time``."""
        opened = self.floor(timeframe, time)
        if opened == time:
            return opened
        return EPOCH + timedelta(milliseconds=self.close(timeframe, milliseconds(opened)))

    def sent(
        self,
        timeframe: Timeframe,
        first: int,
        last: int,
        count: int | None = None,
        newest: bool = False,
    ) -> list[Candle]:
        """Candles that open from ``first`` to ``last``, both included, in milliseconds; ascending,
        the running one last. Of more than ``count`` the oldest, or the ``newest``.
        """
        times = iter(self._times(timeframe, first, last, newest))
        kept = list(islice(times, count))
        if newest:
            kept.reverse()
        return [self._candle(timeframe, time) for time in kept]

    def wall(self) -> int:
        """``now`` in milliseconds."""
        return milliseconds(self.now)

    def _times(self, timeframe: Timeframe, first: int, last: int, backwards: bool) -> Iterator[int]:
        first = max(first, milliseconds(self.oldest(timeframe)))
        grid = _grid(timeframe, first, min(last, self.wall() - 1), self.week_anchor)
        for time in reversed(grid) if backwards else grid:
            close = self.close(timeframe, time)
            if not any(start <= time and close <= end for start, end in self._holes):
                yield time

    def _candle(self, timeframe: Timeframe, time: int) -> Candle:
        if time in self._broken:
            return Candle(time, *self._broken[time])
        close = self.close(timeframe, time)
        first, last = _price(time), _price(close)
        volume = 2.0 + 4 * (time // _MINUTE % 97)
        if close > self.wall():
            last, volume = first, volume / 2
        high, low = max(first, last) + 1 + time // _MINUTE % 5, min(first, last) - 1.5
        return Candle(time, first, round(high, 2), round(low, 2), last, volume)

    def _serve(self) -> "_Server":
        if self._server is None:
            self._server = _Server(self)
            Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self._server


def milliseconds(time: datetime) -> int:
    return (time - EPOCH) // timedelta(milliseconds=1)


def text(value: float | None) -> str | None:
    """As most exchanges write numbers."""
    return None if value is None else f"{value:.8f}"


def texts(candle: Candle) -> list[str | None]:
    """Open, high, low, close and volume, as most exchanges write them."""
    return [text(value) for value in candle[1:]]


def whole(query: Mapping[str, str], name: str, default: int) -> int:
    return int(query.get(name, default))


def _price(time: int) -> float:
    minute = time / _MINUTE
    return round(40_000 + 9_000 * math.sin(minute / 70_000) + 60 * math.sin(minute / 41), 2)


def _grid(timeframe: Timeframe, first: int, last: int, week_anchor: int) -> Sequence[int]:
    if timeframe.is_month:
        month = timeframe.floor(EPOCH + timedelta(milliseconds=first - 1))
        times = []
        while (time := milliseconds(month := timeframe.next(month))) <= last:
            times.append(time)
        return times
    step = timeframe.seconds * 1000
    anchor = week_anchor if timeframe.unit == "w" else 0
    return range(-((anchor - first) // step) * step + anchor, last + 1, step)


def moved(addresses: Any, url: str) -> Any:
    if isinstance(addresses, dict):
        return {name: moved(each, url) for name, each in addresses.items()}
    if isinstance(addresses, str):
        return re.sub(r"^https?://[^/]+", url, addresses)
    return addresses


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, exchange: StandIn) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.exchange = exchange
        self.mistakes: list[Exception] = []

    def handle_error(self, *_: object) -> None:
        error = sys.exception()
        if isinstance(error, Exception) and not isinstance(error, ConnectionError):
            self.mistakes.append(error)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet a reply

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        status: int = 500
        content: Any = {}
        try:
            status, content = self.server.exchange.answer(url.path, query)
        except Exception as error:  # noqa: BLE001 (kept for __exit__)
            self.server.mistakes.append(error)
        self.server.exchange.requests.append(Request(url.path, query, status))
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (inherited)
        """Tests look at ``requests`` instead."""
