"""What files said is remembered only while they cannot have changed.

- A file that was replaced or written into is read again at once, whatever its times say.
- Nothing is remembered of a fresh file, of a failure, or beyond the bound.
"""

import os
import time
from pathlib import Path

import pytest

from coin_assets.files.cache import FileCache, identity_of


class Reader:
    """Reads text files and keeps which."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, path: str) -> str:
        self.read.append(Path(path).name)
        return Path(path).read_text()


@pytest.fixture
def reader() -> Reader:
    return Reader()


def replaced(path: Path, text: str) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(path)


def test_an_unchanged_file_is_read_once(tmp_path: Path, reader: Reader) -> None:
    remembered = FileCache[str](most=10, settled=0)
    for name in "ab":
        (tmp_path / name).write_text(name)
    for _ in range(3):
        assert [remembered.of(str(tmp_path / name), reader) for name in "ab"] == ["a", "b"]
    assert reader.read == ["a", "b"]


def test_a_replaced_file_is_read_again_though_size_and_time_are_the_same(
    tmp_path: Path, reader: Reader
) -> None:
    path = tmp_path / "a"
    remembered = FileCache[str](most=10, settled=0)
    for text in ("old", "new"):
        replaced(path, text)
        os.utime(path, ns=(0, 0))
        assert remembered.of(str(path), reader) == text


def test_a_file_written_into_is_read_again_though_its_time_is_put_back(
    tmp_path: Path, reader: Reader
) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    remembered = FileCache[str](most=10, settled=0)
    before = path.stat()
    assert remembered.of(str(path), reader) == "old"
    while identity_of(path.stat()) == identity_of(before):  # one step of the file system's clock
        path.write_text("new")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert remembered.of(str(path), reader) == "new"


def test_a_fresh_file_is_read_each_time_so_that_no_two_versions_look_the_same(
    tmp_path: Path, reader: Reader
) -> None:
    path = tmp_path / "a"
    remembered = FileCache[str](most=10, settled=60)
    for number in range(200):
        replaced(path, f"{number:03d}")
        assert remembered.of(str(path), reader) == f"{number:03d}"
    assert len(remembered) == 0


def test_a_file_from_the_future_is_not_remembered(tmp_path: Path, reader: Reader) -> None:
    path = tmp_path / "a"
    path.write_text("a")
    ahead = time.time_ns() + 3_600_000_000_000
    os.utime(path, ns=(ahead, ahead))
    remembered = FileCache[str](most=10, settled=0)
    for _ in range(2):
        assert remembered.of(str(path), reader) == "a"
    assert reader.read == ["a", "a"]


def test_a_new_name_in_a_folder_is_seen(tmp_path: Path) -> None:
    remembered = FileCache[list[str]](most=10, settled=2)
    for number in range(5):
        (tmp_path / str(number)).mkdir()
        assert len(remembered.of(str(tmp_path), os.listdir)) == number + 1


def test_failures_are_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("no number")
    remembered = FileCache[int](most=10, settled=0)

    def number(path: str) -> int:
        return int(Path(path).read_text())

    for _ in range(2):
        with pytest.raises(ValueError, match="no number"):
            remembered.of(str(path), number)
    replaced(path, "7")
    assert remembered.of(str(path), number) == 7
    path.unlink()
    with pytest.raises(FileNotFoundError):
        remembered.of(str(path), number)


def test_it_is_bounded_and_who_goes_round_more_still_finds_most(
    tmp_path: Path, reader: Reader
) -> None:
    names = [str(number) for number in range(12)]
    for name in names:
        (tmp_path / name).write_text(name)
    remembered = FileCache[str](most=10, settled=0)
    for _ in range(5):
        reader.read.clear()
        assert [remembered.of(str(tmp_path / name), reader) for name in names] == names
        assert len(remembered) == 10
    assert len(reader.read) <= 3
