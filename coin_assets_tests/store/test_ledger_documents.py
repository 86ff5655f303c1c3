"""Ledgers of wrong content are refused, each for its own series: syntax is not enough."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coin_assets.domain.candles.absences import VERIFIED_ABSENT, Absence
from coin_assets.domain.candles.future_ledgers import why_ledger_ahead
from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.candles.gaps import Gap
from coin_assets.domain.candles.refusals import Refusal
from coin_assets.errors import CorruptArtefact
from coin_assets.pipeline.completeness import known_outages
from coin_assets.store.influxdb.ledgers import parsed
from coin_assets.store.ledger_documents import document_of, ledger_of
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.store.contract import HOUR, HOURLY, NOV, series_of

Document = dict[str, Any]
ETHER = series_of("1h", "ETH/USDT")
LEDGER = (
    Ledger(listed=NOV, edge=NOV)
    .failed(NOV, NOV + 3 * HOUR, [Gap(NOV, NOV + 3 * HOUR, 3)], "timed out", NOV + 9 * HOUR)
    .answered(
        NOV + 5 * HOUR, NOV + 6 * HOUR, [Gap(NOV + 5 * HOUR, NOV + 6 * HOUR, 1)], NOV + 9 * HOUR
    )
)


def absence(**values: Any) -> Callable[[Document], Any]:
    return lambda document: document["absences"][0].update(values)


def top(**values: Any) -> Callable[[Document], Any]:
    return lambda document: document.update(values)


CHANGES: dict[str, Callable[[Document], Any]] = {
    "naive time": absence(last_try="2026-11-01T09:00:00"),
    "naive end": absence(end="2026-11-01T03:00:00"),
    "naive listing": top(listed="2026-11-01T00:00:00"),
    "year 9999": absence(last_try="9999-12-31T23:59:59+00:00"),
    "listing in the year 9999": top(listed="9999-12-31T00:00:00+00:00"),
    "edge in the year 1": top(edge="0001-01-01T00:00:00+00:00"),
    "time as a number": absence(last_try=1_793_491_200),
    "time as a list": absence(start=[]),
    "no time": absence(last_try=None),
    "no start": lambda document: document["absences"][0].pop("start"),
    "ends before it starts": absence(end="2026-10-31T00:00:00+00:00"),
    "empty range": absence(end="2026-11-01T00:00:00+00:00"),
    "overlap": absence(end="2026-11-01T06:00:00+00:00"),
    "not in order": lambda document: document["absences"].reverse(),
    "twice": lambda document: document["absences"].append(document["absences"][-1]),
    "NaN tries": absence(tries=float("nan")),
    "infinite tries": absence(tries=float("inf")),
    "huge tries": absence(tries=10**4000),
    "negative tries": absence(tries=-1),
    "true tries": absence(tries=True),
    "half a try": absence(tries=1.5),
    "error as a number": absence(error=5),
    "half a character": absence(error="\ud800"),
    "words for yes": absence(is_permanent="yes"),
    "null for no": absence(is_unavailable=None),
    "value as an object": absence(value={}),
    "unknown field": absence(colour="red"),
    "absence as a text": lambda document: document["absences"].append("2026"),
    "absences as an object": top(absences={}),
    "no absences": lambda document: document.pop("absences"),
    "no listing": lambda document: document.pop("listed"),
    "other symbol": top(symbol="ETH/USDT"),
    "null symbol": top(symbol=None),
    "other timeframe": top(timeframe="1d"),
}
TEXTS: dict[str, bytes] = {
    "deep nesting": b"[" * 100_000 + b"]" * 100_000,
    "deep nesting inside": b'{"listed": null, "absences": '
    + b"[" * 100_000
    + b"]" * 100_000
    + b"}",
    "number of many digits": b'{"listed": null, "absences": [], "edge": ' + b"9" * 100_000 + b"}",
    "a list": b"[]",
    "null": b"null",
    "a text": b'"ledger"',
    "no UTF-8": b'{"listed": "\xff"}',
    "nothing": b"",
    "cut": b'{"listed": null, "abs',
}


def changed(name: str) -> bytes:
    if name in TEXTS:
        return TEXTS[name]
    document = document_of(LEDGER)
    CHANGES[name](document)
    return json.dumps(document).encode()


@pytest.mark.parametrize("change", [*CHANGES, *TEXTS])
def test_a_ledger_of_wrong_content_is_damage_of_its_series_alone(
    tmp_path: Path, change: str
) -> None:
    store = ParquetStore(tmp_path)
    for series in (HOURLY, ETHER):
        store.update_ledger(series, lambda _: LEDGER)
    path = tmp_path / "ledger/symbol=BTC_USDT/timeframe=1h/ledger.json"
    content = changed(change)
    path.write_bytes(content)
    for read in (
        lambda: store.read_ledger(HOURLY),
        lambda: store.require_readable(HOURLY),
        lambda: store.update_ledger(HOURLY, lambda _: Ledger()),
    ):
        with pytest.raises(CorruptArtefact) as refusal:
            read()
        assert str(refusal.value).startswith(f"{path} is no gap ledger (")
        assert "Remove the file" in str(refusal.value)
        assert len(str(refusal.value)) < 900
    assert path.read_bytes() == content
    store.require_readable(ETHER)
    assert known_outages(store, [HOURLY, ETHER]) == {HOURLY.timeframe: []}


@pytest.mark.parametrize(
    "change", [each for each in CHANGES if "symbol" not in each and "frame" not in each]
)
def test_a_point_of_a_ledger_is_checked_as_well(change: str) -> None:
    with pytest.raises(CorruptArtefact, match="is no gap ledger"):
        parsed(HOURLY, changed(change).decode())


def test_a_ledger_comes_back_as_it_was() -> None:
    assert ledger_of(json.loads(json.dumps(document_of(LEDGER)))) == LEDGER
    assert [each.error for each in LEDGER.absences] == ["timed out", None]


def test_two_series_share_an_outage_though_a_third_is_damaged(tmp_path: Path) -> None:
    store, third = ParquetStore(tmp_path), series_of("1h", "XRP/USDT")
    ledger = Ledger(listed=NOV)
    for number in (0, 2):
        at = NOV + timedelta(days=1, hours=number)
        ledger = ledger.answered(NOV, NOV + HOUR, [Gap(NOV, NOV + HOUR, 1)], at)
    for series in (HOURLY, ETHER, third):
        store.update_ledger(series, lambda _: ledger)
    (tmp_path / "ledger/symbol=XRP_USDT/timeframe=1h/ledger.json").write_bytes(b"{}")
    (found,) = known_outages(store, [third, HOURLY, ETHER])[HOURLY.timeframe]
    assert found.symbols == ("BTC/USDT", "ETH/USDT")


# ------------------------------------------------------------------ times of a clock that was wrong


def test_a_request_of_the_future_does_not_put_off_the_next_one() -> None:
    now = datetime(2026, 11, 2, tzinfo=UTC)
    future = datetime(2050, 1, 1, tzinfo=UTC)
    start, end = NOV, NOV + HOUR
    wrong = Absence(start, end, None, None, future, 3, "timed out")
    ledger = Ledger(listed=NOV, absences=(wrong,))
    assert ledger.due(start, end, now) == [(start, end)]
    almost = replace(wrong, last_try=now + timedelta(minutes=1))  # of a run beside this tick
    assert Ledger(listed=NOV, absences=(almost,)).due(start, end, now) == []
    answered_then = replace(wrong, first_answer=future, last_answer=future, error=None)
    ledger = Ledger(listed=NOV, absences=(answered_then,))
    for later in (0, 2):
        gaps = [Gap(start, end, 1)]
        ledger = ledger.answered(start, end, gaps, now + timedelta(hours=later))
    (settled,) = ledger.absences
    assert settled.state == VERIFIED_ABSENT


NOW, AHEAD = NOV + timedelta(days=1), NOV + timedelta(days=1, minutes=1, seconds=1)
OF_CANDLES: dict[str, Ledger] = {
    "listing": Ledger(listed=AHEAD),
    "edge": Ledger(listed=NOV, edge=AHEAD),
    "absence": Ledger(listed=NOV, absences=(Absence(NOV, AHEAD, None, None, NOV, 0),)),
}
OF_REQUESTS: dict[str, Absence] = {
    "try": Absence(NOV, NOV + HOUR, None, None, AHEAD, 1, "timed out"),
    "first answer": Absence(NOV, NOV + HOUR, AHEAD, AHEAD, AHEAD, 0),
    "settled by the last answer": Absence(NOV, NOV + HOUR, NOW, AHEAD + HOUR, AHEAD + HOUR, 0),
    "refused": Absence(NOV, NOV + HOUR, NOV, AHEAD, AHEAD, 0, rule="ohlc", value="broken"),
}


@pytest.mark.parametrize("name", OF_CANDLES)
def test_a_ledger_of_candles_in_the_future_is_corrupt_with_its_remedy(name: str) -> None:
    ledger = OF_CANDLES[name]
    why = why_ledger_ahead(HOURLY, ledger, NOW)
    assert why is not None
    assert "the gap ledger of BTC/USDT 1h records candles of 2026-11-02T00:01:01Z" in why
    assert "remove ledger/symbol=BTC_USDT/timeframe=1h/ledger.json below COIN_HOME" in why
    assert "materialise all months of BTC_USDT/ohlcv_1h again" in why
    assert why_ledger_ahead(HOURLY, ledger, NOW + timedelta(seconds=1)) is None  # clocks may differ


@pytest.mark.parametrize("name", OF_REQUESTS)
@pytest.mark.parametrize("answer", ["absent", "broken", "failed"])
def test_requests_in_the_future_are_corrupt_until_they_are_repeated(name: str, answer: str) -> None:
    ledger = Ledger(listed=NOV, absences=(OF_REQUESTS[name],))
    why = why_ledger_ahead(HOURLY, ledger, NOW)
    assert why is not None
    assert "candles_due requests these candles again" in why
    assert ledger.due(NOV, NOW, NOW) == [(NOV, NOV + HOUR)]
    gaps = [Gap(NOV, NOV + HOUR, 1)]
    if answer == "failed":
        healed = ledger.failed(NOV, NOV + HOUR, gaps, "timed out", NOW)
        if OF_REQUESTS[name].is_settled:  # a failure changes no answer: the next request does
            assert healed == ledger
            return
    else:
        broken = [Refusal(NOV, NOV + HOUR, "ohlc", "broken")] if answer == "broken" else []
        healed = ledger.answered(NOV, NOV + HOUR, gaps, NOW, broken)
    assert why_ledger_ahead(HOURLY, healed, NOW) is None
    (absence,) = healed.absences
    # One answer in the past, and one now, an hour or more later.
    is_settled = (name, answer) == ("refused", "broken")
    assert absence.is_settled == is_settled
    assert healed.due(NOV, NOW, NOW) == []


def test_what_the_market_no_longer_serves_is_not_requested_for_its_time() -> None:
    gone = Absence(NOV, NOV + HOUR, None, None, AHEAD, 0, is_unavailable=True)
    ledger = Ledger(listed=NOV, absences=(gone,))
    assert why_ledger_ahead(HOURLY, ledger, NOW) is None
    assert ledger.due(NOV, NOW, NOW) == []
