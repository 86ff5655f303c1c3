"""Connections that are open while their home changes, or their process forks."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from coin_assets.orchestration.records.events import BatchedSqliteEventLog
from coin_assets_tests.orchestration.records import writer
from coin_assets_tests.orchestration.records.generated import NO_RUN, RUNS
from coin_assets_tests.orchestration.records.homes import event_log, open_home, report
from coin_assets_tests.orchestration.records.writer import BATCH
from coin_assets_tests.webui import ROOT

_RUN = RUNS[0]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with open_home(tmp_path / "home") as opened:
        report(opened, writer.batch(_RUN, 0), "before")
        yield opened


def events(instance: dg.DagsterInstance) -> int:
    return len(instance.all_logs(_RUN))


def materialisations(instance: dg.DagsterInstance) -> int:
    return len(instance.fetch_materializations(dg.AssetKey("a"), limit=100).records)


def test_a_home_that_was_removed_is_made_anew(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    instance.add_run(dg.DagsterRun("job"))
    shutil.rmtree(tmp_path / "home")
    assert (events(instance), materialisations(instance)) == (0, 0)
    assert instance.get_runs() == []
    assert instance.all_instigator_state() == []
    report(instance, writer.batch(_RUN, 1), "after")
    instance.add_run(dg.DagsterRun("job"))
    assert (events(instance), materialisations(instance)) == (BATCH, 2)
    assert len(instance.get_runs()) == 1
    with open_home(tmp_path / "new") as new:
        for name in ("asset_key_table", "asset_key_index_columns"):
            assert event_log(instance).has_secondary_index(name)
            assert event_log(new).has_secondary_index(name)


def test_a_home_that_was_replaced_is_opened_anew(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """As a restore from a backup does; no write reaches the old files."""
    with open_home(tmp_path / "other") as other:
        for number in range(3):
            report(other, writer.batch(_RUN, number), str(number))
    (tmp_path / "home").rename(tmp_path / "old")
    (tmp_path / "other").rename(tmp_path / "home")
    assert (events(instance), materialisations(instance)) == (3 * BATCH, 6)
    report(instance, writer.batch(_RUN, 3), "after")
    assert events(instance) == 4 * BATCH
    with open_home(tmp_path / "old") as old:
        assert events(old) == BATCH


def test_a_home_may_have_a_path_with_any_characters(tmp_path: Path) -> None:
    home = tmp_path / "a home, 100% of é#"
    with open_home(home) as opened:
        report(opened, writer.batch(_RUN, 0), "batch")
        assert events(opened) == BATCH
    assert (home / "history" / "runs" / f"{_RUN}.db").exists()


def test_events_without_a_run_are_in_dagsters_file(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization("a"))
    assert (tmp_path / "home" / "history" / "runs" / ".db").exists()
    assert len(instance.all_logs(NO_RUN)) == 1


def test_few_files_stay_open(instance: dg.DagsterInstance) -> None:
    for number in range(20):
        report(instance, writer.batch(f"run-{number}", number), str(number))
    names = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    runs = {name for name in names if "/history/runs/run-" in name and name.endswith(".db")}
    assert 0 < len(runs) <= 8
    assert all(len(instance.all_logs(f"run-{number}")) == BATCH for number in range(20))


def test_the_last_process_leaves_no_log_files(tmp_path: Path) -> None:
    """A backup of the databases alone is then whole."""
    words = [sys.executable, "-m", writer.__name__, str(tmp_path), _RUN, "0", "2"]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    assert not list(tmp_path.rglob("*.db-wal"))
    with open_home(tmp_path) as opened:
        assert events(opened) == 2 * BATCH


def test_a_removed_run_has_no_files(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    storage = event_log(instance)
    assert isinstance(storage, BatchedSqliteEventLog)
    storage.delete_run_file(_RUN)
    assert not list((tmp_path / "home").rglob(f"{_RUN}*"))
    assert events(instance) == 0


def test_a_forked_process_has_connections_of_its_own(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """Parent and child write the same databases; closing one's loses nothing of the other's."""
    child = os.fork()
    if child == 0:
        try:
            report(instance, writer.batch(_RUN, 1), "child")
            os._exit(0 if events(instance) >= 2 * BATCH else 1)
        finally:
            os._exit(2)
    report(instance, writer.batch(_RUN, 2), "parent")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    instance.dispose()
    with open_home(tmp_path / "home") as again:
        assert (events(again), materialisations(again)) == (3 * BATCH, 6)
