"""``prune_records``: the platform says the same before and after; the disk has less to hold."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from coin_assets.orchestration.records.shrink import shrink
from coin_assets_tests.orchestration.pruning.history import instance_in
from coin_assets_tests.orchestration.pruning.whole import assert_pruned
from coin_assets_tests.platform import BTC, ETH, Platform


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with instance_in(tmp_path / "dagster") as instance:
        platform = Platform(
            tmp_path / "home",
            now="2024-02-10T12:30",
            symbols=f"{BTC},{ETH}",
            derived_timeframes="4h",
        )
        platform.instance = instance
        yield platform


def test_statuses_manifest_and_alerts_are_as_before(platform: Platform, tmp_path: Path) -> None:
    def databases() -> int:
        return len([path for path in tmp_path.rglob("*-*.db") if len(path.stem) == 36])

    before = platform.instance.get_runs_count()
    assert_pruned(platform)
    assert before == 0
    assert databases() == platform.instance.get_runs_count()
    assert platform.run("doctor").success
    lines = [
        entry.user_message
        for run in platform.instance.get_runs(dg.RunsFilter(job_name="doctor"))
        for entry in platform.instance.all_logs(run.run_id)
    ]
    for kind in ("runs", "index of events", "events", "logs of steps", "ticks"):
        assert any(line.startswith(f"OK records ({kind}): ") for line in lines)


def test_the_schedule_launches_it_every_day(platform: Platform) -> None:
    repository = platform.definitions.get_repository_def()
    schedule = repository.get_schedule_def("records_retention")
    assert (schedule.job_name, schedule.cron_schedule) == ("prune_records", "50 3 * * *")
    assert repository.get_job("prune_records").tags["coin_assets/lane"] == "background"
    assert platform.settings.records_retention == timedelta(days=30)


def filled(path: Path, rows: int) -> sqlite3.Connection:
    link = sqlite3.connect(path, isolation_level=None)
    link.execute("PRAGMA journal_mode = WAL")
    link.execute("CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, event TEXT)")
    fill(link, rows)
    return link


def fill(link: sqlite3.Connection, rows: int) -> None:
    link.execute("BEGIN")
    link.executemany("INSERT INTO events (event) VALUES (?)", [("x" * 1000,)] * rows)
    link.execute("COMMIT")


def test_a_database_shrinks_while_others_have_it_open(tmp_path: Path) -> None:
    path, lines = tmp_path / "index.db", list[str]()
    with closing(filled(path, 10_000)) as other:
        for left in (1000, 100):
            other.execute("DELETE FROM events WHERE id > ?", (left,))
            assert shrink(path, lines.append) > 5_000_000
            assert path.stat().st_size < 2_000 * left + 100_000
            assert other.execute("SELECT count(*) FROM events").fetchone() == (left,)
            fill(other, 10_000)
    assert lines == []


def test_a_database_in_use_is_left_for_the_next_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coin_assets.orchestration.records.shrink.SQLITE_BUSY_TIMEOUT_SECONDS", 0.1)
    path, lines = tmp_path / "index.db", list[str]()
    with closing(filled(path, 10_000)) as other:
        other.execute("DELETE FROM events WHERE id > 10")
        other.execute("BEGIN IMMEDIATE")
        assert shrink(path, lines.append) == 0
        assert lines == ["index.db was not shrunk: database is locked"]
        other.execute("COMMIT")
        assert shrink(path, lines.append) > 5_000_000
