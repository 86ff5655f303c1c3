"""Whether Dagster hands events to its storage in batches."""

import os

# Events of one batch: more than one run plans, and few enough for one insert.
_SIZE = "2000"


def enable_batches() -> None:
    """Let Dagster batch events in this process and its children, unless it is set otherwise.

    Dagster reads the size from the environment only. It batches the planned events of a run, and
    the materialisations of a step over a range of partitions; other events come one by one.
    """
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", _SIZE)
