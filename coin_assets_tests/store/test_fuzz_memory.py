"""Whatever is in a stored file, reading it takes little memory.

Measured in a process of its own: others of the suite grow in between, and have grown before.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from coin_assets_tests.store import test_fuzz as fuzz
from coin_assets_tests.webui import ROOT

MOST_KB = 200_000
FEW = fuzz.test_changed_bytes_give_an_answer_or_name_the_file.__name__
MANY = fuzz.test_many_changes_of_bytes_give_an_answer_or_name_the_file.__name__


def peak() -> int:
    """Most memory that this process has had, in kB.

    Not ``ru_maxrss``, which a new process takes over from the one that starts it (getrusage(2)).
    """
    (line,) = (
        each
        for each in Path("/proc/self/status").read_text().splitlines()
        if each.startswith("VmHWM")
    )
    return int(line.split()[1])


def main(folder: str, changes: str) -> None:
    """Print by how much all changes let this process grow, and by how much 300 MB do."""
    home = fuzz.filled(Path(folder))
    originals = fuzz.contents(home)
    for name in fuzz.NAMES:  # libraries load on first use
        fuzz.assert_answers_or_names(home, name, originals[name])
    before = peak()
    for name in fuzz.NAMES:
        getattr(fuzz, changes)(home=home, originals=originals, name=name)
    for claimed in fuzz.CLAIMS:
        fuzz.test_a_footer_that_claims_many_rows_is_refused_at_once(home, originals, claimed)
    found, held = peak() - before, b"x" * 300_000_000
    sys.stdout.write(f"{found} {peak() - before} {len(held)}")


@pytest.mark.parametrize("changes", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_changed_bytes_and_false_numbers_take_little_memory(changes: str, tmp_path: Path) -> None:
    code = f"from {__name__} import main; main({str(tmp_path)!r}, {changes!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found, with_much, _ = map(int, done.stdout.split())
    assert found < MOST_KB < with_much
