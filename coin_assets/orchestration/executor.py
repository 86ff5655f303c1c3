"""The executor of all runs: Dagster's in-process one, which also records the run's process."""

from collections.abc import Iterator
from typing import Any, cast

import dagster as dg
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.executor.in_process import InProcessExecutor

from coin_assets.orchestration.run_processes import note_own_process


class _NotedExecutor(InProcessExecutor):
    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        note_own_process(plan_context.instance, plan_context.dagster_run)
        yield from super().execute(plan_context, execution_plan)


_OF_DAGSTER: Any = dg.in_process_executor


@dg.executor(name="in_process", config_schema=_OF_DAGSTER.config_schema)
def noted_in_process_executor(context: dg.InitExecutorContext) -> dg.Executor:
    """``in_process`` of Dagster, with its configuration."""
    made = cast(InProcessExecutor, _OF_DAGSTER.executor_creation_fn(context))
    return _NotedExecutor(made.retries, made.step_dependency_config, made.marker_to_close)
