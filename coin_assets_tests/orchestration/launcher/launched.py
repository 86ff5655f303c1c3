"""A code location whose runs tell about their process; `test_launcher` launches them.

`LAUNCHED_FOLDER` names the folder through which the tests and the runs speak.
"""

import contextlib
import json
import os
import signal
import sqlite3
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
from filelock import FileLock

from coin_assets.config.settings import Settings
from coin_assets.orchestration.executor import noted_in_process_executor

FOLDER = Path(os.environ["LAUNCHED_FOLDER"])
if (FOLDER / "broken").exists():
    raise RuntimeError("this location cannot be loaded")
SYMBOLS = Settings().symbols  # as definitions use settings: at import


@dg.op
def describe(context: dg.OpExecutionContext) -> None:
    """Write down what this process is like, then wait for the file ``go``."""
    found = about_this_process()
    (FOLDER / f"{context.run_id}.json").write_text(json.dumps(found))
    print(f"{context.run_id} speaks")  # noqa: T201
    while not (FOLDER / "go").exists():
        time.sleep(0.02)


@dg.op
def fail() -> None:
    raise ValueError("the run fails")


@dg.op
def hang(context: dg.OpExecutionContext) -> None:
    """Take a lock, and stop without an end; with the tag, in a transaction on its events."""
    database = FOLDER / "history" / "runs" / f"{context.run_id}.db"
    with FileLock(FOLDER / "lock"), closing(sqlite3.connect(database, timeout=60)) as events:
        if "in_transaction" in context.run.tags:
            events.execute("BEGIN IMMEDIATE")
        (FOLDER / f"{context.run_id}.json").write_text(json.dumps(about_this_process()))
        os.kill(os.getpid(), signal.SIGSTOP)


@dg.job(executor_def=noted_in_process_executor)
def described() -> None:
    describe()


@dg.job(executor_def=noted_in_process_executor)
def failing() -> None:
    fail()


@dg.job(executor_def=noted_in_process_executor)
def hanging() -> None:
    hang()


def about_this_process() -> dict[str, Any]:
    handles = []
    for handle in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the one that lists this folder
            handles.append(str(handle.readlink()))
    return {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "group": os.getpgrp(),
        "code": getattr(sys.modules.get("sitecustomize"), "word", None),
        "symbols": SYMBOLS,
        "environment": dict(os.environ),
        "directory": str(Path.cwd()),
        "handles": handles,
        "threads": [each.name for each in threading.enumerate()],
        "blocked": [int(each) for each in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
        "child_signal": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,
        "random": float(np.random.random()),
        "sklearn": "sklearn" in sys.modules,
    }


defs = dg.Definitions(jobs=[described, failing, hanging])
