"""Nothing starves: whatever went wrong at a boundary, the published files reach the newest candle.

At the boundary on which this rests every timeframe closes at once. A tick is one of `candles_due`
and one of `publish_due`, with the runs that they request; three of them have to do, without a
person.
"""

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from coin_assets.errors import SymbolUnavailable
from coin_assets.planning import facts as work
from coin_assets_tests.orchestration.sensors.failing import FailingMarket
from coin_assets_tests.platform import BTC, Platform, given, series, utc

BEFORE, BOUNDARY = "2024-03-31T23:59:30", "2024-04-01T00:00:05"  # the latter is a Monday
TIMEFRAMES = ("1m", "5m", "1h", "4h", "1d", "1w", "1M")
FORECAST = ("1m", "5m", "1h", "4h", "1d")  # of the others there are too few candles
SOURCES = ("BTC_USDT/ohlcv_1m", "BTC_USDT/ohlcv_1h")
OLD, NEW = "2024-03-01", "2024-04-01"
MOST_TICKS = 3


def _platform(home: Path) -> Platform:
    return Platform(
        home,
        BEFORE,
        history_start="2023-11-01",
        source_timeframes="1m,1h",
        derived_timeframes="5m,4h,1d,1w,1M",
        retention="1m:1d",
    )


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    platform = _platform(tmp_path_factory.mktemp("grown") / "home")
    assert platform.update("2023-11-01", OLD).success
    platform.settle("candles_due")
    return platform.settings.home


@pytest.fixture
def platform(grown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    monkeypatch.setattr(work, "FIRST_DELAY", timedelta(minutes=1))
    return _platform(Path(shutil.copytree(grown, tmp_path / "home")))


def of(layer: str, timeframes: tuple[str, ...] = TIMEFRAMES) -> list[str]:
    return [f"BTC_USDT/{layer}_{name}" for name in timeframes]


# ------------------------------------------------------------------------------------ what happened


def run_failed(platform: Platform) -> None:
    platform.market = given(FailingMarket({BTC}, SymbolUnavailable))
    assert platform.cycle()
    platform.market = None
    platform.ahead = 61.0


def run_was_killed(platform: Platform) -> None:
    for request in platform.tick("candles_due").run_requests or []:
        platform.instance.report_run_failed(platform.begin(request))
    platform.ahead = 61.0


def boundary_was_missed(platform: Platform) -> None:
    platform.now = "2024-04-01T00:41:05"


def source_candles_were_there(platform: Platform) -> None:
    assert platform.materialise(SOURCES, OLD).success


def all_candles_were_there(platform: Platform) -> None:
    assert platform.materialise(of("ohlcv"), OLD).success


def killed_before_publishing(platform: Platform) -> None:
    assert platform.materialise(of("ohlcv"), OLD).success
    assert platform.materialise(of("prediction", FORECAST), NEW).success


def killed_before_the_manifest(platform: Platform) -> None:
    manifest = platform.published / "manifest.json"
    before = manifest.read_bytes()
    killed_before_publishing(platform)
    assert platform.materialise(of("published"), NEW).success
    manifest.write_bytes(before)


FAULTS = (
    run_failed,
    run_was_killed,
    boundary_was_missed,
    source_candles_were_there,
    all_candles_were_there,
    killed_before_publishing,
    killed_before_the_manifest,
)
FAST = (killed_before_publishing,)


@pytest.mark.parametrize(
    "fault",
    [each if each in FAST else pytest.param(each, marks=pytest.mark.slow) for each in FAULTS],
    ids=lambda fault: fault.__name__,
)
def test_published_files_reach_the_newest_candle(
    platform: Platform, fault: Callable[[Platform], None]
) -> None:
    platform.now = BOUNDARY
    fault(platform)
    assert not reached(platform)
    ticks = 0
    while not reached(platform):
        ticks += 1
        assert ticks <= MOST_TICKS, {name: as_ofs(platform, name) for name in TIMEFRAMES}
        platform.cycle()
    platform.settle("candles_due")
    assert platform.cycle() == []
    words = {name: platform.entry(name)["status"] for name in TIMEFRAMES}
    assert words == dict.fromkeys(FORECAST, "fresh") | dict.fromkeys(
        ("1w", "1M"), "insufficient_data"
    )


def reached(platform: Platform) -> bool:
    """Whether every file that there should be is about the newest closed candle."""
    return all(as_ofs(platform, name) == wanted(platform, name) for name in TIMEFRAMES)


def wanted(platform: Platform, name: str) -> list[datetime | None]:
    newest = series(name).timeframe.floor(utc(platform.now))
    return [newest, newest if name in FORECAST else None]


def as_ofs(platform: Platform, name: str) -> list[datetime | None]:
    entry = platform.entry(name)
    return [
        None if entry[kind] is None else datetime.fromisoformat(entry[kind]["as_of"])
        for kind in ("history", "prediction")
    ]
