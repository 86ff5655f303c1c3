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
from contextlib import closing, contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Postgres:
    """Where a server is, and how to get in."""

    port: int
    password: str

    @property
    def environment(self) -> dict[str, str]:
        """What deploy/dagster.yaml reads, without the password."""
        return {
            "DAGSTER_POSTGRES_HOST": "127.0.0.1",
            "DAGSTER_POSTGRES_PORT": str(self.port),
            "DAGSTER_POSTGRES_USER": USER,
            "DAGSTER_POSTGRES_DB": DATABASE,
        }

    def count(self, table: str, where: str = "true") -> int:
        """Rows of a table; both names come from tests alone."""
        with closing(_connected(self.port, self.password, DATABASE)) as link:
            cursor = link.cursor()
            cursor.execute(f"select count(*) from {table} where {where}")  # noqa: S608
            (number,) = cursor.fetchone()
            return int(number)


@contextmanager
def running() -> Iterator[Postgres]:
    """A fresh server with the database and user of the platform, until the end of the block."""
    folder, password = Path(tempfile.mkdtemp(prefix="coin_assets_postgres_")), secrets.token_hex(8)
    try:
        (folder / "password").write_text(password)
        if os.getuid() == 0:
            shutil.chown(folder, "nobody")
            shutil.chown(folder / "password", "nobody")
        subprocess.run(
            _command(
                "initdb",
                f"--pgdata={folder}/data",
                f"--username={USER}",
                f"--pwfile={folder}/password",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
            ),
            check=True,
            capture_output=True,
            cwd="/",
        )
        port = free_port()
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(
                _command(
                    "postgres",
                    *("-D", f"{folder}/data", "-p", str(port), "-k", str(folder)),
                    *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
                ),
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
            )
        try:
            _wait(server, port, password, folder / "log")
            yield Postgres(port, password)
        finally:
            server.send_signal(signal.SIGINT)  # ends its clients, too
            server.wait(30)
    finally:
        shutil.rmtree(folder)


def _command(program: str, *arguments: str) -> list[str]:
    """Run as a user that PostgreSQL accepts, and end when the parent does."""
    assert BINARIES is not None
    other = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []
    return ["setpriv", *other, "--pdeathsig=INT", str(BINARIES / program), *arguments]


def _connected(port: int, password: str, database: str) -> Any:
    return psycopg2.connect(
        host="127.0.0.1", port=port, user=USER, password=password, dbname=database
    )


def _wait(server: "subprocess.Popen[bytes]", port: int, password: str, log: Path) -> None:
    """Wait until the server answers, and make the database."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        assert server.poll() is None, f"postgres ended: {log.read_text()}"
        assert time.monotonic() < deadline, f"postgres is not there: {log.read_text()}"
        try:
            link = _connected(port, password, "postgres")
        except psycopg2.OperationalError:
            time.sleep(0.1)
            continue
        with closing(link):
            link.autocommit = True  # databases are not made in transactions
            link.cursor().execute(f"create database {DATABASE}")
        return
