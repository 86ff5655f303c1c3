"""Progress of a run in this process, for a person at a terminal."""

import io
import logging
import sys

import dagster as dg

from coin_assets.orchestration.failures import record_in, unrecorded


def print_anything() -> None:
    """Let symbols and paths be printed that the terminal's encoding does not have: as escapes."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


class RunProgress:
    """Prints one line for each finished step: what it says of itself, or why it failed."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0
        self._started: dict[str, float] = {}
        self._said: dict[str, str] = {}
        self._failed: dict[str, str] = {}

    def __call__(self, entry: dg.EventLogEntry) -> None:
        step = entry.step_key
        if step is None:
            if entry.is_dagster_event and entry.get_dagster_event().is_run_failure:
                failure = entry.get_dagster_event().job_failure_data
                print(f"Run failed: {failure.error or 'see the steps above'}", flush=True)
            return
        if not entry.is_dagster_event:
            if int(entry.level) >= logging.INFO:
                self._said[step] = entry.user_message
            return
        kind = entry.get_dagster_event().event_type
        if kind is dg.DagsterEventType.STEP_START:
            self._started[step] = entry.timestamp
        elif kind is dg.DagsterEventType.STEP_SUCCESS:
            self._line(entry, self._said.get(step, step))
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
