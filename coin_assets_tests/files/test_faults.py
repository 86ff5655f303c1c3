"""Faults of the machine, told apart from other errors: of the operating system and of SQLite."""

import errno
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy

from coin_assets.domain.failures import FailureRecord
from coin_assets.files.faults import machine_fault, machine_faults_named
from coin_assets.files.sqlite import fault_of
from coin_assets.orchestration.sensors.machine import fault_behind


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE])
def test_an_error_of_the_machine_names_path_cause_and_remedy(number: int) -> None:
    fault = machine_fault(OSError(number, "Words of it", "/data/x"))
    assert fault is not None
    name = errno.errorcode[number]
    assert (fault.errno_name, fault.path) == (name, "/data/x")
    assert str(fault).startswith(f"/data/x: words of it ({name}). ")
    assert FailureRecord.of(fault, None, "x", datetime(2026, 11, 1, tzinfo=UTC)).cause == (
        f"the machine failed: {name}"
    )


@pytest.mark.parametrize(
    "error", [FileNotFoundError(errno.ENOENT, "x"), ConnectionError("x"), ValueError("x")]
)
def test_other_errors_are_none(error: Exception) -> None:
    assert machine_fault(error) is None
    with pytest.raises(type(error)), machine_faults_named("/x"):
        raise error


def test_a_full_database_is_a_full_disk(tmp_path: Path) -> None:
    """`max_page_count` fails as a full disk does: https://www.sqlite.org/rescode.html#full."""
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.execute("CREATE TABLE a (b)")
        connection.execute("PRAGMA max_page_count = 3")
        with pytest.raises(sqlite3.OperationalError) as caught:
            connection.executemany("INSERT INTO a VALUES (?)", [("x" * 3000,)] * 9)
    fault = fault_of(caught.value, tmp_path / "a.db")
    assert fault is not None
    assert fault.errno_name == "ENOSPC"
    assert "a.db: database or disk is full (ENOSPC)" in str(fault)


def test_a_database_that_cannot_be_opened_is_one_through_sqlalchemy_as_well(tmp_path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/no/such/folder.db")
    with pytest.raises(sqlalchemy.exc.OperationalError) as caught:
        engine.connect()
    fault = fault_behind(caught.value)
    assert fault is not None
    assert "unable to open database file" in str(fault)
