"""The fault matrix of stored files: what was done to what, what the platform did and said.

For each cell: no wrong value is served, the other symbol stays fresh, and within three cycles the
fault is healed or one alert names the file and what to do. `make test` runs a diagonal of the
matrix, `make test-slow` all of it; the rows are printed after the tests.
"""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from coin_assets.planning import facts as work
from coin_assets_tests.alerts.receiver import Receiver
from coin_assets_tests.orchestration.faults.damages import DAMAGES, FILES, cells
from coin_assets_tests.orchestration.faults.watched import (
    Outcome,
    Sound,
    cycles,
    outcome,
    platform_at,
    published,
    served,
)
from coin_assets_tests.orchestration.sensors.conftest import grown, receiver  # noqa: F401
from coin_assets_tests.platform import BTC, ETH

# One cell of each kind and of each damage.
FAST = [
    ("candles", "other series"),
    ("candles", "neighbours"),
    ("candles before", "other month"),
    ("forecasts", "truncate"),
    ("ledger", "folder"),
    ("model", "other series"),
    ("roles", "empty"),
    ("history", "symlink loop"),
    ("manifest", "flip"),
    ("alerts", "flip"),
]


@pytest.fixture(scope="session")
def sound(
    grown: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Sound:
    """Published files, and the prices in them, of the installation without a fault."""
    home = Path(shutil.copytree(grown, tmp_path_factory.mktemp("sound") / "home"))
    with Receiver() as quiet:
        platform = platform_at(home, quiet)
        platform.tick("health_alerts")
        cycles(platform)
        assert quiet.accepted == []
        return published(platform), served(platform)


def suffered(
    grown: Path,  # noqa: F811
    home: Path,
    receiver: Receiver,  # noqa: F811
    sound: dict[str, bytes],
    cell: tuple[str, str],
) -> tuple[Outcome, Path]:
    kind, damage = cell
    shutil.copytree(grown, home)
    platform = platform_at(home, receiver)
    platform.tick("health_alerts")
    path = FILES[kind](home)
    DAMAGES[damage](path)
    cycles(platform)
    return outcome(platform, receiver, sound), path


def check(
    cell: tuple[str, str],
    found: Outcome,
    path: Path,
    prices: dict[tuple[str, str], dict[str, float]],
) -> None:
    for name, shown in found.served.items():
        assert shown.items() <= prices[name].items(), f"{name}: a wrong value is served"
    for timeframe in ("1h", "4h"):
        assert found.statuses[BTC, timeframe] == "fresh"
    alerts = [text for kind, text in found.messages if kind == "alert"]
    assert len(alerts) == len(set(alerts))
    about = [text for text in alerts if ETH in text.partition(":")[0] or path.name in text]
    assert len(about) <= 2  # 1h, and 4h where it is made of it
    if not found.healed:
        assert any(str(path) in text or path.name in text for text in about), (cell, found)


@pytest.fixture(autouse=True)
def _short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "FIRST_DELAY", timedelta(minutes=1))


CELLS = [pytest.param(each, marks=() if each in FAST else pytest.mark.slow) for each in cells()]


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_a_fault_of_a_file_stays_local_and_is_reported(
    grown: Path,  # noqa: F811
    tmp_path: Path,
    receiver: Receiver,  # noqa: F811
    sound: Sound,
    record_property: Callable[[str, object], None],
    cell: tuple[str, str],
) -> None:
    found, path = suffered(grown, tmp_path / "home", receiver, sound[0], cell)
    kind, damage = cell
    found.cell(damage, f"file: {kind}").record(record_property)
    check(cell, found, path, sound[1])
