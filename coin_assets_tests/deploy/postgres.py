"""A real PostgreSQL on loopback, in a temporary folder; it ends with the process that asked for it.

PostgreSQL refuses root, so under root it runs as another user.
"""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2  # type: ignore[import-untyped]
import pytest

from coin_assets_tests.webui import free_port

USER, DATABASE = "dagster", "dagster"
_START_SECONDS = 60


def _binaries() -> Path | None:
    """Folder of the newest installed server; Debian keeps it off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        return None
    return (found[-1] if found else Path(str(on_path)).resolve()).parent


BINARIES = _binaries()
requires_postgres = pytest.mark.skipif(
    BINARIES is None, reason="no PostgreSQL server here; Debian's package is postgresql"
)


class Postgres:
    """A server in a folder; it can be stopped and started again with what it holds."""

    def __init__(self, folder: Path) -> None:
        self.port, self.password = free_port(), secrets.token_hex(8)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        password = folder / "password"
        password.write_text(self.password)
        if os.getuid() == 0:
            shutil.chown(folder, "nobody")
            shutil.chown(password, "nobody")
        subprocess.run(
            _command(
                "initdb",
                f"--pgdata={folder}/data",
                f"--username={USER}",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
            ),
            check=True,
            capture_output=True,
            cwd="/",
        )

    @property
    def environment(self) -> dict[str, str]:
        """What deploy/dagster.yaml reads, without the password."""
        return {
            "DAGSTER_POSTGRES_HOST": "127.0.0.1",
            "DAGSTER_POSTGRES_PORT": str(self.port),
            "DAGSTER_POSTGRES_USER": USER,
            "DAGSTER_POSTGRES_DB": DATABASE,
        }

    @property
    def parameters(self) -> dict[str, str]:
        """Of a connection, as for libpq."""
        return {
            "host": "127.0.0.1",
            "port": str(self.port),
            "user": USER,
            "password": self.password,
            "dbname": DATABASE,
        }

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self._folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                _command(
                    "postgres",
                    *("-D", f"{self._folder}/data", "-p", str(self.port), "-k", str(self._folder)),
                    *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
                ),
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
            )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            assert self._process.poll() is None, f"postgres ended: {self.log}"
            assert time.monotonic() < deadline, f"postgres is not there: {self.log}"
            with suppress(psycopg2.OperationalError):
                self.run("select 1", database="postgres")
                return
            time.sleep(0.1)

    def stop(self) -> None:
        """End it, and its clients' sessions."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(30)
            self._process = None

    def run(self, statement: str, database: str = DATABASE) -> list[Any]:
        """Rows of a statement of a test."""
        parameters = self.parameters | {"dbname": database}
        with closing(psycopg2.connect(**parameters)) as link:
            link.autocommit = True  # databases are not made in transactions
            cursor = link.cursor()
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def count(self, table: str, where: str = "true") -> int:
        """Rows of a table; both names come from tests alone."""
        ((number,),) = self.run(f"select count(*) from {table} where {where}")  # noqa: S608
        return int(number)

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()


@contextmanager
def running() -> Iterator[Postgres]:
    """A fresh server with the database and user of the platform, until the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="coin_assets_postgres_"))
    try:
        server = Postgres(folder)
        server.start()
        try:
            server.run(f"create database {DATABASE}", database="postgres")
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _command(program: str, *arguments: str) -> list[str]:
    """Run as a user that PostgreSQL accepts, and end when the parent does."""
    assert BINARIES is not None
    other = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []
    return ["setpriv", *other, "--pdeathsig=INT", str(BINARIES / program), *arguments]
