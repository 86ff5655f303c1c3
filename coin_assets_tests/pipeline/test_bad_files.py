"""Files found in the wild, offered as the source: refused whole by rule id, and nothing is stored.

The one whose defect cannot be seen from itself loses its unfinished last candle by the clock alone.
"""

import shutil
from datetime import datetime
from pathlib import Path

import pytest

from coin_assets.domain.candles.absences import FAILED
from coin_assets.domain.timeframes import month_start, next_month
from coin_assets.errors import InvalidCandles
from coin_assets.market.archive import ArchiveMarket
from coin_assets.pipeline.fetch import fetch_candles
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.platform import files_of, series, utc
from coin_assets_tests.realdata import bad_file, requires_real_data

HISTORY_START, NOW = utc("2017-04-01"), utc("2026-06-01")
STALE_TAIL = "BTC_1d_stale_partial_tail.csv"


def fetched(folder: Path, name: str, timeframe: str, now: datetime = NOW) -> ParquetStore:
    """A store after a fetch of the whole history from a bad file; raises what the fetch raises."""
    source, archive = bad_file(name), folder / "archive"
    archive.mkdir()
    shutil.copyfile(source, archive / f"BTC_USDT_{timeframe}{source.suffix}")
    store = ParquetStore(folder / "home")
    window = HISTORY_START, next_month(month_start(now))
    request = FetchRequest(series(timeframe), *window, HISTORY_START, now, 3)
    fetch_candles(store, ArchiveMarket(archive), request, lambda: now)
    return store


@requires_real_data
@pytest.mark.parametrize(
    ("name", "timeframe", "rule"),
    [
        ("BTC_1m_KST_labelled_naive.parquet", "1m", "naive_timestamps"),
        ("CDD_BTCUSDT_1h_newest_first_banner.csv", "1h", "banner"),
        ("BTC_1h_drifting_open_times.csv", "1h", "unaligned"),
        ("BTC_1h_zero_rows_close_first.csv", "1h", "price_not_positive"),
    ],
)
def test_a_refused_file_leaves_nothing_in_the_store(
    tmp_path: Path, name: str, timeframe: str, rule: str
) -> None:
    with pytest.raises(InvalidCandles) as refused:
        fetched(tmp_path, name, timeframe)
    assert refused.value.rule == rule
    store = ParquetStore(tmp_path / "home")
    assert store.extent(series(timeframe)) is None
    (failed,) = store.read_ledger(series(timeframe)).absences
    assert (failed.state, f"[{rule}]" in str(failed.error)) == (FAILED, True)
    assert not [path for path in files_of(tmp_path / "home") if "candles" in path]


@requires_real_data
def test_an_unfinished_last_candle_is_not_stored_before_its_close(tmp_path: Path) -> None:
    store = fetched(tmp_path, STALE_TAIL, "1d", now=utc("2026-03-14T15:00"))
    assert store.newest_candles([series("1d")]) == {series("1d"): utc("2026-03-13")}
