"""What looks at the data itself reaches the alerts: implausible prices, and failed checks."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from coin_assets.alerts.conditions import Condition, Severity
from coin_assets.domain.failures import CHECK_FAILED, FailureRecord
from coin_assets.domain.layers import CANDLES, PREDICTIONS, Task
from coin_assets.errors import ImplausibleCandles, MarketUnavailable
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.checks.clock import clock_evaluations
from coin_assets.orchestration.sensors.data_conditions import data_conditions
from coin_assets.orchestration.sensors.health import series_healths
from coin_assets.planning.facts import Failures
from coin_assets.planning.series_status import SeriesStatus
from coin_assets_tests.orchestration.checks.statuses import NOW, in_order, published_at, spec_for

HOUR = timedelta(hours=1)


@pytest.fixture
def spec(tmp_path: Path) -> SeriesAssets:
    return spec_for(tmp_path / "home")


def public(spec: SeriesAssets) -> SeriesStatus:
    status = in_order(spec.series)
    return replace(status, published=replace(status.published, visibility="public"))


def conditions(
    spec: SeriesAssets, status: SeriesStatus, failures: dict[Task, Failures] | None = None
) -> list[Condition]:
    healths = series_healths([spec], {spec.series: status}, {}, NOW)
    evaluations: Sequence[dg.AssetCheckEvaluation] = clock_evaluations(spec, status, NOW)
    return data_conditions(healths, failures or {}, {spec.series: evaluations}, NOW)


def kinds(found: Sequence[Condition]) -> list[tuple[str, str]]:
    return [(each.kind, each.cause) for each in found]


def failed(spec: SeriesAssets, layer: str, code: str, cause: str) -> dict[Task, Failures]:
    record = FailureRecord(spec.series, layer, code, cause, "2026-11-22 19:00 steps, x100", NOW)
    return {Task(spec.series, layer): Failures(1, NOW, record)}


def test_one_refused_fetch_alerts_at_once_and_names_the_candle(spec: SeriesAssets) -> None:
    error = ImplausibleCandles
    found = conditions(
        spec,
        replace(public(spec), versions=()),
        failed(spec, CANDLES, error.code, error.alert_cause),
    )
    (condition,) = found
    assert (condition.subject, condition.kind) == ("BTC/USDT 1h", "implausible data")
    assert "2026-11-22 19:00 steps, x100" in condition.detail
    assert "accept_implausible" in condition.remedy
    assert condition.runbook == "docs/operations/recovery.md"
    assert condition.severity is Severity.WARNING


def test_a_blocking_check_alerts_at_once_and_other_failures_do_not(spec: SeriesAssets) -> None:
    status = replace(public(spec), versions=())
    blocked = failed(spec, PREDICTIONS, CHECK_FAILED, "a check blocked it")
    assert kinds(conditions(spec, status, blocked)) == [("check failed", "a check blocked it")]
    error = MarketUnavailable
    assert conditions(spec, status, failed(spec, CANDLES, error.code, error.alert_cause)) == []


def test_a_caution_in_the_manifest_alerts_while_the_series_is_fresh(spec: SeriesAssets) -> None:
    status = replace(public(spec), versions=())
    assert conditions(spec, status) == []
    frozen = replace(status, published=replace(status.published, caution="it looks frozen"))
    (condition,) = conditions(spec, frozen)
    assert condition.kind == "implausible data"
    assert "it looks frozen" in condition.detail
    hidden = replace(frozen, published=replace(frozen.published, visibility="hidden_backfilling"))
    assert conditions(spec, hidden) == []


def test_files_ahead_of_the_store_alert_when_it_lasts(spec: SeriesAssets) -> None:
    status = replace(public(spec), versions=())
    assert status.candles is not None
    assert status.forecast is not None
    lost = replace(status, candles=status.candles - HOUR, forecast=status.forecast - HOUR)
    (condition,) = conditions(spec, lost)
    assert condition.cause == "the check agrees_with_store failed"
    assert "ahead of the store" in condition.detail
    assert condition.only_when_lasting
    behind = published_at(status, -HOUR, -HOUR)  # late files show in the status
    assert conditions(spec, behind) == []


def test_a_model_that_is_too_old_or_has_no_range_alerts(spec: SeriesAssets) -> None:
    status = public(spec)
    assert kinds(conditions(spec, status)) == [
        ("check failed", "the check training_range failed")  # no such folder
    ]
    (version,) = status.versions
    old = replace(version, cutoff=version.cutoff - timedelta(days=3))
    assert kinds(conditions(spec, replace(status, versions=(old,)))) == [
        ("check failed", "the check age failed"),
        ("check failed", "the check training_range failed"),
    ]
