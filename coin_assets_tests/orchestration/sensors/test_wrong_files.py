"""A sound file in the wrong place, or of wrong content, holds up its own series alone."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from coin_assets_tests.platform import BTC, ETH, Platform

NEXT = "2024-02-29T13:00:05"
SERIES = Path("symbol=ETH_USDT/timeframe=1h")


def copy_of_another_symbol(home: Path) -> Path:
    """As a restore of one folder into another leaves it."""
    file = home / "candles" / SERIES / "month=2024-01/candles.parquet"
    shutil.copy(str(file).replace("ETH", "BTC"), file)
    return file


def copy_of_another_month(home: Path) -> Path:
    file = home / "candles" / SERIES / "month=2024-02/candles.parquet"
    shutil.copy(str(file).replace("2024-02", "2024-01"), file)
    return file


def ledger_with_naive_times(home: Path) -> Path:
    file = home / "ledger" / SERIES / "ledger.json"
    file.write_text('{"listed": "2024-01-01T00:00:00", "absences": []}')
    return file


@pytest.mark.parametrize(
    "wrong", [copy_of_another_symbol, copy_of_another_month, ledger_with_naive_times]
)
def test_a_wrong_file_holds_up_its_series_alone_and_is_reported(
    platform: Platform, wrong: Callable[[Path], Path]
) -> None:
    file = wrong(platform.settings.home)
    history = platform.published / "history_ETH_USDT_1h.json"
    before = history.read_bytes()
    platform.now = NEXT
    platform.cycle()
    assert f"wrong: {ETH} 1h corrupt" in (platform.tick("health_alerts").skip_message or "")
    sound, held = (platform.entry("1h", symbol) for symbol in (BTC, ETH))
    assert (sound["as_of"], sound["degraded"]) == ("2024-02-29T13:00:00Z", False)
    assert (held["as_of"], held["degraded"]) == ("2024-02-29T12:00:00Z", True)
    assert str(file) in held["last_error"]
    assert history.read_bytes() == before
    assert platform.tick("late_candles").run_requests == []


def test_strays_hold_up_nothing(platform: Platform) -> None:
    folder = platform.settings.home / "candles" / SERIES
    for name in ("month=2024-02.bak", "month=2024-13", "month=9999-12"):
        shutil.copytree(folder / "month=2024-02", folder / name)
    (folder / "month=2024-03").symlink_to("month=2024-03")
    (platform.settings.home / "candles/symbol=XRP_USDT").write_bytes(b"")
    platform.now = NEXT
    platform.cycle()
    for symbol in (BTC, ETH):
        entry = platform.entry("1h", symbol)
        assert (entry["as_of"], entry["degraded"]) == ("2024-02-29T13:00:00Z", False)
