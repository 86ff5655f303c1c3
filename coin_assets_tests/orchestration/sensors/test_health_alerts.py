"""``health_alerts`` on a real instance: check results without runs, and messages to a receiver."""

import json
import os
import shutil
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from coin_assets.alerts.heartbeat import heartbeat_age
from coin_assets.errors import DataRefused
from coin_assets.orchestration.checks.recorded import recorded_checks
from coin_assets_tests.alerts.receiver import SECRET, Receiver
from coin_assets_tests.orchestration.sensors.failing import FailingMarket
from coin_assets_tests.platform import BTC, ETH, Platform, given, utc
from coin_assets_tests.test_disk import usage

HARD_STALE = "2024-02-29T15:00"
BOTH = {f"{BTC} 1h", f"{ETH} 1h"}


@pytest.fixture
def alerted(grown: Path, tmp_path: Path, receiver: Receiver) -> Platform:
    """Two symbols, 1h and 4h, all fresh; alerts and heartbeat go to ``receiver``."""
    home = Path(shutil.copytree(grown, tmp_path / "home"))
    url = receiver.url
    return Platform(
        home,
        "2024-02-29T12:30",
        symbols=f"{BTC},{ETH}",
        derived_timeframes="4h",
        alert_webhooks=f"json+{url}",
        heartbeat_url=url.replace("hooks", "heartbeat"),
    )


def messages(receiver: Receiver) -> list[tuple[str, set[str]]]:
    """Kinds and subjects of what was accepted, in order."""
    return [(body["kind"], set(body["subjects"])) for body in receiver.accepted if body is not None]


def ticked(platform: Platform, now: str) -> str:
    """One cycle at ``now``; the message of the tick."""
    platform.now = now
    return platform.tick("health_alerts").skip_message or ""


def test_clock_checks_are_recorded_without_runs_on_change_and_now_and_then(
    alerted: Platform,
) -> None:
    first = alerted.tick("health_alerts").asset_events
    assert len(first) == 6 * 4  # checks a series
    assert alerted.tick("health_alerts").asset_events == []
    alerted.now = "2024-02-29T13:06"  # 1h becomes stale, 4h does not
    changed = {event.asset_key.path[1] for event in alerted.tick("health_alerts").asset_events}
    assert changed == {"ohlcv_1h", "prediction_1h", "published_1h"}
    alerted.now = "2024-02-29T18:30"
    assert len(alerted.tick("health_alerts").asset_events) == 6 * 4
    check = dg.AssetCheckKey(dg.AssetKey(["BTC_USDT", "published_1h"]), "data_time")
    recorded = recorded_checks(alerted.instance, [check])[check]
    assert (recorded.passed, recorded.status) == (False, "hard_stale")
    assert alerted.instance.get_runs_count() == 0


def test_one_message_for_one_cause_then_repeats_escalation_and_recovery(
    alerted: Platform, receiver: Receiver
) -> None:
    assert ticked(alerted, "2024-02-29T12:30") == "4 fresh"
    assert "hard_stale" in ticked(alerted, HARD_STALE)
    assert messages(receiver) == [("alert", BOTH)]
    ticked(alerted, "2024-02-29T15:02")
    assert len(messages(receiver)) == 1
    ticked(alerted, "2024-02-29T15:03")
    assert messages(receiver)[1:] == [("repeat", BOTH)]
    ticked(alerted, "2024-02-29T16:00")
    assert messages(receiver)[2:] == [("escalation", BOTH)]
    assert receiver.accepted[-1] is None or "stale.md" in json.dumps(receiver.accepted)
    alerted.now = "2024-02-29T16:01:00"
    alerted.settle("candles_due")
    assert ticked(alerted, "2024-02-29T16:02") == "4 fresh"
    assert messages(receiver)[3:] == [("recovery", BOTH)]


def test_stale_for_a_moment_is_no_alert(alerted: Platform, receiver: Receiver) -> None:
    for minute in (6, 7, 8):
        assert "stale" in ticked(alerted, f"2024-02-29T13:{minute:02d}")
    assert messages(receiver) == []
    ticked(alerted, "2024-02-29T13:09")
    assert messages(receiver) == [("alert", BOTH)]


def test_what_nobody_takes_is_delivered_later_once(alerted: Platform, receiver: Receiver) -> None:
    receiver.always.status = 500
    assert "undelivered" in ticked(alerted, HARD_STALE)
    receiver.always.status = 200
    for ahead in (30.0, 60.0, 90.0):
        alerted.ahead = ahead
        ticked(alerted, HARD_STALE)
    assert messages(receiver) == [("alert", BOTH)]


