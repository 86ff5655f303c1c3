"""One machine imports nothing of what several machines need."""

import subprocess
import sys
from pathlib import Path

import pytest

from coin_assets_tests.webui import ROOT, environment

_SEVERAL = (
    *("amqp", "billiard", "celery", "dagster_celery", "dagster_postgres", "kombu"),
    *("psycopg", "psycopg2", "redis"),
)
# What the processes of `make up` and of its runs load, on the repository's dagster.yaml.
_LOADED = """
import sys
import dagster as dg
import coin_assets.commands.status, coin_assets.metrics.__main__, coin_assets.watcher.__main__
import coin_assets.orchestration.launcher, coin_assets.orchestration.run_server as server
import coin_assets.up, coin_assets.web.__main__
server.preload()
from coin_assets.definitions import defs
repository = defs.get_repository_def()
instance = dg.DagsterInstance.get()
instance.run_launcher, instance.run_coordinator, instance.get_runs_count()
assert "coin_assets.market.exogenous" not in sys.modules
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_defaults_import_nothing_of_celery_redis_and_postgresql(tmp_path: Path) -> None:
    (tmp_path / "dagster").mkdir()
    variables = {"DAGSTER_HOME": str(ROOT), "COIN_DAGSTER_HOME": str(tmp_path / "dagster")}
    env = {
        name: text
        for name, text in environment(tmp_path / "home", PYTHONPATH=str(ROOT), **variables).items()
        if not name.startswith("DAGSTER_POSTGRES_")
    }
    loaded = subprocess.run(
        [sys.executable, "-c", _LOADED],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr
    names = set(loaded.stdout.split())
    assert {"coin_assets", "dagster", "sqlalchemy"} <= names
    assert names.isdisjoint(_SEVERAL), names.intersection(_SEVERAL)


@pytest.mark.parametrize("name", ["psycopg2", "celery", "kombu"])
def test_no_module_but_those_of_several_machines_names_them(name: str) -> None:
    """At the head of a module: `watcher` and the locks import the driver when they use it."""
    importing = {
        str(path.relative_to(ROOT / "coin_assets"))
        for path in (ROOT / "coin_assets").rglob("*.py")
        for line in path.read_text().splitlines()
        if line.startswith((f"import {name}", f"from {name}"))
    }
    assert all(path.startswith("orchestration/workers/") for path in importing)
