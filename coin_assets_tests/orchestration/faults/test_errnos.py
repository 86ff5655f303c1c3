"""The fault matrix of the machine: each errno at each kind of write, and what came of it.

The installation runs in a process of its own, whose system calls really return the errno. During
the fault: no tick raises, no file is called damaged, no wrong value is served, and one alert names
the machine's fault with what to do; where no alert can be stored (".", the whole home), the watcher
sees it. After it: everything is fresh, with the bytes of an installation that never failed, and a
recovery was sent.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coin_assets_tests.orchestration.faults.matrix import Cell
from coin_assets_tests.orchestration.faults.test_files import sound  # noqa: F401
from coin_assets_tests.orchestration.faults.watched import Sound, told_by
from coin_assets_tests.orchestration.sensors.conftest import grown  # noqa: F401
from coin_assets_tests.webui import ROOT

ERRNOS = ("ENOSPC", "EIO", "EROFS", "EMFILE", "EACCES")
FOLDERS = ("candles", "forecasts", "ledger", "models", "published", "evaluations", ".")
# Folders that an hourly update may leave as they are.
_SELDOM = ("ledger", "models", "evaluations")
FAST = [("EROFS", "published")]
CELLS = [
    pytest.param((name, folder), marks=() if (name, folder) in FAST else pytest.mark.slow)
    for name in ERRNOS
    for folder in FOLDERS
]


@pytest.fixture(scope="session")
def failing_calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled library."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    library = tmp_path_factory.mktemp("shim") / "failing_calls.so"
    source = Path(__file__).with_name("failing_calls.c")
    words = [compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(words, check=True)
    return library


def run(library: Path, grown: Path, home: Path, cell: tuple[str, str]) -> dict[str, Any]:  # noqa: F811
    name, folder = cell
    shutil.copytree(grown, home)
    module = "coin_assets_tests.orchestration.faults.errno_run"
    reads = "1" if name == "EACCES" else "0"
    done = subprocess.run(
        [sys.executable, "-m", module, str(home), folder, name, reads],
        cwd=ROOT,
        env={**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def observed(cell: tuple[str, str], found: dict[str, Any], usual: dict[str, bytes]) -> Cell:
    """The line of the matrix."""
    during, after = found["during"], found["after"]
    words = ", ".join(sorted(set(during["statuses"].values())))
    did = f"{found['hits']} calls failed, {len(during['raised'])} ticks raised; {words}"
    told = told_by(during["messages"])
    if during["watcher"]:
        told += f"; the watcher: {during['watcher'][0]}"
    same = {name: text.encode() for name, text in after["published"].items()} == usual
    healed = same and set(after["statuses"].values()) == {"fresh"}
    return Cell(cell[0], f"writes: {cell[1]}", did, told, "by itself" if healed else "open")


def check(
    cell: tuple[str, str],
    found: dict[str, Any],
    expected: Sound,
) -> None:
    name, folder = cell
    during, after = found["during"], found["after"]
    texts = [f"{', '.join(each['subjects'])}: {each['text']}" for each in during["messages"]]
    assert found["hits"] > 0 or folder in _SELDOM, "nothing was written there"
    assert during["raised"] == []
    assert not any("Remove the file" in text or "corrupt" in text for text in texts)
    prices = {" ".join(each): values for each, values in expected[1].items()}
    for series, shown in during["served"].items():
        assert shown.items() <= prices[series].items()
    if folder == ".":  # nothing can be stored, messages neither: the watcher sends one
        assert any(name in detail for detail in during["watcher"]), during["watcher"]
    elif found["hits"]:
        about = [text for text in texts if name in text]
        assert len(about) == 1, texts
    assert set(after["statuses"].values()) == {"fresh"}
    published = {name: text.encode() for name, text in after["published"].items()}
    assert published == expected[0]


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_a_fault_of_the_machine_is_one_alert_and_heals(
    failing_calls: Path,
    grown: Path,  # noqa: F811
    tmp_path: Path,
    sound: Sound,  # noqa: F811
    record_property: Callable[[str, object], None],
    cell: tuple[str, str],
) -> None:
    found = run(failing_calls, grown, tmp_path / "home", cell)
    observed(cell, found, sound[0]).record(record_property)
    check(cell, found, sound)
