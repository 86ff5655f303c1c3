"""Queues of the workers, and which run goes where."""

import dagster as dg
from dagster._core.storage.tags import BACKFILL_ID_TAG

from coin_assets.errors import ConfigurationError
from coin_assets.orchestration.sensors.runs import PURPOSE_TAG, TRAIN_JOB
from coin_assets.planning import facts

LIVE, BACKGROUND, TRAINING = QUEUES = ("live", "background", "training")
QUEUE_TAG = "dagster-celery/queue"  # of dagster-celery


def queue_of(run: dg.DagsterRun) -> str:
    """The queue of a run; a person may choose it with the tag of dagster-celery.

    ``live`` takes what the planner requests for the newest candles and their files, and nothing
    else, so that these runs wait for each other only.

    Raises:
        ConfigurationError: the tag names no queue.
    """
    chosen = run.tags.get(QUEUE_TAG)
    if chosen is not None:
        if chosen not in QUEUES:
            raise ConfigurationError(
                f"{QUEUE_TAG}: {chosen!r} is no queue; choose {', '.join(QUEUES)} or no tag."
            )
        return chosen
    purpose = run.tags.get(PURPOSE_TAG)
    if run.job_name == TRAIN_JOB or purpose == facts.TRAINING:
        return TRAINING
    is_live = purpose in (facts.LIVE, facts.REPAIR) and BACKFILL_ID_TAG not in run.tags
    return LIVE if is_live else BACKGROUND
