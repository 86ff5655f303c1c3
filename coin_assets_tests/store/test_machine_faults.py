"""A fault of the machine is told as such: no file is called damaged, and none is changed.

The faults are real: a limit of open files, a limit of file sizes, a folder without access, and
/proc/self/mem, whose first page the kernel refuses to read with EIO (proc(5)).
"""

import os
import resource
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.errors import MachineFault
from coin_assets.files.cache import FileCache
from coin_assets.planning.series_status import unreadable
from coin_assets.store import ledgers, month_files, monthly
from coin_assets.store.damage_markers import mark
from coin_assets.store.home import open_home
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.store.contract import (
    DEC,
    HOUR,
    HOURLY,
    NOV,
    assert_same,
    everything,
    hours,
    series_of,
)

Fault = AbstractContextManager[None]
READS: dict[str, Callable[[ParquetStore], Any]] = {
    "candles": lambda store: everything(store, HOURLY),
    "extent": lambda store: store.extent(HOURLY),
    "newest": lambda store: store.newest_candles([HOURLY]),
    "months": lambda store: store.fetched_months(HOURLY),
    "state": lambda store: store.candles_state(HOURLY, NOV, DEC),
    "readable": lambda store: store.require_readable(HOURLY),
    "whole": lambda store: store.read_through(HOURLY),
    "ledger": lambda store: store.read_ledger(HOURLY),
}
WRITES: dict[str, Callable[[ParquetStore], Any]] = {
    "write": lambda store: store.write_candles(HOURLY, hours(NOV, 4), NOV, DEC),
    "merge": lambda store: store.merge_candles(HOURLY, hours(NOV + 9 * HOUR, 1), NOV, DEC),
    "delete": lambda store: store.delete_candles(HOURLY, NOV, NOV + HOUR),
    "ledger": lambda store: store.update_ledger(HOURLY, lambda _: Ledger(listed=DEC)),
}


@contextmanager
def limited(what: int, most: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(what, (soft, hard))


def files_up_to(most: int) -> Fault:
    """Files can be opened while their numbers are below ``most``."""
    return limited(resource.RLIMIT_NOFILE, most)


def full_disk() -> Fault:
    """No file can grow (EFBIG; Python ignores the signal)."""
    return limited(resource.RLIMIT_FSIZE, 0)


@contextmanager
def no_access(home: Path, symbol: str = "*") -> Iterator[None]:
    """Another user, who may list the home and not look into the folders of a symbol."""
    for folder in home.glob(f"*/symbol={symbol}"):
        folder.chmod(0)
    is_root = os.geteuid() == 0
    if is_root:  # who may read everything
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for folder in home.glob("*/symbol=*"):
            folder.chmod(0o755)


FAULTS: dict[str, tuple[str, Callable[[Path], Fault]]] = {
    "EMFILE": ("ulimit -n", lambda _: files_up_to(0)),
    "EACCES": ("Let the platform's user read and write", no_access),
}


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that other users may look into, with candles and a ledger."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        store = ParquetStore(home)
        store.write_candles(HOURLY, hours(NOV, 3), NOV, DEC)
        store.update_ledger(HOURLY, lambda _: Ledger(listed=NOV))
        yield home


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is answered from memory."""
    for name in ("_DAMAGED", "_EXTENTS", "_READ", "_WRITTEN"):
        monkeypatch.setattr(month_files, name, FileCache(1, settled=1e9))
    monkeypatch.setattr(monthly, "_MONTHS", FileCache(1, settled=1e9))
    for name in ("_READ", "_WRITTEN"):
        monkeypatch.setattr(ledgers, name, FileCache(1, settled=1e9))


def contents(home: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


@pytest.mark.parametrize("use", READS | WRITES)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_machine_is_no_damage(home: Path, fault: str, use: str) -> None:
    store, before = ParquetStore(home), contents(home)
    remedy, happens = FAULTS[fault]
    with happens(home), pytest.raises(MachineFault) as raised:
        (READS | WRITES)[use](store)
    assert raised.value.errno_name == fault
    assert remedy in str(raised.value)
    assert str(home) in str(raised.value)
    assert contents(home) == before  # no marker, and nothing changed
    assert_same(everything(store, HOURLY), hours(NOV, 3))
    store.read_through(HOURLY)


@pytest.mark.parametrize("use", WRITES)
def test_a_full_disk_leaves_the_old_file(home: Path, use: str) -> None:
    store = ParquetStore(home)
    with full_disk(), pytest.raises(MachineFault, match="Free space") as raised:
        WRITES[use](store)
    assert raised.value.errno_name == "EFBIG"
    assert_same(everything(store, HOURLY), hours(NOV, 3))
    assert store.read_ledger(HOURLY) == Ledger(listed=NOV)
    WRITES[use](store)
    assert list(home.rglob(".*.partial")) == []


@pytest.mark.parametrize("file", ["candles.parquet", "ledger.json"])
def test_a_disk_that_fails_to_read_is_no_damage(home: Path, file: str) -> None:
    store = ParquetStore(home)
    (path,) = home.rglob(file)
    path.unlink()
    path.symlink_to("/proc/self/mem")
    with pytest.raises(MachineFault, match="do not remove it") as raised:
        READS["ledger" if file == "ledger.json" else "candles"](store)
    assert (raised.value.errno_name, raised.value.path) == ("EIO", str(path))
    assert list(home.rglob(".damaged_*")) == []


def test_no_access_to_one_series_is_told_of_that_series(home: Path) -> None:
    store, ether = ParquetStore(home), series_of("1h", "ETH/USDT")
    store.write_candles(ether, hours(NOV, 3), NOV, DEC)
    with no_access(home, "BTC_USDT"):
        found = unreadable(store, [HOURLY, ether], read_whole=[ether])
    assert set(found) == {HOURLY}
    assert "the file is intact, do not remove it" in found[HOURLY].message
    assert found[HOURLY].fault is not None
    with files_up_to(0), pytest.raises(MachineFault):
        unreadable(store, [HOURLY, ether])


def test_a_marker_that_cannot_be_read_now_stays(home: Path) -> None:
    store = ParquetStore(home)
    (path,) = home.rglob("candles.parquet")
    mark(path, None, "damaged")
    (marker,) = home.rglob(".damaged_*")
    listed = os.open(path.parent.parent, os.O_RDONLY)  # takes the number that the listing gets
    os.close(listed)
    with pytest.raises(MachineFault), files_up_to(listed + 1):
        store.require_readable(HOURLY)
    assert marker.exists()


def test_a_home_that_cannot_be_opened_now_is_no_wrong_choice_of_a_folder(tmp_path: Path) -> None:
    open_home(tmp_path, "sandbox", needs_case=False)
    with files_up_to(0), pytest.raises(MachineFault, match="ulimit -n"):
        open_home(tmp_path, "sandbox", needs_case=False)
    open_home(tmp_path, "sandbox", needs_case=False)
