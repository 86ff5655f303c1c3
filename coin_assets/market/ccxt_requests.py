"""Range of a candle request, parsed from the request as ccxt sends it.

ccxt changes its arguments: it lowers limits, adds an end time, moves the start, or omits it. An
answer covers only the range in the request, so the range is parsed from the sent parameters: values
that are times, and limits by their usual names.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from coin_assets.domain.candles.frame import LATEST
from coin_assets.domain.timeframes import Timeframe

_LIMIT_NAMES = {"limit", "size", "count", "pagesize", "_pagesize", "num", "number"}
# Sent with every request of some exchanges; not part of the range.
_CLOCK_NAMES = {"timestamp", "nonce", "recvwindow"}
_EARLIEST = 10**9  # seconds, in 2001: before any exchange, and the units do not overlap
_UNITS = (1, 10**3, 10**6, 10**9)  # a second in seconds, milliseconds, microseconds, nanoseconds
_DAY_IN_PATH = re.compile(r"^20\d{6}$")
_YEAR_IN_PATH = re.compile(r"^20\d{2}$")


@dataclass(frozen=True)
class Asked:
    """The range of one request.

    Attributes:
        start: first open; None without a start.
        end: end of the opens, exclusive; None without an end.
        limit: maximum of candles; None without a limit.
    """

    start: datetime | None = None
    end: datetime | None = None
    limit: int | None = None


def read_request(url: str, body: Any, since: datetime, timeframe: Timeframe) -> Asked:
    """Range of a request for candles.

    Args:
        url: address with query.
        body: text or bytes of a POST, JSON or a query.
        since: start that was passed to ccxt.
        timeframe: of the candles.
    """
    path = [part for part in urlsplit(url).path.split("/") if part]
    for part in path[-2:]:
        if _DAY_IN_PATH.match(part):
            day = datetime.strptime(part, "%Y%m%d").replace(tzinfo=UTC)
            return Asked(day, day + timedelta(days=1))
        if _YEAR_IN_PATH.match(part):
            return Asked(
                datetime(int(part), 1, 1, tzinfo=UTC), datetime(int(part) + 1, 1, 1, tzinfo=UTC)
            )
    times: list[datetime] = []
    limit: int | None = None
    for name, value in _parameters(url, body):
        lowered = name.lower()
        if lowered in _LIMIT_NAMES and re.fullmatch(r"[1-9]\d{0,5}", value):
            limit = int(value)
        elif lowered not in _CLOCK_NAMES and (time := _time_of(value)) is not None:
            times.append(time)
    return _asked(sorted(times), limit, since, timeframe)


def _asked(
    times: list[datetime], limit: int | None, since: datetime, timeframe: Timeframe
) -> Asked:
    if not times:
        return Asked(limit=limit)
    is_start = times[0] < timeframe.next(since)
    if len(times) > 1:
        return Asked(times[0], times[-1], limit)
    if is_start:
        return Asked(times[0], None, limit)
    # An end alone: the range is counted back from it.
    end = times[0]
    start = None if limit is None else timeframe.shift(timeframe.ceil(end), -limit)
    return Asked(start, end, limit)


def _parameters(url: str, body: Any) -> Iterator[tuple[str, str]]:
    yield from parse_qsl(urlsplit(url).query, keep_blank_values=True)
    if not body:
        return
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    try:
        yield from _leaves("", json.loads(text))
    except ValueError:
        yield from parse_qsl(text)


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(str(key), inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(name, inner)
    else:
        yield name, str(value)


def _time_of(value: str) -> datetime | None:
    """Time in ``value`` in any usual form; None if it is not a time."""
    if re.fullmatch(r"\d{10,19}(\.\d+)?", value):
        number = float(value)
        for unit in _UNITS:
            if _EARLIEST <= number / unit < LATEST.timestamp():
                whole = int(value.partition(".")[0])
                seconds, rest = divmod(whole, unit)
                micros = rest * 10**6 // unit
                return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=micros)
        return None
    if re.match(r"\d{4}-\d{2}-\d{2}", value):
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            return None
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    return None
