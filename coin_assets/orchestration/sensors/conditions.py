"""Conditions for the alerts, from health, failures, store and machinery."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from coin_assets.alerts.conditions import Condition, Severity
from coin_assets.domain.failures import RUN_OVERDUE
from coin_assets.domain.layers import CANDLES, Task
from coin_assets.domain.publishing.manifest import (
    CORRUPT,
    FRESH,
    HARD_STALE,
    INSUFFICIENT_DATA,
    MISSING,
    STALE,
)
from coin_assets.domain.series import Series
from coin_assets.errors import CoinAssetsError, CorruptArtefact, MarketUnavailable
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.sensors.health import SeriesHealth
from coin_assets.orchestration.sensors.machinery import Trouble
from coin_assets.planning.facts import Failures

# Fewer failures are no condition: the planner retries within seconds.
MACHINERY_REMEDY = "Look at Automation in the UI and switch it on; if it is on, restart make up."
_FAILING_FROM = 3
_OUTAGE_FROM = 2
_STALE_PAGE = "docs/operations/stale.md"
_RECOVERY_PAGE = "docs/operations/recovery.md"
_TRAINING_PAGE = "docs/operations/training.md"
_STORAGE_PAGE = "docs/operations/storage.md"
_STORE_PAGE = "docs/operations/influxdb.md"
_NO_FAILURE, _FILE_DAMAGE = "no run failed", "a published file is damaged"


def series_conditions(
    healths: Iterable[SeriesHealth],
    specs: Mapping[Series, SeriesAssets],
    failures: Mapping[Task, Failures],
    now: datetime,
) -> list[Condition]:
    """Series with stale, missing or damaged data, and series that keep failing."""
    newest: dict[Series, Failures] = {}
    for task, failed in failures.items():
        if task.series not in newest or newest[task.series].last < failed.last:
            newest[task.series] = failed
    found = []
    for health in healths:
        spec = specs[health.series]
        failed_or_none = newest.get(spec.series) or newest.get(spec.source)
        if health.damage is not None:
            found.append(_damaged(health.series, health.damage, now))
            continue
        is_awaited = health.is_new and health.status == MISSING
        if health.status not in (FRESH, INSUFFICIENT_DATA) and health.is_public and not is_awaited:
            found.append(_unhealthy(health, spec, failed_or_none, now))
        elif spec.series in newest and _is_worth_telling(newest[spec.series]):
            found.append(_failing(health, newest[spec.series]))
    return found


def _is_worth_telling(failed: Failures) -> bool:
    """Whether a failure is one of several in a row, or of a run that hung."""
    return failed.count >= _FAILING_FROM or failed.code == RUN_OVERDUE


def market_conditions(
    market: str, specs: Sequence[SeriesAssets], failures: Mapping[Task, Failures]
) -> list[Condition]:
    """An outage of the market: every fetched series fails with `MarketUnavailable`."""
    fetched = [failures.get(Task(spec.series, CANDLES)) for spec in specs if spec.is_fetched]
    silent = [
        each
        for each in fetched
        if each is not None and each.code == MarketUnavailable.code and each.count >= _OUTAGE_FROM
    ]
    if not fetched or len(silent) < len(fetched):
        return []
    first = min(silent, key=lambda each: each.last)
    return [
        Condition(
            subject=f"market {market}",
            kind="exchange outage",
            cause="",
            severity=Severity.CRITICAL,
            since=first.last,
            detail=f"no symbol can be fetched; {first.message}",
            remedy="Look at the exchange's status page and the network. Everything is caught up "
            "when it answers again.",
            runbook=_STALE_PAGE,
        )
    ]


def job_conditions(failures: Mapping[str, Failures]) -> list[Condition]:
    """Jobs whose newest run failed, by name."""
    return [
        Condition(
            subject=f"job {job}",
            kind="training failed" if job == "train_models" else "run failed",
            cause=failed.cause,
            severity=Severity.WARNING,
            since=failed.last,
            detail=f"{_times(failed)}, last at {failed.last:%Y-%m-%d %H:%M} UTC: {failed.message}",
            remedy=f"Read the run's log in the UI and launch {job} again; a success ends this.",
            runbook=_TRAINING_PAGE if job == "train_models" else _RECOVERY_PAGE,
        )
        for job, failed in failures.items()
    ]


def store_conditions(refusal: CoinAssetsError, now: datetime) -> list[Condition]:
    """A store that does not answer or refuses."""
    return [
        Condition(
            subject="store",
            kind="store outage",
            cause=refusal.alert_cause,
            severity=Severity.CRITICAL,
            since=now,
            detail=str(refusal),
            remedy="Launch the job doctor, which looks at all that the store needs. Everything is "
            "caught up when it answers again; published files stay until they are too old.",
            runbook=_STORE_PAGE,
        )
    ]


def machinery_conditions(found: Iterable[Trouble]) -> list[Condition]:
    """Sensors, schedules and daemons that are off, failing or silent."""
    return [
        Condition(
            subject=trouble.subject,
            kind="not working",
            cause="",
            severity=Severity.CRITICAL,
            since=trouble.since,
            detail=trouble.detail,
            remedy=MACHINERY_REMEDY,
            runbook=_RECOVERY_PAGE,
        )
        for trouble in found
    ]


def _unhealthy(
    health: SeriesHealth, spec: SeriesAssets, failed: Failures | None, now: datetime
) -> Condition:
    return Condition(
        subject=str(health.series),
        kind=health.status,
        cause=_cause(health, failed),
        severity=Severity.WARNING if health.status == STALE else Severity.CRITICAL,
        since=_since(health, spec, now),
        detail=_detail(health, spec, failed, now),
        remedy=_remedy(health.status, failed),
        runbook=_STALE_PAGE if health.status in (STALE, HARD_STALE) else _RECOVERY_PAGE,
        # publish_due writes a missing file within two ticks.
        only_when_lasting=health.status in (STALE, MISSING),
    )


def _cause(health: SeriesHealth, failed: Failures | None) -> str:
    if health.status == CORRUPT and health.file_damage is not None:
        return _FILE_DAMAGE
    return failed.cause if failed else _NO_FAILURE


def _damaged(series: Series, damage: str, now: datetime) -> Condition:
    return Condition(
        subject=str(series),
        kind=CORRUPT,
        cause=CorruptArtefact.alert_cause,
        severity=Severity.CRITICAL,
        since=now,
        detail=damage,
        remedy="Do as its last sentence says, and as the runbook describes. With a damaged file in "
        "the store, this series and those derived from it are not updated; all others are.",
        runbook=_STORAGE_PAGE,
    )


def _since(health: SeriesHealth, spec: SeriesAssets, now: datetime) -> datetime:
    if health.as_of is None or health.by_data != health.status:
        return now
    if health.status in (STALE, HARD_STALE):
        limit = spec.limits.soft if health.status == STALE else spec.limits.hard
        return health.as_of + limit
    return now


def _detail(
    health: SeriesHealth, spec: SeriesAssets, failed: Failures | None, now: datetime
) -> str:
    parts = [health.file_damage] if health.file_damage else []
    if health.as_of is not None:
        minutes = int((now - health.as_of).total_seconds() // 60)
        limit = spec.limits.soft if health.status == STALE else spec.limits.hard
        parts.append(
            f"data ends {health.as_of:%Y-%m-%d %H:%M} UTC, {minutes} min old (limit "
            f"{limit.total_seconds() / 60:g})"
        )
    if health.native != health.by_data and health.native == health.status:
        parts.append(f"by its data it is {health.by_data}, but nothing was materialised lately")
    if failed is not None:
        parts.append(f"{_times(failed)}, last: {failed.message}")
    return "; ".join(parts)


def _remedy(status: str, failed: Failures | None) -> str:
    if status == CORRUPT:
        return "publish_due publishes it again; if it stays, look at the disk."
    if failed is None:
        return "Look whether make up and the sensor candles_due are running, and at the queue."
    return "Read the failed run in the UI. It is tried again by itself, every 15 min at least."


def _failing(health: SeriesHealth, failed: Failures) -> Condition:
    is_served = health.is_public and health.as_of is not None
    served = "what was published before is still served" if is_served else "nothing is published"
    return Condition(
        subject=str(health.series),
        kind="failing",
        cause=failed.cause,
        severity=Severity.WARNING,
        since=failed.last,
        # Grouped messages show the beginning only.
        detail=f"{_times(failed)}, {served}; last at {failed.last:%H:%M} UTC: {failed.message}",
        remedy="Read the failed run in the UI. It is tried again by itself, every 15 min at least.",
        runbook=_RECOVERY_PAGE,
    )


def _times(failed: Failures) -> str:
    return "failed once" if failed.count == 1 else f"failed {failed.count} times in a row"
