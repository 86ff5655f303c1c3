"""Faults inside a batch: every event is kept once or not at all, and Dagster's fall-back works."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as db
from sqlalchemy.engine import Connection

from coin_assets_tests.orchestration.records.generated import (
    ASSETS,
    RUNS,
    Kind,
    Sequencer,
    Spec,
)
from coin_assets_tests.orchestration.records.homes import event_log, open_home, report, tables

FIRST, SECOND = RUNS


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "2000")
    with open_home(tmp_path) as opened:
        yield opened


def events(
    run: str, count: int = 1, kind: Kind = Kind.ASSET_MATERIALIZATION
) -> list[dg.EventLogEntry]:
    spec = Spec(kind, run, ASSETS[0], None, "contract", passed=True, late=False)
    return Sequencer().events([spec] * count)


def messages(instance: dg.DagsterInstance, run: str) -> list[str]:
    """What the database of a run holds."""
    return [str(event.message) for event in instance.all_logs(run)]


def indexed(instance: dg.DagsterInstance) -> list[str]:
    """Runs of the events in the index."""
    return [row["run_id"] for row in tables(instance, [])["event_logs"]]


def index_of(home: Path) -> Path:
    return home / "history" / "runs" / "index.db"


@contextmanager
def failing(database: Path, table: str, condition: str) -> Iterator[None]:
    """A trigger that refuses rows, as a constraint or a full disk would."""
    name = "refused_by_a_test"
    with closing(sqlite3.connect(database)) as link:
        link.execute(
            f"CREATE TRIGGER {name} BEFORE INSERT ON {table} WHEN {condition}"
            " BEGIN SELECT RAISE(ABORT, 'refused by a test'); END"
        )
        link.commit()
        try:
            yield
        finally:
            link.execute(f"DROP TRIGGER {name}")
            link.commit()


def nothing_is_stored(instance: dg.DagsterInstance, runs: Sequence[str] = RUNS) -> bool:
    return not any(any(rows) for rows in tables(instance, runs).values())


@pytest.mark.parametrize("table", ["event_logs", "asset_event_tags"])
def test_a_batch_that_the_index_refuses_leaves_nothing(
    instance: dg.DagsterInstance, tmp_path: Path, table: str
) -> None:
    with (
        failing(index_of(tmp_path), table, "NEW.asset_key IS NOT NULL"),
        pytest.raises(db.exc.DatabaseError),
    ):
        event_log(instance).store_event_batch(events(FIRST, 3))
    assert nothing_is_stored(instance)


def test_a_batch_that_the_database_of_a_run_refuses_leaves_nothing(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """The first run of the batch has committed when the second one fails."""
    assert messages(instance, SECOND) == []  # makes its database
    database = tmp_path / "history" / "runs" / f"{SECOND}.db"
    with (
        failing(database, "event_logs", "NEW.id IS NULL OR 1"),
        pytest.raises(db.exc.DatabaseError),
    ):
        event_log(instance).store_event_batch(events(FIRST, 2) + events(SECOND))
    assert nothing_is_stored(instance)


def test_the_fall_back_stores_each_event_once(
    instance: dg.DagsterInstance, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The index refuses the fourth event of the batch, and nothing afterwards."""
    fourth = "(SELECT count(*) FROM event_logs) = 3"
    database = index_of(tmp_path)
    storage = event_log(instance)
    batch = storage.store_event_batch
    calls: list[int] = []

    def first_fails(given: Sequence[dg.EventLogEntry]) -> None:
        calls.append(len(given))
        if len(given) > 1:
            with failing(database, "event_logs", fourth):
                batch(given)
        batch(given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "store_event_batch", first_fails)
        report(instance, events(FIRST, 5), "batch")
    assert calls == [5, 1, 1, 1, 1, 1]
    assert "Falling back" in capfd.readouterr().err
    assert messages(instance, FIRST) == [f"event {number}" for number in range(1, 6)]
    assert indexed(instance) == [FIRST] * 5


class CommitFailsError(Exception):
    """The disk is full at the commit."""


@contextmanager
def failing_commit(instance: dg.DagsterInstance, shard: str, before: Any = None) -> Iterator[None]:
    """Commits of one database fail; SQLite then rolls back."""
    path = event_log(instance).path_for_shard(shard)  # type: ignore[attr-defined]

    def refuse(connection: Connection) -> None:
        if str(connection.engine.url.database) == path:
            connection.connection.rollback()
            if before is not None:
                before()
            raise CommitFailsError

    db.event.listen(db.Engine, "commit", refuse)
    try:
        yield
    finally:
        db.event.remove(db.Engine, "commit", refuse)


def test_a_failed_commit_of_the_index_removes_what_the_runs_committed(
    instance: dg.DagsterInstance,
) -> None:
    event_log(instance).store_event_batch(events(FIRST, 2))
    before = tables(instance, RUNS)
    with failing_commit(instance, "index"), pytest.raises(CommitFailsError):
        event_log(instance).store_event_batch(events(FIRST, 3) + events(SECOND, 2))
    assert tables(instance, RUNS) == before
    report(instance, events(FIRST, 3), "again")
    assert len(messages(instance, FIRST)) == len(indexed(instance)) == 5


def test_a_failed_commit_of_a_run_removes_no_event_of_another_process(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """Another process takes the ids that were rolled back."""
    event_log(instance).store_event_batch(events(FIRST))

    def other_process() -> None:
        with closing(sqlite3.connect(tmp_path / "history" / "runs" / f"{FIRST}.db")) as link:
            link.execute(
                "INSERT INTO event_logs SELECT 2, run_id, event, dagster_event_type,"
                " timestamp, step_key, asset_key, partition FROM event_logs WHERE id = 1"
            )
            link.commit()

    with failing_commit(instance, FIRST, other_process), pytest.raises(CommitFailsError):
        event_log(instance).store_event_batch(events(FIRST, 2))
    assert messages(instance, FIRST) == ["event 1", "event 1"]
    assert indexed(instance) == [FIRST]


def test_a_check_that_was_planned_twice_is_refused_whole(instance: dg.DagsterInstance) -> None:
    """Dagster's class raises as well, but keeps the event."""
    for _ in range(2):
        report(instance, events(FIRST, 1, Kind.ASSET_CHECK_EVALUATION_PLANNED), "plan")
    with pytest.raises(dg.DagsterInvariantViolationError, match="Updated 2 rows"):
        report(instance, events(FIRST, 1, Kind.ASSET_CHECK_EVALUATION), "evaluation")
    assert len(messages(instance, FIRST)) == len(indexed(instance)) == 2
