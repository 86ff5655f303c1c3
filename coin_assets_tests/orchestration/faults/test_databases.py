"""The fault matrix of Dagster's databases, damaged while the platform runs.

Either everything goes on, or a message says what is wrong: of the alerts while they work, of the
watcher when they do not. Nothing wrong is served, and at the latest the next start heals all.
Databases of the alerts are among the stored files. Dagster's own report of such a database, also of
one run alone: dagster-io/dagster#6804.
"""

import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from coin_assets.errors import SymbolUnavailable
from coin_assets.orchestration.records.damage import records_set_aside, set_damaged_aside
from coin_assets.orchestration.records.events import BatchedSqliteEventLog
from coin_assets.orchestration.sensors import failed_steps
from coin_assets.planning import facts as work
from coin_assets.watcher import looks
from coin_assets.watcher.watch import Watcher
from coin_assets_tests.alerts.receiver import Receiver
from coin_assets_tests.orchestration.faults.matrix import Cell
from coin_assets_tests.orchestration.faults.test_files import sound  # noqa: F401
from coin_assets_tests.orchestration.faults.watched import (
    NEXT,
    Sound,
    platform_at,
    published,
    served,
    statuses,
    told_by,
    words_of,
)
from coin_assets_tests.orchestration.records.homes import open_home
from coin_assets_tests.orchestration.sensors.conftest import grown, receiver  # noqa: F401
from coin_assets_tests.orchestration.sensors.failing import FailingMarket
from coin_assets_tests.platform import ETH, Platform, given
from coin_assets_tests.watcher.rig import beat_ago, plan_of

DATABASES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db", "a failed run")
_SILENT_SECONDS = 3.0  # heartbeats are in whole seconds


def _zeroed(path: Path) -> None:
    """As a file system without journalled data leaves a file after a power cut."""
    path.write_bytes(bytes(path.stat().st_size))


def _zeroed_with_log(path: Path) -> None:
    """What the log still holds hides damage of the database; a closed one has none."""
    _zeroed(path)
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        _zeroed(log)


def _torn(path: Path) -> None:
    """Pages in the middle are not what was written."""
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * len(content[4096:])
    path.write_bytes(bytes(content))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _text(path: Path) -> None:
    path.write_bytes(b"no database " * 1000)


def _no_log(path: Path) -> None:
    """The write-ahead log is gone: a copy of the database alone was put back."""
    path.with_name(f"{path.name}-wal").unlink(missing_ok=True)


DAMAGES = {
    "zeroed": _zeroed,
    "zeroed, its log too": _zeroed_with_log,
    "torn": _torn,
    "cut": _cut,
    "a text": _text,
    "no log": _no_log,
}
FAST = [("a failed run", "zeroed")]
CELLS = [
    pytest.param((name, damage), marks=() if (name, damage) in FAST else pytest.mark.slow)
    for name in DATABASES
    for damage in DAMAGES
]


class Watched:
    """Cycles of an installation with records on disk, and what they raised and led to.

    Attributes:
        raised: ticks and runs that raised; the daemon records these and goes on.
        seen: what the watcher, which is a process of its own in an installation, would send.
    """

    def __init__(self, platform: Platform) -> None:
        self.platform, self.home = platform, platform.settings.home
        self.raised: list[str] = []
        self.seen: list[str] = []
        plan = plan_of(self.home, silent_seconds=_SILENT_SECONDS, start_seconds=_SILENT_SECONDS)
        self._watcher = Watcher(plan, (), sys.stderr.write, time.monotonic() - 60)

    def cycles(self, count: int) -> None:
        for _ in range(count):
            self._do("candles_due and publish_due", self.platform.cycle)
            self._do("publish_due", lambda: self.platform.tick("publish_due"))
            # The platform's clock stands in 2024, the watcher's does not.
            if self._do("health_alerts", lambda: self.platform.tick("health_alerts")):
                beat_ago(self.home)
            else:
                time.sleep(_SILENT_SECONDS)
            found = self._watcher.look(datetime.now(UTC))
            self.seen += [f"{each.kind}: {each.subject}" for each in found]
            self.platform.ahead += 61.0

    def _do(self, name: str, tick: Callable[[], object]) -> bool:
        try:
            tick()
        except Exception as error:  # noqa: BLE001 (reported)
            self.raised.append(f"{name}: {str(error).strip().partition(chr(10))[0]}")
            return False
        return True


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "FIRST_DELAY", timedelta(minutes=1))
    monkeypatch.setattr(looks, "_NEW_SECONDS", 0.01)


