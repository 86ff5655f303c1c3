"""``make alerts`` and ``make ack`` on the records of a home."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from coin_assets.alerts.conditions import Condition, Severity
from coin_assets.alerts.heartbeat import beat
from coin_assets.alerts.incidents import MuteKind, Rules
from coin_assets.alerts.outbox import AlertBook
from coin_assets.commands import ack, alerts, doctor
from coin_assets.config.settings import Settings
from coin_assets_tests.alerts.cycles import BTC, ETH
from coin_assets_tests.alerts.receiver import Receiver
from coin_assets_tests.alerts.test_outbox import SECOND, Desk
from coin_assets_tests.platform import utc

NOW = utc("2026-11-28T12:00")
SINCE = NOW - timedelta(minutes=65)
DISK, SERIES = "disk", "BTC/USDT 4h"


def book_of(home: Path) -> AlertBook:
    return AlertBook(home / "alerts" / "alerts.sqlite")


@pytest.fixture
def book(empty_home: Path) -> AlertBook:
    """Two open alerts, looked at just now."""
    made = book_of(empty_home)
    wrong = [
        Condition(SERIES, "stale", "", Severity.WARNING, SINCE, "data\nends", "wait", "docs/a.md"),
        Condition(DISK, "full", "", Severity.CRITICAL, SINCE, "91 %", "make room", "docs/b.md"),
    ]
    made.advance(wrong, NOW, Rules(timedelta(minutes=1), 3, 60), [])
    beat(empty_home / "alerts", NOW, {})
    return made


def line_about(subject: str, text: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(subject)]
    return line


def test_a_home_without_records_has_no_alert_and_gets_no_file(
    empty_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alerts.main([], NOW) == 0
    printed = capsys.readouterr()
    assert printed.out == "no alert is open\n"
    assert "health has not been checked on this home yet" in printed.err
    assert list(empty_home.iterdir()) == []
    assert ack.main([], NOW) == 0
    assert capsys.readouterr().out == "no alert is open; nothing changed\n"
    assert list(empty_home.iterdir()) == []


def test_open_alerts_are_listed(book: AlertBook, capsys: pytest.CaptureFixture[str]) -> None:
    before = (book_file := Path(book._path)).read_bytes()
    assert alerts.main([], NOW) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    words = line_about(SERIES, printed.out).split()
    assert words[2:] == ["stale", "warning", "2026-11-28", "10:55", "65", "min", "data", "ends"]
    assert line_about(DISK, printed.out).split()[1:3] == ["full", "critical"]
    assert book_file.read_bytes() == before


def test_messages_that_were_set_aside_are_named(
    empty_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Receiver() as receiver:
        receiver.judge = lambda body: 422 if BTC in body["subjects"] else 200
        desk = Desk(empty_home / "alerts" / "alerts.sqlite", receiver.url)
        bad, _ = desk.cycle(BTC, ETH)
        for wait in (5, 10, 0):
            desk.deliver()
            desk.now += wait * SECOND
    assert alerts.main([], desk.now) == 0
    line = line_about("set aside", capsys.readouterr().out)
    assert bad.headline in line
    assert "HTTP 422" in line
    assert alerts.main(["--json"], desk.now) == 0
    (found,) = json.loads(capsys.readouterr().out)["set_aside"]
    assert found["id"] == bad.id
    (finding,) = [
        each
        for each in doctor._of_alerts(Settings(), desk.now)
        if each.about == "message set aside"
    ]
    assert not finding.is_fine
    assert bad.headline in finding.detail


@pytest.mark.usefixtures("book")
def test_an_alerting_that_stands_still_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert alerts.main([], NOW + timedelta(hours=3)) == 0
    assert "health was checked 3 h ago for the last time" in capsys.readouterr().err


def test_one_alert_is_acknowledged_and_shown_so(
    book: AlertBook, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "alice")
    assert ack.main(["--subject", SERIES, "--hours", "8", "--note", "exchange's $5 work"], NOW) == 0
    assert capsys.readouterr().out == f"acknowledge until 2026-11-28 20:00 UTC: {SERIES}\n"
    (mute,) = book.mutes(NOW)
    assert (mute.subject, mute.kind, mute.by) == (SERIES, MuteKind.ACKNOWLEDGE, "alice")
    alerts.main([], NOW)
    text = capsys.readouterr().out
    expected = "acknowledged by alice until 2026-11-28 20:00 (exchange's $5 work)"
    assert expected in line_about(SERIES, text)
    assert "acknowledged" not in line_about(DISK, text)


def test_all_open_alerts_are_acknowledged_without_a_subject(book: AlertBook) -> None:
    assert ack.main([], NOW) == 0
    assert {mute.subject for mute in book.mutes(NOW)} == {SERIES, DISK}
    assert {mute.until for mute in book.mutes(NOW)} == {NOW + timedelta(hours=4)}
    assert ack.main(["--lift", "--subject", DISK], NOW) == 0
    assert {mute.subject for mute in book.mutes(NOW)} == {SERIES}


@pytest.mark.usefixtures("empty_home")
def test_a_mute_needs_no_alert_and_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--mute", "--subject", "disk, market sandbox", "--hours", "24"]
    assert ack.main(words, NOW) == 0
    capsys.readouterr()
    assert alerts.main(["--json"], NOW) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["alerts"] == []
    silenced = {each["subject"]: each["until"] for each in found["silenced"]}
    assert silenced == dict.fromkeys(("disk", "market sandbox"), "2026-11-29T12:00:00Z")
    alerts.main([], NOW)
    assert "disk: muted" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--subject", "BTC/USDT 4"], "did you mean BTC/USDT 4h?"),
        (["--subject", "nothing"], f"Open alerts: {SERIES}, {DISK}."),
        (["--mute", "--subject", "BTC/USDT 9h"], "there is no series 'BTC/USDT 9h'; did you mean"),
        (["--mute", "--subject", "BTC/USDT"], "Nothing was muted."),
        (["--hours", "soon"], "HOURS: 'soon' is no number of hours"),
        (["--hours", "1000"], "hours 1000 lies outside 0 to 744"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    book: AlertBook, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert ack.main(words, NOW) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("make ack: ")
    assert message in line
    assert book.mutes(NOW) == []


def test_a_damaged_database_is_named(empty_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (empty_home / "alerts").mkdir()
    (empty_home / "alerts" / "alerts.sqlite").write_bytes(b"no database " * 100)
    assert alerts.main([], NOW) == 2
    assert "is not the alerts' database" in capsys.readouterr().err
