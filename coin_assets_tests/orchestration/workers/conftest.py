"""Servers and workers of a module of tests."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # it needs what requirements-scale.lock lists
    from coin_assets_tests.orchestration.workers.fleet import Fleet


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Fleet"]:
    from coin_assets_tests.orchestration.workers.fleet import fleet

    with fleet(tmp_path_factory.mktemp("fleet")) as made:
        yield made


@pytest.fixture
def sent(servers: "Fleet", monkeypatch: pytest.MonkeyPatch) -> Iterator["Fleet"]:
    """A daemon whose runs no worker takes yet; afterwards nothing is left of it."""
    for name, text in servers.environment.items():
        monkeypatch.setenv(name, text)
    yield servers
    servers.go()
    servers.end_workers()
    for run in servers.instance.get_runs():
        if not run.is_finished:
            servers.instance.report_run_failed(run)
    servers.redis.empty()
    (servers.folder / "go").unlink(missing_ok=True)


@pytest.fixture
def working(servers: "Fleet", monkeypatch: pytest.MonkeyPatch) -> Iterator["Fleet"]:
    """A daemon with a worker that all tests of the module share; afterwards all runs have ended."""
    for name, text in servers.environment.items():
        monkeypatch.setenv(name, text)
    if not servers.workers:
        servers.worker("background", slots=4)
    yield servers
    servers.end_all()
