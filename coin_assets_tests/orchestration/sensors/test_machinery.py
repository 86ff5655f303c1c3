"""Reports on sensors, schedules and daemons, from the records of a real instance.

- Switched off, failing or silent is reported; once it works again nothing is.
- A tick under way hides no failure before it, and is none itself.
- A daemon that the instance needs is missed when its heartbeat is old.
"""

from datetime import datetime, timedelta

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo

from coin_assets.orchestration.locations import WHOLE
from coin_assets.orchestration.sensors.machinery import Trouble, seen_to_work, troubles
from coin_assets_tests.platform import utc

NOW = utc("2026-11-22T22:05")
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
SENSOR, SCHEDULE = "candles_due", "retrain"
FAILURE = TickStatus.FAILURE


class Machinery:
    """An instance with one sensor and one schedule, and ticks as the daemon records them."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance

    def add(
        self,
        name: str,
        status: InstigatorStatus = InstigatorStatus.DECLARED_IN_CODE,
        interval: int | None = 30,
    ) -> None:
        self.instance.add_instigator_state(self._state(name, status, interval))

    def switch(self, name: str, status: InstigatorStatus) -> None:
        self.instance.update_instigator_state(self._state(name, status, 30))

    def tick(
        self, name: str, ago: timedelta, status: TickStatus = TickStatus.SKIPPED, error: str = ""
    ) -> None:
        state = self._state(name)
        self.instance.create_tick(
            TickData(
                instigator_origin_id=state.instigator_origin_id,
                instigator_name=name,
                instigator_type=state.instigator_type,
                status=status,
                timestamp=(NOW - ago).timestamp(),
                run_ids=[],
                selector_id=state.selector_id,
                error=SerializableErrorInfo(error, [], "Error") if status is FAILURE else None,
            )
        )

    def beat(self, daemon: str, ago: timedelta) -> None:
        at = (NOW - ago).timestamp()
        self.instance.add_daemon_heartbeat(DaemonHeartbeat(at, daemon, "some id"))

    def troubles(self, now: datetime = NOW) -> list[Trouble]:
        return troubles(self.instance, [SENSOR, SCHEDULE, "training_events"], now)

    location: str = "coin_assets.definitions"

    def _state(
        self,
        name: str,
        status: InstigatorStatus = InstigatorStatus.DECLARED_IN_CODE,
        interval: int | None = None,
    ) -> InstigatorState:
        location = RegisteredCodeLocationOrigin(self.location)
        origin = RemoteInstigatorOrigin(
            RemoteRepositoryOrigin(location, "__repository__"), instigator_name=name
        )
        if name == SCHEDULE:
            data = ScheduleInstigatorData("35 0 * * *", start_timestamp=0.0)
            return InstigatorState(origin, InstigatorType.SCHEDULE, status, data)
        sensor = SensorInstigatorData(min_interval=interval)
        return InstigatorState(origin, InstigatorType.SENSOR, status, sensor)


@pytest.fixture
def machinery(instance: dg.DagsterInstance) -> Machinery:
    return Machinery(instance)


@pytest.mark.parametrize("status", [each for each in TickStatus if each is not FAILURE])
def test_what_works_is_no_trouble(machinery: Machinery, status: TickStatus) -> None:
    for name in (SENSOR, SCHEDULE):
        machinery.add(name)
        machinery.tick(name, 30 * SECOND, status)
    for daemon in machinery.instance.get_required_daemon_types():
        machinery.beat(daemon, 30 * SECOND)
    assert machinery.troubles() == []


def test_what_has_not_begun_is_no_trouble(machinery: Machinery) -> None:
    assert machinery.troubles() == []
    machinery.add(SENSOR)
    machinery.add(SCHEDULE)
    assert machinery.troubles() == []


def test_an_instance_in_memory_has_no_machinery() -> None:
    assert Machinery(dg.DagsterInstance.ephemeral()).troubles() == []


@pytest.mark.parametrize(("name", "subject"), [(SENSOR, "sensor"), (SCHEDULE, "schedule")])
def test_switched_off_is_reported_until_it_is_switched_on(
    machinery: Machinery, name: str, subject: str
) -> None:
    machinery.add(name)
    machinery.tick(name, 10 * SECOND)
    machinery.switch(name, InstigatorStatus.STOPPED)
    assert machinery.troubles() == [Trouble(f"{subject} {name}", NOW, "it was switched off")]
    machinery.switch(name, InstigatorStatus.RUNNING)
    assert machinery.troubles() == []


def test_what_is_off_by_default_or_unknown_is_left_alone(machinery: Machinery) -> None:
    for name in ("training_events", "of_somebody_else"):
        machinery.add(name, InstigatorStatus.STOPPED)
        machinery.tick(name, 30 * MINUTE, FAILURE, "some error")
    assert machinery.troubles() == []


@pytest.mark.parametrize(("name", "subject"), [(SENSOR, "sensor"), (SCHEDULE, "schedule")])
def test_a_failing_tick_is_reported_in_a_line_until_one_succeeds(
    machinery: Machinery, name: str, subject: str
) -> None:
    machinery.add(name)
    machinery.tick(name, 3 * MINUTE)
    machinery.tick(name, 2 * MINUTE, FAILURE, "the first line\nand a stack\n")
    wanted = Trouble(f"{subject} {name}", NOW - 2 * MINUTE, "its last tick failed: the first line")
    assert machinery.troubles() == [wanted]
    machinery.tick(name, 1 * MINUTE, TickStatus.STARTED)
    assert machinery.troubles() == [wanted]  # it tries again; the outcome is open
    machinery.tick(name, 10 * SECOND)
    assert machinery.troubles() == []


def test_a_failure_without_a_message_is_reported(machinery: Machinery) -> None:
    machinery.add(SENSOR)
    machinery.tick(SENSOR, MINUTE, FAILURE)
    (trouble,) = machinery.troubles()
    assert trouble.detail == "its last tick failed: no message"


@pytest.mark.parametrize("status", TickStatus)
@pytest.mark.parametrize(("interval", "allowed"), [(30, 330), (600, 900), (None, 330)])
def test_a_silent_sensor_is_reported(
    machinery: Machinery, interval: int | None, allowed: int, status: TickStatus
) -> None:
    """It may be silent for five minutes more than its interval, also if its last tick hangs."""
    machinery.add(SENSOR, interval=interval)
    machinery.tick(SENSOR, timedelta(0), status)
    wanted = [] if status is not FAILURE else ["its last tick failed: no message"]
    last = NOW + allowed * SECOND
    assert [trouble.detail for trouble in machinery.troubles(last)] == wanted
    assert machinery.troubles(last + SECOND) == [
        Trouble(f"sensor {SENSOR}", NOW, "no tick since 2026-11-22 22:05 UTC")
    ]


def test_a_schedule_may_be_silent_for_weeks(machinery: Machinery) -> None:
    machinery.add(SCHEDULE)
    machinery.tick(SCHEDULE, timedelta(days=20))
    assert machinery.troubles() == []


def test_each_daemon_that_is_needed_is_missed(machinery: Machinery) -> None:
    needed = machinery.instance.get_required_daemon_types()
    assert {"SENSOR", "SCHEDULER", "BACKFILL"} <= set(needed)
    for daemon in (*needed, "NOT_NEEDED"):
        machinery.beat(daemon, 10 * MINUTE)
    assert machinery.troubles() == []
    found = machinery.troubles(NOW + SECOND)
    at = NOW - 10 * MINUTE
    wanted = [
        Trouble(f"daemon {each}", at, f"no sign of life since {at:%F %R} UTC") for each in needed
    ]
    assert sorted(found, key=str) == sorted(wanted, key=str)
    machinery.beat(needed[0], timedelta(0))
    assert {trouble.subject for trouble in machinery.troubles(NOW + SECOND)} == {
        f"daemon {each}" for each in needed[1:]
    }


@pytest.mark.parametrize("shards", [1, 2])
def test_sensors_of_locations_that_are_no_more_are_no_trouble(
    machinery: Machinery, shards: int
) -> None:
    """`COIN_SHARDS` was changed: Dagster keeps what it knew of them."""
    names = {1: ("coin_assets.shard_0", "coin_assets.shard_1"), 2: (WHOLE, "coin_assets.shard_2")}
    for machinery.location in names[shards]:
        machinery.add(SENSOR)
        machinery.tick(SENSOR, 9 * timedelta(hours=1))
    assert troubles(machinery.instance, [SENSOR], NOW, shards=shards) == []
    machinery.location = WHOLE if shards == 1 else "coin_assets.shard_1"
    machinery.add(SENSOR)
    machinery.tick(SENSOR, 9 * timedelta(hours=1))
    (found,) = troubles(machinery.instance, [SENSOR], NOW, shards=shards)
    assert found.subject == f"sensor {SENSOR}"


def test_a_shard_looks_at_the_sensors_of_its_own_location(machinery: Machinery) -> None:
    for machinery.location, ago in (("coin_assets.shard_0", 9), ("coin_assets.shard_1", 0)):
        machinery.add(SENSOR)
        machinery.tick(SENSOR, ago * timedelta(hours=1))
    labels = [f"__repository__@coin_assets.shard_{number}" for number in range(2)]
    found = [troubles(machinery.instance, [SENSOR], NOW, label) for label in labels]
    assert list(map(len, found)) == [1, 0]
    assert seen_to_work(machinery.instance, f"sensor {SENSOR}", labels[1])
    assert not seen_to_work(machinery.instance, f"sensor {SENSOR}", "__repository__@other")
