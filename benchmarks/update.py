"""Benchmark ``update``: one hourly update, from the request to the published manifest."""

import json
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg

from benchmarks import demo
from benchmarks.harness import ROOT, Bench, BenchmarkFailed, Figure, Home, execute, say, timed
from benchmarks.publishing import measure_publishing
from benchmarks.services import Services, running_services
from benchmarks.update_steps import measure_steps, rewind
from coin_assets.config.settings import Settings
from coin_assets.domain.layers import CANDLES, PREDICTIONS, PUBLISHED
from coin_assets.domain.publishing.root import MANIFEST
from coin_assets.orchestration.build import build_definitions, series_specs

_JOB = "update"
_RUN_SECONDS = 300
_POLL_SECONDS = 0.1

Launch = Callable[[str], str]  # partition -> run id


@dataclass(frozen=True)
class Timeline:
    """Times of one run as Unix seconds; ``requested`` and ``answered`` by the caller's clock, the
    others by run statistics and events of the instance, ``published`` by the manifest's file."""

    requested: float
    answered: float
    enqueued: float
    dequeued: float
    started: float
    first_step: float
    last_step: float
    published: float
    steps: int


# name -> (phase, how it was measured)
_PHASES: dict[str, tuple[Callable[[Timeline], float], str]] = {
    "launch call": (
        lambda line: line.answered - line.requested,
        "until the launching call (HTTP request or command) came back; the run and a planned event "
        "for each asset are recorded in it",
    ),
    "queue wait": (
        lambda line: line.dequeued - line.enqueued,
        "run enqueued until dequeued by the daemon (which looks every second)",
    ),
    "process start": (
        lambda line: line.started - line.dequeued,
        "dequeued until RUN_START: the launcher, a forked process, definitions",
    ),
    "run start to first step": (
        lambda line: line.first_step - line.started,
        "RUN_START to the first STEP_START: resources and execution plan",
    ),
    "steps": (
        lambda line: line.last_step - line.first_step,
        "first STEP_START to last STEP_SUCCESS, one process, one step after the other",
    ),
    "request to published": (
        lambda line: line.published - line.requested,
        "request until the manifest was rewritten for the last time (modification time of the "
        "file); all of the above",
    ),
}


def measure(bench: Bench) -> list[Figure]:
    """One hourly update of five symbols with five timeframes on the home that the demo made.

    Before each update the newest 1h candle of every symbol and the forecast made at its close are
    deleted, so that each update has one hour to catch up. `In process` is the run alone, without
    services. The others are runs of ``make up`` (web server, daemon, code server; sensors and
    schedules stopped; loopback only), launched like the UI does by GraphQL, or by the command
    ``dagster job launch``. The fast path is what a live update needs: ``ohlcv_*``,
    ``prediction_*`` and ``published_*``, no ``model_*``. A quick run takes one symbol.
    `Publishing` is the writing of 25 series alone, with and without objects in turn.
    """
    home, _ = demo.prepared(bench)
    figures = measure_steps(home, bench.pick(3, 1)) + measure_publishing(bench.pick(10, 2))
    with home.entered(), dg.DagsterInstance.get() as instance:
        say("starting make up")
        began = time.perf_counter()
        with running_services(home) as services:
            ready = time.perf_counter() - began
            services.stop_automation()
            launches = _launches(home, services, bench)
            first = _measured("first run", launches[0][1], instance)
            for name, launch, times in launches:
                lines = [
                    _measured(f"{name}, {number + 1} of {times}", launch, instance)
                    for number in range(times)
                ]
                figures += _figures(f"{name}, {lines[-1].steps} steps", lines)
    start, _ = _PHASES["process start"]
    return [
        *figures,
        Figure(
            *("first run: process start", start(first), "s"),
            "dequeued until RUN_START of the first run, which starts the run server: interpreter "
            "and all imports besides",
        ),
        Figure(
            *("services ready", ready, "s"),
            "`make up` started until the code location is loaded and the queue daemon is healthy",
        ),
    ]


def _launches(home: Home, services: Services, bench: Bench) -> list[tuple[str, Launch, int]]:
    """Ways to launch an update, with their names and how often to take them."""
    settings = Settings()
    assets = {
        spec.asset_key(layer)
        for spec in series_specs(settings)
        for layer in (CANDLES, PREDICTIONS, PUBLISHED)
    }
    # An asset that records checks is launched with all of them, or not at all.
    graph = build_definitions(settings).resolve_job_def(_JOB).asset_layer.asset_graph
    checks = [
        (check.asset_key.path, check.name)
        for check in sorted(graph.asset_check_keys)
        if check.asset_key in assets
    ]
    fast_path = [asset.path for asset in sorted(assets)]

    def by_command(partition: str) -> str:
        run_id = str(uuid.uuid4())
        tags = json.dumps({"dagster/partition": partition})
        command = ("job", "launch", "-w", str(ROOT / "workspace.yaml"), "-j", _JOB)
        execute(home, sys.executable, "-m", "dagster", *command, "--run-id", run_id, "--tags", tags)
        return run_id

    return [
        ("GraphQL", lambda month: services.launch(_JOB, month), bench.pick(3, 1)),
        (
            "fast path",
            lambda month: services.launch(_JOB, month, fast_path, checks),
            bench.pick(5, 1),
        ),
        ("command line", by_command, bench.pick(2, 1)),
    ]


def _measured(name: str, launch: Launch, instance: dg.DagsterInstance) -> Timeline:
    say(name)
    settings = Settings()
    month = rewind(settings)
    requested = time.time()
    seconds, run_id = timed(launch, month)
    _await_success(instance, run_id)
    stats = instance.get_run_stats(run_id)
    events = [
        (entry.get_dagster_event().event_type, entry.timestamp)
        for entry in instance.all_logs(run_id)
        if entry.is_dagster_event
    ]
    return Timeline(
        requested=requested,
        answered=requested + seconds,
        enqueued=_known(stats.enqueued_time),
        dequeued=_known(stats.launch_time),
        started=_known(stats.start_time),
        first_step=min(at for kind, at in events if kind is dg.DagsterEventType.STEP_START),
        last_step=max(at for kind, at in events if kind is dg.DagsterEventType.STEP_SUCCESS),
        published=(settings.publish_dir / MANIFEST).stat().st_mtime,
        steps=stats.steps_succeeded,
    )


def _await_success(instance: dg.DagsterInstance, run_id: str) -> None:
    deadline = time.monotonic() + _RUN_SECONDS
    while True:
        run = instance.get_run_by_id(run_id)
        if run is not None and run.is_finished:
            break
        if time.monotonic() > deadline:
            raise BenchmarkFailed(f"Run {run_id} did not end within {_RUN_SECONDS} s.")
        time.sleep(_POLL_SECONDS)
    if not run.is_success:
        raise BenchmarkFailed(f"Run {run_id} ended as {run.status.value}.")


def _known(time: float | None) -> float:
    if time is None:
        raise BenchmarkFailed("A run succeeded, but Dagster has not recorded its times.")
    return time


def _figures(name: str, lines: list[Timeline]) -> list[Figure]:
    return [
        Figure.median(f"{name}: {phase}", [value(line) for line in lines], "s", how)
        for phase, (value, how) in _PHASES.items()
    ]
