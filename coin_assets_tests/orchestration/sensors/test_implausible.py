"""Wrong data that obeys the candle contract is not served as fresh.

A real platform with its real sensors, on a market whose prices a test multiplies: as an exchange
that sends another unit or symbol, or the price of another market.
"""

import json

import pytest

from coin_assets_tests.orchestration.sensors.failing import FailingMarket
from coin_assets_tests.pipeline.test_plausible_pages import WrongMarket, honest, since
from coin_assets_tests.platform import BTC, ETH, Platform, given

STEP = "2024-02-29T12:00"


@pytest.fixture
def wrong(platform: Platform) -> WrongMarket:
    """The market of ``platform``, whose newest candle is that before `STEP`."""
    market = WrongMarket(FailingMarket())
    platform.market = given(market)
    return market


def closes(platform: Platform, timeframe: str) -> list[float]:
    """Newest close and first median that are served."""
    folder = platform.published
    history = json.loads((folder / f"history_BTC_USDT_{timeframe}.json").read_text())
    forecast = json.loads((folder / f"prediction_BTC_USDT_{timeframe}.json").read_text())
    return [history["data"][-1]["close"], forecast["forecast"][0]["price"]]


def later(platform: Platform, now: str) -> None:
    platform.now = now
    for sensor in ("candles_due", "publish_due"):
        platform.settle(sensor)


def test_another_unit_is_not_served_and_alerts(platform: Platform, wrong: WrongMarket) -> None:
    served = {timeframe: closes(platform, timeframe) for timeframe in ("1h", "4h")}
    wrong.factor = since(STEP, 100.0)
    later(platform, "2024-02-29T13:00:30")
    entry = platform.entry("1h")
    assert entry["status"] == "fresh"  # by its age, until its limits
    assert entry["degraded"]
    assert "x100" in entry["last_error"]
    assert "implausible data" in (platform.tick("health_alerts").skip_message or "")
    later(platform, "2024-02-29T14:06:00")
    assert platform.entry("1h")["status"] == "stale"
    for timeframe, known in served.items():
        assert closes(platform, timeframe) == known
    wrong.factor = honest
    platform.ahead += 900
    later(platform, "2024-02-29T14:20:00")
    assert platform.entry("1h")["status"] == "fresh"
    assert not platform.entry("1h")["degraded"]


def test_what_an_operator_accepts_is_served_with_a_caution(
    platform: Platform, wrong: WrongMarket
) -> None:
    before, _ = closes(platform, "1h")
    wrong.factor = since(STEP, 100.0)
    later(platform, "2024-02-29T13:00:30")
    result = platform.run("backfill", symbols=[BTC, ETH], start="2024-02", accept_implausible=True)
    assert result.success
    platform.ahead += 900
    later(platform, "2024-02-29T13:01:00")
    entry = platform.entry("1h")
    assert (entry["status"], entry["degraded"]) == ("fresh", False)
    assert "an operator confirmed it" in entry["caution"]
    assert closes(platform, "1h")[0] > 50 * before
    assert "BTC/USDT 1h implausible data" in (platform.tick("health_alerts").skip_message or "")
