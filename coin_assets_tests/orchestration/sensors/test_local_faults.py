"""What fails stays local: a broken candle or a refused range holds up nothing else.

A real platform in an empty home, its real sensors and the real ccxt client against a loopback
exchange. Whatever is wrong with one candle or one month, live candles, all other months, models and
files come, the manifest counts what is lacking and why, and the platform comes to rest.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from coin_assets.domain.json_format import time_text
from coin_assets_tests.market.exchange import FakeExchange
from coin_assets_tests.market.faults import Reply, changed_klines, json_error
from coin_assets_tests.orchestration.sensors.rig import HOUR, Rig, purposes
from coin_assets_tests.platform import series, utc

START, NOW = "2026-09-01", "2026-11-10T12:00:30"


@pytest.fixture
def exchange() -> Iterator[FakeExchange]:
    with FakeExchange(utc(NOW), listed=utc("2017-08-17T04:00")) as made:
        yield made


@pytest.fixture
def rig(tmp_path: Path, exchange: FakeExchange) -> Rig:
    return Rig.on_exchange(tmp_path, "binance", exchange, START, derived_timeframes="1d")


def broken_at(opened: datetime) -> Any:
    """The exchange sends that candle with a null among its prices, always."""
    millis = int(opened.timestamp() * 1000)

    def change(rows: list[list[Any]]) -> list[list[Any]]:
        return [[row[0], row[1], None, *row[3:]] if row[0] == millis else row for row in rows]

    return changed_klines(change)


@pytest.mark.parametrize(
    "opened",
    [
        "2026-09-03T07:00",
        pytest.param("2026-10-15T10:00", marks=pytest.mark.slow),
        pytest.param("2026-11-09T23:00", marks=pytest.mark.slow),
    ],
)
def test_a_broken_candle_holds_up_nothing(rig: Rig, exchange: FakeExchange, opened: str) -> None:
    exchange.spoil_always(broken_at(utc(opened)))
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
    (absence,) = rig.platform.store.read_ledger(series("1h")).absences
    assert (absence.start, absence.rule) == (utc(opened), "not_finite")
    (reason,) = entry["gap_reasons"]
    assert (reason["state"], reason["candles"]) == ("refused", 1)
    assert reason["start"] == time_text(utc(opened))
    assert reason["reason"].startswith("[not_finite] ")
    assert rig.advance(12) == []
    exchange.heal()
    if opened < "2026-11":  # a month that is over is read again whole
        rig.platform.materialise(["BTC_USDT/ohlcv_1h"], f"{opened[:7]}-01")
        assert rig.platform.store.read_ledger(series("1h")).absences == ()


BROKEN = utc("2026-11-05T07:00")


@pytest.fixture
def resting(rig: Rig, exchange: FakeExchange) -> Rig:
    """A candle of the running month has been sent broken twice, an hour or more apart."""
    exchange.spoil_always(broken_at(BROKEN))
    rig.collect()
    rig.advance(2)
    (absence,) = rig.platform.store.read_ledger(series("1h")).absences
    assert (absence.state, absence.is_settled) == ("refused", True)
    exchange.requests.clear()
    return rig


def questions(exchange: FakeExchange) -> int:
    """How often the broken candle was among the candles that were requested."""
    since = [int(request.query["startTime"]) for request in exchange.asked()]
    return sum(each <= BROKEN.timestamp() * 1000 for each in since)


def test_a_refusal_that_lasts_is_requested_again_by_live_runs_alone_every_six_hours(
    resting: Rig, exchange: FakeExchange
) -> None:
    hours = [purposes(requests) for requests in resting.advance_hourly(12)]
    others = [sorted({*each} - {"live"}) for each in hours]
    assert all(each.count("live") == 1 for each in hours)
    # At 00:00 the day's scores, and at 01:00 the night's training, whose schedule does not run.
    assert others == [[]] * 9 + [["evaluation"], ["training"], []]
    assert sum(map(len, hours)) == 12 + 2
    newest = resting.platform.store.newest_candles([series("1h")])[series("1h")]
    assert newest == utc(resting.platform.now[:13] + ":00") - HOUR
    assert questions(exchange) == 2
    assert len(exchange.asked()) == 12  # not one request more than without it
    assert resting.platform.entry("1h")["gaps"]["refused"] == 1


def test_a_later_correct_answer_replaces_a_refusal_of_the_running_month(
    resting: Rig, exchange: FakeExchange
) -> None:
    exchange.heal()
    assert resting.advance(1) == []
    assert resting.platform.entry("1h")["gaps"]["refused"] == 1  # not requested again yet
    assert resting.advance(5) == []
    entry = resting.platform.entry("1h")
    assert (entry["gaps"]["refused"], entry["missing_candles"]) == (0, 0)
    store, day = resting.platform.store, utc("2026-11-05")
    assert store.read_ledger(series("1h")).absences == ()
    hours = store.read_candles(series("1h"), day, day + 24 * HOUR)
    assert len(hours) == 24
    resting.platform.settle("late_candles")
    (volume,) = store.read_candles(series("1d"), day, day + 24 * HOUR)["volume"]
    assert volume == pytest.approx(hours["volume"].sum())


def test_a_range_that_is_always_refused_holds_up_no_other(rig: Rig, exchange: FakeExchange) -> None:
    refused = utc("2026-09-25"), utc("2026-10-28")

    def refuse(reply: Reply) -> Reply | None:
        since = int(exchange.requests[-1].query["startTime"])
        if refused[0].timestamp() * 1000 - 1 <= since < refused[1].timestamp() * 1000 - 1:
            return json_error(-1100, "Illegal range.")(reply)
        return reply

    exchange.spoil_always(refuse)
    rig.collect()
    entry = rig.platform.entry("1h")
    assert entry["status"] == "fresh"
    assert entry["gaps"]["failed"] > 0
    assert entry["gaps"]["pending"] == 0
    failed = [each for each in entry["gap_reasons"] if "Illegal range" in each["reason"]]
    assert sum(each["candles"] for each in failed) == entry["gaps"]["failed"]
    assert rig.platform.entry("1d")["history"] is not None
    exchange.heal()
    rig.advance(12)
    assert rig.platform.entry("1h")["gaps"]["failed"] == 0
