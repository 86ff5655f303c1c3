"""Fixtures of the page: one browser and one server a test file."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from coin_assets_tests.site import tabs
from coin_assets_tests.site.folder import Folder, published, served, with_troubles


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with tabs.browser() as started:
        yield started


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that is served; the published one is in a sub-path."""
    path: Path = tmp_path_factory.mktemp("root")
    (path / tabs.SUB_PATH).mkdir(parents=True)
    return path


@pytest.fixture(scope="module")
def port(root: Path) -> Iterator[int]:
    with served(root) as opened:
        yield opened


@pytest.fixture(scope="module")
def folder(root: Path) -> Folder:
    """Five symbols with five timeframes, some in trouble; tests of the module leave it as it is."""
    return with_troubles(published(root / tabs.SUB_PATH))
