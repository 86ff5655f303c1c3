"""The page of a run in a browser while another process writes the run's events.

It covers the whole way of a live log: the write-ahead log of the run's database, `watch` in the
web server, its websocket, and the page, which is never loaded again.
"""

import subprocess
import sys
import time
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from playwright.sync_api import expect

from coin_assets_tests.browser import page, requires_browser
from coin_assets_tests.orchestration.records import writer
from coin_assets_tests.orchestration.records.generated import RUNS
from coin_assets_tests.orchestration.records.homes import open_home, report
from coin_assets_tests.webui import ROOT, WebUi, environment, free_port, started

_RUN = RUNS[0]


@contextmanager
def served(home: Path, log: Path) -> Iterator[WebUi]:
    """Dagster's web server on ``home``, without any code location."""
    port = free_port()
    program = str(Path(sys.executable).with_name("dagster-webserver"))
    words = [program, "--empty-workspace", "--host=127.0.0.1", f"--port={port}"]
    env = environment(home, DAGSTER_HOME=str(home), PYTHONPATH=str(ROOT))
    process = started(words, env, log)
    try:
        wait_until_there(WebUi(port), process, log)
        yield WebUi(port)
    finally:
        process.terminate()
        process.wait(30)


def wait_until_there(ui: WebUi, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            ui.query("{ version }")
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
            continue
        return


@requires_browser
def test_events_of_a_run_appear_while_it_goes_on(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with open_home(home) as instance:
        instance.add_run(dg.DagsterRun("job", run_id=_RUN, status=dg.DagsterRunStatus.STARTED))
        report(instance, writer.batch(_RUN, 0), "before")
        with served(home, tmp_path / "log") as ui, page() as tab:
            loads: list[str] = []
            sockets: list[str] = []
            tab.on("load", lambda loaded: loads.append(loaded.url))
            tab.on("websocket", lambda opened: sockets.append(opened.url))
            tab.goto(f"{ui.url}/runs/{_RUN}")
            expect(tab.get_by_text("event 4", exact=True)).to_be_visible()
            for number in (1, 2):
                shown = tab.get_by_text(f"event {4 * number + 4}", exact=True)
                expect(shown).to_have_count(0)
                report(instance, writer.batch(_RUN, number), str(number))
                expect(shown).to_be_visible(timeout=5_000)
                time.sleep(2)  # a quiet time, after which the next poll is a second away
            instance.report_run_failed(given(instance), "its process is gone")
            expect(tab.get_by_text("its process is gone").first).to_be_visible(timeout=5_000)
            assert len(loads) == 1
            assert sockets


def given(instance: dg.DagsterInstance) -> dg.DagsterRun:
    run = instance.get_run_by_id(_RUN)
    assert run is not None
    return run
