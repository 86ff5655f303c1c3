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


# A boundary at which every series lags: of ten symbols at a time, one request each for source
# candles that are not derived yet and for candles without a forecast; one more for each further
# derived timeframe, because rows do not name the range.
MOST_AT_BOUNDARY = MOST["candles_due"] + 3
SYMBOLS = [f"C{number}/USDT" for number in range(10)]


def requests_at_a_boundary(influx: InfluxServer, home: Path, count: int) -> int:
    """Requests of the tick that finds all source candles stored, and nothing made of them."""
    influx.database.remove(influx.database.bucket(influx.bucket).id)
    influx.database.create(influx.bucket)
    symbols = SYMBOLS[:count]
    platform = Platform(
        home,
        now=NOW,
        store="influxdb",
        symbols=",".join(symbols),
        derived_timeframes="2h,4h,8h,1d",
        freshness="2h:150/300,8h:500/1000",
        history_start=MONTHS[0],
    )
    assert platform.update(*MONTHS).success
    platform.settle("candles_due")
    platform.now = "2024-05-11T00:30"
    sources = [f"{symbol.replace('/', '_')}/ohlcv_1h" for symbol in symbols]
    assert platform.materialise(sources, MONTHS[1]).success
    before = len(influx.requests)
    assert platform.tick("candles_due").run_requests
    return len(influx.requests) - before


@pytest.mark.parametrize("symbols", [2, pytest.param(10, marks=pytest.mark.slow)])
def test_requests_at_a_boundary_do_not_grow_with_the_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, symbols: int
) -> None:
    """5 series against 10, or against 50."""
    with influx_in_use(monkeypatch) as influx:
        one = requests_at_a_boundary(influx, tmp_path / "one", 1)
        many = requests_at_a_boundary(influx, tmp_path / "many", symbols)
    assert many == one <= MOST_AT_BOUNDARY


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
