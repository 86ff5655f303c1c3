"""Liveness of sensors, schedules and daemons, from Dagster's records."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorTick,
    SensorInstigatorData,
    TickStatus,
)

from coin_assets.orchestration.locations import is_former

# Ticks take up to 60 s, more on a busy machine.
_SILENT_AFTER = timedelta(minutes=5)
_DAEMON_SILENT_AFTER = timedelta(minutes=10)
_OPTIONAL = {"training_events"}
_WORKED = [TickStatus.SUCCESS, TickStatus.SKIPPED]


@dataclass(frozen=True)
class Trouble:
    """A sensor, schedule or daemon that does not work."""

    subject: str
    since: datetime
    detail: str


def troubles(
    instance: dg.DagsterInstance,
    names: Iterable[str],
    now: datetime,
    label: str | None = None,
    shards: int = 1,
) -> list[Trouble]:
    """Sensors, schedules and daemons that are dead, failing or switched off.

    Args:
        names: of the sensors and schedules that should run.
        now: machine time.
        label: of their location; None for all that this number of shards has.
    """
    wanted = set(names) - _OPTIONAL
    found = [
        trouble
        for state in _states(instance, label, shards)
        if state.instigator_name in wanted
        and (trouble := _of_instigator(instance, state, now)) is not None
    ]
    for kind, heartbeat in instance.get_daemon_heartbeats().items():
        beat = datetime.fromtimestamp(heartbeat.timestamp, UTC)
        if kind in instance.get_required_daemon_types() and now - beat > _DAEMON_SILENT_AFTER:
            detail = f"no sign of life since {beat:%Y-%m-%d %H:%M} UTC"
            found.append(Trouble(f"daemon {kind}", beat, detail))
    return found


def seen_to_work(instance: dg.DagsterInstance, subject: str, label: str | None = None) -> bool:
    """Whether the records hold a tick of a sensor or schedule, or a sign of life of a daemon."""
    kind, _, name = subject.partition(" ")
    if kind == "daemon":
        return name in instance.get_daemon_heartbeats()
    return any(
        instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1, statuses=_WORKED)
        for state in _states(instance, label)
        if state.instigator_name == name
    )


def _states(
    instance: dg.DagsterInstance, label: str | None, shards: int = 1
) -> list[InstigatorState]:
    """Sensors and schedules of the location with this label, else of all that are in use."""
    # An instance in memory, as tools use it, has no sensors.
    states = instance.all_instigator_state() if instance.schedule_storage else ()
    found = []
    for state in states:
        repository = state.origin.repository_origin
        is_former_one = is_former(repository.code_location_origin.location_name, shards)
        if not is_former_one if label is None else repository.get_label() == label:
            found.append(state)
    return found


def _of_instigator(
    instance: dg.DagsterInstance, state: InstigatorState, now: datetime
) -> Trouble | None:
    is_sensor = isinstance(state.instigator_data, SensorInstigatorData)
    subject = f"{'sensor' if is_sensor else 'schedule'} {state.instigator_name}"
    if state.status is InstigatorStatus.STOPPED:
        return Trouble(subject, now, "it was switched off")
    ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=2)
    if not ticks:
        return None
    at = _time_of(ticks[0])
    if is_sensor and now - at > _SILENT_AFTER + timedelta(seconds=_interval(state)):
        return Trouble(subject, at, f"no tick since {at:%Y-%m-%d %H:%M} UTC")
    # A failing sensor mostly shows a started tick: its retry.
    ended = [tick for tick in ticks if tick.status is not TickStatus.STARTED]
    if ended and ended[0].status is TickStatus.FAILURE:
        error = ended[0].error
        message = error.message.strip().partition("\n")[0] if error else ""
        detail = f"its last tick failed: {message or 'no message'}"
        return Trouble(subject, _time_of(ended[0]), detail)
    return None


def _time_of(tick: InstigatorTick) -> datetime:
    return datetime.fromtimestamp(tick.timestamp, UTC)


def _interval(state: InstigatorState) -> float:
    data = state.instigator_data
    return float(data.min_interval or 30) if isinstance(data, SensorInstigatorData) else 0.0
