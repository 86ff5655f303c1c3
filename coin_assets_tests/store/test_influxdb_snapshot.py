"""Snapshots of the store on InfluxDB: the same answers in requests that many series share."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact
from coin_assets.store.base import CandleRange, Store
from coin_assets.store.coverage import never_asked
from coin_assets.store.influxdb import lines, ranges
from coin_assets.store.influxdb.snapshot import SnapshotIsReadOnly
from coin_assets.store.influxdb.store import InfluxStore
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.influx.server import InfluxServer
from coin_assets_tests.store.contract import (
    DEC,
    HOUR,
    JAN,
    NOV,
    OCT,
    assert_same,
    forecasts_at,
    fresh_series,
    hours,
    revisions_at,
)
from coin_assets_tests.store.influxdb_buckets import a_server, new_bucket


def counted(store: Store, series: Series) -> int:
    """As checks of completeness count: from the listing to the newest candle."""
    opened, listed = store.newest_candles([series]).get(series), store.read_ledger(series).listed
    if opened is None or listed is None:
        return 0
    return store.count_candles(series, max(OCT, listed), series.timeframe.close_of(opened))


Ask = Callable[[Store, Series], Any]
QUESTIONS: dict[str, Ask] = {
    "months": lambda store, series: store.fetched_months(series),
    "ledger": lambda store, series: store.read_ledger(series),
    "extent": lambda store, series: store.extent(series),
    "newest candle": lambda store, series: store.newest_candles([series]),
    "newest forecast": lambda store, series: store.newest_forecasts([series]),
    "count": lambda store, series: counted(store, series),
    "count since a later start": lambda store, series: store.count_candles(series, NOV + HOUR, JAN),
    "state": lambda store, series: store.candles_state(series, NOV, DEC),
    "revisions": lambda store, series: len(store.read_revisions(series, OCT, JAN)),
}


def filled(store: Store, count: int) -> list[Series]:
    """Series that differ in all that a snapshot answers."""
    series_list = [fresh_series("1h") for _ in range(count)]
    for number, series in enumerate(series_list[1:]):  # nothing is stored of the first
        first = NOV + number * HOUR
        store.write_candles(series, hours(first, number + 9), OCT if number % 2 else NOV, DEC)
        if number % 3:
            store.update_ledger(series, lambda ledger, at=first: ledger.listed_at(at))  # type: ignore[misc]
            store.add_forecasts(series, forecasts_at([first]))
    return series_list


def requests_of(influx: InfluxServer, ask: Callable[[], object]) -> int:
    before = len(influx.requests)
    ask()
    return len(influx.requests) - before


@pytest.mark.influxdb
@pytest.mark.parametrize("question", QUESTIONS)
def test_answers_are_those_of_the_store(question: str, tmp_path: Path) -> None:
    ask = QUESTIONS[question]
    with a_server() as server, new_bucket(server) as bucket:
        store = InfluxStore(bucket, "sandbox", tmp_path)
        wanted = filled(store, 7)
        store.record_revisions(wanted[2], revisions_at([NOV], DEC))
        expected = {series: ask(store, series) for series in wanted}
        assert len(set(map(str, expected.values()))) > 1
        snapshot = store.snapshot(wanted)
        assert {series: ask(snapshot, series) for series in wanted} == expected
        store.close()


@pytest.mark.parametrize("question", [each for each in QUESTIONS if each != "state"])
def test_requests_do_not_grow_with_the_series(
    question: str, influx: InfluxServer, store: InfluxStore
) -> None:
    few, many = filled(store, 3), filled(store, 20)

    def ask_all(wanted: list[Series]) -> None:
        snapshot = store.snapshot(wanted)
        for _ in range(2):
            for series in wanted:
                QUESTIONS[question](snapshot, series)

    first = requests_of(influx, lambda: ask_all(few))
    assert requests_of(influx, lambda: ask_all(many)) == first <= 5


def test_spans_of_many_series_share_a_request(influx: InfluxServer, store: InfluxStore) -> None:
    few, many = filled(store, 3), filled(store, 30)
    for wanted in (few, many):
        asked = [CandleRange(series, NOV, DEC) for series in wanted]
        snapshot = store.snapshot(wanted)
        assert requests_of(influx, partial(snapshot.spans, asked)) == 1
        found = snapshot.spans(asked)
        assert found == {k: v for each in asked for k, v in store.spans([each]).items()}
        assert len(found) == len(wanted) - 1
    # Rows name their series and not the range, so two ranges of one series take two requests.
    halves = [CandleRange(series, *half) for series in many for half in ((OCT, NOV), (NOV, DEC))]
    assert requests_of(influx, lambda: store.spans(halves)) == 2


def test_questions_about_more_symbols_than_one_request_may_name_are_split(
    influx: InfluxServer, store: InfluxStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "SYMBOLS_AT_ONCE", 5)
    monkeypatch.setattr(ranges, "_SERIES_AT_ONCE", 7)
    wanted = filled(store, 17)
    for name, ask in QUESTIONS.items():
        expected = {series: ask(store, series) for series in wanted}
        snapshot = store.snapshot(wanted)
        assert {series: ask(snapshot, series) for series in wanted} == expected, name
    snapshot = store.snapshot(wanted)
    assert requests_of(influx, lambda: [snapshot.fetched_months(each) for each in wanted]) == 4


def test_symbols_of_other_shards_are_not_sent(influx: InfluxServer, store: InfluxStore) -> None:
    own, others = filled(store, 4), filled(store, 40)
    for question in ("months", "ledger", "newest candle", "extent"):
        before = len(influx.requests)
        snapshot = store.snapshot(own)
        for series in own:
            QUESTIONS[question](snapshot, series)
        scripts = [request.text for request in influx.requests[before:]]
        assert any(own[1].symbol in script for script in scripts)
        assert not any(each.symbol in script for each in others for script in scripts)


def test_revisions_of_many_series_share_requests(influx: InfluxServer, store: InfluxStore) -> None:
    wanted = filled(store, 12)
    for number, series in enumerate(wanted[2:]):
        opens = [NOV + each * HOUR for each in range(number % 3 + 1)]
        store.record_revisions(series, revisions_at(opens, DEC))
    snapshot = store.snapshot(wanted)
    found: dict[Series, Any] = {}

    def read() -> None:
        found.update({each: snapshot.read_revisions(each, OCT, JAN) for each in wanted})

    assert requests_of(influx, read) == 2
    for series in wanted:
        assert_same(found[series], store.read_revisions(series, OCT, JAN))
    found[wanted[3]].iloc[:, 0] = pd.NaT  # what a reader does to its frame stays with it
    assert_same(
        snapshot.read_revisions(wanted[3], OCT, JAN), store.read_revisions(wanted[3], OCT, JAN)
    )


COUNTED = [OCT, NOV, NOV + 3 * HOUR, NOV + 20 * HOUR, DEC]


def test_any_range_is_counted_for_all_series_at_once(
    influx: InfluxServer, store: InfluxStore
) -> None:
    wanted = filled(store, 12)
    snapshot = store.snapshot(wanted)
    assert requests_of(influx, lambda: counts_of(snapshot, wanted, OCT, DEC)) == 3  # the extents
    for start in COUNTED:
        for end in COUNTED:
            own = counts_of(snapshot, wanted, start, end)
            assert own == counts_of(store, wanted, start, end)
            assert requests_of(influx, partial(counts_of, snapshot, wanted, start, end)) == 0
    new = store.snapshot(wanted)
    assert requests_of(influx, lambda: new.count_candles(wanted[3], NOV + 5 * HOUR, DEC)) == 4


def counts_of(store: Store, wanted: list[Series], start: datetime, end: datetime) -> list[int]:
    return [store.count_candles(series, start, end) for series in wanted]


def test_series_without_rows_are_not_read(influx: InfluxServer, store: InfluxStore) -> None:
    wanted = filled(store, 12)
    snapshot = store.snapshot(wanted)
    seen = wanted[5]
    store.record_revisions(seen, revisions_at([NOV], DEC))
    assert (
        requests_of(
            influx,
            lambda: [snapshot.read_revisions(series, OCT, JAN) for series in wanted],
        )
        == 2
    )
    assert_same(snapshot.read_revisions(seen, OCT, JAN), store.read_revisions(seen, OCT, JAN))


def test_other_series_are_asked_for_by_themselves(store: InfluxStore) -> None:
    wanted, others = filled(store, 3), filled(store, 3)
    snapshot = store.snapshot(wanted)
    for ask in QUESTIONS.values():
        for series in others:
            assert ask(snapshot, series) == ask(store, series)


def test_a_damaged_ledger_spoils_no_other_series(influx: InfluxServer, store: InfluxStore) -> None:
    wanted = filled(store, 6)
    damaged, *sound = wanted[2:]
    at = 4_102_444_800  # 2100-01-01
    tags = f"symbol={damaged.symbol},timeframe=1h"
    for line in (f"ledger,{tags} document", f"ledger,host=a,{tags} document", "ledger document"):
        # Another text, another tag, no tag of a series.
        influx.database.write(influx.bucket, f'{line}="no ledger" {at}', "s")
        snapshot = store.snapshot(wanted)
        with pytest.raises(CorruptArtefact):
            snapshot.read_ledger(damaged)
        for series in sound:
            assert snapshot.read_ledger(series) == store.read_ledger(series)
            assert never_asked(snapshot, series, OCT, DEC) == never_asked(store, series, OCT, DEC)


def test_a_snapshot_keeps_what_it_answered_and_the_next_one_is_new(store: InfluxStore) -> None:
    wanted = filled(store, 4)
    series = wanted[1]
    snapshot = store.snapshot(wanted)
    before = snapshot.newest_candles([series])
    store.write_candles(series, hours(DEC, 1), DEC, DEC + timedelta(days=1))
    assert snapshot.newest_candles([series]) == before
    assert snapshot.snapshot(wanted).newest_candles([series]) == {series: DEC}
    assert store.snapshot(wanted).newest_candles([series]) == {series: DEC}


def test_a_snapshot_does_not_write(influx: InfluxServer, store: InfluxStore) -> None:
    series = fresh_series("1h")
    snapshot = store.snapshot([series])
    for write in (
        lambda: snapshot.write_candles(series, hours(NOV, 1), NOV, DEC),
        lambda: snapshot.delete_candles(series, NOV, DEC),
        lambda: snapshot.update_ledger(series, lambda ledger: ledger),
    ):
        with pytest.raises(SnapshotIsReadOnly):
            write()
    assert influx.requests == []


def test_the_parquet_store_is_its_own_snapshot(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    assert store.snapshot([]) is store
