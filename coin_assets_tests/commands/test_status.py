"""``make status`` on homes in all states."""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from coin_assets.commands import status
from coin_assets.supervision.home_lock import hold, note_address
from coin_assets_tests.platform import utc

SOON = utc("2026-10-06T12:31")


def rows(text: str) -> dict[str, list[str]]:
    """Words of each line by timeframe."""
    found = [line.split() for line in text.splitlines() if line.startswith("BTC/USDT")]
    return {words[1]: words for words in found}


@pytest.mark.usefixtures("home")
def test_all_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert status.main([], SOON) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    found = {name: " ".join(words[2:]) for name, words in rows(printed.out).items()}
    assert found == {
        "4h": "fresh 31 min 2026-10-06 12:00 2026-10-10 12:00",
        "1d": "fresh 12 h 31 min 2026-10-06 00:00 2026-10-30 00:00",
    }
    assert printed.out.endswith("2 series: 2 fresh; 0 degraded. Published 1 min ago.\n")


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (utc("2026-10-06T17:00"), {"4h": "stale", "1d": "fresh"}),
        (utc("2026-10-06T21:00"), {"4h": "hard_stale", "1d": "fresh"}),
        (utc("2026-10-09T00:00"), {"4h": "hard_stale", "1d": "hard_stale"}),
    ],
)
@pytest.mark.usefixtures("home")
def test_the_clock_of_the_reader_decides(
    capsys: pytest.CaptureFixture[str], now: datetime, words: dict[str, str]
) -> None:
    assert status.main([], now) == 1
    printed = capsys.readouterr()
    assert {name: found[2] for name, found in rows(printed.out).items()} == words
    assert "nothing was published for" in printed.err
    assert "make up does not run on this home: start it" in printed.err


def test_a_running_make_up_is_named_when_nothing_is_published(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = hold(home)
    note_address(lock, "http://127.0.0.1:3001")
    assert status.main([], SOON + timedelta(days=1)) == 1
    assert "make up runs at http://127.0.0.1:3001" in capsys.readouterr().err
    os.close(lock)


def test_a_degraded_series_says_why_in_one_line(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = home / "published" / "manifest.json"
    document = json.loads(manifest.read_text())
    document["ops"]["entries"][0] |= {
        "degraded": True,
        "consecutive_failures": 3,
        "last_failure_at": "2026-10-06T12:20:00Z",
        "last_error": "the market\ndoes not answer. " + "x" * 200,
    }
    manifest.write_text(json.dumps(document))
    assert status.main([], SOON) == 0
    printed = capsys.readouterr().out
    (line,) = [line for line in printed.splitlines() if " 4h " in line]
    assert "failed 3 times: the market does not answer. xx" in line
    assert line.endswith("...")
    assert len(line) < 180
    assert "1 degraded" in printed
    assert f"\nBTC/USDT 4h: failed 3 times: the market does not answer. {'x' * 200}\n" in printed


def test_a_series_that_is_hidden_or_new_is_no_fresh_one(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = home / "published" / "manifest.json"
    document = json.loads(manifest.read_text())
    document["ops"]["entries"][0]["visibility"] = "hidden_backfilling"
    del document["public"]["entries"][0]
    manifest.write_text(json.dumps(document))
    monkeypatch.setenv("COIN_SYMBOLS", "BTC/USDT,ETH/USDT")
    assert status.main(["--json"], SOON) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["summary"] == {"hidden_backfilling": 1, "fresh": 1, "missing": 2}
    assert [each["symbol"] for each in found["series"]] == ["BTC/USDT"] * 2 + ["ETH/USDT"] * 2
    assert found["series"][1]["forecast_to"] == "2026-10-30T00:00:00Z"


def test_nothing_published_yet(empty_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.main([], SOON) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (
        f"make status: nothing is published in {empty_home}/published yet. make up does not run on "
        "this home: start it, or set COIN_HOME to another one.\n"
    )


def test_a_damaged_manifest_and_wrong_settings_are_told_in_one_line(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "published" / "manifest.json").write_text("{")
    assert status.main([], SOON) == 2
    assert "manifest.json is no manifest of this version" in capsys.readouterr().err
    monkeypatch.setenv("COIN_SYMBOLS", "BTCUSDT")
    assert status.main([], SOON) == 2
    assert capsys.readouterr().err.startswith("make status: COIN_SYMBOLS: ")


@pytest.mark.usefixtures("home")
def test_a_home_of_another_market_is_told_as_make_up_tells_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COIN_MARKET", "ccxt:binance")
    assert status.main([], SOON) == 2
    printed = capsys.readouterr().err
    assert "started with 'sandbox'; set COIN_MARKET=sandbox, or choose another COIN_HOME" in printed
