"""Atomic writes: what is flushed to disk, and in which order.

A rename, and a new folder's name, are durable once the folder that holds the name was synced (see
fsync(2): "Calling fsync() does not necessarily ensure that the entry in the directory containing
the file has also reached disk").
"""

import os
from pathlib import Path
from typing import Any

import pytest

from coin_assets.files.atomic import folder_locked, locked, make_folder, write_atomically

Operation = tuple[str, Path]


@pytest.fixture
def operations(monkeypatch: pytest.MonkeyPatch) -> list[Operation]:
    """The calls that change or sync names, each made as usual, in order."""
    found: list[Operation] = []
    mkdir, replace, fsync = os.mkdir, os.replace, os.fsync

    def recorded_mkdir(path: Path, *options: Any) -> None:
        mkdir(path, *options)
        found.append(("mkdir", Path(path)))

    def recorded_replace(source: Path, target: Path) -> None:
        replace(source, target)
        found.append(("rename", Path(target)))

    def recorded_fsync(descriptor: int) -> None:
        fsync(descriptor)
        found.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink()))

    monkeypatch.setattr(os, "mkdir", recorded_mkdir)
    monkeypatch.setattr(os, "replace", recorded_replace)
    monkeypatch.setattr(os, "fsync", recorded_fsync)
    return found


def lost_by_power_failure(operations: list[Operation]) -> set[Path]:
    """Names that were made and whose folders were not synced since."""
    unsafe: set[Path] = set()
    for what, path in operations:
        if what == "sync":
            unsafe = {name for name in unsafe if name.parent != path}
        else:
            unsafe.add(path)
    return unsafe


def test_each_new_folder_is_synced_in_its_parent_before_the_next_is_made(
    tmp_path: Path, operations: list[Operation]
) -> None:
    one, two = tmp_path / "one", tmp_path / "one/two"
    write_atomically(two / "file", b"content")
    partial = two / f".file.{os.getpid()}.partial"
    assert operations == [
        ("mkdir", one),
        ("sync", tmp_path),
        ("mkdir", two),
        ("sync", one),
        ("sync", partial),
        ("rename", two / "file"),
        ("sync", two),
    ]
    assert (two / "file").read_bytes() == b"content"


@pytest.mark.parametrize("lock", [locked, folder_locked])
def test_what_was_written_under_a_lock_in_new_folders_survives_power_loss(
    tmp_path: Path, operations: list[Operation], lock: Any
) -> None:
    """The lock makes folders as well, before the write does."""
    folder = tmp_path / "symbol=BTC_USDT/timeframe=1h"
    with lock(folder):
        write_atomically(folder / "month=2026-11/candles.parquet", b"rows")
    made = {path for what, path in operations if what != "sync"}
    assert {folder.parent, folder, folder / "month=2026-11"} < made
    assert lost_by_power_failure(operations) == set()


def test_folders_that_exist_cost_nothing(tmp_path: Path, operations: list[Operation]) -> None:
    write_atomically(tmp_path / "file", b"old")
    operations.clear()
    write_atomically(tmp_path / "file", b"new")
    assert [what for what, _ in operations] == ["sync", "rename", "sync"]


def test_a_folder_that_another_process_makes_first_is_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = os.mkdir

    def late(path: Path, *options: Any) -> None:
        mkdir(path, *options)
        mkdir(path, *options)  # as if another process had been faster

    monkeypatch.setattr(os, "mkdir", late)
    make_folder(tmp_path / "a/b")
    assert (tmp_path / "a/b").is_dir()


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for folder in ("file", "file/below"):
        with pytest.raises((FileExistsError, NotADirectoryError)):
            make_folder(tmp_path / folder)
