"""The sign of life: a file that is always whole, and a call that keeps its address."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from coin_assets.alerts.heartbeat import FILE, beat, call, heartbeat_age, is_alive
from coin_assets.alerts.transport import DeliveryRefused
from coin_assets.errors import CorruptArtefact
from coin_assets_tests.alerts.cycles import MINUTE, NOW
from coin_assets_tests.alerts.receiver import SECRET, Receiver, Reply


def test_the_file_contains_the_time_and_the_facts(tmp_path: Path) -> None:
    folder = tmp_path / "alerts"
    assert heartbeat_age(folder, NOW) is None
    beat(folder, NOW - MINUTE, {"cycle_seconds": 60})
    beat(folder, NOW, {"cycle_seconds": 60, "undelivered": 3})
    assert json.loads((folder / FILE).read_bytes()) == {
        "at": "2026-11-22T22:05:00Z",
        "cycle_seconds": 60,
        "undelivered": 3,
    }
    assert heartbeat_age(folder, NOW + 5 * MINUTE) == timedelta(minutes=5)
    assert [each.name for each in folder.iterdir()] == [FILE]


def test_it_stops_when_a_message_waits_for_more_than_five_cycles() -> None:
    assert is_alive(None, NOW, MINUTE)
    assert is_alive(NOW - 5 * MINUTE, NOW, MINUTE)
    assert not is_alive(NOW - 5 * MINUTE - timedelta(seconds=1), NOW, MINUTE)


def test_of_several_shards_the_one_that_is_silent_for_longest_counts(tmp_path: Path) -> None:
    for shard in (0, 1, 2):
        assert heartbeat_age(tmp_path, NOW, 3) is None  # until each has beaten
        beat(tmp_path, NOW - shard * MINUTE, {}, shard)
    assert heartbeat_age(tmp_path, NOW, 3) == 2 * MINUTE
    assert heartbeat_age(tmp_path, NOW) == timedelta(0)
    beat(tmp_path, NOW, {}, 2)
    assert heartbeat_age(tmp_path, NOW, 3) == MINUTE
    assert {each.name for each in tmp_path.iterdir()} == {
        FILE,
        "heartbeat.shard-1.json",
        "heartbeat.shard-2.json",
    }


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"at": "now"}', '{"at": 5}'])
def test_a_damaged_file_is_no_sign_of_life(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(CorruptArtefact, match="is no heartbeat"):
        heartbeat_age(tmp_path, NOW)


def test_the_address_is_called() -> None:
    with Receiver() as receiver:
        call(receiver.url)
        (request,) = receiver.received
        assert (request.method, request.path) == ("GET", f"/hooks/{SECRET}?key={SECRET}")
        receiver.always = Reply(500)
        with pytest.raises(DeliveryRefused, match="COIN_HEARTBEAT_URL") as caught:
            call(receiver.url)
    assert SECRET not in str(caught.value)
    assert "http://127.0.0.1/..." in str(caught.value)
