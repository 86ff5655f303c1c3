"""Run launcher where the daemon has another container than the code.

Runs are processes of the code server, and record themselves (`coin_assets.orchestration.executor`).
The sensor ``health_alerts``, which the code server evaluates too, kills those that hang. The daemon
cannot: it only writes down why Dagster's run monitor ends a run.
"""

import time

from dagster._core.launcher.default_run_launcher import DefaultRunLauncher

from coin_assets.orchestration.overdue_runs import limit_of, report_overdue
from coin_assets.orchestration.run_processes import recorded_process


class RemoteRunLauncher(DefaultRunLauncher):
    """`DefaultRunLauncher`, for runs with a time limit."""

    def terminate(self, run_id: str) -> bool:
        """Ask the process of a run to end; False if the code server has none.

        The run monitor comes here as well when the time of a run is over: ``health_alerts`` kills
        the process.
        """
        record = self._instance.get_run_record_by_id(run_id) if self.has_instance else None
        if record is not None and not record.dagster_run.is_finished and record.start_time:
            run, limit = record.dagster_run, limit_of(self._instance, record.dagster_run)
            process = recorded_process(run)
            # As the run monitor counts it. Dagster's request would wait for a stopped process, and
            # for ever once it is killed, with the lock that the code server needs for each launch
            # (multiprocessing.Condition.notify).
            if process is not None and 0 < limit < time.time() - record.start_time:
                report_overdue(self._instance, run, process)
                return True
        return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]