def test_the_heart_does_not_beat_while_no_message_arrives(
    alerted: Platform, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.always.status = 500
    ticked(alerted, HARD_STALE)
    ticked(alerted, "2024-02-29T15:05")
    folder = tmp_path / "home" / "alerts"
    assert heartbeat_age(folder, utc("2024-02-29T15:05")) == timedelta(0)
    ticked(alerted, "2024-02-29T15:06")
    assert heartbeat_age(folder, utc("2024-02-29T15:06")) == timedelta(minutes=1)
    assert sum(each.method == "GET" for each in receiver.received) == 2
    receiver.always.status = 200
    alerted.ahead = 600.0
    ticked(alerted, "2024-02-29T15:07")
    assert heartbeat_age(folder, utc("2024-02-29T15:07")) == timedelta(0)
    assert sum(each.method == "GET" for each in receiver.received) == 3


def test_an_outage_of_the_market_is_one_message(alerted: Platform, receiver: Receiver) -> None:
    market = FailingMarket({BTC, ETH})
    alerted.market = given(market)
    alerted.now = "2024-02-29T13:00:05"
    for ahead in (0.0, 60.0):
        alerted.ahead = ahead
        alerted.cycle()
    alerted.ahead = 0.0
    assert "market sandbox exchange outage" in ticked(alerted, "2024-02-29T13:01")
    assert ("alert", {"market sandbox"}) in messages(receiver)
    market.down = set()
    alerted.ahead = 300.0
    alerted.cycle()
    alerted.ahead = 0.0
    assert ticked(alerted, "2024-02-29T13:02") == "4 fresh"
    assert ("recovery", {"market sandbox"}) in messages(receiver)


def test_a_failed_job_stands_until_it_succeeds(
    alerted: Platform, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise DataRefused("no model today")

    alerted.now = "2024-02-29T13:00:05"  # candles of 13:00 allow a version that does not exist yet
    alerted.cycle()
    with monkeypatch.context() as patched:
        patched.setattr("coin_assets.domain.forecasting.har.HarForecaster.fit", broken)
        assert not alerted.train().success
    assert "job train_models training failed" in ticked(alerted, "2024-02-29T13:31")
    assert messages(receiver) == [("alert", {"job train_models"})]
    assert alerted.train().success
    assert ticked(alerted, "2024-02-29T13:32") == "4 fresh"
    assert messages(receiver)[1:] == [("recovery", {"job train_models"})]


def test_a_full_disk_is_reported(
    alerted: Platform, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _path: usage(86))
    assert "disk disk filling" in ticked(alerted, "2024-02-29T12:31")
    assert receiver.accepted[0]["severity"] == "critical"


def test_a_heartbeat_is_left_and_called_each_cycle(alerted: Platform, receiver: Receiver) -> None:
    ticked(alerted, "2024-02-29T12:31")
    folder = alerted.settings.home / "alerts"
    assert heartbeat_age(folder, utc("2024-02-29T12:32")) is not None
    assert json.loads((folder / "heartbeat.json").read_bytes())["fresh"] == 4
    assert [each.method for each in receiver.received] == ["GET"]


def test_addresses_are_shown_nowhere(
    alerted: Platform, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.always.status = 403
    text = ticked(alerted, HARD_STALE)
    shown = [text, caplog.text, json.dumps(repr(alerted.definitions.resources))]
    shown += [
        path.read_bytes().decode("latin1") for path in (alerted.settings.home / "alerts").iterdir()
    ]
    assert SECRET not in "".join(shown)


class TestAcknowledge:
    """The job ``acknowledge_alert``."""

    def test_known_is_quiet_until_it_recovers(self, alerted: Platform, receiver: Receiver) -> None:
        ticked(alerted, HARD_STALE)
        assert alerted.run("acknowledge_alert", note="seen").success
        ticked(alerted, "2024-02-29T16:30")
        assert messages(receiver) == [("alert", BOTH)]
        alerted.now = "2024-02-29T16:31"
        alerted.settle("candles_due")
        ticked(alerted, "2024-02-29T16:32")
        assert messages(receiver)[1:] == [("recovery", BOTH)]

    def test_muted_series_are_reported_when_the_time_is_over(
        self, alerted: Platform, receiver: Receiver
    ) -> None:
        assert alerted.run("acknowledge_alert", symbols=[BTC], mute=True, hours=4).success
        ticked(alerted, HARD_STALE)
        assert messages(receiver) == [("alert", {f"{ETH} 1h"})]
        ticked(alerted, "2024-02-29T16:31")
        alerts = [subjects for kind, subjects in messages(receiver) if kind == "alert"]
        assert alerts == [{f"{ETH} 1h"}, {f"{BTC} 1h"}]

    def test_lifted_it_is_heard_again(self, alerted: Platform, receiver: Receiver) -> None:
        assert alerted.run("acknowledge_alert", symbols=[BTC, ETH], mute=True).success
        assert alerted.run("acknowledge_alert", symbols=[BTC, ETH], lift=True).success
        ticked(alerted, HARD_STALE)
        assert messages(receiver) == [("alert", BOTH)]

    @pytest.mark.parametrize(
        "config", [{"symbols": ["NO/SUCH"]}, {"hours": 0.0}, {"hours": 9999.0}, {"subjects": ["x"]}]
    )
    def test_what_makes_no_sense_is_refused(
        self, alerted: Platform, config: dict[str, object]
    ) -> None:
        assert not alerted.run("acknowledge_alert", **config).success

    def test_nothing_to_acknowledge_is_no_failure(self, alerted: Platform) -> None:
        assert alerted.run("acknowledge_alert").success
