"""The fault matrix of exogenous values and their ledgers, as `test_files` has that of other files.

For each cell: forecasts and files of the plain method are those without the fault, forecasts of
`har_exogenous` are those without the fault or none, and within three cycles the fault is healed or
one alert names the file and what to do. Doing that heals it: the next hour has all forecasts.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.methods import CHALLENGER_EXOGENOUS, CHAMPION, FUNDING, IMPLIED
from coin_assets.errors import CorruptArtefact
from coin_assets.models.registry import ModelRegistry
from coin_assets.planning import facts as work
from coin_assets_tests.alerts.receiver import Receiver
from coin_assets_tests.made_once import made_once
from coin_assets_tests.orchestration.faults.damages import DAMAGES, VICTIM
from coin_assets_tests.orchestration.faults.matrix import Cell
from coin_assets_tests.orchestration.faults.watched import (
    published,
    statuses,
    told_by,
    words_of,
)
from coin_assets_tests.orchestration.informed import NAMES, Informed
from coin_assets_tests.orchestration.sensors.conftest import receiver  # noqa: F401
from coin_assets_tests.platform import BTC, ETH, series

START, BEFORE, HOURS = "2024-02-29T11:30", "2024-02-29T12", ("2024-02-29T13", "2024-02-29T14")
FOLDER = f"{VICTIM}/timeframe=1h"
FILES = {
    "values": f"exogenous/{FOLDER}/month=2024-02/{IMPLIED}.parquet",
    "values before": f"exogenous/{FOLDER}/month=2024-01/{IMPLIED}.parquet",
    "ledger": f"exogenous_ledger/{FOLDER}/{IMPLIED}.json",
}
ALL: dict[str, Callable[[Path], object]] = {
    **DAMAGES,
    "other exogenous series": lambda path: shutil.copy(
        path.with_name(path.name.replace(IMPLIED, FUNDING)), path
    ),
    "gone": Path.unlink,
}
CELLS = [
    (kind, damage)
    for kind in FILES
    for damage in ALL
    if not (kind == "ledger" and damage == "other month")
]
REMEDIES = ("Remove the file: fetch_exogenous", "Move it out of the store")
FAST = ("values", "other series")


def platform_at(
    home: Path,
    receiver: Receiver | None = None,  # noqa: F811
    now: str = f"{BEFORE}:30",
) -> Informed:
    hooks = {} if receiver is None else {"alert_webhooks": f"json+{receiver.url}"}
    made = Informed(
        home,
        now,
        symbols=f"{BTC},{ETH}",
        history_start="2024-01-01",
        **hooks,
    )
    made.retries = 0
    for world in made.worlds.values():
        world.factors = {"BTC": 1.0, "ETH": 1.25}
    return made


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two symbols whose challengers of `har_exogenous` forecast, everything published."""

    def make(home: Path) -> None:
        platform = platform_at(home, now=START)
        platform.settle("exogenous_due")
        assert platform.update("2024-01-01", "2024-02-01").success
        platform.settle("candles_due")
        platform.now = f"{BEFORE}:01:30"  # challengers forecast from their appointment on
        platform.settle("exogenous_due")
        platform.settle("candles_due")
        platform.tick("publish_due")
        assert len(platform.forecasts(CHALLENGER_EXOGENOUS, ETH))

    return made_once(tmp_path_factory, "grown-informed", make)


def fetches(platform: Informed) -> None:
    for request in platform.tick("exogenous_due").run_requests or []:
        platform.launch(request)


def hour(platform: Informed, start: str, cycles: int = 3) -> None:
    """A candle closes, and a minute later exogenous values are due; cycles a minute apart."""
    platform.now = f"{start}:00:05"
    platform.cycle()
    platform.now = f"{start}:01:30"
    for _ in range(cycles):
        fetches(platform)
        platform.cycle()
        platform.tick("publish_due")
        platform.tick("health_alerts")
        platform.ahead += 61.0
    platform.tick("publish_due")


@dataclass(frozen=True)
class Shown:
    """What an installation shows at one time."""

    published: dict[str, bytes]
    statuses: dict[tuple[str, str], str]
    forecasts: dict[tuple[str, str], pd.DataFrame]
    values: dict[tuple[str, str], pd.DataFrame]

    @classmethod
    def of(cls, platform: Informed) -> "Shown":
        symbols, roles = (BTC, ETH), (CHAMPION, CHALLENGER_EXOGENOUS)
        values = {}
        for symbol in symbols:
            for name in NAMES:
                try:
                    values[symbol, name] = platform.values(symbol, name)
                except CorruptArtefact:  # they cannot be read
                    continue
        return cls(
            published(platform),
            {name: word for name, word in statuses(platform).items() if name[1] == "1h"},
            {
                # What was made up for later counts as backtest.
                (each, role): platform.forecasts(role, each).drop(columns="kind")
                for each in symbols
                for role in roles
            },
            values,
        )

    def has_values_of(self, sound: "Shown") -> bool:
        """Whether all values are those of ``sound``; they may count from later on."""
        return self.values.keys() == sound.values.keys() and all(
            _same(rows, sound.values[key]) for key, rows in self.values.items()
        )


def _same(rows: pd.DataFrame, expected: pd.DataFrame) -> bool:
    columns = ["timestamp", "value"]
    return rows[columns].equals(expected[columns]) and bool(
        (rows["known_at"] >= expected["known_at"]).all()
    )


