"""Failure records of finished runs, by step.

The events of a finished run never change, so each process reads them once.
"""

from dataclasses import replace
from datetime import datetime

import dagster as dg

from coin_assets.domain.failures import CHECK_FAILED, RUN_KILLED, FailureRecord
from coin_assets.errors import ConfigurationError
from coin_assets.orchestration.failures import OF_RUN, RECORD_EVENTS, records_of, unrecorded
from coin_assets.orchestration.records.files import RunFiles

_STEP_EVENTS = RECORD_EVENTS | {dg.DagsterEventType.ASSET_CHECK_EVALUATION}
_CAPACITY = 1000
_CACHE: dict[str, dict[str, FailureRecord]] = {}


def is_misconfigured(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a run failed at its settings alone: its launcher saw the error, nothing is broken."""
    codes = {each.code for each in failed_steps(instance, run.run_id).values()}
    return codes == {ConfigurationError.code}


def killed_run(task: str, ended: datetime) -> FailureRecord:
    """The record of a run that ended although none of its steps failed."""
    message = (
        "the run ended without a failed step: its process was killed, or its events were damaged"
    )
    return FailureRecord(None, task, RUN_KILLED, "the run was killed", message, ended)


def is_read(run_id: str) -> bool:
    """Whether `failed_steps` knows the run without reading its events."""
    return run_id in _CACHE


def failed_steps(instance: dg.DagsterInstance, run_id: str) -> dict[str, FailureRecord]:
    """The last record of each step that failed for good in a finished run.

    Of a run that was ended as a whole, the record is under `OF_RUN`.
    """
    if run_id not in _CACHE:
        if len(_CACHE) >= _CAPACITY:
            _CACHE.clear()
        entries = RunFiles(instance).mended(
            run_id, lambda: instance.all_logs(run_id, of_type=_STEP_EVENTS)
        )
        records = records_of(entries)
        blocking = {
            entry.step_key: found
            for entry in entries
            if (found := _evaluation_of(entry)) is not None and found.blocking and not found.passed
        }
        failed = {OF_RUN: records[OF_RUN][-1]} if OF_RUN in records else {}
        for entry in entries:
            if entry.get_dagster_event().is_step_failure and entry.step_key is not None:
                step = entry.step_key
                own = records[step][-1] if step in records else unrecorded(entry)
                failed[step] = _blocked(own, blocking[step]) if step in blocking else own
        _CACHE[run_id] = failed
    return _CACHE[run_id]


def _evaluation_of(entry: dg.EventLogEntry) -> dg.AssetCheckEvaluation | None:
    event = entry.get_dagster_event()
    is_check = event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    return event.asset_check_evaluation_data if is_check else None


def _blocked(record: FailureRecord, check: dg.AssetCheckEvaluation) -> FailureRecord:
    """The record of a step that failed because of its own check."""
    message = f"the check {check.check_name} failed: {check.description}"
    return replace(record, code=CHECK_FAILED, cause="a check blocked it", message=message)
