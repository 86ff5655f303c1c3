"""Strays stop nothing: readers ignore them, log them once, and `examine` names them."""

import errno
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.errors import CorruptArtefact
from coin_assets.store.base import Finding
from coin_assets.store.parquet import ParquetStore
from coin_assets.store.strays import shown
from coin_assets_tests.store.contract import (
    DEC,
    HOURLY,
    JAN,
    NOV,
    OCT,
    assert_same,
    everything,
    hours,
    series_of,
)

FOLDER = Path("candles/symbol=BTC_USDT/timeframe=1h")


def folder_with_a_file(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "candles.parquet").write_bytes(b"junk")


def file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"junk")


def loop(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(path.name)


STRAYS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "copy of a month": ("month=2026-10.bak", folder_with_a_file),
    "no month": ("month=2026-13", folder_with_a_file),
    "month zero": ("month=0000-00", folder_with_a_file),
    "last year of the calendar": ("month=9999-12", folder_with_a_file),
    "digits of another script": ("month=२०२६-10", folder_with_a_file),
    "nothing": ("month=", folder_with_a_file),
    "file for a month": ("month=2026-12", file),
    "loop for a month": ("month=2026-12", loop),
    "note": ("notes.txt", file),
    "not text": (os.fsdecode(b"month=2026-1\xff"), file),
}


@pytest.mark.parametrize("stray", STRAYS)
def test_a_stray_beside_months_is_ignored_logged_once_and_found(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, stray: str
) -> None:
    store = ParquetStore(tmp_path)
    store.write_candles(HOURLY, hours(NOV, 3), OCT, DEC)
    name, make = STRAYS[stray]
    make(tmp_path / FOLDER / name)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            store.require_readable(HOURLY)
            assert store.fetched_months(HOURLY) == [OCT, NOV]
            assert store.newest_candles([HOURLY])[HOURLY] == hours(NOV, 3)["timestamp"].iloc[-1]
            assert_same(everything(store, HOURLY), hours(NOV, 3))
    assert [record.args for record in caplog.records] == [(shown(tmp_path / FOLDER / name),)]
    assert caplog.records[0].name == "coin_assets.store.strays"
    (layout,) = [each for each in examined(store) if each.about == "layout"]
    assert not layout.is_fine
    assert shown(name) in layout.detail
    layout.detail.encode()
    assert layout.detail.endswith("Move it away.")


def test_a_folder_that_cannot_be_read_is_not_to_be_moved_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests may run as root, whom permissions do not stop; the system call fails as for others."""
    store = ParquetStore(tmp_path)
    store.write_candles(HOURLY, hours(NOV, 3), OCT, DEC)
    scandir = os.scandir

    def refused(path: str | Path) -> object:
        if Path(path) == tmp_path / FOLDER:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("coin_assets.store.strays.os.scandir", refused)
    (layout,) = [each for each in examined(store) if each.about == "layout"]
    assert layout.is_fine


def examined(store: ParquetStore) -> list[Finding]:
    return store.examine(OCT, datetime(2026, 12, 1, tzinfo=UTC))


@pytest.mark.parametrize("make", [file, loop])
@pytest.mark.parametrize("place", ["symbol=BTC_USDT", "symbol=BTC_USDT/timeframe=1h"])
def test_what_lies_in_the_place_of_a_series_stops_that_series_alone(
    tmp_path: Path, place: str, make: Callable[[Path], None]
) -> None:
    ether, store = series_of("1h", "ETH/USDT"), ParquetStore(tmp_path)
    store.write_candles(ether, hours(NOV, 3), NOV, DEC)
    for layer in ("candles", "ledger"):
        make(tmp_path / layer / place)
    assert store.newest_candles([HOURLY, ether]) == store.newest_candles([ether])
    assert store.fetched_months(HOURLY) == []
    assert store.read_ledger(HOURLY) == Ledger()
    store.require_readable(HOURLY)
    for write in (
        lambda: store.write_candles(HOURLY, hours(NOV, 3), NOV, DEC),
        lambda: store.update_ledger(HOURLY, lambda _: Ledger(listed=NOV)),
    ):
        with pytest.raises(CorruptArtefact, match="something else lies where the store keeps"):
            write()
    store.write_candles(ether, hours(NOV, 4), NOV, DEC)


def test_a_file_in_the_place_of_a_month_is_named_by_its_writer(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    file(tmp_path / FOLDER / "month=2026-12")
    with pytest.raises(CorruptArtefact, match=r"month=2026-12.*Move it out of the store"):
        store.write_candles(HOURLY, hours(DEC, 3), DEC, JAN)
    store.write_candles(HOURLY, hours(NOV, 3), NOV, DEC)


def test_a_folder_in_the_place_of_a_file_is_damage_of_its_series(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    folder = tmp_path / FOLDER / "month=2026-11/candles.parquet"
    folder.mkdir(parents=True)
    with pytest.raises(CorruptArtefact, match="Remove the file"):
        store.require_readable(HOURLY)
    with pytest.raises(CorruptArtefact):
        everything(store, HOURLY)


def test_only_what_the_platform_makes_is_in_its_place(tmp_path: Path) -> None:
    store = ParquetStore(tmp_path)
    store.write_candles(HOURLY, hours(NOV, 3), NOV, DEC)
    store.update_ledger(HOURLY, lambda _: Ledger(listed=NOV))
    (tmp_path / FOLDER / "month=2026-11/.damaged").write_bytes(b"set aside, as the documents say")
    (tmp_path / "models").mkdir()
    assert [each.is_fine for each in examined(store)] == [True, True]
    wrong = [
        "candles/BTC",
        "candles/symbol=BTC_USDT/timeframe=1h/month=2026-11/candles.parquet.orig",
        "candles/symbol=BTC_USDT/timeframe=1x",
        "revisions",
        "ledger/symbol=BTC_USDT/timeframe=1h/ledger (1).json",
        "ledger/symbol=BTC_USDT/timeframe=4h",
    ]
    for path in wrong:
        file(tmp_path / path)
    (_, layout) = examined(store)
    named = layout.detail.partition(" does not belong")[0].split(", ")
    assert named == [str(tmp_path / path) for path in wrong]
