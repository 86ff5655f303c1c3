"""What a task reads: its month once before it writes and once after, its ledger once."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.series import Series
from coin_assets.files.cache import FileCache, LargeFileCache
from coin_assets.store import ledgers, month_files
from coin_assets_tests.platform import Platform

HOUR, DAY = "BTC_USDT/ohlcv_1h", "BTC_USDT/ohlcv_1d"
_SETTLED = 0.05


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Reads of files by timeframe and month, or of ledgers; files are settled after a moment."""
    counts: Counter[str] = Counter()
    content_of, read_ledger = month_files._content, ledgers._read

    def counted(path: str) -> bytes:
        folders = Path(path).parts
        counts[f"{folders[-3].removeprefix('timeframe=')} {folders[-2][6:]}"] += 1
        return content_of(path)

    def counted_ledger(path: str, series: Series) -> Ledger:
        counts[f"{series.timeframe} ledger"] += 1
        return read_ledger(path, series)

    monkeypatch.setattr(month_files, "_content", counted)
    monkeypatch.setattr(ledgers, "_read", counted_ledger)
    _empty_caches(monkeypatch)
    return counts


def _empty_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    cache: FileCache[Any] = FileCache(1000, settled=_SETTLED)
    tables = LargeFileCache[pa.Table](2**26, lambda table: int(table.nbytes), _SETTLED)
    monkeypatch.setattr(ledgers, "_READ", cache)
    monkeypatch.setattr(month_files, "_READ", tables)


def test_tasks_of_an_update_read_candles_twice_and_the_ledger_once(
    tmp_path: Path, read: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = Platform(tmp_path / "home", now="2024-07-10T23:30", derived_timeframes="1d")
    assert platform.materialise([HOUR, DAY], "2024-01-01", "2024-07-01").success
    platform.now = "2024-07-11T00:30"
    time.sleep(2 * _SETTLED)
    _empty_caches(monkeypatch)  # the first run may have been slow enough to fill them
    read.clear()
    assert platform.materialise([HOUR, DAY], "2024-07-01").success
    assert platform.metadata(HOUR, "2024-07-01")["rows_changed"] == 1
    assert platform.metadata(DAY, "2024-07-01")["rows_changed"] == 1
    assert read["1h 2024-07"] == read["1d 2024-07"] == 2
    assert read["1h ledger"] <= 1
    assert max(read.values()) == 2, read
