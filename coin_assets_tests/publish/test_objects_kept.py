"""A replaced object stays for a day, whatever clocks and restarts do, and goes then."""

import logging
import os
import time
from pathlib import Path

import pytest

from coin_assets.publish import objects
from coin_assets.publish.objects import KEPT_SECONDS, ObjectFolder, listed_objects
from coin_assets.publish.publisher import Publisher
from coin_assets_tests.publish.object_folder import assert_whole, later, refreshed, stored
from coin_assets_tests.publish.test_publisher import (
    BTC,
    ETH,
    NO_FORECAST,
    candles,
    facts,
    offer,
    publish,
    publisher_of,
)

DAY, MINUTE = 24 * 3600.0, 60.0


def test_a_replaced_object_stays_for_a_day_and_goes_then(
    tmp_path: Path, publisher: Publisher
) -> None:
    publish(publisher, BTC)
    old = set(assert_whole(tmp_path, publisher.manifest()))
    later(publisher)
    new = set(assert_whole(tmp_path, publisher.manifest()))
    assert stored(tmp_path) == old | new
    folder = ObjectFolder(tmp_path)
    listed = listed_objects((tmp_path / "manifest.json").read_bytes())
    assert listed == {path.name for path in new}
    assert folder.remove_old(listed, time.time() + DAY - MINUTE) == 0
    assert folder.remove_old(listed, time.time() + DAY + MINUTE) == 2
    assert stored(tmp_path) == new
    assert folder.remove_old(listed, time.time() + 365 * DAY) == 0
    assert KEPT_SECONDS == DAY


@pytest.mark.parametrize("how", ["removed from the settings", "without content", "lost manifest"])
def test_the_day_begins_when_no_manifest_lists_an_object_any_more(
    tmp_path: Path, publisher: Publisher, how: str
) -> None:
    publish(publisher, BTC)
    publish(publisher, ETH)
    for path in stored(tmp_path):  # their files are those of days ago
        os.utime(path, (1, 1))
    time.sleep(0.05)
    began = time.time()
    if how == "removed from the settings":
        publisher = publisher_of(tmp_path, (BTC,))
        publish(publisher, BTC)
    elif how == "without content":
        offer(publisher, facts(ETH), candles(ETH), NO_FORECAST)
    else:
        (tmp_path / "manifest.json").unlink()
        for path in tmp_path.glob("*_ETH_*"):
            path.unlink()
        publish(publisher, BTC)
    listed = listed_objects((tmp_path / "manifest.json").read_bytes())
    gone = {path for path in stored(tmp_path) if path.name not in listed}
    assert gone
    assert all(path.stat().st_ctime >= began - 0.02 for path in gone)


def test_a_clock_that_was_set_back_begins_the_day_anew(
    tmp_path: Path, publisher: Publisher
) -> None:
    publish(publisher, BTC)
    old = assert_whole(tmp_path, publisher.manifest())
    later(publisher)
    listed = listed_objects((tmp_path / "manifest.json").read_bytes())
    before = {path: path.stat().st_ctime_ns for path in old}
    time.sleep(0.05)
    assert ObjectFolder(tmp_path).remove_old(listed, time.time() - 30 * DAY) == 0
    assert all(path.stat().st_ctime_ns > before[path] for path in old)


def test_a_sweep_is_bounded_and_the_next_one_goes_on(
    tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hours in range(4):
        later(publisher, hours)
    monkeypatch.setattr(objects, "MOST_REMOVED", 4)
    listed = listed_objects((tmp_path / "manifest.json").read_bytes())
    removed = [ObjectFolder(tmp_path).remove_old(listed, time.time() + 2 * DAY) for _ in range(3)]
    assert removed == [4, 2, 0]


def test_the_sensor_removes_what_is_old(
    tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(publisher, BTC)
    later(publisher)
    assert len(stored(tmp_path)) == 4
    monkeypatch.setattr(objects, "KEPT_SECONDS", 0.2)
    time.sleep(0.3)
    refreshed(publisher)
    assert stored(tmp_path) == set(assert_whole(tmp_path, publisher.manifest()))


def test_strays_are_named_once_and_stay_and_unfinished_copies_go(
    tmp_path: Path, publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    publish(publisher, BTC)
    strays = [tmp_path / "objects" / name for name in ("notes.txt", f"{'a' * 64}.json")]
    strays[0].write_text("mine")
    strays[1].mkdir()
    (tmp_path / "objects" / f".{'b' * 64}.json.17.partial").write_text("{")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            ObjectFolder(tmp_path).remove_old((), 0.0)
    assert [path.exists() for path in strays] == [True, True]
    assert sorted(text.split()[0] for text in caplog.messages) == sorted(map(str, strays))
    assert not list((tmp_path / "objects").glob(".*"))
