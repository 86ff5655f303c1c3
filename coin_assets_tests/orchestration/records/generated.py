"""Sequences of events as hypothesis generates them: several runs, assets, checks, partitions."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluation,
    AssetCheckEvaluationPlanned,
)
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.definitions.partitions.subset import DefaultPartitionsSubset
from dagster._core.events import (
    AssetMaterializationPlannedData,
    AssetObservationData,
    DagsterEvent,
    EngineEventData,
    StepMaterializationData,
)
from hypothesis import strategies as st

Kind = dg.DagsterEventType
RUNS = ("7b9f0b7e-0000-4000-8000-000000000001", "7b9f0b7e-0000-4000-8000-000000000002")
NO_RUN = ""
ASSETS = (dg.AssetKey("a"), dg.AssetKey(["b", "ohlcv"]))
CHECKS = ("contract", "gaps")
PARTITIONS = ("2026-10-01", "2026-11-01")
STATUSES = (Kind.RUN_STARTING, Kind.RUN_START, Kind.RUN_SUCCESS, Kind.RUN_FAILURE)
# Before and after the wipe of an asset, which happens by the clock.
EPOCHS = (1_600_000_000.0, 4_000_000_000.0)


@dataclass(frozen=True)
class Spec:
    """One event, before it has a time."""

    kind: Kind | None  # none: a line of a logger
    run: str
    asset: dg.AssetKey
    partition: str | None
    check: str
    passed: bool
    late: bool


@dataclass(frozen=True)
class Step:
    """Events that are reported in one batch, or something that removes events."""

    events: tuple[Spec, ...] = ()
    wiped: dg.AssetKey | None = None
    deleted: str | None = None


@dataclass
class Sequencer:
    """Turns specifications into events with times, and leaves out what Dagster cannot store."""

    count: int = 0
    checked: set[tuple[str, dg.AssetKey, str, str | None]] = field(default_factory=set)

    def events(self, specs: Sequence[Spec]) -> list[dg.EventLogEntry]:
        """The events of ``specs``, without repeated plans and runless repetitions of a check."""
        found = []
        for spec in specs:
            execution = (spec.run, spec.asset, spec.check, spec.partition)
            again = execution in self.checked
            if again and spec.kind is Kind.ASSET_CHECK_EVALUATION_PLANNED:
                continue
            if again and spec.kind is Kind.ASSET_CHECK_EVALUATION and spec.run == NO_RUN:
                continue
            if spec.kind in (Kind.ASSET_CHECK_EVALUATION_PLANNED, Kind.ASSET_CHECK_EVALUATION):
                self.checked.add(execution)
            self.count += 1
            found.append(_entry(spec, self.count))
        return found


def _entry(spec: Spec, count: int) -> dg.EventLogEntry:
    return dg.EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None,
        level=logging.INFO,
        user_message=f"message {count}" if spec.kind is None else "",
        run_id=spec.run,
        timestamp=EPOCHS[spec.late] + count,
        step_key="step" if spec.kind is None else None,
        job_name="job",
        dagster_event=_event(spec, count),
    )


def _event(spec: Spec, count: int) -> DagsterEvent | None:
    if spec.kind is None:
        return None
    return DagsterEvent(
        event_type_value=spec.kind.value,
        job_name="job",
        message=f"event {count}",
        event_specific_data=_data(spec, count),
    )


def _data(spec: Spec, count: int) -> Any:
    tags = {DATA_VERSION_TAG: str(count % 3), "color": "red"}
    subset = DefaultPartitionsSubset({spec.partition}) if spec.partition else None
    if spec.kind is Kind.ASSET_MATERIALIZATION:
        made = dg.AssetMaterialization(
            spec.asset, partition=spec.partition, tags=tags, metadata={"rows": count}
        )
        return StepMaterializationData(made)
    if spec.kind is Kind.ASSET_OBSERVATION:
        return AssetObservationData(
            dg.AssetObservation(spec.asset, partition=spec.partition, tags=tags)
        )
    if spec.kind is Kind.ASSET_MATERIALIZATION_PLANNED:
        if spec.passed:
            return AssetMaterializationPlannedData(spec.asset, partitions_subset=subset)
        return AssetMaterializationPlannedData(spec.asset, partition=spec.partition)
    if spec.kind is Kind.ASSET_CHECK_EVALUATION_PLANNED:
        return AssetCheckEvaluationPlanned(
            asset_key=spec.asset, check_name=spec.check, partitions_subset=subset
        )
    if spec.kind is Kind.ASSET_CHECK_EVALUATION:
        return AssetCheckEvaluation(
            asset_key=spec.asset,
            check_name=spec.check,
            passed=spec.passed,
            metadata={"rows": count},
            partition=spec.partition,
        )
    if spec.kind is Kind.FRESHNESS_STATE_CHANGE:
        return FreshnessStateChange(
            key=spec.asset,
            new_state=FreshnessState.PASS if spec.passed else FreshnessState.FAIL,
            previous_state=FreshnessState.UNKNOWN,
            state_change_timestamp=float(count),
        )
    return EngineEventData() if spec.kind is Kind.ENGINE_EVENT else None


IN_BATCHES = (
    Kind.ASSET_MATERIALIZATION,
    Kind.ASSET_OBSERVATION,
    Kind.ASSET_MATERIALIZATION_PLANNED,
    Kind.ASSET_CHECK_EVALUATION_PLANNED,
)
_OF_RUNS = (*IN_BATCHES, Kind.ASSET_CHECK_EVALUATION, Kind.ENGINE_EVENT, *STATUSES, None)
_WITHOUT_RUN = (
    Kind.ASSET_MATERIALIZATION,
    Kind.ASSET_OBSERVATION,
    Kind.ASSET_CHECK_EVALUATION,
    Kind.FRESHNESS_STATE_CHANGE,
)


def _specs(kinds: Sequence[Kind | None], runs: Sequence[str]) -> st.SearchStrategy[Spec]:
    return st.builds(
        Spec,
        kind=st.sampled_from(kinds),
        run=st.sampled_from(runs),
        asset=st.sampled_from(ASSETS),
        partition=st.sampled_from((None, *PARTITIONS)),
        check=st.sampled_from(CHECKS),
        passed=st.booleans(),
        late=st.booleans(),
    )


_EVENTS = _specs(_OF_RUNS, RUNS) | _specs(_WITHOUT_RUN, (NO_RUN,))
_OF_ONE_RUN = st.builds(
    lambda specs, run: Step(tuple(replace(spec, run=run) for spec in specs)),
    st.lists(_specs(IN_BATCHES, RUNS), min_size=2, max_size=8),
    st.sampled_from(RUNS),
)
_OF_MANY_RUNS = st.builds(
    lambda specs: Step(tuple(specs)), st.lists(_EVENTS, min_size=2, max_size=8)
)
_SINGLE = st.builds(lambda spec: Step((spec,)), _EVENTS)
_REMOVING = st.builds(lambda asset: Step(wiped=asset), st.sampled_from(ASSETS)) | st.builds(
    lambda run: Step(deleted=run), st.sampled_from(RUNS)
)
# Removing is one in nine.
STEPS = st.lists(
    st.one_of(*[_SINGLE] * 3, *[_OF_ONE_RUN] * 3, *[_OF_MANY_RUNS] * 2, _REMOVING),
    min_size=1,
    max_size=10,
)
