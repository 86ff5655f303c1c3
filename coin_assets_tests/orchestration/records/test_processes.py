"""Processes that write at once, and processes that are killed."""

import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from coin_assets_tests.orchestration.records import writer
from coin_assets_tests.orchestration.records.generated import RUNS
from coin_assets_tests.orchestration.records.homes import open_home
from coin_assets_tests.orchestration.records.writer import BATCH, INDEXED
from coin_assets_tests.webui import ROOT

_RUN, _SHARED = RUNS


def start(home: Path, run: str, first: int, count: int) -> "subprocess.Popen[str]":
    words = [str(home), run, str(first), str(count)]
    return subprocess.Popen(
        [sys.executable, "-m", writer.__name__, *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def databases(home: Path) -> list[Path]:
    return sorted((home / "history" / "runs").glob("*.db"))


def messages(home: Path, shard: str, run: str) -> Counter[str]:
    """How often each event of a run is in a database, read without the storage."""
    with closing(sqlite3.connect(home / "history" / "runs" / f"{shard}.db")) as link:
        rows = link.execute(
            "SELECT json_extract(event, '$.dagster_event.message') FROM event_logs"
            " WHERE run_id = ?",
            [run],
        )
        return Counter(message for (message,) in rows)


def assert_sound(home: Path) -> None:
    for database in databases(home):
        with closing(sqlite3.connect(database)) as link:
            assert link.execute("PRAGMA integrity_check").fetchall() == [("ok",)], database


def numbers_of(counted: Counter[str], of_batch: int) -> set[int]:
    """Batches that are stored whole; each event once."""
    assert set(counted.values()) <= {1}
    batches = Counter((int(message.split()[1]) - 1) // BATCH for message in counted)
    assert set(batches.values()) <= {of_batch}, "part of a batch"
    return set(batches)


def test_after_a_kill_at_any_moment_each_event_is_there_once_and_work_goes_on(
    tmp_path: Path,
) -> None:
    """The batch that the kill interrupted is there whole or not at all."""
    chance = random.Random(7)
    open_home(tmp_path).dispose()
    stored: set[int] = set()
    in_run: set[int] = set()
    for first in range(0, 4_000, 1_000):
        process = start(tmp_path, _RUN, first, 1_000)
        assert process.stdout is not None
        assert process.stdout.readline() == f"{first}\n"
        time.sleep(chance.uniform(0, 0.4))
        process.kill()
        written, _ = process.communicate()
        stored |= {first, *(int(line) for line in written.split())}
        assert_sound(tmp_path)
        in_run = numbers_of(messages(tmp_path, _RUN, _RUN), BATCH)
        indexed = numbers_of(messages(tmp_path, "index", _RUN), INDEXED)
        assert stored <= indexed <= in_run
        assert len(in_run - stored) <= first // 1_000 + 1
    assert len(stored) > 10
    with open_home(tmp_path) as instance:
        found = Counter(str(event.message) for event in instance.all_logs(_RUN))
        assert numbers_of(found, BATCH) == in_run


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    """Four processes, each with a run of its own, and one run that all of them write.

    A fifth one is killed while it holds locks.
    """
    count = 40
    processes = [
        start(tmp_path, f"own-{number},{_SHARED}", number * 1_000, count) for number in range(5)
    ]
    victim = processes.pop()
    assert victim.stdout is not None
    victim.stdout.readline()
    victim.kill()
    victim.communicate()
    for process in processes:
        _, errors = process.communicate(timeout=200)
        assert (process.returncode, errors) == (0, ""), errors
    assert_sound(tmp_path)
    for number in range(4):
        wanted = set(range(number * 1_000, number * 1_000 + count))
        for run in (f"own-{number}", _SHARED):
            for shard, of_batch in ((run, BATCH), ("index", INDEXED)):
                found = numbers_of(messages(tmp_path, shard, run), of_batch)
                assert wanted == {each for each in found if each // 1_000 == number}


def test_threads_write_and_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More runs than files are kept open; every thread reads what it wrote."""
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "2000")
    failures: list[BaseException] = []

    def work(instance: dg.DagsterInstance, number: int) -> None:
        try:
            for turn in range(4):
                for run in (f"run-{number}-{turn}", _SHARED):
                    writer.write(instance, run, range(number * 100 + turn, number * 100 + turn + 1))
                assert len(instance.all_logs(f"run-{number}-{turn}")) == BATCH
        except BaseException as failure:  # noqa: BLE001 (raised in the test's own thread)
            failures.append(failure)

    with open_home(tmp_path) as instance:
        threads = [threading.Thread(target=work, args=(instance, each)) for each in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(instance.all_logs(_SHARED)) == 6 * 4 * BATCH
    assert_sound(tmp_path)
    assert len(numbers_of(messages(tmp_path, "index", _SHARED), INDEXED)) == 6 * 4
