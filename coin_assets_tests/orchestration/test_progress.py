"""What a terminal shows of a run."""

import dagster as dg
import pytest

from coin_assets.errors import MarketUnavailable
from coin_assets.orchestration.failures import failures_named
from coin_assets.orchestration.progress import RunProgress


def test_a_failed_step_is_one_line_without_stack_traces(capsys: pytest.CaptureFixture[str]) -> None:
    @dg.op
    def fetch() -> None:
        with failures_named():
            raise MarketUnavailable("it does not answer") from ConnectionError("reset")

    @dg.job(logger_defs={})
    def job() -> None:
        fetch()

    with dg.DagsterInstance.ephemeral() as instance:
        run_id = "00000000-0000-0000-0000-000000000020"
        instance.add_event_listener(run_id, RunProgress(1))
        job.execute_in_process(instance=instance, run_id=run_id, raise_on_error=False)
    step, run = capsys.readouterr().out.splitlines()
    assert step.endswith(" s  FAILED fetch: it does not answer")
    assert run == "Run failed: see the steps above"
