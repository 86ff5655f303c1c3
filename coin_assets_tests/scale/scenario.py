"""What the scale test does to servers and workers, and what it expects then.

As in the live test, every expectation is a wait for a state with a generous deadline.
"""

import signal
import time
from dataclasses import dataclass
from functools import partial

import dagster as dg

from coin_assets_tests.live import invariants
from coin_assets_tests.live import scenario as live
from coin_assets_tests.live.rig import FIVES, MINUTES, SERIES_LIST, Rig
from coin_assets_tests.live.scenario import BOUNDARY_SECONDS, HEALING_SECONDS
from coin_assets_tests.live.timeline import CALM, DISTURBED
from coin_assets_tests.live.waiting import until
from coin_assets_tests.scale.stack import Stack, signalled

FRESHNESS = "1m:150/300,5m:600/1200"
_REDIS_SECONDS, _POSTGRES_SECONDS = 20.0, 60.0


@dataclass(frozen=True)
class Scale:
    """The installation under test, and the servers and workers beneath it."""

    rig: Rig
    stack: Stack


def play(scale: Scale, *, is_short: bool) -> None:
    """The scenario from the first start to the last check."""
    with scale.rig.step("two workers for live runs, one for background runs, one for trainings"):
        scale.stack.start_workers()
    live.first_publication(scale.rig)
    boundaries_are_met(scale, 1 if is_short else 3)
    worker_is_killed_in_a_run(scale)
    redis_is_away(scale)
    if not is_short:
        postgres_is_away(scale)
        holder_is_stopped_past_its_lease(scale)
        boundaries_are_met(scale, 2)
    everything_holds(scale)


def boundaries_are_met(scale: Scale, count: int) -> None:
    with scale.rig.step("published files follow each boundary"):
        for _ in range(count):
            scale.rig.await_next_boundary(MINUTES, BOUNDARY_SECONDS)
        if count > 1:
            scale.rig.await_next_boundary(FIVES, BOUNDARY_SECONDS)


def worker_is_killed_in_a_run(scale: Scale) -> None:
    rig, stack = scale.rig, scale.stack
    with rig.step("SIGKILL to a worker while it executes a run; the other one goes on"):
        pids = {each.pid: name for name, each in stack.live.items()}
        held = until(
            "a worker has a run", lambda: stack.holders() & pids.keys(), BOUNDARY_SECONDS, stack.log
        )
        name = pids[held.pop()]
        rig.timeline.note(DISTURBED, f"worker {name} is killed")
        stack.live[name].signal(signal.SIGKILL)
        stack.live[name].wait()
        _all_fresh_again(scale)
        stack.start(name)
        rig.timeline.note("up", f"worker {name} is started again")


def redis_is_away(scale: Scale) -> None:
    rig, stack = scale.rig, scale.stack
    with rig.step(f"Redis is away for {_REDIS_SECONDS:.0f} s"):
        rig.timeline.note(DISTURBED, "Redis is stopped")
        stack.redis.stop()
        time.sleep(_REDIS_SECONDS)
        stack.redis.start()
        rig.timeline.note("up", "Redis is started")
        _all_fresh_again(scale)


def postgres_is_away(scale: Scale) -> None:
    rig, stack = scale.rig, scale.stack
    with rig.step(f"PostgreSQL is away for {_POSTGRES_SECONDS:.0f} s"):
        rig.timeline.note(DISTURBED, "PostgreSQL is stopped")
        stack.postgres.stop()
        time.sleep(_POSTGRES_SECONDS)
        stack.postgres.start()
        rig.timeline.note("up", "PostgreSQL is started")
        _all_fresh_again(scale)


def holder_is_stopped_past_its_lease(scale: Scale) -> None:
    rig, stack = scale.rig, scale.stack
    with rig.step("a worker whose run holds a lock is stopped past its lease, then goes on"):
        found = until("a run holds a lock, stopped", lambda: _stopped(stack), HEALING_SECONDS)
        assert found is not None
        name, holder = found
        rig.timeline.note(DISTURBED, f"worker {name} and its run (process {holder}) are stopped")
        in_flight = _started(rig)
        rig.until("the lock is free", lambda: holder not in stack.holders(), BOUNDARY_SECONDS)
        boundary = rig.await_next_boundary(MINUTES, HEALING_SECONDS)
        rig.timeline.note("met", f"the other worker has published {boundary:%H:%M}")
        signalled(stack.live[name].pid, signal.SIGCONT)
        rig.timeline.note("up", f"worker {name} goes on")
        for run_id in in_flight:
            rig.until(f"run {run_id[:8]} has ended", partial(_ended, rig, run_id), 300)
            for line in _lost(rig, run_id):
                rig.timeline.note("met", f"{run_id[:8]}: {line}")
        _all_fresh_again(scale)


def everything_holds(scale: Scale) -> None:
    rig, stack = scale.rig, scale.stack
    with rig.step("no gap, files as the store says, every run once, nothing left over"):
        end = rig.await_next_boundary(MINUTES, BOUNDARY_SECONDS)
        for series in SERIES_LIST:
            rig.timeline.note("met", invariants.require_true_candles(rig.store, series, end))
        rig.until(
            "files as store and manifest say",
            lambda: not live._disagreements(rig),
            HEALING_SECONDS,
            lambda: live._disagreements(rig),
        )
        rig.until(
            "every incident is closed, every message came once",
            lambda: not live._unfinished(rig),
            HEALING_SECONDS,
            lambda: live._unfinished(rig),
        )
        rig.until(
            "no task waits and no lock is held",
            lambda: not (stack.redis.length("live") or stack.holders()),
            HEALING_SECONDS,
            lambda: (stack.redis.tasks("live"), stack.holders()),
        )
        twice = [run for run, count in _executions(rig).items() if count > 1]
        assert not twice, f"executed more than once: {twice}"


def _all_fresh_again(scale: Scale) -> None:
    scale.rig.await_next_boundary(MINUTES, HEALING_SECONDS)
    scale.rig.await_status("fresh", SERIES_LIST, HEALING_SECONDS)
    scale.rig.timeline.note(CALM, "everything is fresh")


def _stopped(stack: Stack) -> tuple[str, int] | None:
    """A worker that is stopped with all its processes, one of which holds the lock of a series."""
    deadline = time.monotonic() + 1.0
    workers = {each.pid for each in stack.live.values()}
    while time.monotonic() < deadline:
        for pid in stack.holders() - workers:
            name = stack.worker_of(pid)
            if name is None:
                continue
            signalled(pid, signal.SIGSTOP)
            if pid in stack.holders():
                signalled(stack.live[name].pid, signal.SIGSTOP)
                return name, pid
            signalled(pid, signal.SIGCONT)  # it was faster
    return None


def _started(rig: Rig) -> list[str]:
    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    return [run.run_id for run in rig.instance.get_runs(started)]


def _ended(rig: Rig, run_id: str) -> bool:
    run = rig.instance.get_run_by_id(run_id)
    return run is not None and run.is_finished


def _lost(rig: Rig, run_id: str) -> list[str]:
    """What a run recorded of locks that it lost."""
    events = rig.instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    texts = [str(each.get_dagster_event().event_specific_data) for each in events]
    return [
        f"{each.step_key} failed with LockLost"
        for each, text in zip(events, texts, strict=True)
        if "LockLost" in text
    ]


def _executions(rig: Rig) -> dict[str, int]:
    """How many processes began to execute each run."""
    found = {}
    for run in rig.instance.get_runs():
        events = rig.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        found[run.run_id] = sum("Started process for run" in each.message for each in events)
    return found
