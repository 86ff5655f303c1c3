"""``make test-fast`` runs the files that it lists, and none that starts a process or a server."""

import multiprocessing
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from coin_assets_tests.fast import FAST, TESTS, is_fast, refuse_processes


def test_everything_that_is_listed_exists_once() -> None:
    assert [name for name in FAST if not (TESTS / name).exists()] == []
    assert list(FAST) == sorted(set(FAST))


def test_fast_files_are_a_good_part_of_all_and_import_no_browser() -> None:
    files = [path for path in TESTS.rglob("test_*.py") if is_fast(path)]
    assert 40 < len(files) < len(list(TESTS.rglob("test_*.py"))) / 2
    used = re.compile(r"^(?:from|import) .*\b(?:playwright|browser|receiver)\b", re.MULTILINE)
    assert [path.name for path in files if used.search(path.read_text())] == []


def listening() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()


@pytest.mark.parametrize(
    "start",
    [
        lambda: subprocess.run([sys.executable, "-V"], check=True),
        lambda: multiprocessing.get_context("spawn").Process(target=print).start(),
        lambda: os.fork(),  # the name is read when it is called
        listening,
    ],
    ids=["run", "Process", "fork", "listen"],
)
def test_a_fast_test_that_starts_a_process_or_a_server_fails(
    start: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_processes(monkeypatch)
    with pytest.raises(AssertionError, match=r"see fast\.py"):
        start()
