"""Open connections to SQLite databases, kept between uses."""

import atexit
import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakSet

import sqlalchemy as db
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy.engine import URL, Connection, Engine

from coin_assets.files.atomic import locked

_FileId = tuple[int, int]


class _OfThread(threading.local):
    """The transactions that the running thread has open, by file."""

    def __init__(self) -> None:
        self.connections: dict[Path, Connection] = {}


class SqliteConnections:
    """Transactions on SQLite files, by connections that stay open.

    Opening a database, and closing it with a checkpoint of its write-ahead log, costs ten times as
    much as one small transaction. Connections write with ``synchronous=NORMAL``: in WAL mode a
    power failure may lose the last transactions, and never damages the file
    (https://www.sqlite.org/pragma.html#pragma_synchronous).

    A thread that opens a transaction inside another of the same file joins it. A file that was
    replaced or removed is opened anew. Connections are closed before a fork, because SQLite keeps
    the locks of a process by file (https://www.sqlite.org/howtocorrupt.html, section 2.6).

    Args:
        prepare: called with a path before its first use; creates the database where it is missing.
        most_open: files that are open at once; the one unused for longest is closed.
    """

    def __init__(self, prepare: Callable[[Path], object], most_open: int = 8) -> None:
        self._prepare = prepare
        self._most_open = most_open
        self._lock = threading.Lock()
        self._engines: OrderedDict[Path, tuple[_FileId, Engine]] = OrderedDict()
        self._own = _OfThread()
        _ALL.add(self)

    def open(self, path: Path) -> None:
        """Create the database at ``path`` if it is missing, and open it."""
        self._engine(path)

    @contextmanager
    def transaction(self, path: Path) -> Iterator[Connection]:
        """A connection in a transaction: committed at the end, rolled back by an exception.

        Raises:
            sqlalchemy.exc.OperationalError: another process held the write lock for 30 s.
        """
        joined = self._own.connections
        if path in joined:
            yield joined[path]
            return
        with self._engine(path).connect() as connection, connection.begin():
            joined[path] = connection
            try:
                yield connection
            finally:
                del joined[path]

    def close(self, path: Path | None = None) -> None:
        """Close the connections to ``path``, or all; the next use opens them again."""
        with self._lock:
            paths = list(self._engines) if path is None else [path]
            engines = [self._engines.pop(each)[1] for each in paths if each in self._engines]
        for engine in engines:
            engine.dispose()

    def start_in_child(self) -> None:
        """Begin anew in a forked process, which has none of the parent's threads."""
        self._lock = threading.Lock()
        self._own = _OfThread()

    def _engine(self, path: Path) -> Engine:
        with self._lock:
            opened = self._engines.get(path)
            if opened is not None and opened[0] == _file_id(path):
                self._engines.move_to_end(path)
                return opened[1]
        if opened is not None:
            self.close(path)
        self._prepare(path)
        return self._open(path)

    def _open(self, path: Path) -> Engine:
        made = (_file_id(path), _engine(path))
        with self._lock:
            # Another thread may have opened it in the meantime; either engine will do.
            self._engines[path] = made
            surplus = [
                self._engines.popitem(last=False)[1][1]
                for _ in range(len(self._engines) - self._most_open)
            ]
        for engine in surplus:
            engine.dispose()
        return made[1]


def _file_id(path: Path) -> _FileId:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (found.st_dev, found.st_ino)


def url_of(path: Path) -> URL:
    """SQLAlchemy's address of a file, whatever characters its path has."""
    return URL.create("sqlite", database=str(path))


def _engine(path: Path) -> Engine:
    engine = db.create_engine(
        url_of(path),
        poolclass=db.pool.QueuePool,
        pool_size=2,
        max_overflow=-1,  # a thread of the web server waits for the database, not for a connection
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )

    @db.event.listens_for(engine, "connect")
    def set_pragmas(connection: object, _: object) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")  # type: ignore[attr-defined]

    return engine


_ALL: WeakSet[SqliteConnections] = WeakSet()


def _close_all() -> None:
    for each in list(_ALL):
        each.close()


def _start_in_child() -> None:
    for each in list(_ALL):
        each.start_in_child()


atexit.register(_close_all)  # Dagster does not dispose of all its storages
os.register_at_fork(before=_close_all, after_in_child=_start_in_child)


def is_stamped(path: Path) -> bool:
    """Whether ``path`` is a database that Alembic has stamped, the last step of creating one.

    Dagster asks Alembic at each start of a process, which reads all its migrations for it.
    """
    if not path.exists():
        return False
    connection = sqlite3.connect(path, timeout=SQLITE_BUSY_TIMEOUT_SECONDS)
    try:
        table = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
        return (
            connection.execute(table).fetchone() is not None
            and connection.execute("SELECT 1 FROM alembic_version").fetchone() is not None
        )
    finally:
        connection.close()


def create_once(path: Path, create: Callable[[], object]) -> None:
    """Create the database at ``path`` unless it is there, in one process at a time.

    Dagster's storages fail if two processes create the same tables at once.
    """
    if not is_stamped(path):
        with locked(path.parent):
            if not is_stamped(path):
                create()
