"""Live log streams: `watch` delivers what another process writes, and stops when it should."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from coin_assets_tests.orchestration.records import writer
from coin_assets_tests.orchestration.records.generated import RUNS
from coin_assets_tests.orchestration.records.homes import open_home, report
from coin_assets_tests.orchestration.records.writer import BATCH
from coin_assets_tests.webui import ROOT

_RUN = RUNS[0]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with open_home(tmp_path) as opened:
        yield opened


def write_elsewhere(home: Path, first: int, count: int) -> None:
    subprocess.run(
        [sys.executable, "-m", writer.__name__, str(home), _RUN, str(first), str(count)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )


def wait_until(holds: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_events_of_another_process_arrive_in_order_and_once(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    report(instance, writer.batch(_RUN, 0), "known")
    cursor = instance.get_records_for_run(_RUN).cursor
    seen: list[str] = []
    instance.watch_event_logs(_RUN, cursor, lambda event, _: seen.append(str(event.message)))
    write_elsewhere(tmp_path, 1, 3)
    wait_until(lambda: len(seen) == 3 * BATCH)
    write_elsewhere(tmp_path, 4, 1)
    wait_until(lambda: len(seen) == 4 * BATCH)
    assert seen == [f"event {number}" for number in range(BATCH + 1, 5 * BATCH + 1)]


def test_a_quiet_run_and_a_reader_that_fails_delay_no_event(
    instance: dg.DagsterInstance,
) -> None:
    seen: list[str] = []

    def fails_once(event: dg.EventLogEntry, _: str) -> None:
        seen.append(str(event.message))
        if len(seen) == 1:
            raise ValueError("refused by a test")

    instance.watch_event_logs(_RUN, None, fails_once)
    time.sleep(4)
    report(instance, writer.batch(_RUN, 0), "late")
    wait_until(lambda: len(seen) == BATCH, seconds=3)


def test_it_ends_with_the_watch_and_with_the_storage(instance: dg.DagsterInstance) -> None:
    seen: list[str] = []
    lost: list[str] = []

    def watch(event: dg.EventLogEntry, _: str) -> None:
        seen.append(str(event.message))

    def until_closed(event: dg.EventLogEntry, _: str) -> None:
        lost.append(str(event.message))

    instance.watch_event_logs(_RUN, None, watch)
    instance.watch_event_logs(_RUN, None, until_closed)
    report(instance, writer.batch(_RUN, 0), "first")
    wait_until(lambda: len(seen) == len(lost) == BATCH)
    instance.end_watch_event_logs(_RUN, watch)
    report(instance, writer.batch(_RUN, 1), "second")
    wait_until(lambda: len(lost) == 2 * BATCH)
    instance.dispose()
    assert len(seen) == BATCH
    report(instance, writer.batch(_RUN, 2), "after")
    time.sleep(1)
    assert len(lost) == 2 * BATCH
