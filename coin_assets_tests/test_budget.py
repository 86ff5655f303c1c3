"""`CELLS` names tests that exist, and leaves as many cells to ``make test`` as it says."""

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from coin_assets_tests.budget import CELLS, mark_slow

TESTS = Path(__file__).parent


def test_every_test_that_is_named_exists() -> None:
    for name in CELLS:
        file, _, test = name.partition("::")
        tree = ast.parse((TESTS / file).read_text())
        assert [each for each in ast.walk(tree) if getattr(each, "name", "") == test], name


@dataclass
class Cell:
    """What `mark_slow` needs of a collected test."""

    nodeid: str
    marks: list[Any] = field(default_factory=list)

    def get_closest_marker(self, name: str) -> Any:
        return next((mark for mark in self.marks if mark.name == name), None)

    def add_marker(self, mark: Any) -> None:
        self.marks.append(mark)


@pytest.mark.parametrize(("kept", "left"), [(0, []), (1, [0]), (3, [0, 3, 6]), (99, range(10))])
def test_as_many_cells_as_are_given_stay_spread_over_the_table(
    monkeypatch: pytest.MonkeyPatch, kept: int, left: list[int]
) -> None:
    monkeypatch.setitem(CELLS, "a/test_a.py::test_b", kept)
    cells = [Cell(f"coin_assets_tests/a/test_a.py::test_b[{number}]") for number in range(10)]
    slow = Cell("coin_assets_tests/a/test_a.py::test_b[slow]", [pytest.mark.slow])
    other = Cell("coin_assets_tests/a/test_a.py::test_c[0]")
    mark_slow(cast("list[pytest.Item]", [slow, *cells, other]))
    assert [place for place, cell in enumerate(cells) if not cell.marks] == list(left)
    assert other.marks == []
