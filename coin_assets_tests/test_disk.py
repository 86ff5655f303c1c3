"""A disk that fills up: first warnings, then no more history, but live candles always.

History is every window with a month before the previous one; COIN_DISK_LIMITS sets the percents.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from coin_assets.config.settings import Settings
from coin_assets.errors import DiskFull
from coin_assets.orchestration.build import configured_resources
from coin_assets.orchestration.resources import DiskResource
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.platform import Platform, failures, given, series, utc
from coin_assets_tests.small_disks import fill as fill_disk
from coin_assets_tests.small_disks import small_disk

HOUR = "BTC_USDT/ohlcv_1h"
NOW = "2024-04-10T12:30"
Fill = Callable[..., None]


@pytest.fixture
def fill(monkeypatch: pytest.MonkeyPatch) -> Fill:
    """Makes every disk as full as it is told."""

    def fill(percent: float, inodes: float = 0.0) -> None:
        monkeypatch.setattr(os, "statvfs", lambda _path: usage(percent, inodes))

    return fill


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    platform = Platform(tmp_path / "home", now=NOW, disk_limits="50/60/70")
    platform.market = given(PatchyMarket())
    return platform


def usage(percent: float, inodes: float = 0.0) -> os.statvfs_result:
    """Of a disk with 2000 blocks of a gigabyte, of which this user can use half."""
    used, names = int(percent * 10), int(inodes * 1000)
    free = 1000 - used
    return os.statvfs_result(
        (4096, 10**9, 2000, 2000 - used, free, 10**5, 10**5 - names, 10**5 - names, 0, 255)
    )


def disk(tmp_path: Path) -> DiskResource:
    return DiskResource(home=str(tmp_path), warn=50, critical=60, block=70)


def test_percent_is_that_of_the_real_disk(tmp_path: Path) -> None:
    usage = shutil.disk_usage(tmp_path)
    expected = 100 * usage.used / (usage.used + usage.free)
    assert disk(tmp_path).percent() == pytest.approx(expected, abs=1)


def test_what_is_reserved_for_root_counts_as_used_up(tmp_path: Path, fill: Fill) -> None:
    fill(62.5)  # of the 1000 that this user can use; the disk has 2000
    assert disk(tmp_path).percent() == 62.5


@pytest.mark.parametrize(
    ("percent", "said"),
    [
        (49.9, []),
        (50, ["warning: 50%"]),
        (59.9, ["warning: 50%"]),
        (60, ["critical: 60%"]),
        (95, ["critical: 60%"]),
    ],
)
def test_live_windows_warn_and_go_on(
    tmp_path: Path, fill: Fill, percent: float, said: list[str]
) -> None:
    fill(percent)
    heard: list[str] = []
    for start in ("2024-04-01", "2024-03-01"):
        assert disk(tmp_path).checked(utc(start), utc(NOW), heard.append) == percent
    assert len(heard) == 2 * len(said)
    assert all(said[0] in line and str(tmp_path) in line for line in heard)


@pytest.mark.parametrize(
    ("start", "now", "refused"),
    [
        ("2024-03-01", "2024-04-30T23:59", False),
        ("2024-02-01", "2024-04-01T00:00", True),
        ("2023-12-01", "2024-01-15T00:00", False),
        ("2023-11-01", "2024-01-15T00:00", True),
    ],
)
def test_history_is_what_begins_before_the_previous_month(
    tmp_path: Path, fill: Fill, start: str, now: str, refused: bool
) -> None:
    fill(70)
    if not refused:
        disk(tmp_path).checked(utc(start), utc(now), lambda _line: None)
        return
    with pytest.raises(DiskFull, match=r"70\.0% of.*the 70% of COIN_DISK_LIMITS") as caught:
        disk(tmp_path).checked(utc(start), utc(now), lambda _line: None)
    assert str(tmp_path) in str(caught.value)
    assert "COIN_RETENTION" in str(caught.value)


def test_inodes_count_like_bytes(tmp_path: Path, fill: Fill) -> None:
    fill(10, 75)
    assert disk(tmp_path).percent() == 75
    with pytest.raises(DiskFull, match=r"75\.0% of its inodes in use"):
        disk(tmp_path).checked(utc("2023-01-01"), utc(NOW), lambda _line: None)


def test_the_worst_of_the_file_systems_in_use_decides(tmp_path: Path) -> None:
    """Two of them are real, and one has almost nothing left."""
    with small_disk(tmp_path / "published") as published, small_disk(tmp_path / "tmp") as temporary:
        made = disk(tmp_path).model_copy(
            update={"folders": [str(published), str(published / "x")], "temporary": str(temporary)}
        )
        assert made.worst().folder == str(published)  # smaller than the reserve
        assert f"the file system of {published} has" in str(made.reason_to_pause())
        alone = made.model_copy(update={"folders": [str(tmp_path)]})
        assert alone.reason_to_pause() is None  # nothing is reserved in the temporary folder
        fill_disk(temporary)
        assert alone.worst().folder == str(temporary)
        assert alone.percent() == 100.0


def test_settings_set_the_limits(tmp_path: Path) -> None:
    resource = configured_resources(Settings(home=tmp_path, disk_limits="1/2/3")).disk
    assert (resource.warn, resource.critical, resource.block) == (1, 2, 3)
    assert resource.home == str(tmp_path)
    assert resource.folders == [str(tmp_path / "published"), str(tmp_path / "dagster")]


def test_a_full_disk_refuses_old_months_and_nothing_is_asked_for(
    platform: Platform, fill: Fill
) -> None:
    fill(80)
    for last in ("2024-01-01", "2024-04-01"):
        result = platform.materialise([HOUR], "2024-01-01", last)
        assert "80.0% of its bytes in use" in failures(result)["BTC_USDT__ohlcv_1h"]
        assert not [event for event in result.all_events if event.is_step_up_for_retry]
    assert platform.store.extent(series("1h")) is None
    fill(69)
    assert platform.materialise([HOUR], "2024-01-01").success


def test_a_full_disk_never_stops_live_candles(
    platform: Platform, fill: Fill, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(99)
    assert platform.materialise([HOUR], "2024-03-01", "2024-04-01").success
    assert platform.metadata(HOUR, "2024-04-01")["disk_percent"] == 99.0
    text = capsys.readouterr().err
    assert "99.0% of its bytes in use; 10000 MB" in text
    assert "(critical: 60%, no history from 70% on)" in text


def test_a_full_disk_stops_the_backfill_of_what_is_missing(platform: Platform, fill: Fill) -> None:
    def backfill(end: str | None = None) -> dg.ExecuteInProcessResult:
        return platform.definitions.resolve_job_def("backfill").execute_in_process(
            run_config={"end": end}, instance=platform.instance, raise_on_error=False
        )

    fill(80)
    message = failures(backfill())["bring_in"]
    assert "BTC/USDT: the file system of" in message
    assert platform.store.extent(series("1h")) is None
    fill(40)
    assert backfill("2024-02").success
    fill(80)
    assert backfill("2024-02").success  # nothing is missing: there is nothing to store
    assert backfill().success  # only live months are missing
