"""What can happen to the replies of a fake exchange on their way out.

A `Fault` is a function from the reply that would be sent to the one that is sent instead, so a new
kind of failure is a new function.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

Kline = list[Any]


@dataclass(frozen=True)
class Reply:
    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    reset: bool = False


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


def headed(**headers: str) -> Fault:
    """Send other headers; an empty one is left out."""
    added = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda reply: replace(reply, headers={**reply.headers, **added})


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


def reset(_: Reply) -> Reply:
    """Break the connection off: the client sees ECONNRESET."""
    return Reply(b"", reset=True)


def html(_: Reply) -> Reply:
    """A page for people in place of an answer, as if all were well."""
    return Reply(b"<html><body>Scheduled maintenance</body></html>")


def other_json(content: Any) -> Fault:
    """JSON, but not what was asked for."""
    return lambda _: json_reply(content)


def wait_please(status: int, retry_after: str) -> Fault:
    """Too many requests: come back after so many seconds, or at an HTTP date."""
    return http_status(status, headers={"Retry-After": retry_after})


def slow(seconds: float) -> Fault:
    """Answer after so long."""

    def wait(reply: Reply) -> Reply:
        time.sleep(seconds)
        return reply

    return wait


newest_first = changed_klines(lambda klines: klines[::-1])
every_candle_twice = changed_klines(lambda klines: [row for each in klines for row in (each, each)])
in_seconds = changed_klines(lambda klines: [[row[0] // 1000, *row[1:]] for row in klines])
in_microseconds = changed_klines(lambda klines: [[row[0] * 1000, *row[1:]] for row in klines])
zero_rows = changed_klines(lambda klines: [[row[0], *["0.0"] * 5, *row[6:]] for row in klines])
no_candles = changed_klines(lambda _: [])
quote_volume = changed_klines(lambda klines: [[*row[:5], row[7], *row[6:]] for row in klines])


def without(opened: datetime) -> Fault:
    """The candle that opens then is left out."""
    millis = int(opened.timestamp() * 1000)
    return changed_klines(lambda klines: [row for row in klines if row[0] != millis])
