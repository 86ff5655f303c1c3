"""Requests of one tick on InfluxDB: they do not grow with the number of series."""

from pathlib import Path

import pytest

from coin_assets.orchestration.sensors import tick_time
from coin_assets_tests.influx.in_use import influx_in_use
from coin_assets_tests.influx.server import InfluxServer
from coin_assets_tests.platform import Platform

FEW, MANY = "BTC/USDT", "BTC/USDT,ETH/USDT,XRP/USDT"
NOW, MONTHS = "2024-05-10T12:30", ("2024-04-01", "2024-05-01")
# At most: the market, newest candles and forecasts, three for extents, ledgers, months, and two
# counts for each derived timeframe that has too few candles for a model; publish_due reads the
# files of one series as well. health_alerts: candles, forecasts, ledgers, and the market.
MOST = {"candles_due": 11, "publish_due": 13, "late_candles": 4, "health_alerts": 4}


def requests_of_ticks(influx: InfluxServer, home: Path, symbols: str) -> dict[str, int]:
    """Requests of each sensor's tick when nothing is due."""
    influx.database.remove(influx.database.bucket(influx.bucket).id)
    influx.database.create(influx.bucket)
    platform = Platform(
        home,
        now=NOW,
        store="influxdb",
        symbols=symbols,
        derived_timeframes="4h",
        history_start=MONTHS[0],
    )
    assert platform.update(*MONTHS).success
    platform.settle("candles_due")
    platform.settle("publish_due")
    found: dict[str, int] = {}
    for sensor in MOST:
        before = len(influx.requests)
        assert not platform.tick(sensor).run_requests
        found[sensor] = len(influx.requests) - before
    return found


@pytest.mark.parametrize("part", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_requests_of_a_tick_do_not_grow_with_the_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    monkeypatch.setattr(tick_time, "_PART_SYMBOLS", part)
    with influx_in_use(monkeypatch) as influx:
        few = requests_of_ticks(influx, tmp_path / "few", FEW)
        many = requests_of_ticks(influx, tmp_path / "many", MANY)
    assert many == few
    assert all(few[sensor] <= most for sensor, most in MOST.items()), few
