"""Which queue a run goes to: live runs share theirs with nothing that is not live."""

import dagster as dg
import pytest

from coin_assets.errors import ConfigurationError
from coin_assets.orchestration.workers.queues import QUEUES, queue_of


@pytest.mark.parametrize(
    ("job", "tags", "queue"),
    [
        ("update", {"coin_assets/purpose": "live"}, "live"),
        ("update", {"coin_assets/purpose": "repair"}, "live"),
        ("update", {"coin_assets/purpose": "history"}, "background"),
        ("update", {"coin_assets/purpose": "gaps"}, "background"),
        ("update", {"coin_assets/purpose": "anchors"}, "background"),
        ("update", {}, "background"),  # a person launched it
        ("update", {"coin_assets/purpose": "live", "dagster/backfill": "x"}, "background"),
        ("evaluate", {"coin_assets/purpose": "evaluation"}, "background"),
        ("promote_champion", {"coin_assets/purpose": "promotion"}, "background"),
        ("reconcile", {"coin_assets/lane": "background"}, "background"),
        ("train_models", {"coin_assets/purpose": "training"}, "training"),
        ("train_models", {}, "training"),
        ("update", {"dagster-celery/queue": "live"}, "live"),
    ],
)
def test_a_run_goes_to_the_queue_of_its_kind(job: str, tags: dict[str, str], queue: str) -> None:
    assert queue_of(dg.DagsterRun(job_name=job, tags=tags)) == queue
    assert queue in QUEUES


def test_a_queue_that_does_not_exist_is_refused() -> None:
    run = dg.DagsterRun(job_name="update", tags={"dagster-celery/queue": "nobody's"})
    with pytest.raises(ConfigurationError, match="is no queue; choose live, background, training"):
        queue_of(run)
