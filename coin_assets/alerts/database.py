"""The SQLite file behind the outbox: its tables, and transactions on it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from coin_assets.errors import CorruptArtefact, TemporaryError
from coin_assets.files.atomic import locked, sync_folder

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
            AlertsNotStored: the disk is full, or another process does not let go.
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
        except (sqlite3.OperationalError, OSError) as error:
            raise AlertsNotStored(
                f"{self.path} cannot be used ({error}). Nothing was changed; check the disk, the "
                "next cycle tries again."
            ) from error
        except sqlite3.DatabaseError as error:
            raise self._corrupt(str(error)) from error

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """A consistent view that changes nothing; None if the file does not exist yet.

        Raises:
            AlertsNotStored: the file cannot be read now.
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
        except (sqlite3.OperationalError, OSError) as error:
            raise AlertsNotStored(
                f"{self.path} cannot be read ({error}). Check the disk and the file's owner."
            ) from error
        except sqlite3.DatabaseError as error:
            raise self._corrupt(str(error)) from error

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

    def _corrupt(self, reason: str) -> CorruptArtefact:
        return CorruptArtefact(
            f"{self.path} is not the alerts' database ({reason}). Move it away, and what lies "
            "beside it with the same name; open incidents are then alerted anew."
        )
