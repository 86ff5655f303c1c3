"""The embedded store: the store contract, and what its files promise.

- One file a key and month, at a path that any hive-aware tool understands, whatever locks and
  leftovers lie beside it. A write that changes nothing touches no file.
- A damaged file is refused by name; it never becomes other numbers.
- A writer may be killed at any moment: every month is then one of the versions written, none that
  was confirmed is lost, and the next writer is not hindered.
- Readers see one version or the other; writers of one month wait for each other.
- Who asks again reads again only what changed, and sees every change at once.
"""

import contextlib
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from types import FrameType
from typing import Any

import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from coin_assets.domain.candles.frame import COLUMNS, empty_candles
from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.timeframes import next_month
from coin_assets.errors import CorruptArtefact
from coin_assets.files import atomic
from coin_assets.files.cache import FileCache
from coin_assets.store import ledgers, month_files, monthly
from coin_assets.store.base import Store
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.store.contract import (
    DEC,
    HOUR,
    HOURLY,
    JAN,
    NOV,
    OCT,
    StoreContract,
    all_forecasts,
    as_rows,
    assert_same,
    candles_at,
    everything,
    forecasts_at,
    hours,
    series_of,
)

# Children of a clean server process: forked in milliseconds, without threads of this one.
PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["coin_assets.store.parquet", "hypothesis", "pytest"])

KEY_FOLDER = Path("candles/symbol=BTC_USDT/timeframe=1h")
NOVEMBER = KEY_FOLDER / "month=2026-11/candles.parquet"


