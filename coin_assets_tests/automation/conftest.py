"""Installations that the sensors find in good order, made once and copied for each test."""

import shutil
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from coin_assets.assets import candles
from coin_assets.automation import work
from coin_assets_tests.automation.failing import FailingMarket
from coin_assets_tests.platform import BTC, ETH, Platform, given

NOW = "2024-02-29T12:30"


def _two_symbols(home: Path) -> Platform:
    return Platform(home, NOW, symbols=f"{BTC},{ETH}", derived_timeframes="4h")


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two symbols, 1h and 4h, everything published at `NOW`."""
    platform = _two_symbols(tmp_path_factory.mktemp("grown") / "home")
    assert platform.update("2024-01-01", "2024-02-01").success
    platform.settle("candles_due")
    return platform.settings.home


@pytest.fixture
def market() -> FailingMarket:
    """The market of ``platform``; it answers until a test says otherwise."""
    return FailingMarket()


@pytest.fixture
def platform(
    grown: Path, tmp_path: Path, market: FailingMarket, monkeypatch: pytest.MonkeyPatch
) -> Platform:
    """``grown`` with an instance of its own; failed steps are tried again by the sensors alone,
    after a minute, two, four, and so on."""
    monkeypatch.setattr(candles, "RETRIES", dg.RetryPolicy(max_retries=0))
    monkeypatch.setattr(work, "FIRST_DELAY", timedelta(minutes=1))
    platform = _two_symbols(Path(shutil.copytree(grown, tmp_path / "home")))
    platform.market = given(market)
    return platform
