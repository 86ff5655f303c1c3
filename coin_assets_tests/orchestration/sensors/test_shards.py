"""The monitor of the heartbeat hears of all shards: it is called while all of them beat."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from coin_assets.alerts import heartbeat
from coin_assets.alerts.incidents import Rules
from coin_assets.alerts.outbox import DeliveryReport
from coin_assets.domain.limits import DiskLimits
from coin_assets.domain.shards import ALONE, Shard
from coin_assets.orchestration.sensors.alert_settings import AlertSettings, beat
from coin_assets_tests.alerts.receiver import Receiver
from coin_assets_tests.platform import utc

NOW, CYCLE = utc("2026-11-29"), timedelta(seconds=60)
NOTHING = DeliveryReport(0, 0, ())


def beats(folder: Path, shard: Shard, url: str, at: timedelta = timedelta(0)) -> None:
    settings = AlertSettings(
        folder, "sandbox", (), Rules(CYCLE, 3, 60), DiskLimits(70, 85, 90), url, shard
    )
    beat(logging.getLogger(__name__), settings, NOTHING, {"fresh": 1}, NOW + at)


def test_without_shards_each_cycle_calls(tmp_path: Path) -> None:
    with Receiver() as receiver:
        for _ in range(2):
            beats(tmp_path, ALONE, receiver.url)
        assert len(receiver.received) == 2
    assert [path.name for path in tmp_path.glob("heartbeat*")] == ["heartbeat.json"]


def test_the_first_shard_calls_while_all_beat(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = Shard(0, 2), Shard(1, 2)
    with Receiver() as receiver:
        beats(tmp_path, first, receiver.url)
        assert receiver.received == []  # the second has not begun
        assert "a shard of COIN_SHARDS is silent" in caplog.text
        beats(tmp_path, second, receiver.url)
        assert receiver.received == []
        beats(tmp_path, first, receiver.url)
        assert len(receiver.received) == 1
        late = heartbeat.silent_after(CYCLE) + timedelta(seconds=1)
        beats(tmp_path, first, receiver.url, late)
        assert len(receiver.received) == 1
        beats(tmp_path, second, receiver.url, late)
        beats(tmp_path, first, receiver.url, late)
        assert len(receiver.received) == 2
