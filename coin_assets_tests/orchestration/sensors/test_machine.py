"""Faults of the machine in ticks and runs: one condition, nothing requested, over by itself."""

import errno
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from coin_assets.alerts.conditions import Severity
from coin_assets.domain.failures import FailureRecord
from coin_assets.domain.layers import CANDLES, Task
from coin_assets.errors import MachineFault, StoreUnavailable
from coin_assets.files.faults import machine_fault
from coin_assets.orchestration.build import series_specs
from coin_assets.orchestration.disk import DiskResource
from coin_assets.orchestration.sensors.conditions import series_conditions
from coin_assets.orchestration.sensors.health import SeriesHealth
from coin_assets.orchestration.sensors.machine import MachineFaults, TickFault
from coin_assets.orchestration.sensors.machine_conditions import (
    caused_elsewhere,
    machine_conditions,
)
from coin_assets.planning.facts import Failures
from coin_assets_tests.alerts.receiver import Receiver
from coin_assets_tests.orchestration.sensors.conftest import NOW
from coin_assets_tests.platform import Platform, series, utc
from coin_assets_tests.small_disks import fill, make_read_only, small_disk, use_up_inodes

WRITERS = ("candles_due", "publish_due", "late_candles")
AT = utc(NOW)
FULL = OSError(errno.ENOSPC, "No space left on device", "/home/x/candles.parquet")


def record(error: BaseException) -> FailureRecord:
    return FailureRecord.of(error, series("1h"), CANDLES, AT)


def faults_of(home: Path) -> MachineFaults:
    return MachineFaults(DiskResource(home=str(home), warn=70, critical=85, block=90))


# ------------------------------------------------------------------------------------- the ticks


def test_a_tick_that_meets_a_fault_requests_nothing_until_one_works(tmp_path: Path) -> None:
    faults, broken = faults_of(tmp_path), [FULL]

    @faults.skipped
    def candles_due() -> dg.SensorResult:
        if broken:
            raise broken[0]
        return dg.SensorResult(skip_reason="all is there")

    skipped = candles_due()
    assert "the machine failed, nothing is requested: /home/x/candles.parquet" in str(skipped)
    (first,) = faults.standing()
    assert (first.sensor, first.fault.errno_name) == ("candles_due", "ENOSPC")
    candles_due()
    assert faults.standing()[0].since == first.since
    broken.clear()
    assert candles_due().skip_reason.skip_message == "all is there"
    assert faults.standing() == []


@pytest.mark.parametrize(
    "error", [StoreUnavailable("no answer"), ValueError("x"), OSError(errno.ENOENT, "gone")]
)
def test_other_errors_pass(error: Exception, tmp_path: Path) -> None:
    faults = faults_of(tmp_path)

    @faults.skipped
    def candles_due() -> None:
        raise error

    with pytest.raises(type(error)):
        candles_due()
    assert faults.standing() == []


