"""Incidents of which Dagster's records are lost: they end when their subject is seen to work."""

from pathlib import Path

import dagster as dg
import pytest

from coin_assets.alerts.conditions import Condition, Severity
from coin_assets.alerts.incidents import Incident
from coin_assets.errors import DataRefused, SymbolUnavailable
from coin_assets.files.sqlite import set_aside
from coin_assets.orchestration.sensors.records import unproven
from coin_assets_tests.orchestration.records.homes import open_home
from coin_assets_tests.orchestration.sensors.failing import FailingMarket
from coin_assets_tests.orchestration.sensors.test_machinery import (
    MINUTE,
    NOW,
    SECOND,
    SENSOR,
    Machinery,
)
from coin_assets_tests.platform import ETH, Platform


def lose(platform: Platform) -> None:
    """An empty instance takes the place of the records."""
    platform.instance = dg.DagsterInstance.ephemeral()


def wrong(platform: Platform) -> str:
    return platform.tick("health_alerts").skip_message or ""


def test_a_failed_job_is_open_until_it_has_succeeded(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise DataRefused("no model today")

    platform.now = "2024-02-29T13:00:05"
    platform.cycle()
    with monkeypatch.context() as patched:
        patched.setattr("coin_assets.domain.forecasting.har.HarForecaster.fit", broken)
        assert not platform.train().success
    failed = "job train_models training failed"
    assert failed in wrong(platform)
    lose(platform)
    assert failed in wrong(platform)
    assert platform.run("enforce_retention", dry_run=True).success  # shows nothing of trainings
    assert failed in wrong(platform)
    assert platform.train().success
    assert "wrong" not in wrong(platform)


def test_a_failing_series_is_open_until_it_was_published(
    platform: Platform, market: FailingMarket
) -> None:
    market.down, market.kind = {ETH}, SymbolUnavailable
    platform.now = "2024-02-29T13:00:05"
    for ahead in (0.0, 200.0, 600.0):
        platform.ahead = ahead
        platform.cycle()
    failing = f"{ETH} 1h failing"
    assert failing in wrong(platform)
    lose(platform)
    platform.ahead = 0.0
    assert failing in wrong(platform)
    market.down.clear()
    platform.settle("candles_due")
    assert "wrong" not in wrong(platform)


def incident(subject: str) -> dict[str, Incident]:
    condition = Condition(subject, "not working", "", Severity.CRITICAL, NOW, "", "", "")
    return {subject: Incident(condition, NOW - MINUTE, NOW - MINUTE)}


def test_a_sensor_and_a_daemon_are_open_until_they_have_worked(
    instance: dg.DagsterInstance,
) -> None:
    for subject in (f"sensor {SENSOR}", "daemon SENSOR"):
        open_incidents = incident(subject)
        (kept,) = unproven(open_incidents, [], instance, [])
        assert kept.subject == subject
        assert unproven(open_incidents, [kept], instance, []) == []
    machinery = Machinery(instance)
    machinery.add(SENSOR)
    machinery.tick(SENSOR, SECOND)
    machinery.beat("SENSOR", SECOND)
    for subject in (f"sensor {SENSOR}", "daemon SENSOR"):
        assert unproven(incident(subject), [], instance, []) == []


def test_records_that_were_set_aside_are_a_condition_until_they_are_removed(
    platform: Platform, tmp_path: Path
) -> None:
    home = tmp_path / "dagster"
    with open_home(home):
        pass
    aside = set_aside(home / "schedules" / "schedules.db")
    with open_home(home) as instance:
        platform.instance = instance
        assert "Dagster's records records damaged" in wrong(platform)
        for each in aside.parent.glob(f"{aside.name}*"):
            each.unlink()
        assert "wrong" not in wrong(platform)
