"""Changes of the champion: by the gate, by an operator, and by rollback.

A new champion takes effect at the first origin without a forecast. Existing forecasts stay, and
origins that a damaged champion could not forecast are filled.
"""

from collections.abc import Sequence
from datetime import datetime

from coin_assets.domain.evaluation.promotion import PROMOTE, RETIRE, GateVerdict
from coin_assets.domain.evaluation.roles import Roles
from coin_assets.domain.methods import CHALLENGER_ROLES, CHAMPION
from coin_assets.domain.series import Series
from coin_assets.errors import ConfigurationError, CorruptArtefact
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets.pipeline.evaluate import EvaluationReport, Trial
from coin_assets.store.base import Store
from coin_assets.store.forecasts import newest_forecast

GATE, OPERATOR = "gate", "operator"
UNTIL_THEN = "forecast until the first appointment"


def apply_verdict(
    store: Store, registry: ModelRegistry, report: EvaluationReport, now: datetime
) -> str:
    """Apply the verdicts of a new evaluation, each challenger's for itself.

    Returns:
        Sentences that report the changes, for the log.

    Raises:
        CorruptArtefact: a challenger cannot be loaded; the champion stays. The verdicts on the
            other challengers are applied.
    """
    series = report.evaluation.series
    if not report.trials:
        return f"{series}: there is no challenger"
    outcomes, error = [], None
    for trial in report.trials:
        try:
            outcomes.append(_apply(store, registry, series, trial, now))
        except CorruptArtefact as raised:
            error = error or raised
    if any(trial.verdict.decision == RETIRE for trial in report.trials):
        registry.appoint_next_challenger(
            series, reason="the previous challenger was retired", by=GATE, recorded_at=now
        )
    if error is not None:
        raise error
    return "\n".join(outcomes)


def _apply(
    store: Store, registry: ModelRegistry, series: Series, trial: Trial, now: datetime
) -> str:
    decision, reason, name = trial.verdict.decision, _reason(trial.verdict), trial.challenger
    if decision == PROMOTE:
        challenger = _recorded_version(registry, series, name)
        since = _appoint(store, registry, challenger, now, reason, GATE)
        return f"{series}: version {name} is champion from {since} on: {reason}"
    if decision == RETIRE:
        registry.appoint(series, trial.role, None, now, reason=reason, by=GATE, recorded_at=now)
        return f"{series}: challenger {name} is retired: {reason}"
    return f"{series}: version {name} stays challenger: {reason}"


def promote(
    store: Store,
    registry: ModelRegistry,
    series: Series,
    version: str | None,
    reason: str,
    now: datetime,
) -> str:
    """Make a version champion without the gate.

    Args:
        store, registry: of the platform.
        series: symbol and timeframe.
        version: name of the version; None selects the only challenger.
        reason: recorded for operators.
        now: time of the change.

    Returns:
        A sentence that reports the change, for the log.

    Raises:
        ConfigurationError: there is no such version, or not exactly one challenger.
        DataRefused: the version saw candles after ``now``.
        CorruptArtefact: the version cannot be loaded; the champion stays.
    """
    name = version or _only_challenger(registry, series)
    chosen = version_named(registry, series, name)
    if registry.roles(series).holder(CHAMPION) == name:
        return f"{series}: version {name} is champion already"
    registry.load(chosen)  # fails before anything is recorded
    _record_present(store, registry, series, now)
    since = _appoint(store, registry, chosen, now, reason, OPERATOR)
    return f"{series}: version {name} is champion from {since} on: {reason}"


def roll_back(
    store: Store, registry: ModelRegistry, series: Series, reason: str, now: datetime
) -> str:
    """Make the previous champion champion again; arguments and result as `promote`.

    Raises:
        ConfigurationError: there is no previous champion.
        CorruptArtefact: its version cannot be loaded; the present champion stays.
    """
    roles: Roles = registry.roles(series)
    previous = roles.previous_champion()
    if previous is None:
        raise ConfigurationError(
            f"{series} has no champion before {roles.holder(CHAMPION) or 'the first one'} to roll "
            "back to. To appoint a version, launch promote_champion with override."
        )
    chosen = version_named(registry, series, previous)
    since = _appoint(store, registry, chosen, now, reason, OPERATOR)
    return f"{series}: version {previous} is champion again, from {since} on: {reason}"


def version_named(registry: ModelRegistry, series: Series, name: str) -> ModelVersion:
    """The version called ``name``.

    Raises:
        ConfigurationError: there is no such version.
    """
    versions = registry.versions(series)
    found = next((version for version in versions if version.name == name), None)
    if found is None:
        raise ConfigurationError(
            f"{series} has no version {name}. Its versions: {_names(versions)}."
        )
    return found


def _only_challenger(registry: ModelRegistry, series: Series) -> str:
    roles = registry.roles(series)
    challengers = [name for role in CHALLENGER_ROLES if (name := roles.holder(role)) is not None]
    if not challengers:
        raise ConfigurationError(
            f"{series} has no challenger. Name one of its versions: "
            f"{_names(registry.versions(series))}."
        )
    if len(challengers) > 1:
        raise ConfigurationError(
            f"{series} has several challengers. Name one of them: {', '.join(challengers)}."
        )
    return challengers[0]


def _recorded_version(registry: ModelRegistry, series: Series, name: str) -> ModelVersion:
    """A version that the record names.

    Raises:
        CorruptArtefact: the version is missing.
    """
    try:
        return version_named(registry, series, name)
    except ConfigurationError as error:  # no operator chose this version
        raise CorruptArtefact(
            f"{error} The record names version {name}. Restore its folder from a backup, or "
            "promote another version with override."
        ) from error


def _record_present(store: Store, registry: ModelRegistry, series: Series, now: datetime) -> None:
    """Without a recorded champion, record the version that forecast until now.

    A rollback can then return to it.
    """
    newest = newest_forecast(store, series)
    if newest.empty or registry.roles(series).holder(CHAMPION) is not None:
        return
    name, since = str(newest["model_version"].iloc[0]), newest["as_of"].iloc[0].to_pydatetime()
    for present in registry.versions(series):
        if present.name == name:  # missing if it was set aside; then no rollback is possible
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
    """Appoint a champion; returns the first origin that the appointment applies to, as text."""
    registry.load(version)  # a champion must be able to forecast
    series = version.series
    newest = store.newest_forecasts([series]).get(series)
    since = now if newest is None else series.timeframe.next(newest)
    last = registry.roles(series).last_change(CHAMPION)
    since = max(since, version.cutoff, *([] if last is None else [last.since]))
    registry.appoint(series, CHAMPION, version, since, reason=reason, by=by, recorded_at=now)
    return f"{since:%Y-%m-%d %H:%M}"


def _reason(verdict: GateVerdict) -> str:
    """Findings for the record: of the failed criteria, or of all if none failed."""
    against = [each.finding for each in verdict.criteria if not each.passed]
    return " ".join(against or [each.finding for each in verdict.criteria])


def _names(versions: Sequence[ModelVersion]) -> str:
    return ", ".join(version.name for version in versions) or "none"
