"""A machine whose clock differs from the exchange's: what is collected, and what alerts say.

The real sensors, runs and alerts, and the real ccxt client.
"""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from coin_assets.market.pace import Halt
from coin_assets_tests.alerts.receiver import Receiver
from coin_assets_tests.market.exchange import FakeExchange
from coin_assets_tests.market.faults import headed
from coin_assets_tests.orchestration.sensors.test_exchange_outage import NOW, Outage
from coin_assets_tests.platform import BTC, series, utc

HOUR = "BTC_USDT/ohlcv_1h"


@pytest.fixture(autouse=True)
def threads_wait_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Halt, "sleep", lambda _halt, _seconds: None)


@pytest.fixture
def exchange() -> Iterator[FakeExchange]:
    with FakeExchange(utc(NOW)) as made:
        yield made


@pytest.fixture
def machine(tmp_path: Path, exchange: FakeExchange, receiver: Receiver) -> Outage:
    made = Outage(tmp_path / "home", exchange, receiver, symbols=BTC)
    made.platform.retries = 0  # whose waits are real
    return made


def set_ahead(machine: Outage, exchange: FakeExchange, seconds: int) -> None:
    machine.platform.now = f"{exchange.now + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}"


def last_candle(machine: Outage) -> str:
    newest = machine.platform.store.newest_candles([series("1h")])[series("1h")]
    return f"{newest:%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize(("ahead", "words"), [(35, "ahead of"), (-35, "behind")])
def test_a_clock_that_differs_alerts_at_once_and_is_told_when_it_is_set(
    machine: Outage, exchange: FakeExchange, ahead: int, words: str
) -> None:
    exchange.now = utc("2026-11-10T12:02:00")
    set_ahead(machine, exchange, ahead)
    machine.cycle()
    (alert,) = machine.messages("alert", "clock")
    assert alert["severity"] == "warning"
    assert re.search(
        rf"3[456] s {words} the exchange: at .* UTC here it was .* there", alert["text"]
    )
    assert "chronyc tracking" in alert["text"]
    assert last_candle(machine) == "2026-11-10T11:00"
    exchange.now = utc("2026-11-10T13:02:00")
    set_ahead(machine, exchange, 0)
    machine.cycle()
    (recovery,) = machine.messages("recovery", "clock")
    assert recovery["title"] == "recovered from clock differs: clock"
    assert last_candle(machine) == "2026-11-10T12:00"


def test_a_candle_that_only_this_machine_has_closed_is_left_to_the_next_runs(
    machine: Outage, exchange: FakeExchange
) -> None:
    exchange.now = utc("2026-11-10T12:30:00")
    set_ahead(machine, exchange, 35)
    machine.cycle()
    exchange.now = utc("2026-11-10T12:59:35")
    set_ahead(machine, exchange, 35)
    machine.cycle()
    assert last_candle(machine) == "2026-11-10T11:00"
    exchange.now = utc("2026-11-10T13:00:05")
    set_ahead(machine, exchange, 35)
    machine.cycle()
    assert last_candle(machine) == "2026-11-10T12:00"
    assert machine.platform.metadata(HOUR, "2026-11-01")["clock_offset_seconds"] in (34, 35, 36)


def test_an_exchange_with_a_date_of_1970_alerts_within_three_cycles_and_stores_nothing(
    machine: Outage, exchange: FakeExchange
) -> None:
    for endpoint in ("exchangeInfo", "klines"):
        exchange.spoil_always(headed(Date="Thu, 01 Jan 1970 00:00:00 GMT"), endpoint)
    for _ in range(3):
        machine.cycle()
    (alert,) = machine.messages("alert", "clock")
    assert alert["severity"] == "critical"
    assert "it is 1970-01-01 00:00:0" in alert["text"]
    assert series("1h") not in machine.platform.store.newest_candles([series("1h")])
    exchange.heal()
    machine.pass_by(15 * 60)
    for _ in range(2):
        machine.cycle()
    assert len(machine.messages("recovery", "clock")) == 1
    assert last_candle(machine) == "2026-11-10T11:00"
