"""``python -m coin_assets.commands.worker``: executes the runs of one queue.

There is no target of make, which would set DAGSTER_HOME to the checkout: docs/operations/scale.md.
"""

import argparse
import logging
import sys
from collections.abc import Sequence

import dagster as dg

from coin_assets.commands.terminal import finished
from coin_assets.config.settings import Settings
from coin_assets.errors import ConfigurationError
from coin_assets.orchestration.workers.queues import QUEUES


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; with ``--check``, 0 if the worker of this machine answers, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m coin_assets.commands.worker",
        description="A Celery worker. DAGSTER_HOME names the folder of deploy/dagster.celery.yaml "
        "under the name dagster.yaml; settings and home are those of the code location.",
    )
    parser.add_argument("--queue", required=True, choices=QUEUES, help="whose runs it executes")
    parser.add_argument("--slots", type=int, default=2, help="runs at a time, default 2")
    parser.add_argument("--check", action="store_true", help="only ask the worker of this machine")
    wanted = parser.parse_args(arguments)
    return finished(parser.prog, lambda: _work(Settings(), wanted))


def _work(settings: Settings, wanted: argparse.Namespace) -> int:
    if settings.locks != "postgres":
        raise ConfigurationError(
            f"COIN_LOCKS: {settings.locks!r} excludes the writers of one machine only; set "
            "COIN_LOCKS=postgres for workers, code location and everything else that uses the home."
        )
    if wanted.slots < 1:
        raise ConfigurationError(f"--slots: {wanted.slots} takes no run; choose 1 or more.")
    try:
        from coin_assets.orchestration.workers.worker import Worker
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{error.name} is not installed; install what requirements-scale.lock lists."
        ) from error
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    logging.getLogger("coin_assets").setLevel(logging.INFO)
    with dg.DagsterInstance.get() as instance:
        worker = Worker(instance, wanted.queue)
        if wanted.check:
            return 0 if worker.is_answering() else 1
        print(f"worker: {wanted.slots} runs at a time of queue {wanted.queue}", flush=True)
        worker.serve(wanted.slots)
    return 0


if __name__ == "__main__":
    sys.exit(main())
