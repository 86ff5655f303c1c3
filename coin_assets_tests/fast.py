"""The tests that ``make test-fast`` runs: of plain functions and files, in this process alone.

They start no process, no server and no browser; `refuse_processes` makes one that tries fail. A
file belongs here if it takes a few seconds.
"""

import multiprocessing.process
import os
import socket
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import pytest

TESTS = Path(__file__).parent
FAST = (
    "alerts/test_incidents.py",
    "alerts/test_messages.py",
    "alerts/test_records.py",
    "client/test_archive.py",
    "client/test_published.py",
    "client/test_refusals.py",
    "config",
    "domain",
    "files",
    "market/test_candle_files.py",
    "market/test_candle_text.py",
    "market/test_pace.py",
    "market/test_samples.py",
    "models/test_registry_damage.py",
    "models/test_roles.py",
    "models/test_training.py",
    "models/test_training_refusals.py",
    "pipeline/test_bad_files.py",
    "pipeline/test_derive.py",
    "pipeline/test_fetch.py",
    "pipeline/test_forecast.py",
    "planning/test_facts.py",
    "planning/test_planner.py",
    "planning/test_splitting.py",
    "publish/test_batch.py",
    "publish/test_documents.py",
    "site/test_built.py",
    "store/test_coverage.py",
    "store/test_fingerprint.py",
    "store/test_home.py",
    "store/test_influxdb_answers.py",
    "store/test_influxdb_lines.py",
    "store/test_schemas.py",
    "test_fast.py",
    "test_sizes.py",
)
# These start programs.
_NOT_FAST = frozenset(TESTS / path for path in ("config/test_settings.py",))
_PATHS = frozenset(TESTS / path for path in FAST)


def is_fast(path: Path) -> bool:
    """Whether ``make test-fast`` runs the test file ``path``."""
    return path not in _NOT_FAST and not _PATHS.isdisjoint((path, *path.parents))


def refuse_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make everything fail that starts a process, or a server on a socket."""

    def refused(*_args: Any, **_kwargs: Any) -> NoReturn:
        raise AssertionError("a fast test starts no process and no server; see fast.py")

    monkeypatch.setattr(subprocess.Popen, "__init__", refused)
    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", refused)
    monkeypatch.setattr(socket.socket, "listen", refused)
    for name in ("fork", "forkpty", "posix_spawn", "posix_spawnp", "system"):
        monkeypatch.setattr(os, name, refused)
