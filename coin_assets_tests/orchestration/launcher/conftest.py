"""A daemon with the launcher for the tests of this folder."""

from collections.abc import Iterator

import pytest

from coin_assets_tests.orchestration.launcher.launching import Daemon, launching


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for all tests: its server takes seconds to start."""
    with launching(tmp_path_factory.mktemp("launcher")) as daemon:
        yield daemon


@pytest.fixture
def daemon(shared: Daemon) -> Iterator[Daemon]:
    yield shared
    shared.end_all()
