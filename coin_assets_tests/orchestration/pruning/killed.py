"""A prune that kills itself: ``python -m ...pruning.killed FOLDER STEPS``.

A step is a file that is removed or a transaction that changes a table of runs or events.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as db
from sqlalchemy.engine import Engine

from coin_assets.orchestration.records import prune as pruning
from coin_assets_tests.orchestration.pruning.history import DAY, NOW, instance_in

_left = [0]


def _step(*_: Any) -> None:
    _left[0] -= 1
    if _left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path, steps: int) -> None:
    """Prune the records in ``folder``, one run a batch, and die at the given step."""
    _left[0] = steps
    unlink = Path.unlink

    def counted(path: Path, missing_ok: bool = False) -> None:
        _step()
        unlink(path, missing_ok)

    Path.unlink = counted  # type: ignore[method-assign, assignment]
    pruning._RUNS_A_BATCH = 1
    with instance_in(folder) as instance:
        # Before the statement is executed, and before its transaction is committed.
        db.event.listen(Engine, "before_cursor_execute", _of_delete)
        db.event.listen(Engine, "commit", _step)
        pruning.prune(instance, NOW - 30 * DAY, lambda _: None)


def _of_delete(_: Any, __: Any, statement: str, *___: Any) -> None:
    if statement.startswith("DELETE"):
        _step()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
