"""What fails stays local: a broken candle or a refused range holds up nothing else.

A real platform in an empty home, its real sensors and the real ccxt client against a loopback
exchange. Whatever is wrong with one candle or one month, live candles, all other months, models and
files come, the manifest counts what is lacking and why, and the platform comes to rest.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coin_assets.market.ccxt import CcxtMarket
from coin_assets_tests.market.exchange import FakeExchange
from coin_assets_tests.market.faults import Reply, changed_klines, json_error
from coin_assets_tests.platform import Platform, given, key, utc

START, NOW = "2026-09-01", "2026-11-10T12:00:30"
HOUR = timedelta(hours=1)


class Rig:
    """A platform on a loopback exchange, with a clock for both."""

    def __init__(self, home: Path, exchange: FakeExchange) -> None:
        self.exchange = exchange
        self.purposes: list[str] = []  # of all runs so far
        self.platform = Platform(home, NOW, history_start=START, derived_timeframes="1d")
        self.platform.market = given(
            CcxtMarket(
                "binance",
                exchange.configure,
                sleep=lambda _: None,
                clock=lambda: utc(self.platform.now),
            )
        )

    def collect(self, most: int = 40) -> None:
        """Cycle until nothing is requested, each time a quarter of an hour later for back-off."""
        quiet = 0
        for _ in range(most):
            requested = self.platform.cycle()
            self.purposes += [request.tags["coin_assets/purpose"] for request in requested]
            quiet = 0 if requested else quiet + 1
            if quiet == 2:
                return
            self.platform.ahead += 15 * 60.0

    def advance(self, hours: int) -> list[str]:
        """Purposes of the runs that are requested after so many hours, and run."""
        later = utc(self.platform.now) + hours * HOUR
        self.platform.now = f"{later:%Y-%m-%dT%H:%M:%S}"
        self.exchange.now = later
        self.platform.ahead += hours * 3600.0
        self.collect()
        return [request.tags["coin_assets/purpose"] for request in self.platform.cycle()]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with FakeExchange(utc(NOW), listed=utc("2017-08-17T04:00")) as exchange:
        yield Rig(tmp_path, exchange)


def broken_at(opened: datetime) -> Any:
    """The exchange sends that candle with a null among its prices, always."""
    millis = int(opened.timestamp() * 1000)

    def change(rows: list[list[Any]]) -> list[list[Any]]:
        return [[row[0], row[1], None, *row[3:]] if row[0] == millis else row for row in rows]

    return changed_klines(change)


@pytest.mark.parametrize("opened", ["2026-09-03T07:00", "2026-10-15T10:00", "2026-11-09T23:00"])
def test_a_broken_candle_holds_up_nothing(rig: Rig, opened: str) -> None:
    rig.exchange.spoil_always(broken_at(utc(opened)))
    rig.collect()
    entry = rig.platform.entry("1h")
    assert entry["status"] == "fresh"
    assert entry["gaps"] == {
        "verified_absent": 0,
        "unavailable": 0,
        "refused": 1,
        "pending": 0,
        "failed": 0,
    }
    assert entry["missing_candles"] == 1
    (absence,) = rig.platform.store.read_ledger(key("1h")).absences
    assert (absence.start, absence.rule) == (utc(opened), "not_finite")
    assert rig.advance(12) == []
    rig.exchange.heal()
    if opened < "2026-11":  # a month that is over is read again whole
        rig.platform.materialise(["BTC_USDT/ohlcv_1h"], f"{opened[:7]}-01")
        assert rig.platform.store.read_ledger(key("1h")).absences == ()


@pytest.fixture
def resting(rig: Rig) -> Rig:
    """A candle of the running month has been sent broken twice, an hour or more apart."""
    rig.exchange.spoil_always(broken_at(BROKEN))
    rig.collect()
    rig.advance(2)
    (absence,) = rig.platform.store.read_ledger(key("1h")).absences
    assert (absence.state, absence.is_settled) == ("refused", True)
    rig.purposes.clear()
    rig.exchange.requests.clear()
    return rig


BROKEN = utc("2026-11-05T07:00")


def questions(exchange: FakeExchange) -> int:
    """How often the broken candle was among the candles that were asked for."""
    since = [int(request.query["startTime"]) for request in exchange.asked()]
    return sum(each <= BROKEN.timestamp() * 1000 for each in since)


def test_a_refusal_that_lasts_is_asked_again_by_live_runs_alone_every_six_hours(
    resting: Rig,
) -> None:
    for _ in range(12):
        before = resting.platform.store.newest_candles([key("1h")])[key("1h")]
        assert resting.advance(1) == []
        assert resting.platform.store.newest_candles([key("1h")])[key("1h")] == before + HOUR
    assert [each for each in resting.purposes if each != "evaluation"] == ["live"] * 12
    assert resting.purposes.count("evaluation") <= 1  # the day's scores
    assert questions(resting.exchange) == 2
    assert len(resting.exchange.asked()) == 12  # not one request more than without it
    assert resting.platform.entry("1h")["gaps"]["refused"] == 1


def test_a_later_correct_answer_replaces_a_refusal_of_the_running_month(resting: Rig) -> None:
    resting.exchange.heal()
    resting.advance(1)
    assert resting.platform.entry("1h")["gaps"]["refused"] == 1  # not asked again yet
    resting.advance(5)
    assert resting.purposes == ["live", "live"]
    entry = resting.platform.entry("1h")
    assert (entry["gaps"]["refused"], entry["missing_candles"]) == (0, 0)
    store, day = resting.platform.store, utc("2026-11-05")
    assert store.read_ledger(key("1h")).absences == ()
    hours = store.read_candles(key("1h"), day, day + 24 * HOUR)
    assert len(hours) == 24
    resting.platform.settle("late_candles")
    (volume,) = store.read_candles(key("1d"), day, day + 24 * HOUR)["volume"]
    assert volume == pytest.approx(hours["volume"].sum())


def test_a_range_that_is_always_refused_holds_up_no_other(rig: Rig) -> None:
    refused = utc("2026-09-25"), utc("2026-10-28")

    def refuse(reply: Reply) -> Reply | None:
        since = int(rig.exchange.requests[-1].query["startTime"])
        if refused[0].timestamp() * 1000 - 1 <= since < refused[1].timestamp() * 1000 - 1:
            return json_error(-1100, "Illegal range.")(reply)
        return reply

    rig.exchange.spoil_always(refuse)
    rig.collect()
    entry = rig.platform.entry("1h")
    assert entry["status"] == "fresh"
    assert entry["gaps"]["failed"] > 0
    assert entry["gaps"]["pending"] == 0
    assert rig.platform.entry("1d")["history"] is not None
    rig.exchange.heal()
    rig.advance(12)
    assert rig.platform.entry("1h")["gaps"]["failed"] == 0
