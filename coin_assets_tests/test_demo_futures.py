"""``make demo`` on a perpetual future: collected from ccxt's Binance futures client, published.

The demo runs as a process of its own on the real clock; the exchange is a stand-in on loopback.
"""

import hashlib
import json
import shlex
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coin_assets.domain.timeframes import EPOCH, month_start
from coin_assets_tests.market.exchanges.binance_futures import BinanceUsdM
from coin_assets_tests.platform import files_of
from coin_assets_tests.schemas import assert_valid
from coin_assets_tests.test_demo import demo_environment
from coin_assets_tests.webui import run

DEMO = f"{sys.executable} -m coin_assets_tests.futures_demo"
PERPETUAL, NAME = "BTC/USDT:USDT", "BTC_USDT_USDT"
TIMEFRAMES = ("1h", "4h")
# Enough for models of four hours by the first instant of this month (240 candles), and little else.
START = month_start(month_start(datetime.now(UTC)) - timedelta(days=41))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a demo that has succeeded."""
    home = tmp_path_factory.mktemp("futures")
    settings = {
        "COIN_MARKET": "ccxt:binanceusdm",
        "COIN_SYMBOLS": PERPETUAL,
        "COIN_HISTORY_START": f"{START:%Y-%m-%d}",
        "COIN_DERIVED_TIMEFRAMES": "4h",
        "COIN_HISTORY_WINDOW": "1h:365d,4h:365d",  # so that files show all candles
    }
    done = run(DEMO, demo_environment(home, **settings))
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [each for each in done.stdout.splitlines() if each.endswith("make up")]
    assert {f"{name}={value}" for name, value in settings.items()} <= set(shlex.split(line))
    return home


@pytest.fixture(scope="module")
def manifest(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home / "published/manifest.json").read_bytes())
    return found


def document(home: Path, kind: str, timeframe: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (home / f"published/{kind}_{NAME}_{timeframe}.json").read_bytes()
    )
    return found


def test_the_manifest_serves_both_timeframes_of_the_perpetual(manifest: dict[str, Any]) -> None:
    assert_valid("manifest", manifest)
    assert manifest["public"]["symbols"] == [PERPETUAL]
    entries = manifest["public"]["entries"]
    assert [(each["symbol"], each["timeframe"]) for each in entries] == [
        (PERPETUAL, timeframe) for timeframe in TIMEFRAMES
    ]
    assert all(each["status"] == "fresh" and each["serve_allowed"] for each in entries)
    for entry in manifest["ops"]["entries"]:
        assert (entry["visibility"], entry["degraded"], entry["champion"]) == ("public", False, "1")
        assert entry["missing_candles"] == 0
        assert entry["coverage_start"] == f"{START:%Y-%m-%dT%H:%M:%SZ}"


def test_the_files_that_the_manifest_names_are_there_and_are_all(
    home: Path, manifest: dict[str, Any]
) -> None:
    files = files_of(home / "published")
    for entry in manifest["public"]["entries"]:
        for kind in ("history", "prediction"):
            named = entry[kind]
            assert named["file"] == f"{kind}_{NAME}_{entry['timeframe']}.json"
            content = files[named["file"]]
            assert named["sha256"] == hashlib.sha256(content).hexdigest()
            assert named["bytes"] == len(content)
            assert_valid(kind, json.loads(content))
    stable = {name for name in files if name.startswith(("history_", "prediction_"))}
    assert len(stable) == 4


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_the_history_is_what_the_exchange_has(home: Path, timeframe: str) -> None:
    history = document(home, "history", timeframe)
    assert (history["symbol"], history["timeframe"]) == (PERPETUAL, timeframe)
    as_of = datetime.fromisoformat(history["as_of"])
    truth = BinanceUsdM(as_of).candles(timeframe, START, as_of)
    times = [EPOCH + timedelta(milliseconds=each.open_time) for each in truth]
    assert [datetime.fromisoformat(each["timestamp"]) for each in history["data"]] == times
    # The stand-in makes the volume of each timeframe by itself, and its highs and lows too.
    assert [each["close"] for each in history["data"]] == [each.last for each in truth]
    if timeframe == "1h":
        assert [each["volume"] for each in history["data"]] == [each.volume for each in truth]


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_the_forecast_begins_where_the_candles_end(home: Path, timeframe: str) -> None:
    forecast, history = (document(home, kind, timeframe) for kind in ("prediction", "history"))
    assert (forecast["symbol"], forecast["as_of"]) == (PERPETUAL, history["as_of"])
    assert forecast["forecast"][0]["timestamp"] == history["as_of"]
    assert len(forecast["forecast"]) == 24
    last = history["data"][-1]["close"]
    assert forecast["forecast"][0]["price"] == last
    for step in forecast["forecast"]:
        assert step["lower_bound"] < step["price"] < step["upper_bound"]
