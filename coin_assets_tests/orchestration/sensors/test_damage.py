"""Damage stays where it is and is reported: of one file for its series, of the store for all.

- A damaged file of one series stops neither the other series nor the alerts. It is reported at
  once, and when it is set aside the series is updated again. Damage that only a reader can see is
  found within a round of `publish_due`.
- A store that does not answer is reported, and no incident recovers meanwhile.
- Settings that make no sense fail the run that was launched with them, and nothing else.
"""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from coin_assets.files.cache import FileCache
from coin_assets.store import month_files, monthly
from coin_assets_tests.alerts.receiver import Receiver
from coin_assets_tests.impatience import lessen_patience
from coin_assets_tests.influx.in_use import influx_in_use
from coin_assets_tests.platform import BTC, ETH, Platform

NEXT, AFTER_NEXT, HARD_STALE = (f"2024-02-29T{time}" for time in ("13:00:05", "14:00:05", "15:30"))
SYMBOLS = f"{BTC},{ETH}"


@pytest.fixture
def alerted(grown: Path, tmp_path: Path, receiver: Receiver) -> Platform:
    """Two symbols, 1h and 4h, all fresh; alerts go to ``receiver``."""
    home = Path(shutil.copytree(grown, tmp_path / "home"))
    hooks = f"json+{receiver.url}"
    made = Platform(
        home, "2024-02-29T12:30", symbols=SYMBOLS, derived_timeframes="4h", alert_webhooks=hooks
    )
    made.retries = 0
    return made


def messages_of(receiver: Receiver) -> list[tuple[str, list[str]]]:
    """Kinds and subjects of the accepted messages."""
    return [(body["kind"], body["subjects"]) for body in receiver.accepted if body is not None]


def file_of(platform: Platform, layer: str, month: str) -> Path:
    folder = platform.settings.home / layer / "symbol=ETH_USDT/timeframe=1h" / f"month={month}"
    return folder / f"{layer}.parquet"


def damage_a_page(file: Path) -> bytes:
    """Damage a file behind a footer that stays whole; returns what it was."""
    sound = file.read_bytes()
    file.write_bytes(sound[:100] + bytes(byte ^ 0xFF for byte in sound[100:200]) + sound[200:])
    return sound


def assert_recovers(alerted: Platform, receiver: Receiver) -> None:
    """A file is sound again: its series is updated again, and the recovery is reported."""
    alerted.now = AFTER_NEXT
    for _ in range(3):
        alerted.cycle()
    alerted.tick("health_alerts")
    entry = alerted.entry("1h", ETH)
    assert (entry["as_of"], entry["degraded"]) == ("2024-02-29T14:00:00Z", False)
    assert messages_of(receiver)[1:] == [("recovery", [f"{ETH} 1h"])]


EACH_FILE = pytest.mark.parametrize(
    ("layer", "month"),
    [
        ("candles", "2024-02"),
        pytest.param("candles", "2024-01", marks=pytest.mark.slow),
        ("forecasts", "2024-02"),
    ],
)


@EACH_FILE
def test_a_damaged_file_holds_up_its_series_alone_and_is_reported(
    alerted: Platform, receiver: Receiver, layer: str, month: str
) -> None:
    file = file_of(alerted, layer, month)
    sound = file.read_bytes()
    file.write_bytes(b"junk")
    alerted.now = NEXT
    alerted.cycle()
    text = alerted.tick("health_alerts").skip_message or ""
    assert f"wrong: {ETH} 1h corrupt" in text
    assert messages_of(receiver) == [("alert", [f"{ETH} 1h"])]
    assert str(file) in str(receiver.accepted)
    assert alerted.entry("1h")["as_of"] == "2024-02-29T13:00:00Z"
    entry = alerted.entry("1h", ETH)
    assert (entry["as_of"], entry["degraded"]) == ("2024-02-29T12:00:00Z", True)
    assert str(file) in entry["last_error"]
    for _ in range(2):  # one report, however many ticks
        alerted.tick("publish_due")
    assert alerted.entry("1h", ETH)["consecutive_failures"] == 1
    assert alerted.tick("late_candles").run_requests == []
    assert "2 series wait for a file that is damaged" in (
        alerted.tick("candles_due").skip_message or ""
    )
    file.write_bytes(sound)
    assert_recovers(alerted, receiver)


