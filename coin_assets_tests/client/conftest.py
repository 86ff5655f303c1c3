"""A published folder, and staleness that no test overlooks."""

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from coin_assets.client import StaleData
from coin_assets_tests.client.folder import NOW, publish


@pytest.fixture(scope="session")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("client") / "published"
    publish(folder, NOW)
    return folder


@pytest.fixture
def folder(published_once: Path, tmp_path: Path) -> Path:
    """Published at `NOW`."""
    return Path(shutil.copytree(published_once, tmp_path / "published"))


@pytest.fixture(autouse=True)
def warnings_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", StaleData)
        yield
