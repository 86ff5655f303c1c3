"""The fault matrix: a line for each cell that ran, printed after the tests.

Lines say what was observed; tests record them before they assert. Under xdist the properties of a
test are what reaches the process that prints.
"""

from collections.abc import Callable
from dataclasses import astuple, dataclass

import pytest

_PROPERTY = "fault cell"
_HEADS = ("done", "to", "the platform", "told", "healed")
# Long texts are cut here, so that a cell stays a line.
_WIDTHS = (29, 24, 52, 64, 40)


@dataclass(frozen=True)
class Cell:
    """One line of the matrix.

    Attributes:
        done: the fault.
        to: what it was done to.
        did: what the platform showed meanwhile.
        told: titles of the messages that arrived.
        healed: how it was over.
    """

    done: str
    to: str
    did: str
    told: str
    healed: str

    def record(self, record_property: Callable[[str, object], None]) -> None:
        """Keep it as a property of the running test."""
        record_property(_PROPERTY, astuple(self))


def print_matrix(reporter: pytest.TerminalReporter) -> None:
    """Print the cells of a run, those of failed tests too; nothing without any."""
    cells = [
        (Cell(*value), report.outcome)
        for outcome in ("passed", "failed")
        for report in reporter.getreports(outcome)
        if report.when == "call"
        for name, value in report.user_properties
        if name == _PROPERTY
    ]
    if not cells:
        return
    reporter.section(f"fault matrix: {len(cells)} cells")
    reporter.write_line(_line(_HEADS))
    for cell, outcome in sorted(cells, key=lambda each: (each[0].to, each[0].done)):
        mark = "" if outcome == "passed" else "  <- THE TEST FAILED"
        reporter.write_line(_line(astuple(cell)) + mark)


def _line(texts: tuple[str, ...]) -> str:
    parts = [_cut(text, width) for text, width in zip(texts, _WIDTHS, strict=True)]
    return "  ".join(f"{part:{width}}" for part, width in zip(parts, _WIDTHS, strict=True)).rstrip()


def _cut(text: str, width: int) -> str:
    whole = " ".join(text.split())
    return whole if len(whole) <= width else f"{whole[: width - 3]}..."
