"""Run launcher that starts runs in processes forked from one that has imported everything.

Dagster's default launcher starts a new interpreter for each run, which imports for two seconds
before it does anything. `run_server` forks in a few hundredths of a second. The daemon owns the
server, starts it with the first run, and starts it again when it has died or when a source file
that it imported has changed. Web server and command line only cancel runs, by their process ids.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from dagster._config.config_schema import UserConfigSchema
from dagster._core.launcher.base import (
    CheckRunHealthResult,
    LaunchRunContext,
    RunLauncher,
    WorkerStatus,
)
from dagster._core.storage.dagster_run import DagsterRun
from dagster._serdes import ConfigurableClass, serialize_value
from dagster._serdes.config_class import ConfigurableClassData

from coin_assets.orchestration.overdue_runs import fail_overdue, limit_of
from coin_assets.orchestration.run_processes import RunProcess, process_of
from coin_assets.orchestration.run_server import Order
from coin_assets.orchestration.run_server_client import RunServers, launch_failure


class WarmRunLauncher(RunLauncher[Any], ConfigurableClass):
    """Starts runs of this machine's code location in forked processes."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        self.servers = RunServers()
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """The entry of ``dagster.yaml``."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """No options."""
        return {}

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData,
        config_value: Mapping[str, Any],  # noqa: ARG003
    ) -> Self:
        """The launcher of an entry of ``dagster.yaml``."""
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start a process that executes the run.

        Raises:
            DagsterLaunchFailedError: there is no such process; the run will not execute.
        """
        run = context.dagster_run
        origin = run.job_code_origin
        where = origin and origin.repository_origin.executable_path
        if where is None or _folder_of(where) != _folder_of(sys.executable):
            raise launch_failure(
                f"WarmRunLauncher executes code of {sys.executable}, but the code location of this "
                f"run is loaded by {where}. Remove run_launcher from dagster.yaml."
            )
        order = Order(run.run_id, serialize_value(self._instance.get_ref()))

        def note(process_id: int) -> None:
            tag = RunProcess.recorded(process_id).tag
            self._instance.add_run_tags(run.run_id, tag)

        self.servers.start(order, note)

    def terminate(self, run_id: str) -> bool:
        """Interrupt the process of a run; False if there is none.

        The run monitor comes here as well when the time of a run is over: its process is killed.
        """
        if not self.has_instance:
            return False
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        process = process_of(self._instance, run)
        if process is not None and process.is_overdue(limit_of(self._instance, run)):
            fail_overdue(self._instance, run, process)
            return True
        self._instance.report_run_canceling(run)
        # Without a process, it will see the status before it executes anything.
        return process is None or process.interrupt()

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Yes: by process id."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the process of a started run exists."""
        process = process_of(self._instance, run)
        if process is None or process.is_alive():
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"process {process.id} is gone")

    def dispose(self) -> None:
        """Let the server end when its runs have ended."""
        self.servers.close()


def _folder_of(interpreter: str) -> Path:
    """Folder of an interpreter, which tells environments apart; names and links do not."""
    return Path(interpreter).parent.resolve()
