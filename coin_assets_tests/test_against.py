"""``python -m benchmarks.against``: two commits of a small repository, measured in turn.

The repository has benchmarks of its own, because those of the project take minutes. They write
``benchmarks/results.json`` as the project's do.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.against import compare, table
from benchmarks.harness import BenchmarkFailed

_BENCHMARKS = """
import json, pathlib, sys
import measured
group, root = sys.argv[2], pathlib.Path(__file__).parent
pathlib.Path(root.parent.parent / "shared" / "turns").open("a").write(measured.NAME)
if group == "servers":  # ends them when it is asked to end, as the project's benchmarks do
    import signal, time
    def end(*_):
        (root.parent.parent / "shared" / "ended").touch()
        sys.exit(1)
    signal.signal(signal.SIGTERM, end)
    (root.parent.parent / "shared" / "running").touch()
    time.sleep(60)
if group == "absent":
    sys.exit("there is no such group")
figures = [{"name": "time", "value": measured.SECONDS, "unit": "s"},
           {"name": measured.NAME, "value": 1.0, "unit": ""},
           {"name": "word", "value": "yes", "unit": ""}]
(root / "results.json").write_text(json.dumps({group: {"figures": figures}}))
sys.exit(1)  # as after a missed bar
"""


def git(folder: Path, *command: str) -> str:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@localhost")
    run = ["git", "-C", str(folder), *identity, *command]
    return subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits; the data beside the checkout collects the turns."""
    folder = tmp_path / "project"
    (folder / "benchmarks").mkdir(parents=True)
    (tmp_path / "shared").mkdir()
    git(folder, "init", "--quiet")
    (folder / "benchmarks" / "__main__.py").write_text(_BENCHMARKS)
    (folder / "benchmarks" / "results.json").write_text('{"load": {"figures": []}}')
    for name, seconds in (("o", 6.0), ("n", 2.0)):
        (folder / "measured.py").write_text(f"NAME, SECONDS = {name!r}, {seconds}\n")
        git(folder, "add", "-A")
        git(folder, "commit", "--quiet", "-m", name)
    return folder


def test_both_commits_take_turns_and_nothing_is_left(repository: Path) -> None:
    found = compare(repository, ("HEAD~1", "HEAD"), ["load", "store"], rounds=2)
    assert [group for group, _, _ in found] == ["load", "store"] * 2
    assert (repository.parent / "shared" / "turns").read_text() == "on" * 4
    assert table(found[:1]).splitlines()[2:] == [
        "| load | time | 6.00 s | 2.00 s | 3.00 |",
        "| load | word | yes | yes |  |",
    ]
    assert git(repository, "status", "--porcelain") == ""
    assert len(git(repository, "worktree", "list").splitlines()) == 1


def test_what_cannot_be_measured_is_an_error_with_its_output(repository: Path) -> None:
    with pytest.raises(BenchmarkFailed, match="there is no such group"):
        compare(repository, ("HEAD~1", "HEAD"), ["absent"])
    with pytest.raises(BenchmarkFailed, match="nowhere"):
        compare(repository, ("nowhere", "HEAD"), ["load"])
    assert len(git(repository, "worktree", "list").splitlines()) == 1


def test_a_benchmark_that_is_interrupted_ends_its_servers(repository: Path) -> None:
    compared = (
        "import signal, sys; from pathlib import Path; from benchmarks.against import compare;"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(1));"
        f"compare(Path({str(repository)!r}), ('HEAD~1', 'HEAD'), ['servers'])"
    )
    shared = repository.parent / "shared"
    with subprocess.Popen([sys.executable, "-c", compared]) as process:
        while not (shared / "running").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 1
    assert (shared / "ended").exists()
    assert len(git(repository, "worktree", "list").splitlines()) == 1
