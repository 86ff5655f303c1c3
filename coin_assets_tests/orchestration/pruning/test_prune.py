"""Old runs are removed whole; whatever a status is read from stays as it is."""

import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coin_assets.orchestration.records.prune import prune
from coin_assets_tests.orchestration.pruning.history import (
    ASSETS,
    DAY,
    JOBS,
    MONTHS,
    NOW,
    Kind,
    Said,
    instance_in,
    record_run,
    record_without_run,
    statuses,
)

BEFORE = NOW - 30 * DAY
MADE, PLANNED = Kind.ASSET_MATERIALIZATION, Kind.ASSET_MATERIALIZATION_PLANNED
EVALUATED, EVALUATION_PLANNED = Kind.ASSET_CHECK_EVALUATION, Kind.ASSET_CHECK_EVALUATION_PLANNED
FAILURE, SUCCESS = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS


def silent(_: str) -> None:
    pass


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of an instance without runs, made once."""
    folder = tmp_path_factory.mktemp("empty")
    with instance_in(folder) as instance:
        instance.get_runs()
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "dagster"


@pytest.fixture
def instance(folder: Path, empty: Path) -> Iterator[dg.DagsterInstance]:
    with instance_in(folder, empty) as instance:
        yield instance


def run_ids(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


def traces(folder: Path, run_id: str) -> list[str]:
    """Where a run is still found: files, and tables that have its rows."""
    found = [str(path) for path in folder.rglob(f"{run_id}*")]
    for database in (folder / "history/runs.db", folder / "history/runs/index.db"):
        with sqlite3.connect(database) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in tables.fetchall():
                columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
                if "run_id" in columns:
                    query = f"SELECT count(*) FROM {table} WHERE run_id = ?"  # noqa: S608
                    if connection.execute(query, (run_id,)).fetchone()[0]:
                        found.append(table)
    return found


def month_made(month: str | None = MONTHS[0]) -> list[Said]:
    return [
        Said(PLANNED, month=month),
        Said(EVALUATION_PLANNED),
        Said(MADE, month=month),
        Said(EVALUATED),
    ]


def filler(instance: dg.DagsterInstance) -> None:
    """Newer runs, so that none is kept only because it is among the newest of its job."""
    for job in JOBS:
        for _ in range(12):
            record_run(instance, NOW - DAY, job=job)


def test_a_replaced_run_goes_and_leaves_no_trace(
    instance: dg.DagsterInstance, folder: Path
) -> None:
    old = record_run(instance, NOW - 40 * DAY, month_made())
    assert traces(folder, old)
    new = record_run(instance, NOW - 35 * DAY, month_made())
    filler(instance)
    before = statuses(instance)
    done = prune(instance, BEFORE, silent)
    assert (done.runs, done.kept, done.left) == (1, 1, 0)
    assert done.freed > 50_000
    assert new in run_ids(instance)
    assert old not in run_ids(instance)
    assert statuses(instance) == before
    assert [path for path in traces(folder, old) if "/" in path] == []
    assert traces(folder, old) == []
    assert [entry.dagster_event_type for entry in instance.all_logs(new)].count(MADE) == 1


def test_the_last_run_of_every_month_is_kept(instance: dg.DagsterInstance) -> None:
    kept = {record_run(instance, NOW - 50 * DAY, month_made(month)) for month in MONTHS[:2]}
    gone = {record_run(instance, NOW - 45 * DAY, month_made(MONTHS[2])) for _ in range(3)}
    record_run(instance, NOW - 2 * DAY, month_made(MONTHS[2]))
    filler(instance)
    before = statuses(instance)
    prune(instance, BEFORE, silent)
    assert kept <= run_ids(instance)
    assert not gone & run_ids(instance)
    assert statuses(instance) == before
    assert instance.get_materialized_partitions(ASSETS[0]) == set(MONTHS)


def test_a_month_that_failed_stays_failed(instance: dg.DagsterInstance) -> None:
    record_run(instance, NOW - 50 * DAY, month_made())
    failed = record_run(instance, NOW - 40 * DAY, [Said(PLANNED, month=MONTHS[0])], status=FAILURE)
    filler(instance)
    before = statuses(instance)
    assert before[str(ASSETS[0])]["cache"].serialized_failed_partition_subset
    prune(instance, BEFORE, silent)
    assert failed in run_ids(instance)
    assert statuses(instance) == before


def test_runs_in_progress_and_young_runs_are_kept(instance: dg.DagsterInstance) -> None:
    kept = {
        record_run(instance, NOW - 90 * DAY, status=dg.DagsterRunStatus.QUEUED),
        record_run(instance, NOW - 90 * DAY, status=dg.DagsterRunStatus.STARTED),
        record_run(instance, BEFORE + timedelta(minutes=1)),
    }
    old = record_run(instance, BEFORE - timedelta(minutes=1))
    filler(instance)
    assert prune(instance, BEFORE, silent).runs == 1
    assert kept <= run_ids(instance)
    assert old not in run_ids(instance)


def test_the_failures_that_an_alert_counts_are_kept(instance: dg.DagsterInstance) -> None:
    for day in range(60, 40, -1):
        record_run(instance, NOW - day * DAY, job="backfill", status=FAILURE)
    before = statuses(instance)
    assert prune(instance, BEFORE, silent).runs == 8
    assert len(run_ids(instance)) == 12
    assert statuses(instance) == before


def test_old_results_without_a_run_go_but_the_newest(instance: dg.DagsterInstance) -> None:
    for day in range(60, 40, -1):
        record_without_run(instance, NOW - day * DAY, Said(EVALUATED, passed=day % 2 == 0))
        record_without_run(instance, NOW - day * DAY, Said(Kind.FRESHNESS_STATE_CHANGE))
    before = statuses(instance)
    # 19 of each kind of event, and 19 of the check's executions.
    assert prune(instance, BEFORE, silent).rows == 3 * 19
    assert statuses(instance) == before
    assert prune(instance, BEFORE, silent).rows == 0


def test_a_day_is_bounded_and_the_next_goes_on(instance: dg.DagsterInstance) -> None:
    for day in range(50, 40, -1):
        record_run(instance, NOW - day * DAY)
    filler(instance)
    lines: list[str] = []
    assert prune(instance, BEFORE, lines.append, dry_run=True).runs == 10
    assert len(run_ids(instance)) == 34
    for left in (6, 2, 0):
        done = prune(instance, BEFORE, lines.append, most_runs=4)
        assert done.left == left
    assert len(run_ids(instance)) == 24
    assert "2 of 2 runs removed" in lines[-1]


def test_files_without_a_run_go_once_they_are_old(
    instance: dg.DagsterInstance, folder: Path
) -> None:
    old, new = (record_run(instance, NOW) for _ in range(2))
    instance.run_storage.delete_run(old)
    instance.run_storage.delete_run(new)
    for path in folder.rglob(f"{old}*"):
        os.utime(path, times=(0, 0))
    prune(instance, BEFORE, silent)
    assert [path for path in traces(folder, old) if "/" in path] == []
    assert [path for path in traces(folder, new) if "/" in path]


_EVENTS = st.builds(
    Said,
    kind=st.sampled_from(
        (
            MADE,
            PLANNED,
            Kind.ASSET_OBSERVATION,
            Kind.ASSET_FAILED_TO_MATERIALIZE,
            EVALUATED,
            EVALUATION_PLANNED,
        )
    ),
    asset=st.sampled_from(ASSETS),
    month=st.sampled_from((None, *MONTHS)),
    check=st.sampled_from(("gaps", "age")),
    passed=st.booleans(),
)


@dataclass(frozen=True)
class Past:
    """A run of the past, or one event without a run."""

    age: int
    events: list[Said]
    job: str
    status: dg.DagsterRunStatus
    has_run: bool

    def record(self, instance: dg.DagsterInstance) -> str | None:
        """Record it; returns the id of the run."""
        ended = NOW - self.age * DAY
        if not self.has_run:
            record_without_run(instance, ended, self.events[0])
            return None
        # Dagster plans a check once a run.
        planned = [each for each in self.events if each.kind is EVALUATION_PLANNED]
        once = {(each.asset, each.check): each for each in planned}.values()
        others = [each for each in self.events if each.kind is not EVALUATION_PLANNED]
        return record_run(instance, ended, [*once, *others], job=self.job, status=self.status)


PAST = st.builds(
    Past,
    age=st.integers(0, 60),
    events=st.lists(_EVENTS, min_size=1, max_size=5),
    job=st.sampled_from(JOBS),
    status=st.sampled_from([*[SUCCESS] * 3, FAILURE, FAILURE, dg.DagsterRunStatus.CANCELED]),
    has_run=st.sampled_from((True, True, False)),
)


@given(pasts=st.lists(PAST, min_size=4, max_size=20))
@settings(max_examples=4, suppress_health_check=list(HealthCheck))
def test_statuses_are_as_before_for_any_history(
    tmp_path_factory: pytest.TempPathFactory, empty: Path, pasts: list[Past]
) -> None:
    assert_statuses_stay(tmp_path_factory.mktemp("history"), empty, pasts)


@pytest.mark.slow
@given(pasts=st.lists(PAST, min_size=4, max_size=40))
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_statuses_are_as_before_for_many_histories(
    tmp_path_factory: pytest.TempPathFactory, empty: Path, pasts: list[Past]
) -> None:
    assert_statuses_stay(tmp_path_factory.mktemp("history"), empty, pasts)


def assert_statuses_stay(folder: Path, empty: Path, pasts: list[Past]) -> None:
    """Pruning removes whole old runs only, changes no status, and is done at once."""
    with instance_in(folder, empty) as instance:
        ordered = sorted(pasts, key=lambda past: -past.age)
        recorded = {past.record(instance): past for past in ordered}
        young = {run for run, past in recorded.items() if run is not None and past.age <= 30}
        before, runs = statuses(instance), run_ids(instance)
        first = prune(instance, BEFORE, silent)
        left = run_ids(instance)
        assert statuses(instance) == before
        assert young <= left
        assert len(runs) - len(left) == first.runs
        for gone in runs - left:
            assert traces(folder, gone) == []
        again = prune(instance, BEFORE, silent)
        assert (again.runs, again.kept, again.rows) == (0, first.kept, 0)
        assert statuses(instance) == before
