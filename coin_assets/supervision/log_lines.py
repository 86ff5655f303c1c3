"""Chooses the lines of the servers' log that ``make up`` shows."""

import re

READY = "web UI ready:"  # begins the line of a web server that listens
RUNS = "coin_assets.runs"  # logger of the lines that say how runs start and end
_COLORS = re.compile(r"\x1b\[[0-9;]*m")
# As Dagster, uvicorn and gRPC begin a record; other lines belong to the record before.
_RECORD = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+ - (?P<logger>\S+) - (?P<level>[A-Z]+) - ")
_OF_OTHERS = re.compile(r"(INFO|DEBUG): +|[IW]\d{4} \d\d:\d\d:\d\d")
# Of this project, and of an interpreter that ends.
_UNMARKED = re.compile(rf"make up: |{READY} |Traceback \(most recent|Fatal Python error")
_HARMLESS = "No cursor for event type"  # Dagster warns so at the first start of a home
_SHOWN_LEVELS = {"WARNING", "ERROR", "CRITICAL"}


class LogLines:
    """Passes warnings, errors and the lines about runs, each with the lines that belong to it.

    Args:
        verbose: pass every line.
    """

    def __init__(self, *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._is_shown = True
        self._rest = b""

    def shown(self, data: bytes) -> bytes:
        """The complete lines in ``data`` that are shown; an incomplete one waits for its end."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return b"".join(line + b"\n" for line in lines if self._passes(line))

    def _passes(self, line: bytes) -> bool:
        if self._verbose:
            return True
        text = _COLORS.sub("", line.decode(errors="replace"))
        if record := _RECORD.match(text):
            is_grave = record["level"] in _SHOWN_LEVELS and _HARMLESS not in text
            self._is_shown = is_grave or record["logger"] == RUNS
        elif _UNMARKED.match(text):
            self._is_shown = True
        elif _OF_OTHERS.match(text):
            self._is_shown = False
        return self._is_shown
