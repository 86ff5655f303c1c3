"""Changing the champion, without Dagster: as the gate decides, by an operator's word, or back.

A new champion counts from the first origin that has no forecast yet: what was said stays, and what
a damaged champion could not say is made up for.
"""

from collections.abc import Sequence
from datetime import datetime

from coin_assets.domain.evaluation.promotion import PROMOTE, RETIRE, GateVerdict
from coin_assets.domain.evaluation.roles import Roles
from coin_assets.domain.forecasting.frame import CHALLENGER, CHAMPION
from coin_assets.domain.series import Series
from coin_assets.errors import ConfigurationError, CorruptArtefact
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.pipeline.evaluate import EvaluationReport
from coin_assets.store.base import Store
from coin_assets.store.forecasts import newest_forecast

GATE, OPERATOR = "gate", "operator"
UNTIL_THEN = "forecast until the first appointment"


def apply_verdict(
    store: Store, registry: ModelRegistry, report: EvaluationReport, now: datetime
) -> str:
    """Do what a fresh evaluation says of the challenger; returns what was done, for people."""
    series = report.evaluation.series
    if report.verdict is None or report.challenger is None:
        return f"{series}: there is no challenger"
    decision, reason = report.verdict.decision, _reason(report.verdict)
    if decision == PROMOTE:
        challenger = _recorded_version(registry, series, report.challenger)
        since = _appoint(store, registry, challenger, now, reason, GATE)
        return f"{series}: version {challenger.name} is champion from {since} on: {reason}"
    if decision == RETIRE:
        registry.appoint(series, CHALLENGER, None, now, reason=reason, by=GATE, recorded_at=now)
        registry.appoint_next_challenger(
            series, reason="the challenger before was retired", by=GATE, recorded_at=now
        )
        return f"{series}: version {report.challenger} challenges no more: {reason}"
    return f"{series}: version {report.challenger} goes on challenging: {reason}"


def promote(
    store: Store,
    registry: ModelRegistry,
    series: Series,
    version: str | None,
    reason: str,
    now: datetime,
) -> str:
    """Make a version champion, whatever the gate says.

    Args:
        version: its name; None is the challenger.

    Raises:
        ConfigurationError: there is no such version, or no challenger.
        DataRefused: the version knows candles after ``now``.
        CorruptArtefact: it cannot be loaded; the present champion stays.
    """
    name = version or registry.roles(series).holder(CHALLENGER)
    if name is None:
        raise ConfigurationError(
            f"{series} has no challenger. Name one of its versions: "
            f"{_names(registry.versions(series))}."
        )
    chosen = version_named(registry, series, name)
    if registry.roles(series).holder(CHAMPION) == name:
        return f"{series}: version {name} is champion already"
    registry.load(chosen)  # what cannot be champion leaves no trace in the record
    _record_present(store, registry, series, now)
    since = _appoint(store, registry, chosen, now, reason, OPERATOR)
    return f"{series}: version {name} is champion from {since} on: {reason}"


def roll_back(
    store: Store, registry: ModelRegistry, series: Series, reason: str, now: datetime
) -> str:
    """Make the champion before the present one champion again.

    Raises:
        ConfigurationError: there was no champion before it.
        CorruptArtefact: its version cannot be loaded; the present one stays.
    """
    roles: Roles = registry.roles(series)
    previous = roles.previous_champion()
    if previous is None:
        raise ConfigurationError(
            f"{series} has no champion before {roles.holder(CHAMPION) or 'the first one'} to go "
            "back to. To appoint a version, launch promote_champion with override."
        )
    chosen = version_named(registry, series, previous)
    since = _appoint(store, registry, chosen, now, reason, OPERATOR)
    return f"{series}: version {previous} is champion again, from {since} on: {reason}"


def version_named(registry: ModelRegistry, series: Series, name: str) -> ModelVersion:
    """The version of that name.

    Raises:
        ConfigurationError: there is none.
    """
    versions = registry.versions(series)
    found = next((version for version in versions if version.name == name), None)
    if found is None:
        raise ConfigurationError(
            f"{series} has no version {name}. Its versions: {_names(versions)}."
        )
    return found


def _recorded_version(registry: ModelRegistry, series: Series, name: str) -> ModelVersion:
    """A version that the record names.

    Raises:
        CorruptArtefact: it is gone.
    """
    try:
        return version_named(registry, series, name)
    except ConfigurationError as error:  # nobody chose it just now
        raise CorruptArtefact(
            f"{error} The record names version {name}: bring its folder back from a backup, or "
            "promote another version with override."
        ) from error


def _record_present(store: Store, registry: ModelRegistry, series: Series, now: datetime) -> None:
    """Write down who forecast until now, if nobody was ever appointed: the way back leads there."""
    newest = newest_forecast(store, series)
    if newest.empty or registry.roles(series).holder(CHAMPION) is not None:
        return
    name, since = str(newest["model_version"].iloc[0]), newest["as_of"].iloc[0].to_pydatetime()
    for present in registry.versions(series):
        if present.name == name:  # it may have been set aside; then there is no way back
            registry.appoint(
                series, CHAMPION, present, since, reason=UNTIL_THEN, by=OPERATOR, recorded_at=now
            )


def _appoint(
    store: Store,
    registry: ModelRegistry,
    version: ModelVersion,
    now: datetime,
    reason: str,
    by: str,
) -> str:
    """Appoint a champion; returns the first origin that it counts for."""
    registry.load(version)  # a champion that cannot forecast would be none
    series = version.series
    newest = store.newest_forecasts([series]).get(series)
    since = now if newest is None else series.timeframe.next(newest)
    last = registry.roles(series).last_change(CHAMPION)
    since = max(since, version.cutoff, *([] if last is None else [last.since]))
    registry.appoint(series, CHAMPION, version, since, reason=reason, by=by, recorded_at=now)
    return f"{since:%Y-%m-%d %H:%M}"


def _reason(verdict: GateVerdict) -> str:
    """For the record: what speaks against a change, or for it."""
    against = [each.said for each in verdict.criteria if not each.passed]
    return " ".join(against or [each.said for each in verdict.criteria])


def _names(versions: Sequence[ModelVersion]) -> str:
    return ", ".join(version.name for version in versions) or "none"
