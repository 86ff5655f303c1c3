"""A process that writes numbered batches of events: ``python -m ... HOME RUNS FIRST COUNT``.

It prints the number of each batch that was stored. A batch is a planned materialisation, two
materialisations and a log line, under one number.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from coin_assets_tests.orchestration.records.generated import ASSETS, Kind, Sequencer, Spec
from coin_assets_tests.orchestration.records.homes import open_home, report

_KINDS = (
    Kind.ASSET_MATERIALIZATION_PLANNED,
    Kind.ASSET_MATERIALIZATION,
    Kind.ASSET_MATERIALIZATION,
    Kind.ENGINE_EVENT,
)
BATCH = len(_KINDS)
INDEXED = BATCH - 1


def batch(run: str, number: int) -> Sequence[dg.EventLogEntry]:
    """The events of batch ``number`` of a run; their messages count them."""
    specs = [Spec(kind, run, ASSETS[0], None, "", passed=False, late=False) for kind in _KINDS]
    return Sequencer(count=number * BATCH).events(specs)


def write(instance: dg.DagsterInstance, run: str, numbers: range) -> None:
    """Report the batches ``numbers``."""
    for number in numbers:
        report(instance, batch(run, number), f"{run} {number}")
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    home, runs, first, count = sys.argv[1:]
    os.environ["DAGSTER_EVENT_BATCH_SIZE"] = "2000"
    with open_home(Path(home)) as opened:
        for each in range(int(first), int(first) + int(count)):
            for run_id in runs.split(","):
                write(opened, run_id, range(each, each + 1))
