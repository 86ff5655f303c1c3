"""`made_once`: what many tests copy is made by the first that needs it, in any process."""

import multiprocessing
from pathlib import Path

import pytest

from coin_assets_tests.made_once import made_once


def made(factory: pytest.TempPathFactory, name: str) -> Path:
    """A folder with a line for each time that it was made."""

    def make(folder: Path) -> None:
        folder.mkdir()
        with (folder / "times").open("a") as times:
            times.write("made\n")

    return made_once(factory, name, make)


def test_processes_and_modules_share_what_the_first_made(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    forked = multiprocessing.get_context("fork")
    others = [forked.Process(target=made, args=(tmp_path_factory, "shared")) for _ in range(4)]
    for each in others:
        each.start()
    for each in others:
        each.join()
        assert each.exitcode == 0
    assert (made(tmp_path_factory, "shared") / "times").read_text() == "made\n"


def test_what_could_not_be_made_is_not_taken_for_made(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    def fail(folder: Path) -> None:
        folder.mkdir()
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        made_once(tmp_path_factory, "failing", fail)
    with pytest.raises(AssertionError, match="failing could not be made, see /"):
        made_once(tmp_path_factory, "failing", fail)
