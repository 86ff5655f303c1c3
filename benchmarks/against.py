"""``python -m benchmarks.against COMMIT``: groups of an earlier commit and of a later one, in turn.

Each commit is checked out beside the other and measured by its own benchmarks, in this Python
environment. Nothing in this checkout changes.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.groups import GROUPS
from benchmarks.harness import ROOT, BenchmarkFailed, number_text, say

_DATA = "shared"  # real candles, which benchmarks find beside their checkout
_TAIL_LINES = 20

Figures = dict[str, dict[str, Any]]  # name -> figure as in results.json


def compare(
    repository: Path, commits: tuple[str, str], groups: Sequence[str], rounds: int = 1
) -> list[tuple[str, Figures, Figures]]:
    """Figures of each group and round, by both commits.

    Raises:
        BenchmarkFailed: git has no such commit, or a commit could not measure a group.
    """
    found = []
    with _checkout(repository, commits[0]) as old, _checkout(repository, commits[1]) as new:
        for turn in range(rounds):
            for group in groups:
                say(f"{group}, round {turn + 1} of {rounds}: {commits[0]}, then {commits[1]}")
                found.append((group, _measured(old, group), _measured(new, group)))
    return found


def table(found: list[tuple[str, Figures, Figures]]) -> str:
    """Markdown rows of the figures that both commits have, with the ratio of old to new."""
    rows = ["| group | figure | old | new | old / new |", "|---|---|---:|---:|---:|"]
    for group, old, new in found:
        for name in (name for name in old if name in new):
            before, after = old[name]["value"], new[name]["value"]
            ratio = ""
            if not isinstance(before, str) and not isinstance(after, str) and after:
                ratio = number_text(before / after)
            texts = [f"{number_text(each)} {old[name]['unit']}".strip() for each in (before, after)]
            rows.append(f"| {group} | {name} | {' | '.join(texts)} | {ratio} |")
    return "\n".join(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit code: 0, or 1 if something could not be measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.against",
        description="Measure groups of the benchmarks at two commits in turn, on one machine, and "
        "print their figures with the ratio of old to new: above 1 the new commit needs less. "
        "Changes that are not committed are not measured. Both run in this Python environment. "
        "Writes nothing.",
        epilog=f"Groups: {', '.join(GROUPS)}; `python -m benchmarks --help` describes them.",
    )
    parser.add_argument("commit", help="the earlier commit, for instance HEAD~20 or a tag")
    parser.add_argument("--new", default="HEAD", metavar="COMMIT", help="default: HEAD")
    parser.add_argument(
        "--only",
        action="append",
        required=True,
        choices=GROUPS,
        metavar="GROUP",
        help="measure this group (may be repeated); both commits must have it",
    )
    parser.add_argument(
        "--rounds", type=int, default=1, help="times that both take their turn, default 1"
    )
    given = parser.parse_args(arguments)
    # As an exception, so that both checkouts are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        found = compare(ROOT, (given.commit, given.new), given.only, given.rounds)
    except BenchmarkFailed as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; nothing was compared", file=sys.stderr)
        return 130
    print(table(found))
    return 0


@contextmanager
def _checkout(repository: Path, commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="coin_bench_") as scratch:
        folder = Path(scratch, "checkout")
        _git(repository, "worktree", "add", "--quiet", "--detach", str(folder), commit)
        try:
            data = repository.parent / _DATA
            if data.exists():
                Path(scratch, _DATA).symlink_to(data)
            yield folder
        finally:
            _git(repository, "worktree", "remove", "--force", str(folder))


def _git(repository: Path, *command: str) -> None:
    program = shutil.which("git")
    if program is None:
        raise BenchmarkFailed("git is not installed; it checks both commits out.")
    done = subprocess.run(
        [program, "-C", str(repository), *command], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchmarkFailed(f"git {' '.join(command)}: {done.stderr.strip()}")


def _measured(checkout: Path, group: str) -> Figures:
    results = checkout / "benchmarks" / "results.json"
    results.unlink(missing_ok=True)  # so that what is there afterwards was measured now
    printed = _benchmarks(checkout, "--only", group)
    measured = json.loads(results.read_text()) if results.exists() else {}
    if group not in measured:  # a missed bar ends with an error as well, and has figures
        tail = "\n".join(printed.splitlines()[-_TAIL_LINES:])
        raise BenchmarkFailed(f"{checkout}: {group} could not be measured:\n{tail}")
    return {figure["name"]: figure for figure in measured[group]["figures"]}


def _benchmarks(checkout: Path, *arguments: str) -> str:
    """Output of the benchmarks of a checkout; interrupted, they end the servers they started."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        return process.communicate()[0]
    except BaseException:
        process.terminate()
        process.communicate()
        raise


if __name__ == "__main__":
    sys.exit(main())
