"""A daemon that sends runs to workers, in the process of a test; servers and workers are real."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg
import pytest

from coin_assets.orchestration.workers.launcher import WorkerRunLauncher
from coin_assets_tests.deploy import postgres as postgres_servers
from coin_assets_tests.deploy import redis as redis_servers
from coin_assets_tests.deploy.postgres import Postgres
from coin_assets_tests.deploy.redis import Redis
from coin_assets_tests.orchestration.launcher.launching import Daemon, created, until
from coin_assets_tests.webui import ROOT

INSTANCE = ROOT / "deploy" / "dagster.celery.yaml"


class Worker:
    """A worker of one queue, as its operator starts it.

    Args:
        within: a command that runs another one, on another host for example.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        queue: str,
        slots: int = 2,
        within: Sequence[str] = (),
    ) -> None:
        self._log = folder / f"{queue}.log"
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [
                    *within,
                    *(sys.executable, "-m", "coin_assets.commands.worker"),
                    *("--queue", queue, "--slots", str(slots)),
                ],
                cwd=folder,
                env=os.environ | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self, seconds: float = 60.0) -> int:
        return self._process.wait(seconds)

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()  # its runs end with it
        self._process.wait()


class Fleet(Daemon):
    """An instance of ``deploy/dagster.celery.yaml``, and workers that tests start."""

    def __init__(self, folder: Path, postgres: Postgres, redis: Redis) -> None:
        super().__init__(folder, INSTANCE.read_text())
        self.postgres, self.redis = postgres, redis
        self.environment: dict[str, str] = {}  # of workers; fixtures of tests hide some of it
        self.workers: list[Worker] = []

    @property
    def workers_launcher(self) -> WorkerRunLauncher:
        found = self.instance.run_launcher
        assert isinstance(found, WorkerRunLauncher)
        return found

    def worker(self, queue: str = "background", slots: int = 2) -> Worker:
        worker = Worker(self.folder, self.environment, queue, slots)
        self.workers.append(worker)
        return worker

    def launch(self, job: str = "described", **tags: str) -> str:
        """As the daemon launches a run; ``__`` in a tag's name stands for ``/``."""
        named = {name.replace("__", "/"): text for name, text in tags.items()}
        run_id = created(self.instance, job, named)
        self.instance.launch_run(run_id, None)  # type: ignore[arg-type]
        return run_id

    def until_started(self, run_id: str) -> None:
        until(
            lambda: self.run(run_id).status is dg.DagsterRunStatus.STARTED,
            lambda: [self.messages(run_id), *(each.log for each in self.workers)],
        )

    def executions(self, run_id: str) -> int:
        """How many processes began to execute a run."""
        return self.messages(run_id).count("Started process for run")

    def end_workers(self) -> None:
        for each in self.workers:
            each.end()
        self.workers.clear()


@contextmanager
def fleet(folder: Path) -> Iterator[Fleet]:
    """Servers and a daemon without workers, until the end of the block."""
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_servers.running())
        redis = stack.enter_context(redis_servers.running())
        patched = stack.enter_context(pytest.MonkeyPatch.context())
        for name in [each for each in os.environ if each.startswith(("COIN_", "DAGSTER_"))]:
            patched.delenv(name)
        variables = postgres.environment | {
            "DAGSTER_POSTGRES_PASSWORD": postgres.password,
            "DAGSTER_CELERY_BROKER": redis.url,
            "DAGSTER_HOME": str(folder),
            "COIN_DAGSTER_HOME": str(folder / "dagster"),
            "COIN_HOME": str(folder / "home"),
            "COIN_LOCKS": "postgres",
            "LAUNCHED_FOLDER": str(folder),
            "PYTHONPATH": str(ROOT),
        }
        for name, text in variables.items():
            patched.setenv(name, text)
        (folder / "history" / "runs").mkdir(parents=True)  # the job "hanging" opens a file there
        made = Fleet(folder, postgres, redis)
        made.environment = variables
        stack.callback(made.instance.dispose)
        stack.callback(made.end_workers)
        yield made
