"""Months in memory: each file is read once, until it changes; a write never trusts a fresh one."""

import time
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pytest

from coin_assets.files.cache import LargeFileCache
from coin_assets.store import month_files
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.store.contract import DEC, HOUR, HOURLY, NOV, OCT, assert_same, hours

_SETTLED = 0.05


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Months whose files are opened. Here a file is settled after a moment, see `settle`."""
    found: list[str] = []
    content_of = month_files._content

    def counted(path: str) -> bytes:
        found.append(Path(path).parent.name.removeprefix("month="))
        return content_of(path)

    monkeypatch.setattr(month_files, "_content", counted)
    for name, settled in (("_READ", _SETTLED), ("_WRITTEN", 0.0)):
        cache = LargeFileCache[pa.Table](2**20, lambda table: int(table.nbytes), settled)
        monkeypatch.setattr(month_files, name, cache)
    return found


def settle() -> None:
    time.sleep(2 * _SETTLED)


def write_in_another_process(home: Path, first_hour: int) -> None:
    ParquetStore(home).merge_candles(HOURLY, hours(NOV + HOUR * first_hour, 1), NOV, DEC)


def written_elsewhere(home: Path, first_hour: int) -> None:
    process = get_context("spawn").Process(target=write_in_another_process, args=(home, first_hour))
    process.start()
    process.join()
    assert process.exitcode == 0


def test_settled_months_are_read_once_by_all_stores_of_a_process(
    tmp_path: Path, opened: list[str]
) -> None:
    written_elsewhere(tmp_path, 0)
    settle()
    for _ in range(3):
        assert_same(ParquetStore(tmp_path).read_candles(HOURLY, OCT, DEC), hours(NOV, 1))
    assert opened == ["2026-11"]


def test_what_was_written_is_read_from_memory_and_read_back_from_the_file(
    tmp_path: Path, opened: list[str]
) -> None:
    store = ParquetStore(tmp_path)
    store.write_candles(HOURLY, hours(NOV, 5), NOV, DEC)
    for _ in range(2):
        assert_same(store.read_candles(HOURLY, NOV, DEC), hours(NOV, 5))
    assert opened == []
    assert_same(store.read_back_candles(HOURLY, NOV, DEC), hours(NOV, 5))
    assert opened == ["2026-11"]


def test_a_month_that_another_process_wrote_is_read_again(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    store.write_candles(HOURLY, hours(NOV, 1), NOV, DEC)
    for number in range(1, 3):
        written_elsewhere(tmp_path, number)
        assert_same(store.read_candles(HOURLY, NOV, DEC), hours(NOV, number + 1))


def test_a_merge_starts_from_the_file_unless_it_is_settled(
    tmp_path: Path, opened: list[str]
) -> None:
    store = ParquetStore(tmp_path)
    store.write_candles(HOURLY, hours(NOV, 1), NOV, DEC)
    store.merge_candles(HOURLY, hours(NOV + HOUR, 1), NOV, DEC)
    assert opened == ["2026-11"]  # written a moment ago, so not taken from memory
    settle()
    store.read_back_candles(HOURLY, NOV, DEC)
    opened.clear()
    store.merge_candles(HOURLY, hours(NOV + 2 * HOUR, 1), NOV, DEC)
    assert opened == []
    assert_same(store.read_back_candles(HOURLY, NOV, DEC), hours(NOV, 3))


def test_a_fresh_file_with_the_identity_of_an_older_one_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two replacements within one tick of a coarse clock may reuse the inode: the worst case."""
    now = time.time_ns()
    monkeypatch.setattr(month_files, "identity_of", lambda _: (1, 1, now, now))
    store = ParquetStore(tmp_path)
    store.write_candles(HOURLY, hours(NOV, 1), NOV, DEC)
    written_elsewhere(tmp_path, 1)
    store.merge_candles(HOURLY, hours(NOV + 2 * HOUR, 1), NOV, DEC)
    assert_same(store.read_back_candles(HOURLY, NOV, DEC), hours(NOV, 3))


def test_a_cache_of_large_values_drops_what_was_unused_for_longest() -> None:
    cache = LargeFileCache[str](10, len, settled=0)
    for name, size in (("a", 4), ("b", 4)):
        cache.put(name, ((1, 1, 1, 1),), name * size)
    assert cache.get("a", ((1, 1, 1, 1),)) == "aaaa"
    cache.put("c", ((1, 1, 1, 1),), "cccc")
    assert [cache.get(name, ((1, 1, 1, 1),)) for name in "abc"] == ["aaaa", None, "cccc"]
    cache.put("d", ((1, 1, 1, 1),), "d" * 11)
    assert cache.get("d", ((1, 1, 1, 1),)) is None
    cache.put("a", ((2, 2, 2, 2),), "a" * 10)
    assert cache.get("a", ((1, 1, 1, 1),)) is None
    assert cache.get("a", ((2, 2, 2, 2),)) == "a" * 10
    assert len(cache) == 1
