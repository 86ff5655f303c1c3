"""A home as the environment names it, with the files of the last release."""

import shutil
from pathlib import Path

import pytest

from coin_assets_tests.test_release_home import RELEASE_HOME


def set_home(home: Path, patched: pytest.MonkeyPatch) -> None:
    """The settings of the release's home, in the environment."""
    patched.setenv("COIN_HOME", str(home))
    patched.setenv("COIN_SYMBOLS", "BTC/USDT")
    patched.setenv("COIN_SOURCE_TIMEFRAMES", "4h")
    patched.setenv("COIN_DERIVED_TIMEFRAMES", "1d")
    patched.setenv("COIN_HISTORY_START", "2026-06-01")
    patched.chdir(home.parent)  # without coin_assets.toml


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = Path(shutil.copytree(RELEASE_HOME, tmp_path / "home"))
    set_home(copy, monkeypatch)
    return copy


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    set_home(folder, monkeypatch)
    return folder
