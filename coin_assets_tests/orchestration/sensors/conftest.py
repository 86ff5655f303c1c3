"""Installations and instances that the sensors find in good order, made once, copied for tests."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from coin_assets.planning import facts as work
from coin_assets_tests.alerts.receiver import Receiver
from coin_assets_tests.made_once import made_once
from coin_assets_tests.orchestration.sensors.failing import FailingMarket
from coin_assets_tests.platform import BTC, ETH, Platform, given

NOW = "2024-02-29T12:30"


def _two_symbols(home: Path) -> Platform:
    return Platform(home, NOW, symbols=f"{BTC},{ETH}", derived_timeframes="4h")


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two symbols, 1h and 4h, everything published at `NOW`."""

    def make(home: Path) -> None:
        platform = _two_symbols(home)
        assert platform.update("2024-01-01", "2024-02-01").success
        platform.settle("candles_due")
        platform.tick("publish_due")  # what was evaluated last goes into the manifest

    return made_once(tmp_path_factory, "grown", make)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Where alerts go."""
    with Receiver() as made:
        yield made


@pytest.fixture
def market() -> FailingMarket:
    """The market of ``platform``; it answers until a test changes that."""
    return FailingMarket()


@pytest.fixture
def platform(
    grown: Path, tmp_path: Path, market: FailingMarket, monkeypatch: pytest.MonkeyPatch
) -> Platform:
    """``grown`` with an instance of its own; failed steps are tried again by the sensors alone,
    after a minute, two, four, and so on."""
    monkeypatch.setattr(work, "FIRST_DELAY", timedelta(minutes=1))
    platform = _two_symbols(Path(shutil.copytree(grown, tmp_path / "home")))
    platform.market, platform.retries = given(market), 0
    return platform


@pytest.fixture(scope="session")
def empty_instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an instance on disk; making its databases takes longer than most tests."""
    folder = tmp_path_factory.mktemp("instance")
    with dg.DagsterInstance.local_temp(str(folder)):
        return folder


@pytest.fixture
def instance(empty_instance: Path, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance on disk, as the daemon has it, in which nothing has happened yet."""
    folder = shutil.copytree(empty_instance, tmp_path / "dagster")
    with dg.DagsterInstance.local_temp(str(folder)) as made:
        yield made
