"""What a server can answer that is not true, or has no end: lies of the fault matrix.

Those of one symbol change the candles of ETH/USDT, those of a host change other answers or take its
place. Seen in the wild: prices off by a factor of ten or a hundred for some symbols
(Leo4815162342/dukascopy-node#178), candles of the future (ccxt/ccxt#3506), seconds in place of
milliseconds (ccxt/ccxt#384), candles of another market with a similar name (ccxt/ccxt#19366), pages
for people and 503 (ccxt/ccxt#6055). What `hostile` and `faults` make has its sources there.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from coin_assets_tests.market import faults
from coin_assets_tests.market.exchange import FakeExchange, Request
from coin_assets_tests.market.faults import (
    Fault,
    Kline,
    Reply,
    changed_klines,
    headed,
    json_error,
    json_reply,
)
from coin_assets_tests.market.hostile import (
    MB,
    OK,
    Answer,
    body,
    drip,
    redirect,
    serving,
    without_end,
    zeros,
)
from coin_assets_tests.market.unreachable import Configure, at
from coin_assets_tests.platform import utc

Lie = Callable[["Liar", Request, Reply], Reply | None]
# What chat services, terminals and pages would interpret.
HOSTILE = "@everyone <script>alert(1)</script> \u202e\x1b[31m *x* " + "line\n" * 3000


class Liar(FakeExchange):
    """A fake exchange that lies about candles of ETH/USDT, by ``lie``."""

    lie: Lie | None = None

    def answer(self, request: Request) -> Reply | None:
        reply = super().answer(request)
        if self.lie is None or reply is None or request.query.get("symbol") != "ETHUSDT":
            return reply
        return self.lie(self, request, reply)


def _on(fault: Fault) -> Lie:
    return lambda _liar, _request, reply: fault(reply)


def _another_symbol(liar: Liar, request: Request, _: Reply) -> Reply | None:
    query = {**request.query, "symbol": "BTCUSDT"}
    return FakeExchange.answer(liar, replace(request, query=query))


def _prices(change: Callable[[float], object]) -> Lie:
    """The prices of each candle changed."""

    def row(kline: Kline) -> Kline:
        return [kline[0], *(change(float(each)) for each in kline[1:5]), *kline[5:]]

    return _on(changed_klines(lambda klines: map(row, klines)))


def _of_tomorrow(klines: list[Kline]) -> Iterator[Kline]:
    """The candles, and the newest one again for each hour of the next day."""
    yield from klines
    for hour in range(1, 25):
        yield [klines[-1][0] + hour * 3_600_000, *klines[-1][1:]]


def _reply(text: bytes, **headers: str) -> Lie:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return _on(lambda _: Reply(text, headers={"Content-Type": "application/json", **names}))


# what -> the lie, and a regular expression of the alert about ETH/USDT; None: it does no harm
OF_SYMBOL: dict[str, tuple[Lie, str | None]] = {
    "candles of BTC/USDT": (_another_symbol, "implausible"),
    "prices x100": (_prices(lambda price: price * 100), "x100"),
    "prices of 1e308": (_prices(lambda _: "1e308"), "implausible|not_finite|refused"),
    "negative prices": (_prices(lambda price: -price), "refused"),
    "prices are null": (_prices(lambda _: None), "refused"),
    "prices are NaN": (_prices(lambda _: float("nan")), "does not answer"),
    "candles of tomorrow as well": (_on(changed_klines(_of_tomorrow)), None),
    "times in seconds": (_on(faults.in_seconds), "refused"),
    "times in microseconds": (_on(faults.in_microseconds), "refused"),
    "newest candle first": (_on(faults.newest_first), None),
    "every candle twice": (_on(faults.every_candle_twice), None),
    "rows of zeros": (_on(faults.zero_rows), "refused"),
    "no candles": (_on(faults.no_candles), "no newer candles"),
    "newest candle withheld": (_on(faults.without(utc("2024-02-29T12:00"))), "no newer candles"),
    "a page for people": (_on(faults.html), "does not answer"),
    "half an answer": (_on(faults.cut_off), "does not answer"),
    "hostile texts": (_on(json_error(-1000, HOSTILE)), "ETH/USDT"),
    "deep JSON": (_reply(b"[" * 100_000 + b"]" * 100_000), "does not answer"),
    "1.5 million values": (_reply(b"[" + b"0," * 1_500_000 + b"0]"), "does not answer"),
    "gzip bomb": (_reply(zeros(32), Content_Encoding="gzip"), "does not answer"),
    "HTTP 451": (_on(faults.http_status(451)), "blocks this machine"),
    "no such symbol": (_on(json_error(-1121, "Invalid symbol.")), "does not offer the symbol"),
}

_DATES = ("exchangeInfo", "klines")


def _dated(date: str, **others: str) -> Callable[[Liar], None]:
    """All answers with another ``Date``."""

    def spoil(liar: Liar) -> None:
        for endpoint in _DATES:
            liar.spoil_always(headed(Date=date, **others), endpoint)

    return spoil


def _unlisted(liar: Liar) -> None:
    """The list of markets lacks ETH/USDT."""

    def shortened(reply: Reply) -> Reply:
        content = json.loads(reply.body)
        content["symbols"] = [each for each in content["symbols"] if each["symbol"] != "ETHUSDT"]
        return json_reply(content)

    liar.spoil_always(shortened, "exchangeInfo")


# of all answers of the exchange -> how, and a regular expression of the alert
OF_EXCHANGE: dict[str, tuple[Callable[[Liar], None], str | None]] = {
    "Date of 1970": (_dated("Thu, 01 Jan 1970 00:00:00 GMT"), "it is 1970-01-01"),
    "Date of 2099": (_dated("Thu, 01 Jan 2099 00:00:00 GMT"), "behind the exchange"),
    "Date two hours ahead": (_dated("Thu, 29 Feb 2024 15:00:05 GMT"), "behind the exchange"),
    "Date of yesterday, by a cache": (_dated("Wed, 28 Feb 2024 13:00:05 GMT", Age="86400"), None),
    "a list without ETH/USDT": (_unlisted, "lists no ETH/USDT|does not offer the symbol"),
}

_CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
# in place of the exchange -> its answer, and a regular expression of the alert
OF_HOST: dict[str, tuple[Answer, str]] = {
    "a byte now and then": (drip(OK + b"Content-Length: 999\r\n\r\n", b" "), "whole answer within"),
    "a body without end": (without_end(OK + b"\r\n", b" " * 65536), "more than 1 MB"),
    "chunks without end": (without_end(_CHUNKED, b"400\r\n%s\r\n" % (b" " * 1024)), "than 1 MB"),
    "headers without end": (without_end(OK, b"a: b\r\n"), "broke off"),
    "gzip bomb in gzip": (body(zeros(32, "gzip, gzip"), "gzip, gzip"), "more than 1 MB"),
    "200 MB": (without_end(OK + b"Content-Length: 209715200\r\n\r\n[", b"0," * 65536), "than 1 MB"),
    "redirect to another host": (redirect("http://127.0.0.2:1/x?token=hidden"), "redirects to"),
    "redirect to a file": (redirect("file:///etc/passwd"), "redirects to file://"),
}


@contextmanager
def host(answer: Answer) -> Iterator[Configure]:
    """The way of a client to a server that gives this answer to everything."""
    with serving(answer) as address:
        yield at(address)


# Answers are given up at these limits; those of an installation take minutes to reach.
LIMIT_BYTES, LIMIT_SECONDS, HONEST_SECONDS = MB, 0.5, 10.0
# Of an exchange that has had its retries: a client begins anew with each run.
LATER = timedelta(hours=1)
