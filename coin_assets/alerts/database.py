"""The SQLite file behind the outbox: its tables, and transactions on it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from coin_assets.alerts.conditions import Condition, Severity
from coin_assets.errors import CoinAssetsError, CorruptArtefact, TemporaryError
from coin_assets.files.atomic import locked, sync_folder
from coin_assets.files.faults import machine_fault
from coin_assets.files.sqlite import fault_of, files_set_aside, is_passing

FOLDER, BOOK = "alerts", "alerts.sqlite"  # below the home
VERSION = 1
_BUSY_SECONDS = 10.0
_TABLES = """
CREATE TABLE incidents (subject TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE mutes (
    subject TEXT NOT NULL, kind TEXT NOT NULL, until TEXT NOT NULL, note TEXT NOT NULL,
    by TEXT NOT NULL, PRIMARY KEY (subject, kind)
) WITHOUT ROWID;
CREATE TABLE messages (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL, document TEXT NOT NULL
);
CREATE TABLE channels (id TEXT PRIMARY KEY, configured_at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE deliveries (
    message INTEGER NOT NULL REFERENCES messages (number) ON DELETE CASCADE,
    channel TEXT NOT NULL, accepted_at TEXT, tries INTEGER NOT NULL DEFAULT 0,
    next_try TEXT, error TEXT NOT NULL DEFAULT '', PRIMARY KEY (message, channel)
) WITHOUT ROWID;
CREATE INDEX pending ON deliveries (channel, message) WHERE accepted_at IS NULL;
"""


class AlertsNotStored(TemporaryError):
    """The database of the alerts cannot be used now."""

    code = "alerts_not_stored"
    alert_cause = "the database of the alerts cannot be used"


class AlertsLocked(AlertsNotStored):
    """Another process keeps the database of the alerts locked."""

    code = "alerts_locked"
    alert_cause = "the database of the alerts is locked"


class Database:
    """Short transactions; every one has a connection of its own, so that any process may come.

    Args:
        path: created with its folder when it is first used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; other writers wait.

        Raises:
            AlertsNotStored: the folder cannot be used.
            AlertsLocked: another process does not let go.
            MachineFault: the disk is full or fails, or no more files can be opened.
            CorruptArtefact: the file is damaged, or of another version.
        """
        try:
            if not self.path.exists():
                self._create()
            with closing(self._connect()) as connection:
                self._require_version(connection)
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                except BaseException:
                    if connection.in_transaction:
                        connection.rollback()
                    raise
                connection.commit()
        except (sqlite3.Error, OSError) as error:
            raise self._typed(error) from error

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """A consistent view that changes nothing; None if the file does not exist yet.

        Raises:
            AlertsNotStored: the file cannot be read now.
            MachineFault: the machine does not let it be read.
            CorruptArtefact: the file is damaged, or of another version.
        """
        if not self.path.exists():
            yield None
            return
        try:
            address = f"{self.path.absolute().as_uri()}?mode=ro"
            with closing(
                sqlite3.connect(address, timeout=_BUSY_SECONDS, isolation_level=None, uri=True)
            ) as connection:
                self._require_version(connection)
                connection.execute("BEGIN")
                yield connection
        except (sqlite3.Error, OSError) as error:
            raise self._typed(error) from error

    def conditions(self) -> list[Condition]:
        """What is wrong as long as files that were set aside lie beside this one."""
        found = files_set_aside(self.path)
        if not found:
            return []
        newest, at = found[-1]
        others = f", and {len(found) - 1} earlier ones lie beside it" if found[1:] else ""
        return [
            Condition(
                subject="alerts database",
                kind="set aside",
                cause="",
                severity=Severity.WARNING,
                since=at,
                detail=f"{self.path.name} was damaged or stayed locked, and was moved to {newest}"
                f"{others}; open alerts were sent anew, its mutes and unsent messages are in there",
                remedy="Look at the disk (dmesg). Move the file elsewhere, or remove it, once "
                "nobody needs it; that ends this.",
                runbook="docs/operations/alerts.md",
            )
        ]

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None)
        # What was accepted must stay accepted, even if the power fails.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def _create(self) -> None:
        with locked(self.path.parent):
            if self.path.exists():
                return
            fresh = self.path.with_name(f".{self.path.name}.partial")
            for left in self.path.parent.glob(f"{fresh.name}*"):
                left.unlink()
            fresh.touch(mode=0o600)  # SQLite gives the files beside it the same
            with closing(sqlite3.connect(fresh)) as connection:
                connection.executescript(f"{_TABLES} PRAGMA user_version = {VERSION};")
                connection.execute("PRAGMA journal_mode = WAL")
            fresh.replace(self.path)
            sync_folder(self.path.parent)

    def _require_version(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            raise self._corrupt(f"it has version {version}, not {VERSION}")

    def _typed(self, error: sqlite3.Error | OSError) -> CoinAssetsError:
        """The error of the platform that stands for one of SQLite or the operating system."""
        if isinstance(error, OSError):
            return machine_fault(error, self.path) or AlertsNotStored(
                f"{self.path} cannot be used ({error}). Nothing was changed; check the disk, the "
                "next cycle tries again."
            )
        if is_passing(error):
            return AlertsLocked(
                f"{self.path} is locked by another process ({error}). Nothing was changed; the "
                "next cycle tries again, and begins a new file if it stays locked."
            )
        return fault_of(error, self.path) or self._corrupt(str(error))

    def _corrupt(self, reason: str) -> CorruptArtefact:
        return CorruptArtefact(
            f"{self.path} is not the alerts' database ({reason}). A running make up moves it aside "
            "in its next cycle; open incidents are then alerted anew."
        )
