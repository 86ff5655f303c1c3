"""The boundary to Dagster: failed tasks leave failure records in the event log.

A record is the metadata of an engine event of the failed step, one for each attempt. Dagster keeps
metadata of a step's last failure only, not of an attempt that it will repeat.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import dagster as dg
from dagster._core.events import EngineEventData
from dagster._core.execution.context.compute import current_execution_context

from coin_assets.domain.failures import UNEXPECTED, FailureRecord
from coin_assets.domain.json_format import Document
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import CoinAssetsError, TemporaryError

if TYPE_CHECKING:
    from dagster_shared.error import SerializableErrorInfo

RECORD = "failure"
OF_RUN = ""  # in place of a step
# Of a run, the events that `records_of` reads.
RECORD_EVENTS = {dg.DagsterEventType.ENGINE_EVENT, dg.DagsterEventType.STEP_FAILURE}


@contextmanager
def failures_named() -> Iterator[None]:
    """Record how the task of the running step fails, and let Dagster repeat temporary faults only.

    Raises:
        dagster.Failure: a lasting error of the platform, or an error of the step's last attempt,
            which Dagster would call "Exceeded max_retries"; other errors pass as they are.
    """
    try:
        yield
    except Exception as error:
        record = _report(error)
        is_platforms = isinstance(error, CoinAssetsError)
        may_pass = isinstance(error, TemporaryError) or not is_platforms
        if may_pass and not _is_last_attempt(error):
            raise
        text = str(error) if is_platforms else f"{type(error).__name__}: {error}"
        metadata = {} if record is None else {RECORD: dg.MetadataValue.json(record.document())}
        raise dg.Failure(text, metadata, allow_retries=False) from error


def record_in(entry: dg.EventLogEntry) -> FailureRecord | None:
    """The failure record in an event of the log; None if it holds none."""
    if not entry.is_dagster_event:
        return None
    event = entry.get_dagster_event()
    if event.event_type is not dg.DagsterEventType.ENGINE_EVENT:
        return None
    recorded = event.engine_event_data.metadata.get(RECORD)
    return None if recorded is None else FailureRecord.of_document(cast(Document, recorded.value))


def records_of(entries: Iterable[dg.EventLogEntry]) -> dict[str, list[FailureRecord]]:
    """Failure records of a run by step, each with its attempts in the order of ``entries``.

    Records of the run itself are under `OF_RUN`.
    """
    found: dict[str, list[FailureRecord]] = {}
    for entry in entries:
        record = record_in(entry)
        if record is not None:
            found.setdefault(entry.step_key or OF_RUN, []).append(record)
    return found


def report_of_run(
    instance: dg.DagsterInstance, run: dg.DagsterRun, record: FailureRecord, step: str | None = None
) -> None:
    """Store a failure record as an event of a run, or of one of its steps."""
    data = EngineEventData({RECORD: dg.MetadataValue.json(record.document())})
    instance.report_engine_event(f"{record.code}: {record.message}", run, data, step_key=step)


def record_of_run(instance: dg.DagsterInstance, run_id: str) -> FailureRecord | None:
    """The record of why a run was ended; None if its steps alone tell how it failed."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    return next(iter(records_of(entries).get(OF_RUN, ())), None)


def unrecorded(entry: dg.EventLogEntry) -> FailureRecord:
    """A record for the failure of a step that left none: the fault was not in its task."""
    data = entry.get_dagster_event().step_failure_data
    error: SerializableErrorInfo | None = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    message = "the step failed without an error" if error is None else error.message.strip()
    if data.user_failure_data is not None and data.user_failure_data.description:
        message = data.user_failure_data.description
    time = datetime.fromtimestamp(int(entry.timestamp), UTC)
    return FailureRecord(None, entry.step_key or "", UNEXPECTED, "unexpected error", message, time)


def _is_last_attempt(error: Exception) -> bool:
    """Whether the running step has a retry policy and ``error`` ends its last attempt."""
    current = current_execution_context.get()
    if current is None or isinstance(error, (dg.DagsterError, dg.Failure, dg.RetryRequested)):
        return False
    step = current.op_execution_context.get_step_execution_context()
    policy = step.op_retry_policy
    return policy is not None and step.previous_attempt_count >= policy.max_retries


def _report(error: Exception) -> FailureRecord | None:
    """Store the record of ``error`` as an event of the running step; None outside of a run."""
    current = current_execution_context.get()
    if current is None:
        return None
    context = current.op_execution_context
    series, task = _series_and_task(context)
    time = datetime.now(UTC).replace(microsecond=0)
    record = FailureRecord.of(error, series, task, time)
    step = context.get_step_execution_context().step.key
    report_of_run(context.instance, context.run, record, step)
    return record


def _series_and_task(context: dg.OpExecutionContext) -> tuple[Series | None, str]:
    """What the running step works on, from the tags and metadata of its asset."""
    if not context.has_assets_def:
        return None, context.op_def.name
    (spec, *others) = context.assets_def.specs or (None,)
    if spec is None or others or not {"timeframe", "layer"} <= spec.tags.keys():
        return None, context.op_def.name
    series = Series(spec.metadata["symbol"], Timeframe.parse(spec.tags["timeframe"]))
    return series, spec.tags["layer"]
