"""A whole file in the wrong place is refused: its label, or its rows, tell where it belongs."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact
from coin_assets.store.labels import content_hash
from coin_assets.store.parquet import CANDLES, FORECASTS, REVISIONS, ParquetStore
from coin_assets_tests.store.contract import (
    DEC,
    HOUR,
    HOURLY,
    NOV,
    OCT,
    all_forecasts,
    assert_same,
    everything,
    forecasts_at,
    hours,
    series_of,
)

ETHER, DAILY = series_of("1h", "ETH/USDT"), series_of("1d")
DASHED = series_of("1h", "BTC-USDT")  # of another home, with the folders of BTC/USDT
USES: dict[str, Callable[[ParquetStore], Any]] = {
    "read": lambda store: everything(store, HOURLY),
    "read back": lambda store: store.read_back_candles(HOURLY, NOV, DEC),
    "merge": lambda store: store.merge_candles(HOURLY, hours(NOV, 3), NOV, DEC),
    "delete": lambda store: store.delete_candles(HOURLY, NOV, NOV + HOUR),
    "count": lambda store: store.count_candles(HOURLY, NOV, DEC),
    "newest": lambda store: store.newest_candles([HOURLY]),
    "extent": lambda store: store.extent(HOURLY),
    "require readable": lambda store: store.require_readable(HOURLY),
}
EACH_USE = pytest.mark.parametrize("use", USES)


def file_of(
    home: Path, series: Series = HOURLY, month: str = "2026-11", of: str = "candles"
) -> Path:
    folder = home / of / f"symbol={series.symbol_name}/timeframe={series.timeframe}"
    return folder / f"month={month}/{of}.parquet"


def stored(home: Path, series: Series = HOURLY, start: Any = NOV, end: Any = DEC) -> Path:
    """The file of a month with three candles of a series."""
    ParquetStore(home).write_candles(series, hours(start, 3, price=7.0), start, end)
    return file_of(home, series, f"{start:%Y-%m}")


def without_label(path: Path) -> None:
    """Rewrite a file as earlier releases wrote it."""
    table = pq.ParquetFile(path).read().replace_schema_metadata(None)
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)


@EACH_USE
@pytest.mark.parametrize(
    ("series", "start", "end", "says"),
    [
        (ETHER, NOV, DEC, "symbol 'ETH/USDT'; this place is for symbol 'BTC/USDT'"),
        (DASHED, NOV, DEC, "symbol 'BTC-USDT'; this place is for symbol 'BTC/USDT'"),
        (HOURLY, OCT, NOV, "month '2026-10'; this place is for month '2026-11'"),
    ],
    ids=["another symbol", "another symbol of the same name", "another month"],
)
def test_a_file_of_another_series_or_month_is_refused_by_both(
    tmp_path: Path, use: str, series: Series, start: Any, end: Any, says: str
) -> None:
    other = stored(tmp_path / "other", series, start, end)
    path = stored(tmp_path / "home")
    shutil.copy(other, path)
    with pytest.raises(CorruptArtefact) as refusal:
        USES[use](ParquetStore(tmp_path / "home"))
    assert str(refusal.value) == (
        f"{path} belongs elsewhere: it says {says}. "
        "Remove the file: candles come back by themselves; materialise the month of anything else."
    )
    assert refusal.value.found_at is not None  # a marker tells other processes
    assert len(list(path.parent.parent.glob(".damaged_*"))) == 1
    assert path.read_bytes() == other.read_bytes()


def test_a_misplaced_file_that_is_removed_is_written_again(tmp_path: Path) -> None:
    path, store = stored(tmp_path), ParquetStore(tmp_path)
    content = path.read_bytes()
    shutil.copy(stored(tmp_path, ETHER), path)
    with pytest.raises(CorruptArtefact):
        store.require_readable(HOURLY)
    path.unlink()
    store.require_readable(HOURLY)
    stored(tmp_path)
    assert path.read_bytes() == content
    assert list(path.parent.parent.glob(".damaged_*")) == []


def test_a_file_of_another_table_or_timeframe_is_refused(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    store.write_candles(DAILY, hours(NOV, 1), NOV, DEC)
    path = stored(tmp_path)
    shutil.copy(file_of(tmp_path, DAILY), path)
    with pytest.raises(CorruptArtefact, match="timeframe '1d'; this place is for timeframe '1h'"):
        store.extent(HOURLY)
    store.add_forecasts(HOURLY, forecasts_at([NOV]))
    shutil.copy(path, file_of(tmp_path, of="forecasts"))
    with pytest.raises(CorruptArtefact, match="of other types"):
        store.newest_forecasts([HOURLY])


def test_a_file_of_a_newer_release_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        newer.setattr("coin_assets.store.labels.SCHEMA_VERSION", 2)
        stored(tmp_path)
    with pytest.raises(CorruptArtefact, match=r"newer release \(schema version 2; this one"):
        ParquetStore(tmp_path).extent(HOURLY)


def test_rows_that_are_not_those_of_the_label_are_refused_when_they_are_read(
    tmp_path: Path,
) -> None:
    path = stored(tmp_path)
    table = pq.ParquetFile(path).read()
    changed = table.set_column(4, table.schema.field("close"), pa.array([8.0, 8.5, 8.0]))
    pq.write_table(changed, path)
    store = ParquetStore(tmp_path)
    assert store.extent(HOURLY) is not None  # footers do not show it
    with pytest.raises(CorruptArtefact, match="holds other rows than were written"):
        store.read_through(HOURLY)


# --------------------------------------------------------------------------------- without a label


def test_a_file_without_label_is_read_and_has_one_after_its_next_write(tmp_path: Path) -> None:
    path, store = stored(tmp_path), ParquetStore(tmp_path)
    labelled = path.read_bytes()
    without_label(path)
    old = path.read_bytes()
    assert b"coin_assets" not in old
    assert_same(everything(store, HOURLY), hours(NOV, 3, price=7.0))
    store.read_through(HOURLY)
    stored(tmp_path)  # changes nothing
    assert path.read_bytes() == old
    store.merge_candles(HOURLY, hours(NOV, 4, price=7.0), NOV, DEC)
    store.delete_candles(HOURLY, NOV + 3 * HOUR, DEC)
    assert path.read_bytes() == labelled


@EACH_USE
def test_rows_of_another_month_are_refused_without_a_label_too(tmp_path: Path, use: str) -> None:
    path = stored(tmp_path)
    shutil.copy(stored(tmp_path, HOURLY, OCT, NOV), path)
    without_label(path)
    with pytest.raises(CorruptArtefact, match="belongs elsewhere: its rows are of 2026-10-01"):
        USES[use](ParquetStore(tmp_path))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda table: pa.concat_tables([table, table.slice(0, 1)]),
            "several rows of one timestamp",
        ),
        (lambda table: without_first(table, "timestamp"), "rows without timestamp"),
    ],
    ids=["twice", "no time"],
)
def test_rows_that_no_hash_vouches_for_are_checked(
    tmp_path: Path, change: Callable[[pa.Table], pa.Table], says: str
) -> None:
    path = stored(tmp_path)
    pq.write_table(change(pq.ParquetFile(path).read().replace_schema_metadata(None)), path)
    for use in ("read", "merge", "delete"):
        with pytest.raises(CorruptArtefact, match=says):
            USES[use](ParquetStore(tmp_path))


def without_first(table: pa.Table, name: str) -> pa.Table:
    """The table without the first value of a column."""
    values = pa.array([None, *table[name].to_pylist()[1:]], table.schema.field(name).type)
    return table.set_column(table.column_names.index(name), name, values)


def test_more_rows_than_a_month_has_candles_are_refused(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    store.write_candles(HOURLY, hours(NOV, 100), NOV, DEC)
    store.write_candles(DAILY, hours(NOV, 1), NOV, DEC)
    shutil.copy(file_of(tmp_path), file_of(tmp_path, DAILY))
    without_label(file_of(tmp_path, DAILY))
    with pytest.raises(CorruptArtefact, match="claims 100 rows; its month has at most 30"):
        store.extent(DAILY)


# ------------------------------------------------------------------------------------- what is kept


def test_every_table_says_what_it_holds(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    store.write_candles(ETHER, hours(NOV, 3), NOV, DEC)
    store.add_forecasts(ETHER, forecasts_at([NOV]))
    for table, rows in (
        ("candles", everything(store, ETHER)),
        ("forecasts", all_forecasts(store, ETHER)),
    ):
        metadata = pq.read_schema(file_of(tmp_path, ETHER, of=table)).metadata
        schema = CANDLES if table == "candles" else FORECASTS
        expected = pa.Table.from_pandas(rows, schema, preserve_index=False)
        assert {name.decode(): value.decode() for name, value in metadata.items()} == {
            "coin_assets.table": table,
            "coin_assets.symbol": "ETH/USDT",
            "coin_assets.timeframe": "1h",
            "coin_assets.month": "2026-11",
            "coin_assets.schema_version": "1",
            "coin_assets.content_sha256": content_hash(expected),
        }


@pytest.mark.parametrize(("rows", "codec"), [(48, "UNCOMPRESSED"), (49, "ZSTD")])
def test_few_rows_lie_uncompressed_and_only_times_have_statistics(
    tmp_path: Path, rows: int, codec: str
) -> None:
    ParquetStore(tmp_path).write_candles(HOURLY, hours(NOV, rows), NOV, DEC)
    path = file_of(tmp_path)
    group = pq.read_metadata(path).row_group(0)
    columns = [group.column(place) for place in range(group.num_columns)]
    assert {column.compression for column in columns} == {codec}
    assert [column.path_in_schema for column in columns if column.statistics] == ["timestamp"]
    # Programs that know nothing of Arrow's own description of a schema see the same types.
    assert pq.read_schema(path).remove_metadata() == CANDLES
    assert path.stat().st_size <= 4096  # a block


def test_the_hash_is_of_the_rows_however_they_lie_in_memory() -> None:
    frame = pd.DataFrame(
        {name: [1.5, None, 2.5] for name in REVISIONS.names}
        | {name: pd.to_datetime(["2026-11-01", "2026-11-02", ""], utc=True).as_unit("us")
           for name in ("timestamp", "seen_at", "redone_at")}
    )  # fmt: skip
    whole = pa.Table.from_pandas(frame, REVISIONS, preserve_index=False)
    pieces = pa.concat_tables([whole.slice(0, 1), whole.slice(1, 0), whole.slice(1)])
    assert content_hash(pieces) == content_hash(whole) != content_hash(whole.slice(1))
    texts = pa.table({"role": ["ab", "c", ""], "step": [1, 2, 3]})
    assert content_hash(texts.slice(1)) == content_hash(
        pa.table({"role": ["c", ""], "step": [2, 3]})
    )
    moved = pa.table({"role": ["a", "bc", ""], "step": [1, 2, 3]})
    assert content_hash(moved) != content_hash(texts)


# ----------------------------------------------------------------------------------------- ledgers


def ledger_file(home: Path, series: Series = HOURLY) -> Path:
    return home / f"ledger/symbol={series.symbol_name}/timeframe={series.timeframe}/ledger.json"


@pytest.mark.parametrize("other", [ETHER, DASHED, DAILY], ids=str)
def test_a_ledger_of_another_series_is_refused(tmp_path: Path, other: Series) -> None:
    ours, theirs = ParquetStore(tmp_path / "home"), ParquetStore(tmp_path / "other")
    ours.update_ledger(HOURLY, lambda _: Ledger(listed=NOV))
    theirs.update_ledger(other, lambda _: Ledger(listed=OCT))
    shutil.copy(ledger_file(tmp_path / "other", other), ledger_file(tmp_path / "home"))
    with pytest.raises(CorruptArtefact, match=r"belongs elsewhere: its (symbol|timeframe) is"):
        ours.read_ledger(HOURLY)
    with pytest.raises(CorruptArtefact, match=r"Remove the file"):
        ours.update_ledger(HOURLY, lambda ledger: ledger)


def test_a_ledger_without_label_is_read_and_has_one_after_its_next_change(tmp_path: Path) -> None:
    store, path = ParquetStore(tmp_path), ledger_file(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"listed": NOV.isoformat(), "absences": []}))
    assert store.read_ledger(HOURLY) == Ledger(listed=NOV)
    store.update_ledger(HOURLY, lambda ledger: ledger.listed_at(OCT))
    document = json.loads(path.read_text())
    assert (document["symbol"], document["timeframe"]) == ("BTC/USDT", "1h")
