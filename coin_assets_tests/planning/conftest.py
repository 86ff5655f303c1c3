"""Fixtures of the tests of planning."""

import shutil
from pathlib import Path

import pytest

from coin_assets_tests.made_once import made_once
from coin_assets_tests.planning.artefacts import Home


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home, for tests that change nothing."""
    return made_once(tmp_path_factory, "filled", lambda home: Home(home).filled())


@pytest.fixture
def home(filled: Path, tmp_path: Path) -> Home:
    return Home(Path(shutil.copytree(filled, tmp_path / "home")))
