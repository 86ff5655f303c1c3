"""An exchange that cannot be reached: what alerts and the manifest say, and how soon.

The real sensors, runs and alerts, and the real ccxt client, in a home where nothing was published.
"""

import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from coin_assets.market.ccxt import CcxtMarket
from coin_assets.market.pace import Halt
from coin_assets.orchestration.assets.specs import RETRIES
from coin_assets.planning.facts import FIRST_DELAY
from coin_assets_tests.alerts.receiver import Receiver
from coin_assets_tests.market.exchange import FakeExchange
from coin_assets_tests.market.unreachable import (
    FOREIGN,
    REASONS,
    Configure,
    closed_port,
    out_of_order,
)
from coin_assets_tests.orchestration.sensors.failing import FailingMarket
from coin_assets_tests.orchestration.sensors.rig import Rig
from coin_assets_tests.platform import BTC, ETH, Platform, given, utc

START, NOW = "2026-11-01", "2026-11-10T12:00:30"
CYCLE = 60.0
MARKET = "market ccxt:binance"
FAST = ("HTML",)


@pytest.fixture
def exchange() -> Iterator[FakeExchange]:
    with FakeExchange(utc(NOW)) as made:
        yield made


class Outage:
    """A platform whose way to the exchange can be changed, and its alert cycles.

    Attributes:
        slept: seconds that the market's retries waited.
    """

    def __init__(
        self, home: Path, exchange: FakeExchange, receiver: Receiver, symbols: str = f"{BTC},{ETH}"
    ) -> None:
        self.platform = Platform(
            home,
            NOW,
            market="ccxt:binance",
            symbols=symbols,
            history_start=START,
            derived_timeframes="1d",
            alert_webhooks=f"json+{receiver.url}",
        )
        self.slept: list[float] = []
        self.way: Configure = exchange.configure
        self._exchange, self._receiver = exchange, receiver
        self._rig = Rig(self.platform, exchange, self._connected)

    def _connected(self) -> CcxtMarket:
        return CcxtMarket(
            "binance",
            self.way,
            sleep=self.slept.append,
            chance=lambda: 1.0,  # the longest waits
            clock=lambda: utc(self.platform.now),
        )

    def cycle(self) -> None:
        """One alert cycle, with the runs before it."""
        self._rig.cycle()
        self.platform.tick("health_alerts")
        self.pass_by(CYCLE)

    def pass_by(self, seconds: float) -> None:
        """Move all clocks on."""
        self._exchange.now += timedelta(seconds=seconds)
        self.platform.now = f"{self._exchange.now:%Y-%m-%dT%H:%M:%S}"
        self.platform.ahead += seconds

    def messages(self, kind: str, subject: str | None = None) -> list[dict[str, Any]]:
        """Accepted messages of a kind about one subject; of None, about others than `MARKET`."""
        bodies = [body for body in self._receiver.accepted if body and body["kind"] == kind]
        if subject is None:
            return [each for each in bodies if MARKET not in each["subjects"]]
        return [each for each in bodies if each["subjects"] == [subject]]


@pytest.fixture(autouse=True)
def threads_wait_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Halt, "sleep", lambda _halt, _seconds: None)


@pytest.fixture
def outage(tmp_path: Path, exchange: FakeExchange, receiver: Receiver) -> Outage:
    return Outage(tmp_path / "home", exchange, receiver)


def assert_own_words(text: str, reason: str) -> None:
    assert re.search(reason, text), text
    assert [word for word in FOREIGN if word in text] == []


@pytest.mark.parametrize(
    "kind",
    [kind if kind in FAST else pytest.param(kind, marks=pytest.mark.slow) for kind in REASONS],
)
def test_an_exchange_out_of_order_is_told_within_three_cycles_and_so_is_its_recovery(
    outage: Outage, exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    with out_of_order(kind, exchange, monkeypatch) as outage.way:
        for _ in range(3):
            outage.cycle()
        (alert,) = outage.messages("alert", MARKET)
        assert (alert["severity"], alert["title"]) == ("critical", f"exchange outage: {MARKET}")
        assert "no symbol can be fetched; binance did not deliver" in alert["text"]
        assert_own_words(alert["text"], REASONS[kind])
        for _ in range(3):
            outage.cycle()
        (failing,) = outage.messages("alert")
        assert failing["text"].count("failed 3 times in a row, nothing is published; last at") == 2
        assert_own_words(failing["text"], "Cause: the market does not answer")
        outage.platform.tick("publish_due")
        for symbol in (BTC, ETH):
            last_error = outage.platform.entry("1h", symbol)["last_error"]
            assert last_error.startswith(f"binance did not deliver {symbol} ")
            assert_own_words(last_error, REASONS[kind])

    outage.way = exchange.configure
    outage.pass_by(15 * CYCLE)  # the longest back-off
    for _ in range(3):
        outage.cycle()
    (recovery,) = outage.messages("recovery", MARKET)
    assert recovery["title"] == f"recovered from exchange outage: {MARKET}"
    assert len(outage.messages("alert", MARKET)) == 1


def test_two_runs_that_meet_an_outage_end_within_three_cycles(
    tmp_path: Path, exchange: FakeExchange, receiver: Receiver
) -> None:
    outage = Outage(tmp_path, exchange, receiver, symbols=BTC)
    outage.way = closed_port()
    for _ in range(2):
        outage.cycle()
    assert len(outage.messages("alert", MARKET)) == 1
    pauses = sum(RETRIES.calculate_delay(attempt) for attempt in (1, 2))
    assert sum(outage.slept) + 2 * pauses + FIRST_DELAY.total_seconds() < 3 * CYCLE


def test_what_was_published_before_an_outage_is_said_to_be_served(
    grown: Path, tmp_path: Path, receiver: Receiver
) -> None:
    platform = Platform(
        Path(shutil.copytree(grown, tmp_path / "home")),
        "2024-02-29T13:00:05",
        symbols=f"{BTC},{ETH}",
        derived_timeframes="4h",
        alert_webhooks=f"json+{receiver.url}",
    )
    platform.market = given(FailingMarket({BTC}))
    for _ in range(3):
        platform.cycle()
        platform.tick("health_alerts")
        platform.ahead += CYCLE
    (alert,) = [body for body in receiver.accepted if body]
    assert alert["title"] == f"failing: {BTC} 1h"
    assert "failed 3 times in a row, what was published before is still served;" in alert["text"]
