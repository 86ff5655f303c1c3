"""What the scale test does to servers, workers and locations, and what it expects then.

As in the live test, every expectation is a wait for a state with a generous deadline.
"""

import signal
import time
from dataclasses import dataclass

import dagster as dg

from coin_assets.orchestration.locations import location_of
from coin_assets_tests.deploy.postgres import Postgres
from coin_assets_tests.deploy.redis import Redis
from coin_assets_tests.live import invariants
from coin_assets_tests.live.timeline import CALM, DISTURBED
from coin_assets_tests.live.waiting import until
from coin_assets_tests.scale.rig import Scale
from coin_assets_tests.scale.stack import Stack, signalled

_FIRST_SECONDS = 900.0  # until an empty home has published everything
_BOUNDARY_SECONDS = 240.0  # until something due is published, at most, on a busy machine
_HEALING_SECONDS = 600.0  # a back-off may have to end first


@dataclass(frozen=True)
class Plan:
    """How many series there are, and how long each part lasts.

    Attributes:
        symbols: of each shard.
        boundaries: met in the calm before, and after all.
        redis_seconds, postgres_seconds: outages.
    """

    symbols: int
    boundaries: int
    redis_seconds: float
    postgres_seconds: float


SHORT = Plan(symbols=4, boundaries=1, redis_seconds=15, postgres_seconds=20)
WHOLE = Plan(symbols=25, boundaries=6, redis_seconds=60, postgres_seconds=60)


def play(scale: Scale, plan: Plan) -> None:
    """The scenario from the first start to the last check."""
    first_publication(scale)
    boundaries_are_met(scale, plan.boundaries)
    worker_is_killed_in_a_run(scale)
    server_is_away(scale, "Redis", scale.stack.redis, plan.redis_seconds)
    location_is_killed(scale)
    server_is_away(scale, "PostgreSQL", scale.stack.postgres, plan.postgres_seconds)
    holder_is_stopped_past_its_lease(scale)
    boundaries_are_met(scale, plan.boundaries)
    everything_holds(scale)


def first_publication(scale: Scale) -> None:
    with scale.timeline.step("two code locations, one daemon, workers; an empty home"):
        scale.stack.start_workers()
        scale.stack.installation.start()
        scale.timeline.note("up", "make up answers, both locations are loaded")
        scale.await_boundary(_FIRST_SECONDS)
        scale.await_fresh(_FIRST_SECONDS)  # trainings go on beside all that follows
        scale.timeline.note(CALM, "everything was published")


def boundaries_are_met(scale: Scale, count: int) -> None:
    with scale.timeline.step("both shards publish each boundary"):
        for _ in range(count):
            scale.await_boundary(_BOUNDARY_SECONDS)


def worker_is_killed_in_a_run(scale: Scale) -> None:
    stack = scale.stack
    with scale.timeline.step("SIGKILL to a worker that executes a run; the other one goes on"):
        pids = {each.pid: name for name, each in stack.live.items()}
        held = until(
            "a worker has a run",
            lambda: stack.holders() & pids.keys(),
            _BOUNDARY_SECONDS,
            stack.log,
        )
        name = pids[held.pop()]
        scale.timeline.note(DISTURBED, f"worker {name} is killed")
        stack.live[name].signal(signal.SIGKILL)
        stack.live[name].wait()
        _all_fresh_again(scale)
        stack.start(name)
        scale.timeline.note("up", f"worker {name} is started again")


def server_is_away(scale: Scale, name: str, server: Postgres | Redis, seconds: float) -> None:
    with scale.timeline.step(f"{name} is away for {seconds:.0f} s"):
        scale.timeline.note(DISTURBED, f"{name} is stopped")
        server.stop()
        time.sleep(seconds)
        server.start()
        scale.timeline.note("up", f"{name} is started")
        _all_fresh_again(scale)


def location_is_killed(scale: Scale) -> None:
    name = location_of(scale.shards[-1].shard)
    with scale.timeline.step(f"SIGKILL to the code location {name}"):
        scale.timeline.note(DISTURBED, f"{name} is killed")
        scale.stack.installation.kill_location(name)
        scale.timeline.note("up", f"make up has started {name} again")
        _all_fresh_again(scale)


def holder_is_stopped_past_its_lease(scale: Scale) -> None:
    stack = scale.stack
    with scale.timeline.step("a worker whose run holds a lock is stopped past its lease"):
        name, holder = until(
            "a run that holds a lock is stopped", lambda: _stopped(stack), _HEALING_SECONDS
        ) or ("", 0)
        scale.timeline.note(DISTURBED, f"worker {name} and its run (process {holder}) are stopped")
        in_flight = _in_flight(scale)
        scale.until("the lock is free", lambda: holder not in stack.holders(), _BOUNDARY_SECONDS)
        boundary = scale.await_boundary(_HEALING_SECONDS)
        scale.timeline.note("met", f"the other worker has published {boundary:%H:%M}")
        signalled(stack.live[name].pid, signal.SIGCONT)
        scale.timeline.note("up", f"worker {name} goes on")
        scale.until(
            "the runs of then have ended",
            lambda: not set(in_flight) & set(_in_flight(scale)),
            _HEALING_SECONDS,
            lambda: _in_flight(scale),
        )
        for run_id in in_flight:
            for line in _lost(scale.instance, run_id):
                scale.timeline.note("met", f"{run_id[:8]}: {line}")
        _all_fresh_again(scale)


def everything_holds(scale: Scale) -> None:
    stack = scale.stack
    with scale.timeline.step("no gap, files as the store says, every run once, nothing left over"):
        scale.await_fresh(_HEALING_SECONDS, trained=True)
        end = scale.await_boundary(_BOUNDARY_SECONDS)
        for series in scale.series:
            invariants.require_true_candles(scale.store, series, end)
        scale.timeline.note("met", f"true candles without a gap in {len(scale.series)} series")
        scale.until(
            "files as store and manifest say",
            lambda: not scale.disagreements(),
            _HEALING_SECONDS,
            lambda: scale.disagreements()[:5],
        )
        scale.until(
            "every incident is closed, every message came once",
            lambda: not scale.unfinished_alerts(),
            _HEALING_SECONDS,
            scale.unfinished_alerts,
        )
        scale.until(
            "no task waits and no lock is held",
            lambda: not (stack.redis.length("live") or stack.holders()),
            _HEALING_SECONDS,
            lambda: (stack.redis.tasks("live"), stack.holders()),
        )
        twice = [run for run, count in _executions(scale.instance).items() if count > 1]
        assert not twice, f"executed more than once: {twice}"


def _all_fresh_again(scale: Scale) -> None:
    scale.await_boundary(_HEALING_SECONDS)
    scale.await_fresh(_HEALING_SECONDS)
    scale.timeline.note(CALM, "everything is fresh")


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


def _in_flight(scale: Scale) -> list[str]:
    started = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
    return [run.run_id for run in scale.instance.get_runs(started)]


def _lost(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """What a run recorded of locks that it lost."""
    events = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    texts = [str(each.get_dagster_event().event_specific_data) for each in events]
    return [
        f"{each.step_key} failed with LockLost"
        for each, text in zip(events, texts, strict=True)
        if "LockLost" in text
    ]


def _executions(instance: dg.DagsterInstance) -> dict[str, int]:
    """How many processes began to execute each run."""
    found = {}
    for run in instance.get_runs():
        events = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        found[run.run_id] = sum("Started process for run" in each.message for each in events)
    return found
