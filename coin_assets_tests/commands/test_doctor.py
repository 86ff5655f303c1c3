"""``make doctor``, ``make backup`` and ``make restore-check`` on a home."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coin_assets.alerts.heartbeat import beat
from coin_assets.commands import backup, doctor, restore_check
from coin_assets.config.settings import Settings
from coin_assets.market.server_clock import ServerTime
from coin_assets.store.base import Finding
from coin_assets_tests.commands.test_status import SOON
from coin_assets_tests.platform import utc

NOW = utc("2026-11-28T12:00")


def findings(now: object = NOW) -> dict[str, Finding]:
    return {each.about: each for each in doctor.found(Settings(), now)}  # type: ignore[arg-type]


def test_a_home_in_use_is_looked_at(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = SOON
    monkeypatch.setenv("COIN_ALERT_WEBHOOKS", "json+http://127.0.0.1:9/secret-token")
    beat(home / "alerts", now, {})
    found = findings(now)
    wrong = {each.about for each in found.values() if not each.is_fine}
    assert wrong == {"make up"}
    assert "does not run" in found["make up"].detail
    assert found["series"].detail == "2 fresh"
    assert "secret-token" not in str(found)
    assert doctor.main([], now) == 1
    printed = capsys.readouterr().out
    assert "make up" in printed
    assert "1 failed" in printed
    assert doctor.main(["--json"], now) == 1
    document = json.loads(capsys.readouterr().out)
    assert {each["about"] for each in document["findings"] if not each["ok"]} == {"make up"}


def test_what_is_wrong_is_named_and_hides_nothing(home: Path) -> None:
    (home / "alerts").mkdir(exist_ok=True)
    (home / "alerts" / "heartbeat.json").write_text("{")
    found = findings(SOON + timedelta(days=40))
    assert "hard_stale" in found["BTC/USDT 4h"].detail
    assert not found["series"].is_fine
    assert found["series"].detail.endswith("docs/operations/stale.md")
    assert "heartbeat" in found["alerts"].detail
    assert found["store: folder"].is_fine


def test_health_that_nobody_checks_has_a_remedy(home: Path) -> None:
    found = findings(SOON)
    assert found["health was checked"].detail.startswith("never. Start make up; if it runs, ")
    beat(home / "alerts", SOON - timedelta(hours=2), {})
    found = findings(SOON)
    assert found["health was checked"].detail.startswith("2 h ago. Start make up; ")


@pytest.mark.usefixtures("empty_home")
def test_an_exchange_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COIN_MARKET", "ccxt:binance")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing leaves this machine
    found = findings()
    assert not found["exchange"].is_fine
    assert "binance" in found["exchange"].detail
    assert found["file system"].is_fine


@pytest.mark.parametrize(
    ("lead", "words"), [(40, "40 s ahead of"), (-40, "40 s behind"), (1, None)]
)
@pytest.mark.usefixtures("empty_home")
def test_a_clock_that_is_not_the_exchanges_is_named(lead: int, words: str | None) -> None:
    there = datetime.now(UTC) - timedelta(seconds=lead)
    finding = doctor._of_clock(ServerTime(there, there), Settings())
    assert finding.is_fine == (words is None)
    assert words is None or words in finding.detail


@pytest.mark.usefixtures("home")
def test_wrong_settings_are_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COIN_SETTLE_SECONDS", "soon")
    assert doctor.main([], NOW) == 2
    assert "COIN_SETTLE_SECONDS" in capsys.readouterr().err


def test_a_home_is_saved_and_examined(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "backup"
    assert backup.main(["--to", str(target)]) == 0
    assert f"make restore-check FROM={target}" in capsys.readouterr().out
    assert restore_check.main(["--backup", str(target)]) == 0
    assert "0 failed" in capsys.readouterr().out
    kept = tmp_path / "kept"
    assert restore_check.main(["--backup", str(target), "--into", str(kept)]) == 0
    assert (kept / "market.json").is_file()
    (target / "market.json").write_text("{}")
    assert restore_check.main(["--backup", str(target)]) == 1
    assert "market.json differs" in capsys.readouterr().out
    assert backup.main(["--to", str(target)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert backup.main(["--to", " "]) == 2
    assert restore_check.main(["--backup", str(home)]) == 2
    assert "no complete backup" in capsys.readouterr().err
