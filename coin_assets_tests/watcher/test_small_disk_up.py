"""The whole ``make up`` on a small disk that fills up, and with a daemon that hangs.

The alert arrives although neither records nor outbox can be written. After that everything is fresh
again, with all candles, each once, and no message twice.
"""

import json
import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.json_format import parse_time
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.alerts.receiver import Receiver
from coin_assets_tests.small_disks import fill, small_disk
from coin_assets_tests.test_up import DAEMON, up

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

MINUTE = Series("BTC/USDT", Timeframe.parse("1m"))
SETTINGS = {"COIN_SOURCE_TIMEFRAMES": "1m", "COIN_RETENTION": "1m:2d"}
FRESH_SECONDS, ALERT_SECONDS, FULL_SECONDS = 400, 120, 200


def until(met: Callable[[], bool], seconds: float, log: Path) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, log.read_text()[-5000:]
        time.sleep(0.5)


def settings_of(receiver: Receiver, cycle: int) -> dict[str, str]:
    return SETTINGS | {
        "COIN_ALERT_CYCLE_SECONDS": str(cycle),
        "COIN_ALERT_WEBHOOKS": f"json+{receiver.url}",
    }


def is_fresh(home: Path, since: datetime) -> bool:
    """Whether readers get data of the last minutes, published after ``since``."""
    path = home / "published" / "manifest.json"
    if not path.exists():
        return False
    (entry,) = json.loads(path.read_bytes())["public"]["entries"] or [{"status": "missing"}]
    now = datetime.now(UTC)
    return (
        entry["status"] == "fresh"
        and parse_time(entry["as_of"]) >= since
        and now - parse_time(entry["as_of"]) < timedelta(minutes=3)
    )


def of(receiver: Receiver, subject: str) -> list[str]:
    return [each["kind"] for each in receiver.accepted if each["subjects"] == [subject]]


def test_a_disk_that_fills_up_is_reported_and_survived(tmp_path: Path) -> None:
    began = datetime.now(UTC) - timedelta(minutes=3)
    with small_disk(tmp_path / "disk", "size=400m") as disk, Receiver() as receiver:
        home = disk / "home"  # the log of make up lies on the same disk
        with up(disk, **settings_of(receiver, 10)) as made:
            until(lambda: is_fresh(home, began), FRESH_SECONDS, made.log)
            filled, ballast = time.monotonic(), fill(disk)
            until(lambda: of(receiver, "writing to files") == ["alert"], ALERT_SECONDS, made.log)
            assert "ENOSPC" in receiver.accepted[-1]["text"]
            time.sleep(max(0.0, filled + FULL_SECONDS - time.monotonic()))
            ballast.unlink()
            freed = datetime.now(UTC)
            until(lambda: is_fresh(home, freed), FRESH_SECONDS, made.log)
            until(
                lambda: of(receiver, "writing to files")[-1] == "recovery", ALERT_SECONDS, made.log
            )
            assert made.process.poll() is None
        start = MINUTE.timeframe.floor(began) - timedelta(hours=1)
        stored = ParquetStore(home).read_candles(MINUTE, start, freed)
    ids = [each["id"] for each in receiver.accepted]
    assert len(ids) == len(set(ids))
    # What a home has whose disk was never full: all that the market has.
    (page,) = SandboxMarket().pages(MINUTE, start, freed, freed + timedelta(hours=1))
    pd.testing.assert_frame_equal(stored, page.candles)


def test_a_daemon_that_hangs_is_reported(tmp_path: Path) -> None:
    with Receiver() as receiver, up(tmp_path, **settings_of(receiver, 5)) as made:
        until(lambda: (tmp_path / "home/alerts/heartbeat.json").exists(), FRESH_SECONDS, made.log)
        hanging = made.part(DAEMON)
        os.kill(hanging.pid, signal.SIGSTOP)
        until(lambda: of(receiver, "alerting") == ["alert"], 2 * ALERT_SECONDS, made.log)
        os.kill(hanging.pid, signal.SIGCONT)
        until(lambda: of(receiver, "alerting")[-1] == "recovery", ALERT_SECONDS, made.log)
