"""The stand-in as a process of its own: it shares no interpreter with who asks it."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from coin_assets_tests.webui import ROOT


@contextmanager
def stand_in_process() -> Iterator[dict[str, str]]:
    """The environment of a client of a new, empty stand-in, which ends with the block."""
    command = (sys.executable, "-m", "coin_assets_tests.influx")
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            export, *pairs = shlex.split(process.stdout.readline())
            assert export == "export"
            yield dict(pair.split("=", 1) for pair in pairs)
        finally:
            process.terminate()
