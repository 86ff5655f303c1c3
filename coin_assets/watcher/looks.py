"""What the watcher looks at: writes, the heartbeat, databases. Each look ends or raises."""

import errno
import os
import sqlite3
import tempfile
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path

from coin_assets.alerts.database import BOOK
from coin_assets.alerts.heartbeat import heartbeat_age
from coin_assets.errors import CorruptArtefact, MachineFault
from coin_assets.files.faults import machine_fault
from coin_assets.files.space import existing_part, space_of
from coin_assets.files.sqlite import fault_of, is_passing

# Less may find room where no record would.
_PROBE = b"\0" * 65536
_BUSY_SECONDS = 5
# Dagster creates a database and then its tables.
_NEW_TRIES, _NEW_SECONDS = 4, 2.0
# Of Dagster's folder, each with a table that is written all the time.
_DATABASES = {
    "history/runs.db": "runs",
    "history/runs/index.db": "event_logs",
    "schedules/schedules.db": "job_ticks",
}
_TABLE_OF_ALERTS, _TABLE_OF_POSTGRES = "messages", "event_logs"
_STATEMENT_MS = 5000


class DatabaseUnusable(Exception):
    """A database does not answer as it should; the message names it."""


def require_writes(folder: str) -> None:
    """Write to a file that has no name, and disappears by itself.

    Raises:
        MachineFault: the folder cannot be written; the message says how much space is left.
    """
    try:
        with tempfile.TemporaryFile(dir=existing_part(folder)) as file:
            file.write(_PROBE)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, type(error).__name__)
        fault = machine_fault(error, folder) or MachineFault(f"{error}.", name)
        raise MachineFault(f"{fault}{_left(folder)}", fault.errno_name, folder) from None


def _left(folder: str) -> str:
    try:
        return f" Now {space_of(folder)}."
    except OSError:
        return ""


def seconds_since_heartbeat(folder: str, now: datetime, shards: int = 1) -> float | None:
    """Age of the heartbeat, the oldest of the shards; None if one has none that can be read.

    Raises:
        MachineFault: the file system does not answer, or refuses.
    """
    try:
        age = heartbeat_age(Path(folder), now, shards)
    except OSError as error:
        fault = machine_fault(error, folder)
        if fault is not None:
            raise fault from None
        return None
    except CorruptArtefact:
        return None
    return None if age is None else age.total_seconds()


def require_databases(records: str, alerts: str) -> None:
    """Read from each SQLite database that exists.

    Raises:
        DatabaseUnusable: one is damaged, or cannot be opened.
    """
    tables = {Path(records, name): table for name, table in _DATABASES.items()}
    tables[Path(alerts, BOOK)] = _TABLE_OF_ALERTS
    for path, table in tables.items():
        error = _error_of_sqlite(path, table) if os.path.lexists(path) else None
        for _ in range(_NEW_TRIES):
            if error is None or "no such table" not in str(error):
                break
            time.sleep(_NEW_SECONDS)
            error = _error_of_sqlite(path, table)
        if error is not None:
            raise DatabaseUnusable(f"{fault_of(error, path) or f'{path}: {error}'}")


def _error_of_sqlite(path: Path, table: str) -> sqlite3.Error | None:
    try:
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, timeout=_BUSY_SECONDS, uri=True)) as connection:
            connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchall()  # noqa: S608 (fixed)
    except sqlite3.Error as error:
        return None if is_passing(error) else error  # a VACUUM keeps it busy
    return None


def require_postgres(parameters: dict[str, str]) -> None:
    """Connect to PostgreSQL, and read from a table of Dagster.

    Raises:
        DatabaseUnusable: it does not answer, or refuses.
    """
    import psycopg2  # type: ignore[import-untyped]

    where = f"PostgreSQL at {parameters['host']}:{parameters['port']}"
    try:
        with closing(
            psycopg2.connect(
                **parameters,
                connect_timeout=_BUSY_SECONDS,
                options=f"-c statement_timeout={_STATEMENT_MS}",
            )
        ) as connection:
            connection.cursor().execute(f"SELECT 1 FROM {_TABLE_OF_POSTGRES} LIMIT 1")  # noqa: S608
    except psycopg2.Error as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise DatabaseUnusable(f"{where} cannot be used: {reason}") from None
