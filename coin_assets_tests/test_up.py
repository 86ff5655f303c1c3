"""``make up`` as a process that a shell started in the background: what it prints, how it ends."""

import contextlib
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from coin_assets.domain.timeframes import month_start
from coin_assets_tests.webui import ROOT, WebUi, environment, free_port, started, wait_until_loaded

# What `&` does in a script: the process and all its children ignore Ctrl-C.
IN_BACKGROUND = ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh"]


def test_runs_print_no_debug_lines_and_an_interrupt_ends_it(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "up.log"
    env = environment(
        tmp_path / "home",
        DAGSTER_HOME=str(ROOT),
        COIN_DAGSTER_HOME=str(tmp_path / "home" / "dagster"),
        COIN_SYMBOLS="BTC/USDT",
        COIN_DERIVED_TIMEFRAMES="",
        COIN_HISTORY_START=f"{month_start(datetime.now(UTC)):%Y-%m-%d}",
        PYTHONPATH=str(ROOT),
    )
    command = [sys.executable, "-m", "coin_assets.up", "--port", str(port)]
    process = started([*IN_BACKGROUND, *command], env, log)
    try:
        ui = wait_until_loaded(WebUi(port), process, log)
        deadline = time.monotonic() + 120
        while not succeeded(ui):
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        process.wait(60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert "Dagster services shut down" in log.read_text()
    assert "DEBUG" not in log.read_text()


def succeeded(ui: WebUi) -> bool:
    """Whether a run has ended well, of those that the sensors launch."""
    found = ui.query("{ runsOrError { ... on Runs { results { status } } } }")
    return {"status": "SUCCESS"} in found["runsOrError"]["results"]
