"""An installation on PostgreSQL, Redis and Celery workers, all real and harmed by the test."""

import os
import re
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from coin_assets_tests.deploy import postgres as postgres_servers
from coin_assets_tests.deploy import redis as redis_servers
from coin_assets_tests.deploy.postgres import Postgres
from coin_assets_tests.deploy.redis import Redis
from coin_assets_tests.live.installation import Installation, installation
from coin_assets_tests.orchestration.workers.fleet import INSTANCE, Worker

SHARDS = 2
LIVE_SLOTS, OTHER_SLOTS = 4, 2
OTHER_QUEUES = ("background", "training")
_SLOTS = 2 * LIVE_SLOTS + len(OTHER_QUEUES) * OTHER_SLOTS
_HOLDERS = """SELECT DISTINCT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted"""


@dataclass
class Stack:
    """The servers, the installation, and two workers for live runs beside one for each other queue.

    Attributes:
        live: the workers for live runs, by name.
    """

    postgres: Postgres
    redis: Redis
    installation: Installation
    live: dict[str, Worker]
    others: list[Worker]

    def start_workers(self) -> None:
        for name in ("A", "B"):
            self.start(name)
        for queue in OTHER_QUEUES:
            self.others.append(self._worker(queue, OTHER_SLOTS))

    def start(self, name: str) -> None:
        """Start the worker ``name`` for live runs."""
        self.live[name] = self._worker("live", LIVE_SLOTS)

    def end_workers(self) -> None:
        for each in (*self.live.values(), *self.others):
            signalled(each.pid, signal.SIGKILL)
            each.end()

    def holders(self, host: str | None = None) -> set[int]:
        """Process ids that hold a lock: a worker the lease of a run, a run the lock of a series.

        Args:
            host: on which they are; default this one.
        """
        prefix = f"coin_assets {host or socket.gethostname()} "
        names = {str(name) for (name,) in self.postgres.run(_HOLDERS)}
        return {int(name.removeprefix(prefix)) for name in names if name.startswith(prefix)}

    def worker_of(self, pid: int) -> str | None:
        """Name of the worker for live runs to which a process belongs."""
        found = (name for name, each in self.live.items() if pid in family(each.pid))
        return next(found, None)

    def log(self) -> str:
        return "\n".join(each.log[-3000:] for each in (*self.live.values(), *self.others))

    def _worker(self, queue: str, slots: int) -> Worker:
        made = self.installation
        return Worker(made.folder, made.environment, queue, slots)


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    with suppress(psutil.NoSuchProcess):
        return [pid, *(each.pid for each in psutil.Process(pid).children(recursive=True))]
    return []


def signalled(pid: int, number: int) -> None:
    """Send a signal to a process and all that descend from it, parents first."""
    for each in family(pid):
        with suppress(ProcessLookupError):
            os.kill(each, number)


def instance_text() -> str:
    """deploy/dagster.celery.yaml with as many runs as the workers of the test have slots."""
    limit = "max_concurrent_runs: "
    return re.sub(rf"{limit}\d+", f"{limit}{_SLOTS}", INSTANCE.read_text())


@contextmanager
def stack(variables: Mapping[str, str], shards: int = SHARDS) -> Iterator[Stack]:
    """Servers that run, and an installation and workers that are not started yet."""
    with ExitStack() as opened:
        postgres = opened.enter_context(postgres_servers.running())
        redis = opened.enter_context(redis_servers.running())
        instance = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="scale-instance-")))
        (instance / "dagster.yaml").write_text(instance_text())
        of_servers = postgres.environment | {
            "DAGSTER_POSTGRES_PASSWORD": postgres.password,
            "DAGSTER_CELERY_BROKER": redis.url,
            "DAGSTER_HOME": str(instance),
            "COIN_LOCKS": "postgres",
            "COIN_SITE_PORT": "0",
        }
        made = opened.enter_context(
            installation("scale-", {**of_servers, **variables}, locations=shards)
        )
        found = Stack(postgres, redis, made, {}, [])
        opened.callback(found.end_workers)
        yield found
