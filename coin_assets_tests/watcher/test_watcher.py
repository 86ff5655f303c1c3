"""The watcher on real faults: full, read-only and dead file systems, silence, dead databases.

Messages arrive while nothing can be written, once for each cause, and again when it is over.
"""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import psutil
import pytest

from coin_assets.watcher import looks
from coin_assets.watcher.watch import Watcher
from coin_assets_tests.alerts.receiver import SECRET, Receiver
from coin_assets_tests.small_disks import fill, make_read_only, small_disk, use_up_inodes
from coin_assets_tests.watcher.rig import Watching, beat_ago, files_of, plan_of, told
from coin_assets_tests.webui import ROOT, environment, free_port

FAULT = "machine fault: writing to files"
UNUSED = {"port": str(free_port()), "host": "127.0.0.1", "user": "dagster", "dbname": "dagster"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a fresh heartbeat."""
    home = tmp_path / "home"
    home.mkdir()
    beat_ago(home)
    return home


def test_a_full_disk_is_reported_and_nothing_is_written(tmp_path: Path, receiver: Receiver) -> None:
    with (
        small_disk(tmp_path / "home") as home,
        Watching(plan_of(home, receiver), tmp_path / "log") as watching,
    ):
        beat_ago(home)
        assert watching.cycles(receiver) == []
        ballast = fill(home)
        before = files_of(home)
        watching.until(lambda: bool(receiver.accepted))
        (alert,) = watching.cycles(receiver)
        assert files_of(home) == before
        ballast.unlink()
        watching.until(lambda: len(receiver.accepted) == 2)
        assert told(receiver.accepted) == [
            ("alert", FAULT),
            ("recovery", f"recovered from {FAULT}"),
        ]
    assert alert["severity"] == "critical"
    for word in (str(home), "ENOSPC", "0 MB", "the machine failed: ENOSPC"):
        assert word in alert["text"]
    log = watching.log.read_text()
    assert log.count("coin_assets.watcher - WARNING - [CRITICAL] machine fault") == 1
    assert SECRET not in log


def test_inodes_may_be_what_is_short(tmp_path: Path, receiver: Receiver) -> None:
    with (
        small_disk(tmp_path / "home", "size=16m,nr_inodes=64") as home,
        Watching(plan_of(home, receiver), tmp_path / "log") as watching,
    ):
        beat_ago(home)
        made = use_up_inodes(home)
        watching.until(lambda: bool(receiver.accepted))
        assert "100.0% of its inodes in use; 1" in receiver.accepted[0]["text"]
        assert "0 inodes are free" in receiver.accepted[0]["text"]
        for each in made:
            each.unlink()
        watching.until(lambda: len(receiver.accepted) == 2)


def test_a_read_only_file_system_is_reported_and_all_it_causes_is_not(
    tmp_path: Path, receiver: Receiver
) -> None:
    with (
        small_disk(tmp_path / "home") as home,
        Watching(plan_of(home, receiver, silent_seconds=2.0), tmp_path / "log") as watching,
    ):
        beat_ago(home)
        make_read_only(home)  # heartbeats cease as well
        watching.until(lambda: bool(receiver.accepted))
        (alert,) = watching.cycles(receiver, 2.5)
        assert alert["title"] == FAULT
        assert "EROFS" in alert["text"]
        make_read_only(home, is_read_only=False)
        beat_ago(home)
        watching.until(lambda: len(receiver.accepted) == 2)
        assert receiver.accepted[1]["kind"] == "recovery"


def test_the_published_folder_alone_is_left_to_health_alerts_while_it_lives(
    tmp_path: Path, home: Path, receiver: Receiver
) -> None:
    with (
        small_disk(tmp_path / "published") as published,
        Watching(
            plan_of(
                home, receiver, published=str(published), silent_seconds=4.0, start_seconds=4.0
            ),
            tmp_path / "log",
        ) as watching,
    ):
        make_read_only(published)
        beat_ago(home)
        assert watching.cycles(receiver) == []
        watching.until(lambda: bool(receiver.accepted))
        assert told(receiver.accepted) == [("alert", FAULT)]
        assert str(published) in receiver.accepted[0]["text"]


def test_silence_is_reported_until_the_next_heartbeat(
    tmp_path: Path, home: Path, receiver: Receiver
) -> None:
    plan = plan_of(home, receiver, silent_seconds=2.0, start_seconds=1.0)
    beat_ago(home, 3600)  # of the time before the start, which does not count at once
    with Watching(plan, tmp_path / "log") as watching:
        watching.until(lambda: bool(receiver.accepted))
        assert told(watching.cycles(receiver, 0.5)) == [("alert", "not working: alerting")]
        beat_ago(home)
        watching.until(lambda: len(receiver.accepted) == 2)
        assert receiver.accepted[1]["kind"] == "recovery"
        watching.until(lambda: len(receiver.accepted) == 3)  # silent again, after a while
        assert receiver.accepted[2]["kind"] == "alert"


def test_a_channel_that_does_not_answer_holds_up_no_other(
    tmp_path: Path, home: Path, receiver: Receiver
) -> None:
    with Receiver() as dead:
        dead.always.hold = Event()
        with Watching(plan_of(home, dead, receiver), tmp_path / "log") as watching:
            home.joinpath("dagster").write_text("no folder")
            watching.until(lambda: bool(receiver.accepted))
            assert "dagster" in receiver.accepted[0]["text"]
            assert dead.accepted == []
        dead.always.hold.set()


def test_a_refused_message_is_sent_again_with_its_id(
    tmp_path: Path, home: Path, receiver: Receiver
) -> None:
    receiver.always.status = 503
    home.joinpath("dagster").write_text("no folder")
    with Watching(plan_of(home, receiver), tmp_path / "log") as watching:
        watching.until(lambda: len(receiver.received) >= 2)
        receiver.always.status = 200
        watching.until(lambda: bool(receiver.accepted))
    assert len({each.body["id"] for each in receiver.received}) == 1
    assert SECRET not in watching.log.read_text()


def test_a_damaged_database_is_reported(tmp_path: Path, home: Path, receiver: Receiver) -> None:
    path = home / "dagster" / "history" / "runs.db"
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE runs (id INTEGER)")
    with Watching(plan_of(home, receiver), tmp_path / "log") as watching:
        assert watching.cycles(receiver, 1.0) == []
        path.write_bytes(b"no database" * 1000)
        watching.until(lambda: bool(receiver.accepted))
    assert told(receiver.accepted) == [("alert", "database unusable: database")]
    assert "runs.db: file is not a database" in receiver.accepted[0]["text"]


def test_a_database_that_is_being_created_is_awaited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "_NEW_SECONDS", 0.01)
    path = tmp_path / "schedules" / "schedules.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE other (id INTEGER)")
        with pytest.raises(looks.DatabaseUnusable, match="no such table: job_ticks"):
            looks.require_databases(str(tmp_path), str(tmp_path))
        made.execute("CREATE TABLE job_ticks (id INTEGER)")
        made.execute("BEGIN EXCLUSIVE")  # as VACUUM holds it
        monkeypatch.setattr(looks, "_BUSY_SECONDS", 0.01)
        looks.require_databases(str(tmp_path), str(tmp_path))


def test_a_server_that_does_not_answer_is_reported_without_its_password() -> None:
    with pytest.raises(looks.DatabaseUnusable, match=r"PostgreSQL at 127\.0\.0\.1") as caught:
        looks.require_postgres(UNUSED | {"password": SECRET})
    assert "refused" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_server_has_time_to_start(home: Path) -> None:
    plan = plan_of(home, postgres=UNUSED | {"password": SECRET})
    now = datetime.now(UTC)
    assert Watcher(plan, (), print, time.monotonic()).look(now) == []
    (late,) = Watcher(plan, (), print, time.monotonic() - plan.start_seconds).look(now)
    assert late.subject == "database"


def test_it_is_small_and_its_command_line_holds_no_secret(
    tmp_path: Path, home: Path, receiver: Receiver
) -> None:
    home.joinpath("dagster").write_text("no folder")  # so that it has sent a message as well
    with Watching(plan_of(home, receiver), tmp_path / "log") as watching:
        watching.until(lambda: bool(receiver.accepted))
        process = psutil.Process(watching.process.pid)
        assert process.memory_info().rss < 64e6
        assert SECRET not in " ".join(process.cmdline())
        libraries = " ".join(each.path for each in process.memory_maps())
        assert not any(word in libraries for word in ("pandas", "numpy", "pyarrow", "pydantic"))
    loaded = subprocess.run(
        [sys.executable, "-c", "import coin_assets.watcher.watch, sys; print(*sys.modules)"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"dagster", "pandas", "pyarrow", "numpy", "pydantic"} & set(loaded)


def test_it_reads_the_settings_and_looks_once_on_request(tmp_path: Path, home: Path) -> None:
    env = environment(home, COIN_ALERT_WEBHOOKS=f"json+http://127.0.0.1:1/{SECRET}")
    env["PYTHONPATH"] = str(ROOT)

    def once(**variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "coin_assets.watcher", "--once"],
            env=env | variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    sound = once()
    assert (sound.returncode, sound.stdout, sound.stderr) == (0, "", "")
    beat_ago(home, 3600)
    silent = once()
    assert silent.returncode == 1
    assert "alerting not working: health_alerts" in silent.stdout
    refused = once(COIN_ALERT_CYCLE_SECONDS="never")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "COIN_ALERT_CYCLE_SECONDS" in refused.stderr
    assert SECRET not in sound.stderr + silent.stdout + refused.stderr
