"""Answers of an exchange without end or measure, through the real ccxt client.

Each is given up within its deadline and its bytes, and the error says so and names the host.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
import requests

from coin_assets.bounded_http import Bounds
from coin_assets.errors import MarketUnavailable
from coin_assets.market.bounds import OF_EXCHANGE, BoundedSession
from coin_assets.market.ccxt import CcxtMarket
from coin_assets.market.retrying import REMEDY
from coin_assets_tests.market.exchange import FakeExchange
from coin_assets_tests.market.faults import Reply
from coin_assets_tests.market.hostile import (
    BROKEN_OFF,
    CHUNKED,
    MB,
    OK,
    PATIENT_SECONDS,
    TOO_LATE,
    TOO_LONG,
    Answer,
    body,
    redirect,
    sent,
    serving,
    without_end,
    zeros,
)
from coin_assets_tests.market.unreachable import FOREIGN, Configure, at
from coin_assets_tests.platform import series

NOW = datetime(2026, 11, 22, 20, 40, tzinfo=UTC)
MONTH_END = datetime(2024, 3, 1, tzinfo=UTC)
BTC_1H = series("1h")
LONG, LATE = "sends an answer of more than 1 MB", r"did not send its whole answer within 0\.5 s"
BROKEN, ODD = "the connection to 127.* broke off", "its answer is not JSON"


def bounded(address: str, bounds: Bounds) -> Configure:
    """Point a client of binance to an address, with bounds of its own."""

    def configure(client: object) -> None:
        at(address)(client)
        client.session = BoundedSession(bounds, REMEDY)  # type: ignore[attr-defined]

    return configure


def market(address: str, expected: str) -> CcxtMarket:
    """A client of a megabyte; its deadline is short only for an answer that must miss it."""
    configure = bounded(address, Bounds(MB, 0.5 if expected == LATE else PATIENT_SECONDS))
    return CcxtMarket("binance", configure, sleep=lambda _: None)


ANSWERS: dict[str, tuple[Answer, str]] = {
    **{name: (answer, LONG) for name, answer in TOO_LONG.items()},
    **{name: (answer, LATE) for name, answer in TOO_LATE.items()},
    **{name: (answer, BROKEN) for name, answer in BROKEN_OFF.items()},
    "a body longer than any": (without_end(OK + b"Content-Length: 9999999999\r\n\r\n", b" "), LONG),
    "trailers without end": (without_end(CHUNKED + b"2\r\n[]\r\n0\r\n", b"a: b\r\n"), LONG),
    "raw deflate bomb": (body(zeros(32, "raw deflate"), "deflate"), LONG),
    "gzip bomb in a redirect": (
        sent(
            b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Encoding: gzip\r\n",
            b"Content-Length: %d\r\n\r\n" % len(zeros(32)),
            zeros(32),
        ),
        LONG,
    ),
    "a header without end": (without_end(OK + b"a: ", b"b"), BROKEN),
    "a thousand headers": (sent(OK, b"a: b\r\n" * 1000, b"\r\n[]"), BROKEN),
    "a chunk size without end": (without_end(CHUNKED, b"0"), BROKEN),
    # What is too much can be met as the start of the next answer on the same connection.
    "more bytes than announced": (sent(OK, b"Content-Length: 1\r\n\r\n[]"), f"{ODD}|{BROKEN}"),
    "too many codings": (body(b"[]", ", ".join(["gzip"] * 9)), BROKEN),
    "another host": (redirect("http://127.0.0.2:1/secret?token=hidden"), "redirects to http://127"),
    "another port": (redirect("//127.0.0.1:1/secret"), "redirects to http://127.0.0.1:1, which"),
    "a file": (redirect("file:///etc/passwd"), r"redirects to file://, which was not configured"),
    "no address": (redirect("http://[/"), "redirects to an address that cannot be read"),
    "itself": (redirect("/again"), "redirects"),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_beyond_bounds_is_an_outage_that_names_host_and_limit(what: str) -> None:
    answer, expected = ANSWERS[what]
    with serving(answer) as address, pytest.raises(MarketUnavailable, match=expected) as raised:
        list(market(address, expected).pages(BTC_1H, NOW.replace(hour=0), NOW, NOW))
    text = str(raised.value)
    assert REMEDY in text
    assert expected.startswith(ODD) or address.removeprefix("http://") in text
    assert [word for word in (*FOREIGN, "hidden", "exchangeInfo", "secret") if word in text] == []


@pytest.mark.parametrize("target", ["http://api.one/x", "https://api.one:444/x", "https://two/x"])
def test_a_redirect_from_https_leads_nowhere_else(target: str) -> None:
    answer = requests.Response()
    answer.url, answer.status_code = "https://api.one/x", 301
    answer.headers["Location"] = target
    session = BoundedSession(OF_EXCHANGE, REMEDY)
    with pytest.raises(MarketUnavailable, match=r"https://api\.one redirects to"):
        session.get_redirect_target(answer)
    for own in ("/y", "https://api.one/y"):
        answer.headers["Location"] = own
        assert session.get_redirect_target(answer) == own
    answer.url = "http://api.one/x"
    answer.headers["Location"] = "https://api.one/x"
    assert session.get_redirect_target(answer) == "https://api.one/x"


@pytest.fixture
def exchange() -> Iterator[FakeExchange]:
    with FakeExchange(NOW) as made:
        yield made


def test_a_connection_is_kept_for_many_answers_and_has_a_deadline_for_each(
    exchange: FakeExchange,
) -> None:
    own = CcxtMarket("binance", bounded(exchange.url, Bounds(MB, 2.0)))
    for _ in range(4):
        time.sleep(0.6)
        (page,) = own.pages(BTC_1H, NOW.replace(hour=1), NOW, NOW)
        assert len(page.candles) == 18
    own.close()
    assert exchange.connections == 1


# Many short values take the most memory for their bytes.
HUNGRY: dict[str, Callable[[], bytes]] = {
    "short texts": lambda: b"[" + b'"ab",' * 1_490_000 + b"0]",
    "more short texts": lambda: b"[" + b'"ab",' * (6 * MB) + b"0]",
    "short lists": lambda: b"[" + b"[]," * 740_000 + b"[]]",
    "candles": lambda: b"[" + b"[1,2,3,4,5,6]," * 190_000 + b"[]]",
    "wide characters": lambda: ('["' + "\U0001f600" * (7 * MB) + '"]').encode(),
}


@pytest.mark.parametrize(
    "kinds",
    [["short texts"], pytest.param([*HUNGRY][1:], marks=pytest.mark.slow)],
    ids=["usual", "others"],
)
def test_no_answer_takes_a_fetch_of_a_month_much_memory(kinds: list[str]) -> None:
    with ExitStack() as servers:
        endless = without_end(OK + b"Content-Length: 209715200\r\n\r\n[", b"0," * 65536)
        bomb = body(zeros(1500), "gzip")
        addresses = [servers.enter_context(serving(answer)) for answer in (endless, bomb)]
        for kind in kinds:
            exchange = servers.enter_context(FakeExchange(MONTH_END))
            reply = Reply(HUNGRY[kind]())
            exchange.spoil_always(lambda _, reply=reply: reply, "klines")  # type: ignore[misc]
            addresses.append(exchange.url)
        command = [sys.executable, "-m", "coin_assets_tests.market.fetch_process", *addresses]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    *outcomes, peak = done.stdout.splitlines()
    assert set(outcomes) <= {"MarketUnavailable", "InvalidCandles"}
    assert len(outcomes) == len(addresses)
    assert int(peak) < 600, done.stdout