class TestParquetStore(StoreContract):
    """The contract, run by the embedded store."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        store = ParquetStore(tmp_path)
        yield store
        store.close()


@pytest.fixture
def store(tmp_path: Path) -> ParquetStore:
    return ParquetStore(tmp_path)


def visible_files(home: Path) -> set[str]:
    files = (path for path in home.rglob("*") if path.is_file() and path.name[0] != ".")
    return {path.relative_to(home).as_posix() for path in files}


def leftovers(home: Path) -> list[Path]:
    return sorted(home.rglob(".*.partial"))


def started(target: Callable[..., None], *arguments: object) -> ForkServerProcess:
    """A running process that ends with this one at the latest."""
    process = PROCESSES.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def fingerprint(path: Path) -> tuple[int, int, bytes]:
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, path.read_bytes()


# ------------------------------------------------------------------------------------------- layout


def test_files_lie_where_hive_aware_tools_look(tmp_path: Path, store: ParquetStore) -> None:
    store.write_candles(HOURLY, hours(NOV, 2), NOV, DEC)
    store.merge_candles(series_of("1M", "ETH/USDT:USDT"), candles_at([DEC]), DEC, JAN)
    store.add_forecasts(HOURLY, forecasts_at([NOV]))
    assert visible_files(tmp_path) == {
        "candles/symbol=BTC_USDT/timeframe=1h/month=2026-11/candles.parquet",
        "candles/symbol=ETH_USDT_USDT/timeframe=1M/month=2026-12/candles.parquet",
        "forecasts/symbol=BTC_USDT/timeframe=1h/month=2026-11/forecasts.parquet",
    }


def read_with_pandas(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder, partitioning="hive")


def read_with_pyarrow(folder: Path) -> pd.DataFrame:
    frame: pd.DataFrame = ds.dataset(folder, partitioning="hive").to_table().to_pandas()
    return frame


@pytest.mark.parametrize("read", [read_with_pandas, read_with_pyarrow])
def test_the_whole_folder_is_one_table_while_writers_hold_locks_and_left_partial_files(
    tmp_path: Path, store: ParquetStore, read: Callable[[Path], pd.DataFrame]
) -> None:
    months = candles_at([OCT, NOV], price=20.0)
    store.write_candles(HOURLY, hours(NOV - HOUR, 3), OCT, DEC)
    store.write_candles(series_of("1M"), months, OCT, JAN)  # December is empty
    store.add_forecasts(HOURLY, forecasts_at([NOV]))
    (tmp_path / NOVEMBER.parent / ".candles.parquet.1.partial").write_bytes(b"half a file")
    with FileLock(tmp_path / KEY_FOLDER / ".lock"):
        candles = read(tmp_path / "candles")
        forecasts = read(tmp_path / "forecasts")
    assert set(candles.columns) == {*COLUMNS, "symbol", "timeframe", "month"}
    assert set(candles["symbol"].astype(str)) == {"BTC_USDT"}
    for name, expected in (("1h", hours(NOV - HOUR, 3)), ("1M", months)):
        rows = candles[candles["timeframe"].astype(str) == name].sort_values("timestamp")
        assert_same(rows[COLUMNS].reset_index(drop=True), expected)
        assert rows["month"].astype(str).tolist() == [
            f"{opened:%Y-%m}" for opened in expected["timestamp"]
        ]
    assert len(forecasts) == 24


# ------------------------------------------------------------------------------------ writing again


@pytest.mark.parametrize("method", ["write_candles", "merge_candles"])
def test_writing_the_same_again_touches_no_file(
    tmp_path: Path, store: ParquetStore, method: str
) -> None:
    write = getattr(store, method)
    write(HOURLY, hours(NOV, 5), OCT, DEC)  # October is empty
    before = {name: fingerprint(tmp_path / name) for name in visible_files(tmp_path)}
    assert len(before) == 2
    write(HOURLY, hours(NOV, 5), OCT, DEC)
    assert {name: fingerprint(tmp_path / name) for name in visible_files(tmp_path)} == before


def test_adding_known_forecasts_touches_no_file(tmp_path: Path, store: ParquetStore) -> None:
    store.add_forecasts(HOURLY, forecasts_at([NOV]))
    path = tmp_path / "forecasts/symbol=BTC_USDT/timeframe=1h/month=2026-11/forecasts.parquet"
    before = fingerprint(path)
    store.add_forecasts(HOURLY, forecasts_at([NOV], price=200.0, version="2"))
    assert fingerprint(path) == before


def test_a_write_touches_only_files_of_its_months(tmp_path: Path, store: ParquetStore) -> None:
    store.write_candles(HOURLY, hours(NOV - HOUR, 2), OCT, DEC)
    october = tmp_path / KEY_FOLDER / "month=2026-10/candles.parquet"
    before = fingerprint(october), fingerprint(tmp_path / NOVEMBER)
    store.merge_candles(HOURLY, hours(NOV, 5), NOV, DEC)
    assert fingerprint(october) == before[0]
    assert fingerprint(tmp_path / NOVEMBER) != before[1]


def test_the_same_candles_make_the_same_bytes_however_they_came(tmp_path: Path) -> None:
    at_once, bit_by_bit = ParquetStore(tmp_path / "a"), ParquetStore(tmp_path / "b")
    at_once.write_candles(HOURLY, hours(NOV, 48), NOV, DEC)
    bit_by_bit.merge_candles(HOURLY, hours(NOV, 30, price=9.0), NOV, DEC)
    bit_by_bit.merge_candles(HOURLY, hours(NOV + 20 * HOUR, 28), NOV, DEC)
    bit_by_bit.merge_candles(HOURLY, hours(NOV, 20), NOV, DEC)
    files = [(home / NOVEMBER).read_bytes() for home in (tmp_path / "a", tmp_path / "b")]
    assert files[0] == files[1]


# ------------------------------------------------------------------------------------------- damage


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: content[:0],
    "cut in half": lambda content: content[: len(content) // 2],
    "last byte lost": lambda content: content[:-1],
    "zeroes": lambda content: bytes(len(content)),
    "text": lambda content: b"not a table"[: len(content)],
    "another file's beginning behind it": lambda content: content + content[:100],
}


USES: dict[str, Callable[[ParquetStore], Any]] = {
    "read": lambda store: everything(store, HOURLY),
    "write": lambda store: store.write_candles(HOURLY, hours(NOV, 3), NOV, DEC),
    "merge": lambda store: store.merge_candles(HOURLY, hours(NOV, 3), NOV, DEC),
    "delete": lambda store: store.delete_candles(HOURLY, NOV, NOV + HOUR),
    "count": lambda store: store.count_candles(HOURLY, NOV, DEC),
    "newest": lambda store: store.newest_candles([HOURLY]),
    "extent": lambda store: store.extent(HOURLY),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused_by_name_and_left_as_it_is(
    tmp_path: Path, store: ParquetStore, use: str, damage: str
) -> None:
    store.write_candles(HOURLY, hours(NOV, 100), NOV, DEC)
    path = tmp_path / NOVEMBER
    damaged = DAMAGES[damage](path.read_bytes())
    path.write_bytes(damaged)
    with pytest.raises(CorruptArtefact) as refusal:
        USES[use](store)
    assert str(path) in str(refusal.value)
    assert "Remove the file" in str(refusal.value)
    assert path.read_bytes() == damaged


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize(
    "foreign",
    [
        pd.DataFrame({"price": [1.0]}),
        hours(NOV, 2).astype({"close": "float32"}),
        hours(NOV, 2).astype({"timestamp": "datetime64[ms, UTC]"}),
    ],
    ids=["other columns", "narrower prices", "coarser times"],
)
def test_a_file_of_another_schema_is_refused_by_name(
    tmp_path: Path, store: ParquetStore, use: str, foreign: pd.DataFrame
) -> None:
    store.write_candles(HOURLY, hours(NOV, 2), NOV, DEC)
    foreign.to_parquet(tmp_path / NOVEMBER, index=False)
    with pytest.raises(CorruptArtefact) as refusal:
        USES[use](store)
    assert str(tmp_path / NOVEMBER) in str(refusal.value)


def test_a_footer_without_extreme_times_is_refused(tmp_path: Path, store: ParquetStore) -> None:
    store.write_candles(HOURLY, hours(NOV, 2), NOV, DEC)
    path = tmp_path / NOVEMBER
    pq.write_table(pq.ParquetFile(path).read(), path, write_statistics=False)
    for answer in (lambda: store.extent(HOURLY), lambda: store.newest_candles([HOURLY])):
        with pytest.raises(CorruptArtefact, match="extreme times"):
            answer()


def test_no_flipped_bit_of_the_data_becomes_another_number(
    tmp_path: Path, store: ParquetStore
) -> None:
    frame = hours(NOV, 20).assign(volume=[float(number) for number in range(20)])
    store.write_candles(HOURLY, frame, NOV, DEC)
    path = tmp_path / NOVEMBER
    content = path.read_bytes()
    footer = int.from_bytes(content[-8:-4], "little") + 8
    refused = 0
    for position, bit in itertools.product(range(4, len(content) - footer, 8), (1, 128)):
        damaged = bytearray(content)
        damaged[position] ^= bit
        path.write_bytes(damaged)
        try:
            read = everything(store, HOURLY)
        except CorruptArtefact:
            refused += 1
        else:  # page headers hold bytes that nobody reads
            assert_same(read, frame)
    assert refused > 20


def test_damage_in_one_month_leaves_the_others_readable(
    tmp_path: Path, store: ParquetStore
) -> None:
    store.write_candles(HOURLY, hours(NOV - HOUR, 2), OCT, DEC)
    (tmp_path / NOVEMBER).write_bytes(b"")
    assert_same(store.read_candles(HOURLY, OCT, NOV), hours(NOV - HOUR, 1))
    (tmp_path / NOVEMBER).unlink()  # the remedy of the message
    store.merge_candles(HOURLY, hours(NOV, 1), NOV, DEC)
    assert_same(everything(store, HOURLY), hours(NOV - HOUR, 2))


# ------------------------------------------------------------------------------------ being killed

MONTHS = [OCT, NOV, DEC]


def version_frame(version: int) -> pd.DataFrame:
    """Three months; version and number of rows tell each other."""
    frames = [hours(month, 100 + version % 7, price=float(version)) for month in MONTHS]
    return pd.concat(frames, ignore_index=True)


def write_version(home: Path, version: int) -> None:
    ParquetStore(home).write_candles(HOURLY, version_frame(version), OCT, JAN)


def stored_versions(home: Path) -> list[int]:
    """The version of each month, each of which must be whole."""
    found = []
    for month in MONTHS:
        candles = ParquetStore(home).read_candles(HOURLY, month, next_month(month))
        version = int(candles["open"].iloc[0])
        assert_same(candles, hours(month, 100 + version % 7, price=float(version)))
        found.append(version)
    return found


def assert_next_writer_is_not_hindered(home: Path, version: int) -> None:
    with FileLock(home / KEY_FOLDER / ".lock", blocking=False):
        pass
    write_version(home, version)
    assert stored_versions(home) == [version] * 3
    assert leftovers(home) == []


def write_until_killed(home: Path, confirmations: Connection) -> None:
    for version in itertools.count(2):
        write_version(home, version)
        confirmations.send(version)


@pytest.mark.parametrize("round_number", range(20))
def test_sigkill_at_any_moment_leaves_whole_months_and_no_confirmed_write_is_lost(
    tmp_path: Path, round_number: int
) -> None:
    write_version(tmp_path, 1)
    received, confirmations = PROCESSES.Pipe(duplex=False)
    writer = started(write_until_killed, tmp_path, confirmations)
    confirmations.close()  # the writer alone has it now, so that its end is noticed
    confirmed = 1
    for _ in range(1 + round_number % 4):
        confirmed = received.recv()
    for _ in range(round_number * 500):  # let the writer get somewhere else each time
        received.poll()
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    assert writer.exitcode == -signal.SIGKILL
    with contextlib.suppress(EOFError):
        while True:
            confirmed = received.recv()
    versions = stored_versions(tmp_path)
    assert sorted(versions, reverse=True) == versions  # months are written in order
    assert confirmed <= versions[-1] <= versions[0] <= confirmed + 1
    assert_next_writer_is_not_hindered(tmp_path, 1000)


def write_and_die_at_event(home: Path, fatal: int) -> None:
    """Write version 2, killed at the given step of the code that replaces files."""
    events = itertools.count()

    def step(frame: FrameType, event: str, argument: object) -> None:  # noqa: ARG001
        if frame.f_code.co_filename == atomic.__file__ and next(events) == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(step)
    write_version(home, 2)
    sys.setprofile(None)


def test_sigkill_at_every_step_of_replacing_a_file_leaves_the_old_or_the_new_version(
    tmp_path: Path,
) -> None:
    seen: set[tuple[int, ...]] = set()
    found_leftovers = 0
    for fatal in itertools.count(0, 5):
        home = tmp_path / str(fatal)
        write_version(home, 1)
        writer = started(write_and_die_at_event, home, fatal)
        writer.join()
        seen.add(tuple(stored_versions(home)))
        found_leftovers += len(leftovers(home))
        assert_next_writer_is_not_hindered(home, 3)
        if writer.exitcode == 0:
            break
        assert writer.exitcode == -signal.SIGKILL
    assert seen == {(1, 1, 1), (2, 1, 1), (2, 2, 1), (2, 2, 2)}
    assert found_leftovers > 0


def test_leftovers_of_killed_writers_are_invisible_and_go_with_the_next_change(
    tmp_path: Path, store: ParquetStore
) -> None:
    store.write_candles(HOURLY, hours(NOV, 3), NOV, DEC)
    content = (tmp_path / NOVEMBER).read_bytes()
    for process, size in (("17", 0), ("18", 50), ("19", len(content))):
        partial = tmp_path / NOVEMBER.parent / f".candles.parquet.{process}.partial"
        partial.write_bytes(content[:size])
    assert_same(everything(store, HOURLY), hours(NOV, 3))
    assert store.fetched_months(HOURLY) == [NOV]
    store.merge_candles(HOURLY, hours(NOV, 4), NOV, DEC)
    assert leftovers(tmp_path) == []


# ------------------------------------------------------------------------------ at the same time


def alternate_until_killed(home: Path) -> None:
    for version in itertools.cycle((2, 1)):
        write_version(home, version)


def test_a_reader_sees_one_version_or_the_other_while_a_month_is_rewritten(
    tmp_path: Path,
) -> None:
    write_version(tmp_path, 1)
    sizes = {len(version_frame(version)) // 3 for version in (1, 2)}
    store = ParquetStore(tmp_path)
    writer = started(alternate_until_killed, tmp_path)
    seen, reads, changes = 1, 0, 0
    while reads < 300 or changes < 10:
        candles = store.read_candles(HOURLY, NOV, DEC)
        version = int(candles["open"].iloc[0])
        assert version in (1, 2)
        assert_same(candles, hours(NOV, 100 + version % 7, price=float(version)))
        assert store.count_candles(HOURLY, NOV, DEC) in sizes
        newest = store.newest_candles([HOURLY])[HOURLY]
        assert newest in {DEC + HOUR * (size - 1) for size in sizes}
        reads, changes, seen = reads + 1, changes + (version != seen), version
    writer.kill()
    writer.join()


def merge_every_second_hour(home: Path, first: int, together: Barrier) -> None:
    store = ParquetStore(home)
    together.wait()
    for number in range(first, 60, 2):
        store.merge_candles(HOURLY, hours(NOV + HOUR * number, 1), NOV, DEC)


def test_two_processes_that_merge_into_one_month_lose_nothing(tmp_path: Path) -> None:
    together = PROCESSES.Barrier(2)
    writers = [started(merge_every_second_hour, tmp_path, first, together) for first in (0, 1)]
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert_same(everything(ParquetStore(tmp_path), HOURLY), hours(NOV, 60))


@pytest.fixture
def another_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Forgets what this process has read."""

    def forget() -> None:
        for name in ("_DAMAGED", "_EXTENTS", "_READ", "_WRITTEN"):
            monkeypatch.setattr(month_files, name, FileCache(10, settled=0.0))
        monkeypatch.setattr(monthly, "_MONTHS", FileCache(10, settled=0.0))

    forget()
    return forget


