"""Run launcher that takes turns: a run goes to a worker in each even minute, else to a run server.

So both ways are measured on one installation, under the same load, a minute apart. Boundaries of
five minutes alternate as well.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self

import dagster as dg
from dagster._config.config_schema import UserConfigSchema
from dagster._core.launcher.base import CheckRunHealthResult, LaunchRunContext, RunLauncher
from dagster._serdes import ConfigurableClass
from dagster._serdes.config_class import ConfigurableClassData

from coin_assets.orchestration.launcher import WarmRunLauncher
from coin_assets.orchestration.run_processes import WORKER_TAG
from coin_assets.orchestration.workers.launcher import WorkerRunLauncher


def is_of_worker(run: dg.DagsterRun) -> bool:
    """Whether a run was sent to a worker."""
    return WORKER_TAG in run.tags


class AlternatingLauncher(RunLauncher[Any], ConfigurableClass):
    """Both launchers of the platform; each run stays with the one that started it."""

    def __init__(self, broker: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        self._warm, self._workers = WarmRunLauncher(), WorkerRunLauncher(broker)
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        return WorkerRunLauncher.config_type()

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> Self:
        return cls(config_value["broker"], inst_data)

    def register_instance(self, instance: dg.DagsterInstance) -> None:
        super().register_instance(instance)
        self._warm.register_instance(instance)
        self._workers.register_instance(instance)

    def launch_run(self, context: LaunchRunContext) -> None:
        is_even = datetime.now(UTC).minute % 2 == 0
        (self._workers if is_even else self._warm).launch_run(context)

    def terminate(self, run_id: str) -> bool:
        run = self._instance.get_run_by_id(run_id)
        return run is not None and self._of(run).terminate(run_id)

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        return self._of(run).check_run_worker_health(run)

    def dispose(self) -> None:
        self._warm.dispose()
        self._workers.dispose()

    def _of(self, run: dg.DagsterRun) -> RunLauncher[Any]:
        return self._workers if is_of_worker(run) else self._warm