def test_too_many_open_files_are_a_fault_of_the_machine() -> None:
    """In a process of its own, whose limit of open files is lowered for real."""
    code = """
import os, resource
from coin_assets.orchestration.sensors.machine import MachineFaults
from coin_assets.orchestration.disk import DiskResource
faults = MachineFaults(DiskResource(home="/tmp", warn=1, critical=2, block=3))

@faults.skipped
def candles_due():
    os.close(os.open("/dev/null", os.O_RDONLY))
    return "worked"

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
print(candles_due().skip_message)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(candles_due(), len(faults.standing()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    met, worked = done.stdout.splitlines()
    assert "/dev/null: too many open files (EMFILE)" in met
    assert worked == "worked 0"


@pytest.fixture
def on_small_disk(grown: Path, tmp_path: Path, receiver: Receiver) -> Iterator[Platform]:
    """``grown`` on a file system of its own, with more than is reserved."""
    with small_disk(tmp_path / "disk", "size=300m,nr_inodes=4000") as disk:
        home = Path(shutil.copytree(grown, disk / "home"))
        yield Platform(
            home,
            NOW,
            symbols="BTC/USDT,ETH/USDT",
            derived_timeframes="4h",
            alert_webhooks=f"json+{receiver.url}",
            disk_limits="97/98/99",
        )


def reason(platform: Platform, sensor: str) -> str:
    data = platform.tick(sensor)
    assert not data.run_requests
    return data.skip_message or ""


def test_below_the_reserve_nothing_is_requested(on_small_disk: Platform) -> None:
    on_small_disk.now = "2024-02-29T13:30"  # a candle is due
    disk = on_small_disk.settings.home.parent
    ballast = fill(disk, leave=150_000_000)
    for sensor in WRITERS:
        text = reason(on_small_disk, sensor)
        assert text.startswith("nothing is requested: the file system of")
        assert "150 MB" in text
        assert "below the 200 MB" in text
    assert "disk disk full" in reason(on_small_disk, "health_alerts")
    ballast.unlink()
    made = use_up_inodes(disk)
    assert "0 inodes are free" in reason(on_small_disk, "candles_due")
    for each in made:
        each.unlink()
    assert on_small_disk.tick("candles_due").run_requests


def test_a_read_only_disk_is_one_condition_and_ends_by_itself(
    on_small_disk: Platform, receiver: Receiver, tmp_path: Path
) -> None:
    # The outbox is on a disk that works; else the watcher reports instead.
    inside = on_small_disk.settings.home / "alerts"
    alerts = shutil.move(inside, tmp_path / "alerts")
    inside.symlink_to(alerts)
    on_small_disk.now = "2024-02-29T15:00"
    assert "hard_stale" in reason(on_small_disk, "health_alerts")
    disk = on_small_disk.settings.home.parent
    make_read_only(disk)
    on_small_disk.now = "2024-02-29T15:01"
    for sensor in WRITERS:
        assert "read-only file system (EROFS)" in reason(on_small_disk, sensor)
    # It cannot take the lock of the published folder, so it knows nothing of the series.
    assert "machine machine fault" in reason(on_small_disk, "health_alerts")
    old, alert = receiver.accepted
    assert (alert["kind"], alert["subjects"], alert["severity"]) == (
        "alert",
        ["machine"],
        "critical",
    )
    assert "candles_due, publish_due, late_candles, health_alerts cannot work" in alert["text"]
    make_read_only(disk, is_read_only=False)
    on_small_disk.settle("candles_due")
    for sensor in WRITERS:
        reason(on_small_disk, sensor)
    assert reason(on_small_disk, "health_alerts") == "4 fresh"
    over = [each for each in receiver.accepted if each["kind"] == "recovery"]
    assert len(over) == len(receiver.accepted) - 2 == 2
    assert {tuple(each["subjects"]) for each in over} == {("machine",), tuple(old["subjects"])}


# -------------------------------------------------------------------------------- the conditions


def test_ticks_and_runs_are_one_condition_by_errno() -> None:
    fault = machine_fault(FULL)
    assert isinstance(fault, MachineFault)
    ticks = [TickFault("candles_due", fault, AT - timedelta(minutes=3))]
    failures = [Failures(1, AT, record(fault)), Failures(9, AT, record(ValueError("x")))]
    (found,) = machine_conditions(ticks, failures, AT)
    assert (found.subject, found.kind) == ("machine", "machine fault")
    assert found.cause == "the machine failed: ENOSPC"
    assert (found.severity, found.since) == (Severity.CRITICAL, ticks[0].since)
    assert found.detail.startswith("candles_due cannot work; 1 tasks failed: /home/x/candles")
    assert found.detail.count("(ENOSPC)") == 1  # one text a fault
    assert machine_conditions([], failures[1:], AT) == []


def test_the_alert_of_a_damaged_published_file_names_it(platform: Platform) -> None:
    why = "prediction_BTC_USDT_1h.json cannot be read (...)"
    health = SeriesHealth(
        series("1h"), "corrupt", "corrupt", "fresh", AT, True, False, file_damage=why
    )
    (spec,) = (each for each in series_specs(platform.settings) if each.series == series("1h"))
    (found,) = series_conditions([health], {spec.series: spec}, {}, AT)
    assert (found.kind, found.cause) == ("corrupt", "a published file is damaged")
    assert found.detail.startswith(f"{why}; data ends ")


def test_series_that_fail_because_of_it_are_left_to_it(platform: Platform) -> None:
    health = SeriesHealth(series("1h"), "fresh", "fresh", "fresh", AT, True, False)
    stale = SeriesHealth(series("1h"), "stale", "stale", "fresh", AT, True, False)
    (spec,) = (each for each in series_specs(platform.settings) if each.series == series("1h"))
    for error, is_left in ((machine_fault(FULL), True), (ValueError("x"), False)):
        assert error is not None
        failures = {Task(spec.series, CANDLES): Failures(9, AT, record(error))}
        (failing,) = series_conditions([health], {spec.series: spec}, failures, AT)
        assert (failing.kind, caused_elsewhere(failing)) == ("failing", is_left)
        (old,) = series_conditions([stale], {spec.series: spec}, failures, AT)
        assert not caused_elsewhere(old)