def test_a_month_deleted_while_it_is_read_reads_as_empty(
    store: ParquetStore,
    another_process: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store.write_candles(HOURLY, hours(NOV - HOUR, 2), OCT, DEC)
    another_process()
    content_of = month_files._content

    def deleted_first(path: str) -> bytes:
        Path(path).unlink()
        return content_of(path)

    monkeypatch.setattr(month_files, "_content", deleted_first)
    assert_same(store.read_candles(HOURLY, OCT, DEC), empty_candles())


# ------------------------------------------------------------------------------------ asking again


@pytest.fixture
def footers_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files whose footers were read; here files count as settled after a moment, see `answers`."""
    read: list[str] = []
    footer_of = month_files._footer

    def counted(path: str) -> pq.FileMetaData:
        read.append(Path(path).parent.name)
        return footer_of(path)

    monkeypatch.setattr(month_files, "_footer", counted)
    for module, name in ((month_files, "_EXTENTS"), (monthly, "_MONTHS"), (ledgers, "_READ")):
        monkeypatch.setattr(module, name, FileCache(1000, settled=0.02))
    return read


def answers(home: Path) -> tuple[Any, ...]:
    """What sensors ask, of a new store as at each of their ticks."""
    time.sleep(0.03)
    store = ParquetStore(home)
    return (
        store.newest_candles([HOURLY]).get(HOURLY),
        store.newest_forecasts([HOURLY]).get(HOURLY),
        store.fetched_months(HOURLY),
        store.extent(HOURLY),
        store.count_candles(HOURLY, OCT, DEC),
        store.read_ledger(HOURLY),
    )


def listed_at(opened: datetime) -> Callable[[Ledger], Ledger]:
    return lambda ledger: replace(ledger, listed=opened)


def test_footers_are_read_once_by_all_stores_of_a_process(
    tmp_path: Path, store: ParquetStore, footers_read: list[str]
) -> None:
    store.write_candles(HOURLY, hours(NOV - HOUR, 5), OCT, JAN)  # December is empty
    store.add_forecasts(HOURLY, forecasts_at([NOV]))
    first = answers(tmp_path)
    assert sorted(footers_read) == ["month=2026-10", *["month=2026-11"] * 2, "month=2026-12"]
    footers_read.clear()
    assert [answers(tmp_path) for _ in range(3)] == [first] * 3
    assert footers_read == []


def test_every_change_is_seen_at_once_and_only_its_month_read_again(
    tmp_path: Path, store: ParquetStore, footers_read: list[str]
) -> None:
    store.write_candles(HOURLY, hours(NOV - HOUR, 2), OCT, DEC)
    answers(tmp_path)
    footers_read.clear()
    for rows in range(3, 8):
        store.merge_candles(HOURLY, hours(NOV, rows - 1), NOV, DEC)
        store.add_forecasts(HOURLY, forecasts_at([NOV + rows * HOUR]))
        store.update_ledger(HOURLY, listed_at(OCT + rows * HOUR))
        candles, forecasts, months, extent, count, ledger = answers(tmp_path)
        assert (candles, forecasts) == (NOV + (rows - 2) * HOUR, NOV + rows * HOUR)
        assert (months, count, extent.rows) == ([OCT, NOV], rows, rows)
        assert ledger == Ledger(listed=OCT + rows * HOUR)
    assert set(footers_read) == {"month=2026-11"}
    store.delete_candles(HOURLY, NOV, DEC)
    assert answers(tmp_path)[2:5] == ([OCT], store.extent(HOURLY), 1)
    store.merge_candles(HOURLY, hours(DEC, 1), DEC, JAN)
    assert answers(tmp_path)[2] == [OCT, DEC]


@pytest.mark.parametrize("use", ["newest", "extent", "count"])
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.usefixtures("footers_read")
def test_damage_is_found_although_the_file_was_good_a_moment_ago(
    tmp_path: Path, store: ParquetStore, use: str, damage: str
) -> None:
    store.write_candles(HOURLY, hours(NOV, 100), NOV, DEC)
    answers(tmp_path)
    path = tmp_path / NOVEMBER
    content, status = path.read_bytes(), path.stat()
    for attempt in range(2):
        path.write_bytes(DAMAGES[damage](content))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + attempt))
        with pytest.raises(CorruptArtefact):
            USES[use](ParquetStore(tmp_path))
    path.write_bytes(content)
    USES[use](ParquetStore(tmp_path))


def flipped_page(content: bytes) -> bytes:
    return content[:100] + bytes(byte ^ 0xFF for byte in content[100:200]) + content[200:]


def test_a_bad_page_that_was_come_upon_is_damage_until_the_file_is_another(
    tmp_path: Path, store: ParquetStore
) -> None:
    store.write_candles(HOURLY, hours(NOV, 100), NOV, DEC)
    path = tmp_path / NOVEMBER
    sound = path.read_bytes()
    path.write_bytes(flipped_page(sound))
    store.require_readable(HOURLY)  # the footer is whole
    with pytest.raises(CorruptArtefact, match="2026-11"):
        store.read_through(HOURLY)
    for look in (store.require_readable, store.read_through, ParquetStore(tmp_path).extent):
        with pytest.raises(CorruptArtefact):
            look(HOURLY)
    path.write_bytes(sound)
    store.read_through(HOURLY)


@pytest.mark.usefixtures("footers_read")
def test_a_ledger_damaged_after_it_was_read_is_refused(tmp_path: Path, store: ParquetStore) -> None:
    store.update_ledger(HOURLY, listed_at(NOV))
    assert answers(tmp_path)[-1] == Ledger(listed=NOV)
    path = tmp_path / "ledger/symbol=BTC_USDT/timeframe=1h/ledger.json"
    path.write_text("{}")
    with pytest.raises(CorruptArtefact, match="is no gap ledger"):
        ParquetStore(tmp_path).read_ledger(HOURLY)
    path.unlink()
    assert ParquetStore(tmp_path).read_ledger(HOURLY) == Ledger()


# -------------------------------------------------------------------------------------- real months


def test_forecasts_and_candles_of_many_months_read_back_in_order(store: ParquetStore) -> None:
    daily = series_of("1d")
    opens = pd.date_range("2022-12-01", "2024-11-30", freq="D", tz="UTC", unit="us")
    times = [time.to_pydatetime() for time in opens]
    end = next_month(times[-1])
    store.write_candles(daily, candles_at(times), times[0], end)
    assert list(as_rows(everything(store, daily))) == times
    assert len(store.fetched_months(daily)) == 24
    store.add_forecasts(daily, forecasts_at(times[::40]))
    stored = all_forecasts(store, daily)
    assert stored["as_of"].drop_duplicates().tolist() == opens[::40].tolist()


def test_another_process_finds_the_damage_by_its_marker(
    tmp_path: Path, store: ParquetStore, another_process: Callable[[], None]
) -> None:
    store.write_candles(HOURLY, hours(NOV, 100), NOV, DEC)
    path = tmp_path / NOVEMBER
    path.write_bytes(flipped_page(path.read_bytes()))
    with pytest.raises(CorruptArtefact) as first:
        store.read_through(HOURLY)
    (marker,) = path.parent.parent.glob(".damaged_*")
    assert marker.name == ".damaged_month=2026-11_candles.json"
    for _ in range(2):
        another_process()
        with pytest.raises(CorruptArtefact) as again:
            store.require_readable(HOURLY)
        assert str(again.value) == str(first.value)
        assert again.value.found_at == first.value.found_at is not None


@pytest.mark.parametrize("mended", ["restored", "renewed", "deleted", "set aside", "no marker"])
def test_a_marker_goes_with_the_damaged_file(
    tmp_path: Path, store: ParquetStore, another_process: Callable[[], None], mended: str
) -> None:
    store.write_candles(HOURLY, hours(NOV, 100), NOV, DEC)
    path = tmp_path / NOVEMBER
    sound = path.read_bytes()
    path.write_bytes(flipped_page(sound))
    with pytest.raises(CorruptArtefact):
        store.read_through(HOURLY)
    (marker,) = path.parent.parent.glob(".damaged_*")
    if mended == "restored":
        path.write_bytes(sound)
    elif mended == "set aside":
        path.rename(path.with_name("candles.parquet.damaged"))
    elif mended == "no marker":
        path.write_bytes(sound)
        marker.write_bytes(b"{")
    else:
        path.unlink()
        if mended == "renewed":
            store.write_candles(HOURLY, hours(NOV, 100), NOV, DEC)
    another_process()
    store.require_readable(HOURLY)
    store.read_through(HOURLY)
    assert not marker.exists()
