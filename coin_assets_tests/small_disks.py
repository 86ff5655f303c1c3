"""Small file systems of their own, for tests that fill them or take them away (as root)."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, options: str = "size=16m") -> Iterator[Path]:
    """A tmpfs at ``folder``; a test that may not mount is skipped."""
    folder.mkdir(exist_ok=True)
    done = _call("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        _call("umount", "--lazy", str(folder))


def make_read_only(folder: Path, *, is_read_only: bool = True) -> None:
    """What a kernel does to a file system whose disk fails."""
    done = _call("mount", "-o", f"remount,{'ro' if is_read_only else 'rw'}", str(folder))
    assert done.returncode == 0, done.stderr


def fill(folder: Path, *, leave: int = 0) -> Path:
    """Write until nothing fits any more, or ``leave`` bytes are free; returns the file."""
    ballast = folder / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"\1" * 4096)
    if leave:
        with ballast.open("r+b") as file:
            file.truncate(max(0, ballast.stat().st_size - leave))
    return ballast


def use_up_inodes(folder: Path) -> list[Path]:
    """Make empty files until there can be no other; returns them."""
    made: list[Path] = []
    with suppress(OSError):
        while True:
            path = folder / f"inode-{len(made)}"
            path.touch()
            made.append(path)
    return made


def _call(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False)
