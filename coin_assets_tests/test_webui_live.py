"""The page of a run in a browser while another process writes the run's events.

It covers the whole way of a live log: the write-ahead log of the run's database, `watch` in the
web server, its websocket, and the page, which is never loaded again.
"""

import time
from pathlib import Path

import dagster as dg
from playwright.sync_api import expect

from coin_assets_tests.browser import page, requires_browser
from coin_assets_tests.orchestration.records import writer
from coin_assets_tests.orchestration.records.generated import RUNS
from coin_assets_tests.orchestration.records.homes import open_home, report
from coin_assets_tests.webui import web_server

_RUN = RUNS[0]


@requires_browser
def test_events_of_a_run_appear_while_it_goes_on(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with open_home(home) as instance:
        instance.add_run(dg.DagsterRun("job", run_id=_RUN, status=dg.DagsterRunStatus.STARTED))
        report(instance, writer.batch(_RUN, 0), "before")
        with web_server(home, tmp_path / "log") as ui, page() as tab:
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
                expect(shown).to_be_visible()
                time.sleep(2)  # a quiet time, after which the next poll is a second away
            instance.report_run_failed(given(instance), "its process is gone")
            expect(tab.get_by_text("its process is gone").first).to_be_visible()
            assert len(loads) == 1
            assert sockets


def given(instance: dg.DagsterInstance) -> dg.DagsterRun:
    run = instance.get_run_by_id(_RUN)
    assert run is not None
    return run
