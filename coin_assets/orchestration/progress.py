"""Progress of a run in this process, for a terminal."""

import io
import logging
import sys
import unicodedata
from collections.abc import Sequence

import dagster as dg

from coin_assets.orchestration.failures import record_in, unrecorded


def print_anything() -> None:
    """Print characters that the terminal's encoding lacks as escapes."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


class RunProgress:
    """Prints one line for each finished step: its last log line, or its error."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0
        self._started: dict[str, float] = {}
        self._last_line: dict[str, str] = {}
        self._failed: dict[str, str] = {}

    def __call__(self, entry: dg.EventLogEntry) -> None:
        """Handle one event of the run, in the order in which Dagster records them."""
        step = entry.step_key
        if step is None:
            if entry.is_dagster_event and entry.get_dagster_event().is_run_failure:
                failure = entry.get_dagster_event().job_failure_data
                # The error of a failed step is in its line already; this one has a stack trace.
                at_a_step = failure.first_step_failure_event is not None or failure.error is None
                reason = "see the steps above" if at_a_step else failure.error
                print(f"Run failed: {reason}", flush=True)
            return
        if not entry.is_dagster_event:
            if int(entry.level) >= logging.INFO:
                self._last_line[step] = entry.user_message
            return
        kind = entry.get_dagster_event().event_type
        if kind is dg.DagsterEventType.STEP_START:
            self._started[step] = entry.timestamp
        elif kind is dg.DagsterEventType.STEP_SUCCESS:
            self._line(entry, self._last_line.get(step, step))
        elif record := record_in(entry):
            self._failed[step] = record.message
        elif kind is dg.DagsterEventType.STEP_FAILURE:
            message = self._failed.get(step) or unrecorded(entry).message
            self._line(entry, f"FAILED {step}: {message}")
        elif kind is dg.DagsterEventType.STEP_SKIPPED:
            self._line(entry, f"not run {step}, because a step above it failed")

    def _line(self, entry: dg.EventLogEntry, text: str) -> None:
        self._done += 1
        seconds = entry.timestamp - self._started.get(entry.step_key or "", entry.timestamp)
        print(f"[{self._done:3d}/{self._steps}] {seconds:5.1f} s  {text}", flush=True)


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned columns, the first one underlined as the header."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * (sum(widths) + 2 * len(widths) - 2), *lines[1:]])


def _width(text: str) -> int:
    """Columns of a terminal that ``text`` takes; wide characters such as 币 take two."""
    return sum(1 + (unicodedata.east_asian_width(each) in "WF") for each in text)