@EACH_FILE
def test_damage_behind_a_whole_footer_is_found_and_reported_as_well(
    alerted: Platform,
    receiver: Receiver,
    layer: str,
    month: str,
) -> None:
    file = file_of(alerted, layer, month)
    sound = damage_a_page(file)
    for _ in range(4):  # a series a tick; nothing is due
        alerted.tick("publish_due")
    assert str(file) in alerted.entry("1h", ETH)["last_error"]
    assert not alerted.entry("1h")["degraded"]
    text = alerted.tick("health_alerts").skip_message or ""
    assert f"wrong: {ETH} 1h corrupt" in text
    assert messages_of(receiver) == [("alert", [f"{ETH} 1h"])]
    alerted.now = NEXT
    alerted.cycle()
    assert alerted.entry("1h")["as_of"] == "2024-02-29T13:00:00Z"
    assert alerted.entry("1h", ETH)["as_of"] == "2024-02-29T12:00:00Z"
    file.write_bytes(sound)
    assert_recovers(alerted, receiver)


def test_a_restart_takes_no_damage_for_mended(
    alerted: Platform, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage_a_page(file_of(alerted, "candles", "2024-01"))
    for _ in range(4):
        restart(monkeypatch)
        alerted.tick("publish_due")
    alerted.tick("health_alerts")
    restart(monkeypatch)
    alerted.tick("health_alerts")
    assert messages_of(receiver) == [("alert", [f"{ETH} 1h"])]


def test_damage_is_found_again_without_the_published_folder(
    alerted: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage_a_page(file_of(alerted, "candles", "2024-01"))
    for _ in range(4):
        restart(monkeypatch)
        alerted.tick("publish_due")
    before = alerted.entry("1h", ETH)
    assert before["consecutive_failures"] == 1
    (alerted.settings.publish_dir / "manifest.json").unlink()
    restart(monkeypatch)
    alerted.tick("publish_due")
    after = alerted.entry("1h", ETH)
    assert before["degraded"]
    for name in ("degraded", "last_error", "last_failure_at", "consecutive_failures"):
        assert after[name] == before[name]


def restart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what only this process has read."""
    for module, cache in (
        (month_files, "_DAMAGED"),
        (month_files, "_EXTENTS"),
        (monthly, "_MONTHS"),
    ):
        monkeypatch.setattr(module, cache, FileCache(1000, settled=0.0))


def test_damage_that_a_tick_finds_leaves_the_other_series_as_they_are(
    alerted: Platform,
) -> None:
    """The newest candles are read to find what 4h lacks; the damage is new to this very tick."""
    alerted.now = "2024-02-29T16:00:05"
    assert alerted.materialise(["BTC_USDT/ohlcv_1h", "ETH_USDT/ohlcv_1h"], "2024-02-01").success
    damage_a_page(file_of(alerted, "candles", "2024-02"))
    requests = alerted.tick("candles_due").run_requests or ()
    wanted = {asset.path[0] for request in requests for asset in request.asset_selection or ()}
    assert wanted == {"BTC_USDT"}


@pytest.mark.parametrize("month", ["2024-02", pytest.param("2024-01", marks=pytest.mark.slow)])
def test_a_damaged_file_that_is_set_aside_is_made_anew(alerted: Platform, month: str) -> None:
    file = file_of(alerted, "candles", month)
    sound = file.read_bytes()
    file.write_bytes(b"junk")
    alerted.now = NEXT
    alerted.cycle()
    file.rename(file.with_name(file.name + ".damaged"))
    for _ in range(4):
        alerted.cycle()
        alerted.ahead += 60.0  # a forecast fails while a month before it is not there
    entry = alerted.entry("1h", ETH)
    assert (entry["as_of"], entry["degraded"]) == ("2024-02-29T13:00:00Z", False)
    assert (file.read_bytes() == sound) == (month == "2024-01")  # the other one has grown


def test_checks_report_damage_rather_than_nothing(alerted: Platform) -> None:
    file = file_of(alerted, "candles", "2024-02")
    file.write_bytes(b"junk")
    descriptions = {
        event.asset_key.path[1]: event.description or ""
        for event in alerted.tick("health_alerts").asset_events
        if isinstance(event, dg.AssetCheckEvaluation)
        and (event.check_name, event.asset_key.path[0]) == ("data_time", "ETH_USDT")
    }
    assert str(file) in descriptions["ohlcv_1h"]
    assert str(file) in descriptions["prediction_1h"]
    assert str(file) not in descriptions["ohlcv_4h"]


def test_a_store_that_does_not_answer_is_reported_and_no_incident_recovers(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    lessen_patience(monkeypatch)
    with influx_in_use(monkeypatch) as server:
        platform = Platform(
            tmp_path / "home",
            "2024-02-29T12:30",
            store="influxdb",
            derived_timeframes="",
            alert_webhooks=f"json+{receiver.url}",
        )
        assert platform.update("2024-01-01", "2024-02-01").success
        platform.settle("candles_due")
        platform.now = HARD_STALE
        platform.tick("publish_due")
        platform.tick("health_alerts")
        assert messages_of(receiver) == [("alert", [f"{BTC} 1h"])]
        server.down()
        text = platform.tick("health_alerts").skip_message or ""
        assert "store store outage" in text
        assert f"{BTC} 1h hard_stale" in text
        assert messages_of(receiver)[1:] == [("alert", ["store"])]
        assert server.url in str(receiver.accepted)
        assert server.token not in str(receiver.accepted)
        server.up()
        platform.tick("health_alerts")
        assert messages_of(receiver)[2:] == [("recovery", ["store"])]


def test_a_bucket_of_another_market_is_reported_as_well(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with influx_in_use(monkeypatch):
        first, other = (
            Platform(
                tmp_path / market,
                "2024-02-29T12:30",
                store="influxdb",
                market=f"archive:{tmp_path}" if market == "archive" else market,
                derived_timeframes="",
                alert_webhooks=f"json+{receiver.url}",
            )
            for market in ("sandbox", "archive")
        )
        first.tick("candles_due")
        text = other.tick("health_alerts").skip_message or ""
        assert "store store outage" in text
        assert messages_of(receiver) == [("alert", ["store"])]
        assert "is not the market of" in str(receiver.accepted)


@pytest.mark.parametrize("config", [{"cutoff": "yesterday"}, {"symbols": ["NOPE/USDT"]}])
def test_a_training_with_senseless_settings_makes_no_series_degraded(
    alerted: Platform, receiver: Receiver, config: dict[str, object]
) -> None:
    assert not alerted.run("train_models", **config).success
    alerted.tick("publish_due")
    alerted.tick("health_alerts")
    assert not any(alerted.entry("1h", symbol)["degraded"] for symbol in (BTC, ETH))
    assert messages_of(receiver) == []


@pytest.mark.parametrize("config", [{"version": 77}, {"timeframes": ["4h"]}])
def test_a_promotion_of_who_is_not_there_is_no_alert(
    alerted: Platform, receiver: Receiver, config: dict[str, object]
) -> None:
    """Whoever launched it sees the failure; nothing that runs by itself is broken."""
    assert not alerted.run("promote_champion", override=True, reason="typed", **config).success
    alerted.tick("health_alerts")
    assert messages_of(receiver) == []


def test_an_old_month_that_fails_by_hand_makes_no_series_degraded(
    alerted: Platform, receiver: Receiver
) -> None:
    """Nothing tries it again, so nothing could mend it but the hand that launched it."""
    for month, degraded in (("2024-01", False), ("2024-02", True)):
        file = file_of(alerted, "candles", month)
        sound = file.read_bytes()
        file.write_bytes(b"junk")
        for _ in range(3):
            assert not alerted.materialise(["ETH_USDT/ohlcv_1h"], f"{month}-01").success
        file.write_bytes(sound)
        alerted.tick("publish_due")
        alerted.tick("health_alerts")
        assert alerted.entry("1h", ETH)["degraded"] == degraded
        assert messages_of(receiver) == ([("alert", [f"{ETH} 1h"])] if degraded else [])
