"""The fault matrix of servers: each lie of an exchange, and what came of it.

The real ccxt client asks a server on 127.0.0.1. The lie begins before a candle closes, and ends
after three cycles. Meanwhile nothing wrong is served, and the other symbol gets its candle if the
lie is of one symbol; one alert says what is wrong. Then everything is as if there had been no lie.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from coin_assets.bounded_http import Bounds
from coin_assets.market.bounds import BoundedSession
from coin_assets.market.ccxt import CcxtMarket
from coin_assets.market.pace import Halt
from coin_assets.market.retrying import REMEDY
from coin_assets_tests.alerts.receiver import Receiver
from coin_assets_tests.market.unreachable import Configure
from coin_assets_tests.orchestration.faults.lies import (
    HONEST_SECONDS,
    LATER,
    LIMIT_BYTES,
    LIMIT_SECONDS,
    OF_EXCHANGE,
    OF_HOST,
    OF_SYMBOL,
    Liar,
    host,
)
from coin_assets_tests.orchestration.faults.matrix import Cell
from coin_assets_tests.orchestration.faults.test_files import sound  # noqa: F401
from coin_assets_tests.orchestration.faults.watched import (
    NEXT,
    Sound,
    cycles,
    platform_at,
    published,
    served,
    statuses,
    told_by,
    words_of,
)
from coin_assets_tests.orchestration.sensors.conftest import grown, receiver  # noqa: F401
from coin_assets_tests.platform import ETH, given, utc

AFTER_NEXT = "2024-02-29T14:00:05"
SYMBOL, EXCHANGE, HOST = "ETH candles", "all answers", "the host"
FAST = ("redirect to another host",)
CELLS = [
    pytest.param((target, name), marks=() if name in FAST else pytest.mark.slow)
    for target, names in ((SYMBOL, OF_SYMBOL), (EXCHANGE, OF_EXCHANGE), (HOST, OF_HOST))
    for name in names
]


@pytest.fixture(autouse=True)
def _threads_wait_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Halt, "sleep", lambda _halt, _seconds: None)


class Lied:
    """An installation whose exchange lies, and what it shows."""

    def __init__(self, home: Path, receiver: Receiver, exchange: Liar) -> None:  # noqa: F811
        self.platform = platform_at(home, receiver)
        self.way: Configure = exchange.configure
        self.seconds = HONEST_SECONDS
        self._connect()
        self.platform.tick("health_alerts")

    def cycles(self, count: int, now: str = NEXT) -> None:
        for _ in range(count):
            self._connect()
            cycles(self.platform, 1, now)

    def _connect(self) -> None:
        """A client of its own, as each run of a live platform has."""
        market = CcxtMarket(
            "binance", self._configure, lambda _: None, clock=lambda: utc(self.platform.now)
        )
        self.platform.market = given(market, self.platform.market)

    def _configure(self, client: Any) -> None:
        self.way(client)
        client.session = BoundedSession(Bounds(LIMIT_BYTES, self.seconds), REMEDY)

    def shown(self) -> Sound:
        return published(self.platform), served(self.platform)


@pytest.fixture
def exchange() -> Iterator[Liar]:
    with Liar(utc(NEXT)) as made:
        yield made


@pytest.fixture
def lied(
    grown: Path,  # noqa: F811
    tmp_path: Path,
    receiver: Receiver,  # noqa: F811
    exchange: Liar,
) -> Lied:
    return Lied(Path(shutil.copytree(grown, tmp_path / "home")), receiver, exchange)


def lie(lied: Lied, exchange: Liar, cell: tuple[str, str]) -> None:
    """Three cycles with the lie."""
    target, name = cell
    with ExitStack() as stack:
        if target == HOST:
            lied.way = stack.enter_context(host(OF_HOST[name][0]))
            lied.seconds = LIMIT_SECONDS
        elif target == EXCHANGE:
            OF_EXCHANGE[name][0](exchange)
        else:
            exchange.lie = OF_SYMBOL[name][0]
        lied.cycles(3)
    lied.way, lied.seconds, exchange.lie = exchange.configure, HONEST_SECONDS, None
    exchange.heal()


@pytest.mark.parametrize("cell", CELLS, ids=": ".join)
def test_a_lie_of_a_server_is_not_served_is_told_and_is_over_with_it(
    lied: Lied,
    exchange: Liar,
    receiver: Receiver,  # noqa: F811
    sound: Sound,  # noqa: F811
    record_property: Callable[[str, object], None],
    cell: tuple[str, str],
) -> None:
    lie(lied, exchange, cell)
    during, words = lied.shown(), words_of(statuses(lied.platform))
    wrong = [
        series
        for series, prices in during[1].items()
        if not prices.items() <= sound[1][series].items()
    ]
    news = sorted(name for name, content in during[0].items() if content == sound[0][name])
    bodies = [each for each in receiver.accepted if each is not None]
    lied.platform.ahead += LATER.total_seconds()
    lied.cycles(4)
    after = lied.shown()[0]
    is_healed = after == sound[0] and set(statuses(lied.platform).values()) == {"fresh"}
    served_wrong = "WRONG SERVED; " if wrong else ""
    did = f"{served_wrong}{len(news)} of {len(after)} files renewed; {words}"
    healed = "by itself" if is_healed else "open"
    Cell(cell[1], f"server: {cell[0]}", did, told_by(bodies), healed).record(record_property)

    assert wrong == []
    if cell[0] == SYMBOL:
        assert {name for name in sound[0] if "BTC_USDT" in name} <= set(news)
    assert_told(cell, bodies)
    assert is_healed
    if len(receiver.accepted) < 2 * len(bodies):  # a clock is measured with the next candle
        exchange.now = utc(AFTER_NEXT)
        lied.cycles(1, AFTER_NEXT)
    kinds = [body["kind"] for body in receiver.accepted[len(bodies) :] if body is not None]
    assert kinds == ["recovery"] * len(bodies)


def assert_told(cell: tuple[str, str], bodies: list[dict[str, Any]]) -> None:
    """One alert of what the lie is about, with the right words and nothing to be interpreted."""
    (_, expected) = {**OF_SYMBOL, **OF_EXCHANGE, **OF_HOST}[cell[1]]
    assert [body["kind"] for body in bodies] == ["alert"] * len(bodies)
    subjects = [subject for body in bodies for subject in body["subjects"]]
    assert len(subjects) == len(set(subjects))
    if expected is None:
        assert bodies == []
        return
    about = [body for body in bodies if re.search(expected, body["text"])]
    assert about, bodies
    if cell[0] == SYMBOL:
        assert all(subject.startswith(ETH) for subject in subjects), subjects
    for body in bodies:
        assert len(body["text"]) < 2000
        assert not {"\x1b", "\u202e"} & set(body["text"])
        assert "hidden" not in body["text"]
