"""``publish_due`` on a Dagster instance: the published folder is true, whatever happened to it.

- A file that is gone, damaged, old or other than the store is reported at once and published again.
- The manifest is made anew; it has age and failures though no run publishes anything.
- A forecast that is not sane is never published; the next one heals it.
- Filling in old months makes nothing look fresh; a manifest that nobody rewrites ages by itself.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from coin_assets.domain.forecasting.frame import PRICE_COLUMNS
from coin_assets.domain.publishing.documents import without_close_times
from coin_assets.models.forecasters import new_forecaster
from coin_assets.publish.json_files import json_bytes
from coin_assets_tests.orchestration.sensors.failing import FailingMarket
from coin_assets_tests.platform import BTC, ETH, Platform, series, utc
from coin_assets_tests.schemas import assert_valid

HISTORY, PREDICTION = "history_BTC_USDT_1h.json", "prediction_BTC_USDT_1h.json"
NEXT, AFTER_NEXT = "2024-02-29T13:00:05", "2024-02-29T14:00:05"
PUBLISHED = dg.AssetKey(["BTC_USDT", "published_1h"])
NOON, ONE, TWO = (f"2024-02-29T{hour}:00:00Z" for hour in (12, 13, 14))


def repairs(platform: Platform) -> list[dg.RunRequest]:
    """What one tick requests; all of it runs."""
    requests = list(platform.tick("publish_due").run_requests or [])
    for request in requests:
        assert request.tags["coin_assets/purpose"] == "repair"
        platform.launch(request)
    return requests


def status(platform: Platform) -> str:
    assert_valid("manifest", platform.manifest)
    found: str = platform.entry("1h")["status"]
    return found


def files(platform: Platform) -> dict[str, Any]:
    """The two files of the series without the time at which they were written."""
    found = {}
    for name in (HISTORY, PREDICTION):
        found[name] = json.loads((platform.published / name).read_bytes())
        del found[name]["updated_at"]
    return found


# ---------- damaged files


def deleted(file: Path) -> None:
    file.unlink()


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:1000])


def altered(file: Path) -> None:
    """One digit: the file can be read, and is wrong."""
    text = file.read_text()
    file.write_text(text.replace('"as_of":"2024-02-29T12', '"as_of":"2024-02-29T11'))


@pytest.mark.parametrize("name", [HISTORY, PREDICTION])
@pytest.mark.parametrize("damage", [deleted, cut_off, altered], ids=lambda each: each.__name__)
def test_a_damaged_file_is_reported_at_once_and_published_again(
    platform: Platform, damage: Callable[[Path], None], name: str
) -> None:
    before = files(platform)
    damage(platform.published / name)
    tick = platform.tick("publish_due")
    assert status(platform) == ("missing" if damage is deleted else "corrupt")
    assert not platform.entry("1h")["serve_allowed"]
    assert platform.entry("1h", ETH)["status"] == "fresh"
    assert [event.asset_key for event in tick.asset_events] == [dg.AssetKey(["manifest"])]
    (request,) = tick.run_requests or []
    assert request.asset_selection == [PUBLISHED]
    platform.launch(request)
    assert status(platform) == "fresh"
    assert files(platform) == before
    assert repairs(platform) == []


def test_a_file_of_yesterday_is_replaced(platform: Platform) -> None:
    old = {name: (platform.published / name).read_bytes() for name in (HISTORY, PREDICTION)}
    platform.now = NEXT
    platform.settle("candles_due")
    newest = files(platform)
    for name, content in old.items():
        (platform.published / name).write_bytes(content)
    assert [request.asset_selection for request in repairs(platform)] == [[PUBLISHED]]
    assert status(platform) == "fresh"
    assert files(platform) == newest


@pytest.mark.parametrize("name", [HISTORY, PREDICTION])
def test_a_file_that_the_manifest_vouches_for_is_compared_with_the_store(
    platform: Platform, name: str
) -> None:
    before, file = files(platform), platform.published / name
    document = json.loads(file.read_bytes())
    rows = document["data" if name == HISTORY else "forecast"]
    rows[-1]["close" if name == HISTORY else "price"] *= 1.01
    file.write_text(json.dumps(document))
    vouched_for(platform, file)
    requested: list[dg.RunRequest] = []
    for tick in ("12:30:15", "12:30:30", "12:30:45", "12:31:00"):  # one series a tick is compared
        platform.now = f"2024-02-29T{tick}"
        requested += platform.tick("publish_due").run_requests or []
        if requested:
            break
    assert status(platform) == "corrupt"
    assert [request.asset_selection for request in requested] == [[PUBLISHED]]
    platform.launch(requested[0])
    assert status(platform) == "fresh"
    assert files(platform) == before


def test_a_file_of_an_earlier_release_stays_until_it_is_written_again(platform: Platform) -> None:
    file = platform.published / PREDICTION
    earlier = json_bytes(without_close_times(json.loads(file.read_bytes())))
    file.write_bytes(earlier)
    vouched_for(platform, file)
    for tick in ("12:30:15", "12:30:30", "12:30:45", "12:31:00"):  # one series a tick is compared
        platform.now = f"2024-02-29T{tick}"
        assert repairs(platform) == []
    assert (status(platform), file.read_bytes()) == ("fresh", earlier)
    platform.now = NEXT
    platform.settle("candles_due")
    steps = json.loads(file.read_bytes())["forecast"]
    assert (steps[0]["timestamp"], steps[0]["close_time"]) == (ONE, TWO)
    platform.now = NEXT.replace(":05", ":20")
    assert repairs(platform) == []


def vouched_for(platform: Platform, file: Path) -> None:
    """The manifest describes the file as it is now."""
    manifest, content = platform.manifest, file.read_bytes()
    for entry in manifest["public"]["entries"]:
        for kind in ("history", "prediction"):
            if entry[kind]["file"] == file.name:
                entry[kind] |= {
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "bytes": len(content),
                    "as_of": json.loads(content)["as_of"],
                }
    (platform.published / "manifest.json").write_text(json.dumps(manifest))


def test_old_files_that_the_manifest_vouches_for_are_behind_the_store(platform: Platform) -> None:
    old = {name: (platform.published / name).read_bytes() for name in (HISTORY, PREDICTION)}
    platform.now = NEXT
    platform.settle("candles_due")
    for name, content in old.items():
        (platform.published / name).write_bytes(content)
        vouched_for(platform, platform.published / name)
    assert [request.asset_selection for request in repairs(platform)] == [[PUBLISHED]]
    assert platform.entry("1h")["as_of"] == ONE


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"version": 1}', b"\x00\xff"])
def test_a_lost_manifest_is_made_anew(platform: Platform, content: bytes | None) -> None:
    before = platform.manifest["public"]["entries"]
    manifest = platform.published / "manifest.json"
    if content is None:
        manifest.unlink()
    else:
        manifest.write_bytes(content)
    platform.tick("publish_due")
    assert platform.manifest["public"]["entries"] == before
    platform.settle("publish_due")
    assert platform.manifest["public"]["entries"] == before
    assert_valid("manifest", platform.manifest)


def test_a_repair_that_is_running_is_not_requested_again(platform: Platform) -> None:
    (platform.published / HISTORY).unlink()
    (request,) = platform.tick("publish_due").run_requests or []
    platform.begin(request)
    assert platform.tick("publish_due").run_requests == []


# ---------- age and failures


def test_the_manifest_has_the_age_without_a_run(platform: Platform) -> None:
    found = []
    for now in ("13:04:59", "13:05:01", "14:09:59", "14:10:01"):  # limits 65 and 130 minutes
        platform.now = f"2024-02-29T{now}"
        tick = platform.tick("publish_due")
        assert tick.run_requests == []
        found.append((status(platform), len(tick.asset_events)))
    assert found == [("fresh", 0), ("stale", 1), ("stale", 0), ("hard_stale", 1)]
    assert "do not serve it" in platform.entry("1h")["warning"]
    assert platform.entry("4h")["status"] == "fresh"
    assert platform.instance.get_runs_count() == 0


def test_a_deleted_folder_comes_back_with_failures_and_all(
    platform: Platform, market: FailingMarket
) -> None:
    market.down = {BTC, ETH}
    platform.now = NEXT
    for ahead in (0.0, 61.0):
        platform.ahead = ahead
        platform.cycle()
        time.sleep(1)  # failures are distinguished by the second
    before = platform.entry("1h")
    assert (before["degraded"], before["consecutive_failures"]) == (True, 2)
    shutil.rmtree(platform.published)
    platform.settle("publish_due")
    platform.tick("publish_due")
    after = platform.entry("1h")
    # The files contain the time at which they were written.
    assert {name for name in before if after[name] != before[name]} == {
        "history",
        "prediction",
        "last_success_at",
    }
    for kind in ("history", "prediction"):
        assert after[kind]["as_of"] == before[kind]["as_of"]


def test_a_run_in_which_nobody_could_publish_is_reported(
    platform: Platform, market: FailingMarket
) -> None:
    market.down = {BTC, ETH}
    platform.now = NEXT
    platform.cycle()
    for symbol in (BTC, ETH):
        entry = platform.entry("1h", symbol)
        assert (entry["degraded"], entry["consecutive_failures"]) == (True, 1)
        assert entry["last_error"] == f"{symbol} 1h does not answer"
        assert (entry["status"], entry["as_of"]) == ("fresh", NOON)
        assert not platform.entry("4h", symbol)["degraded"]
    platform.tick("publish_due")  # the same failure counts once
    assert platform.entry("1h")["consecutive_failures"] == 1
    platform.ahead = 61.0
    time.sleep(1)  # failures are distinguished by the second
    platform.cycle()
    assert platform.entry("1h")["consecutive_failures"] == 2
    market.down = set()
    platform.ahead = 122.0
    platform.cycle()
    entry = platform.entry("1h")
    assert (entry["degraded"], entry["consecutive_failures"]) == (False, 0)
    assert (entry["last_error"], entry["as_of"]) == (None, ONE)
    platform.tick("publish_due")
    assert not platform.entry("1h")["degraded"]


def test_files_are_repaired_while_the_market_is_down(
    platform: Platform, market: FailingMarket
) -> None:
    market.down = {BTC, ETH}
    platform.now = NEXT
    platform.cycle()
    (platform.published / HISTORY).unlink()
    for _ in range(2):
        platform.cycle()
    entry = platform.entry("1h")
    assert (entry["status"], entry["as_of"]) == ("fresh", NOON)
    assert entry["degraded"], "a repair is no success of the market"


def test_files_that_are_gone_do_not_wait_for_a_run_that_is_about_to_fail_again(
    platform: Platform, market: FailingMarket
) -> None:
    market.down = {BTC, ETH}
    platform.now = NEXT
    platform.cycle()
    platform.ahead = 61.0
    (again,) = platform.tick("candles_due").run_requests or []
    assert PUBLISHED in (again.asset_selection or [])
    platform.begin(again)
    assert repairs(platform) == []
    (platform.published / HISTORY).unlink()
    assert [request.asset_selection for request in repairs(platform)] == [[PUBLISHED]]


# ---------- impossible forecasts


def test_a_forecast_that_is_not_sane_is_blocked_in_the_run_and_healed_by_the_next(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    forecaster: Any = type(new_forecaster(series("1h")))
    sane = forecaster.predict_quantiles

    def insane(self: Any, *args: Any) -> Any:
        return sane(self, *args) * 1000

    before = files(platform)
    platform.now = NEXT
    with monkeypatch.context() as patched:
        patched.setattr(forecaster, "predict_quantiles", insane)
        platform.cycle()
    refused(platform, before)
    healed(platform)


def test_a_repair_refuses_a_forecast_that_is_not_sane_once_and_waits_for_the_next(
    platform: Platform,
) -> None:
    before = files(platform)
    platform.now = NEXT
    assert platform.materialise(["BTC_USDT/ohlcv_1h"], "2024-02-01").success
    assert platform.materialise(["BTC_USDT/prediction_1h"], "2024-02-01").success
    forecast = platform.store.read_forecasts(series("1h"), utc("2024-02-29T13:00"), utc(NEXT))
    forecast[PRICE_COLUMNS] *= 1000
    platform.store.revise_forecasts(series("1h"), forecast)
    platform.cycle()
    refused(platform, before)
    assert platform.entry("1h")["consecutive_failures"] >= 1
    for _ in range(6):  # the last ones when Dagster's records of the failure are not read any more
        platform.ahead += 1800.0
        assert repairs(platform) == []
    refused(platform, before)
    healed(platform)


def refused(platform: Platform, before: dict[str, Any]) -> None:
    """The last good files stay, and operators see why."""
    for _ in range(2):
        repairs(platform)
    entry = platform.entry("1h")
    assert files(platform) == before
    assert (entry["status"], entry["as_of"]) == ("fresh", NOON)
    assert entry["degraded"]
    assert "last close" in entry["last_error"]


def healed(platform: Platform) -> None:
    platform.ahead, platform.now = 0.0, AFTER_NEXT
    for _ in range(3):
        platform.cycle()
    entry = platform.entry("1h")
    assert (entry["status"], entry["prediction"]["as_of"]) == ("fresh", TWO)
    assert not entry["degraded"]


# ---------- nothing but time


def test_filling_in_old_months_makes_nothing_look_fresh(platform: Platform) -> None:
    platform.now = "2024-02-29T23:30:00"
    assert platform.update("2024-01-01").success  # by hand, while nothing is collected
    newest = platform.instance.get_latest_materialization_event(PUBLISHED)
    assert newest is not None, "for Dagster it is fresh"
    for event in platform.tick("health_alerts").asset_events:
        assert isinstance(event, dg.AssetCheckEvaluation)
        if event.check_name == "data_time" and event.asset_key.path[1].endswith("_1h"):
            assert event.metadata["status"].value == "hard_stale"
            assert event.severity is dg.AssetCheckSeverity.ERROR
    platform.tick("publish_due")
    assert status(platform) == "hard_stale"
    assert not platform.entry("1h")["serve_allowed"]


def test_a_reader_refuses_by_the_manifest_alone(platform: Platform) -> None:
    entry = platform.entry("1h")
    assert entry["serve_allowed"]
    assert served(entry, utc("2024-02-29T14:10:00"))
    assert not served(entry, utc("2024-02-29T14:10:01"))


def served(entry: dict[str, Any], now: datetime) -> bool:
    """What a reader does, in full."""
    return entry["serve_allowed"] and now <= pd.Timestamp(entry["hard_stale_at"])
