"""Conditions for the alerts from the data itself: implausible prices, and failed checks."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import dagster as dg

from coin_assets.alerts.conditions import Condition, Severity
from coin_assets.domain.failures import CHECK_FAILED
from coin_assets.domain.layers import Task
from coin_assets.domain.publishing.manifest import CORRUPT, HARD_STALE
from coin_assets.domain.series import Series
from coin_assets.errors import ImplausibleCandles
from coin_assets.orchestration.checks.clock import AGE, AGREES_WITH_STORE, TRAINING_RANGE
from coin_assets.orchestration.checks.verdicts import STATUS
from coin_assets.orchestration.sensors.health import SeriesHealth
from coin_assets.planning.facts import Failures

IMPLAUSIBLE_DATA, CHECK = "implausible data", "check failed"
_PAGE = "docs/operations/recovery.md"
_KINDS = {ImplausibleCandles.code: IMPLAUSIBLE_DATA, CHECK_FAILED: CHECK}
_CHECKS = (AGREES_WITH_STORE, AGE, TRAINING_RANGE)  # what the others find shows in the status
_PRICES = (
    "Compare the price with another source. If it is right, launch backfill with "
    "accept_implausible; if not, wait for the exchange, or correct COIN_SYMBOLS or COIN_MARKET."
)
_REMEDIES = {
    IMPLAUSIBLE_DATA: _PRICES,
    CHECK: "Read the check at the asset of the failed step, and materialise its month again.",
}


def data_conditions(
    healths: Sequence[SeriesHealth],
    failures: Mapping[Task, Failures],
    evaluations: Mapping[Series, Iterable[dg.AssetCheckEvaluation]],
    now: datetime,
) -> list[Condition]:
    """Series with implausible prices, or with a failed check on what is served.

    Args:
        evaluations: results of the clock checks of each series.
    """
    return [
        *_refused(failures),
        *(_cautioned(each, now) for each in healths if each.is_public and each.caution),
        *(
            _checked(health.series, result, now)
            for health in healths
            if health.is_public and health.status != CORRUPT
            for result in evaluations.get(health.series, ())
            if _is_failed(result)
        ),
    ]


def _refused(failures: Mapping[Task, Failures]) -> list[Condition]:
    """Tasks that a look at their own data stopped: one failure is enough."""
    return [
        Condition(
            subject=str(task.series),
            kind=_KINDS[failed.code],
            cause=failed.cause,
            severity=Severity.WARNING,
            since=failed.last,
            detail=f"what was published before is still served; {failed.message}",
            remedy=_REMEDIES[_KINDS[failed.code]],
            runbook=_PAGE,
        )
        for task, failed in failures.items()
        if failed.code in _KINDS
    ]


def _cautioned(health: SeriesHealth, now: datetime) -> Condition:
    return Condition(
        subject=str(health.series),
        kind=IMPLAUSIBLE_DATA,
        cause=ImplausibleCandles.alert_cause,
        severity=Severity.WARNING,
        since=now,
        detail=f"it is served with this caution: {health.caution}",
        remedy=_PRICES,
        runbook=_PAGE,
    )


def _is_failed(result: dg.AssetCheckEvaluation) -> bool:
    status = result.metadata[STATUS].value
    return result.check_name in _CHECKS and not result.passed and status in (CORRUPT, HARD_STALE)


def _checked(series: Series, result: dg.AssetCheckEvaluation, now: datetime) -> Condition:
    return Condition(
        subject=str(series),
        kind=CHECK,
        cause=f"the check {result.check_name} failed",
        severity=Severity.WARNING,
        since=now,
        detail=f"{result.check_name} of {'/'.join(result.asset_key.path)}: {result.description}",
        remedy="Materialise the asset again: candles and published files for their month, models "
        "by train_models.",
        runbook=_PAGE,
        only_when_lasting=True,
    )