def path_of(name: str, instance: dg.DagsterInstance, records: Path) -> Path:
    if name != "a failed run":
        return records / name
    (run,) = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    path = records / "history" / "runs" / f"{run.run_id}.db"
    log = instance.event_log_storage
    assert isinstance(log, BatchedSqliteEventLog)
    # The process of a run ends with it, and the sensors, which are another, read its events once.
    log._connections.close(path)
    failed_steps._CACHE.clear()
    return path


def begin(home: Path, receiver: Receiver, instance: dg.DagsterInstance) -> Watched:  # noqa: F811
    """An installation after a candle has closed, which came for one symbol only."""
    platform = platform_at(home, receiver)
    platform.instance = instance
    platform.tick("health_alerts")
    platform.now = NEXT
    platform.market = given(FailingMarket({ETH}, SymbolUnavailable))
    platform.cycle()
    platform.market = None
    return Watched(platform)


def restarted(home: Path, receiver: Receiver, ahead: float) -> tuple[Watched, list[Path]]:  # noqa: F811
    """After a start, which sets damaged databases aside; and these."""
    failed_steps._CACHE.clear()
    records = home / "dagster"
    aside = set_damaged_aside(records)
    with open_home(records) as instance:
        platform = platform_at(home, receiver)
        platform.instance, platform.now, platform.ahead = instance, NEXT, ahead
        watched = Watched(platform)
        watched.cycles(4)
        found = {path for path, _ in records_set_aside(instance)}
        assert set(aside) <= found
    return watched, sorted(found)


@pytest.mark.parametrize("cell", CELLS, ids=": ".join)
def test_a_database_that_is_damaged_while_it_is_used_is_told_and_over_with_the_next_start(
    grown: Path,  # noqa: F811
    tmp_path: Path,
    receiver: Receiver,  # noqa: F811
    sound: Sound,  # noqa: F811
    record_property: Callable[[str, object], None],
    cell: tuple[str, str],
) -> None:
    home = Path(shutil.copytree(grown, tmp_path / "home"))
    with open_home(home / "dagster") as instance:
        running = begin(home, receiver, instance)
        path = path_of(cell[0], instance, home / "dagster")
        DAMAGES[cell[1]](path)
        running.cycles(3)
        words, shown = words_of(statuses(running.platform)), served(running.platform)
        went_on = published(running.platform) == sound[0] and not running.raised
    bodies = [each for each in receiver.accepted if each is not None]
    told = "; ".join(
        dict.fromkeys([told_by(bodies), *(f"watcher: {each}" for each in running.seen)])
    )
    after, aside = restarted(home, receiver, running.platform.ahead + 3600.0)
    is_healed = published(after.platform) == sound[0] and not after.raised and not after.seen
    did = f"{len(running.raised)} ticks raised; {words}"
    healed = "by itself" if went_on else "by a restart" if is_healed else "open"
    Cell(cell[1], f"database: {Path(cell[0]).name}", did, told, healed).record(record_property)

    for series, prices in [*shown.items(), *served(after.platform).items()]:
        assert prices.items() <= sound[1][series].items()
    assert is_healed, (after.raised, after.seen)
    if not went_on:
        assert running.seen or bodies, running.raised
    titles = [body["title"] for body in receiver.accepted if body is not None]
    assert len(titles) == len(set(titles))
    assert ("records damaged: Dagster's records" in titles) == bool(aside)
    if cell[0] == "a failed run":
        assert went_on, running.raised