@pytest.fixture(scope="session")
def sound(grown: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Shown]:
    """The installation without a fault, after each of `HOURS`."""
    home = Path(shutil.copytree(grown, tmp_path_factory.mktemp("sound") / "home"))
    with Receiver() as quiet:
        platform = platform_at(home, quiet)
        platform.tick("health_alerts")
        found = []
        for start in HOURS:
            hour(platform, start, cycles=1)
            found.append(Shown.of(platform))
        assert quiet.accepted == []
    return found


def require_nothing_wrong(found: Shown, sound: Shown) -> None:
    """Files and plain forecasts are as without the fault; the method's are, or there are none."""
    assert found.published == sound.published
    assert set(found.statuses.values()) == {"fresh"}
    for key, rows in sound.forecasts.items():
        mine = found.forecasts[key]
        if key == (ETH, CHALLENGER_EXOGENOUS):
            # Forecasts are only ever left out.
            rows = rows[rows["as_of"].isin(mine["as_of"])].reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, rows, check_exact=True)
    for name in NAMES:
        pd.testing.assert_frame_equal(found.values[BTC, name], sound.values[BTC, name])


def follow(path: Path) -> None:
    """The remedy: remove the file, or move away what lies in its place."""
    if path.is_dir() and not path.is_symlink():
        path.rename(path.parents[4] / "moved away")
    else:
        path.unlink()


@pytest.fixture(autouse=True)
def _short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "FIRST_DELAY", timedelta(minutes=1))


@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        pytest.param(*each, marks=() if each == FAST else pytest.mark.slow, id="-".join(each))
        for each in CELLS
    ],
)
def test_a_fault_of_exogenous_files_is_never_used_and_is_reported(
    grown: Path,
    tmp_path: Path,
    receiver: Receiver,  # noqa: F811
    sound: list[Shown],
    record_property: Callable[[str, object], None],
    kind: str,
    damage: str,
) -> None:
    home = Path(shutil.copytree(grown, tmp_path / "home"))
    platform = platform_at(home, receiver)
    platform.tick("health_alerts")
    path = home / FILES[kind]
    ALL[damage](path)
    hour(platform, HOURS[0])
    found, told = Shown.of(platform), [body for body in receiver.accepted if body is not None]
    healed = found.has_values_of(sound[0])
    alerts = [body["text"] for body in told if body["kind"] == "alert"]
    remedies = [text for alert in alerts for text in REMEDIES if text in alert]
    over = "by itself" if healed else f"open; {', '.join(remedies) or 'NO REMEDY'}"
    row = Cell(damage, f"exogenous: {kind}", words_of(found.statuses), told_by(told), over)
    row.record(record_property)
    require_nothing_wrong(found, sound[0])
    if healed:
        assert alerts == []
    else:
        assert len(told) == len(alerts) == 1
        assert told[0]["subjects"] == ["job fetch_exogenous"]
        assert f"ETH/USDT {IMPLIED}" in alerts[0]
        assert str(path) in alerts[0]
        assert remedies
        follow(path)
        platform.now = f"{HOURS[0]}:40:00"
        platform.ahead += 900.0  # the longest back-off
        fetches(platform)
        platform.tick("health_alerts")
        assert [body["kind"] for body in receiver.accepted if body is not None][1:] == ["recovery"]
    hour(platform, HOURS[1], cycles=1)
    found = Shown.of(platform)
    require_nothing_wrong(found, sound[1])
    assert found.has_values_of(sound[1])
    made = found.forecasts[ETH, CHALLENGER_EXOGENOUS]
    assert len(made) == len(sound[1].forecasts[ETH, CHALLENGER_EXOGENOUS])
    assert len(receiver.accepted) == (0 if healed else 2)


@pytest.mark.slow
def test_a_champion_that_reads_damaged_values_leaves_its_last_forecast_and_is_reported(
    grown: Path,
    tmp_path: Path,
    receiver: Receiver,  # noqa: F811
    sound: list[Shown],
) -> None:
    home = Path(shutil.copytree(grown, tmp_path / "home"))
    platform = platform_at(home, receiver)
    registry, eth = ModelRegistry(home), series("1h", ETH)
    version = registry.roles(eth).holder(CHALLENGER_EXOGENOUS)
    (made,) = [each for each in registry.versions(eth) if each.name == version]
    now = platform.time
    registry.appoint(eth, CHAMPION, made, now, reason="test", by="test", recorded_at=now)
    before = platform.forecasts(CHAMPION, ETH)
    path = home / FILES["values"]
    ALL["flip"](path)
    hour(platform, HOURS[0])
    pd.testing.assert_frame_equal(platform.forecasts(CHAMPION, ETH), before)
    found = Shown.of(platform)
    for name, content in sound[0].published.items():
        assert ETH.replace("/", "_") in name or found.published[name] == content
    assert found.statuses[BTC, "1h"] == "fresh"
    told = {body["subjects"][0]: body["text"] for body in receiver.accepted if body is not None}
    assert len(told) == len(receiver.accepted) <= 2
    assert all(str(path) in text for text in told.values())
    assert "job fetch_exogenous" in told
    follow(path)
    platform.now, platform.ahead = f"{HOURS[0]}:40:00", platform.ahead + 900.0
    fetches(platform)
    hour(platform, HOURS[1])
    assert Shown.of(platform).statuses[ETH, "1h"] == "fresh"
    newest = platform.forecasts(CHAMPION, ETH)
    assert newest["as_of"].iloc[-1] == pd.Timestamp(f"{HOURS[1]}:00", tz="UTC")
    assert set(newest["model_version"][newest["as_of"] > before["as_of"].max()]) == {made.name}
