"""Where Dagster keeps its records: what ``dagster.yaml`` and ``deploy/dagster.yaml`` read."""

import os
from dataclasses import dataclass
from pathlib import Path

_POSTGRES = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "DB"}


@dataclass(frozen=True, repr=False)
class Records:
    """Dagster's folder, and its PostgreSQL database if it has one.

    Attributes:
        folder: of the SQLite databases, and of the logs of steps.
        postgres: parameters of a connection, a password among them; empty with SQLite.
    """

    folder: Path
    postgres: dict[str, str]


def records_of(home: Path) -> Records:
    """The records of the installation with this home, from the environment."""
    folder = os.environ.get("COIN_DAGSTER_HOME") or home / "dagster"
    return Records(Path(folder), postgres_parameters())


def postgres_parameters() -> dict[str, str]:
    """Parameters of a connection to the records in PostgreSQL; empty with SQLite."""
    given = {name: os.environ.get(f"DAGSTER_POSTGRES_{end}", "") for name, end in _POSTGRES.items()}
    return given if given["host"] else {}


def temporary_folder() -> str:
    """The folder for temporary files; the standard library would write there to find out."""
    return os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 (only looked at)
