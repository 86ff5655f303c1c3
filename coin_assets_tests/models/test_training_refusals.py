"""Reasons why a training gives no version."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from coin_assets.domain.candles.frame import empty_candles
from coin_assets.domain.forecasting.trainable import why_no_model
from coin_assets.domain.series import Series
from coin_assets.domain.timeframe_rules import MOST_CALIBRATED
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import (
    CandlesNotYetAvailable,
    InvalidCandles,
    MonthsNotFetched,
    PermanentError,
    TemporaryError,
)
from coin_assets.models.registry import ModelRegistry
from coin_assets.models.trainability import why_none
from coin_assets.models.training import (
    train,
)
from coin_assets.store.labels import MonthFile
from coin_assets.store.month_files import MonthFiles
from coin_assets.store.parquet import ParquetStore
from coin_assets.store.tabular import CANDLES
from coin_assets_tests.models.trainings import (
    AUG,
    BTC,
    HOUR,
    NOV,
    NOW,
    OCT,
    SEP,
    candles,
    request,
    version_of,
)


def test_months_never_fetched_are_named(store: ParquetStore, registry: ModelRegistry) -> None:
    store.delete_candles(BTC, OCT, NOV)
    with pytest.raises(MonthsNotFetched) as refusal:
        train(store, registry, request(start=datetime(2026, 6, 1, tzinfo=UTC)), NOW)
    assert isinstance(refusal.value, PermanentError)
    assert str(refusal.value).startswith(
        "BTC/USDT 1h candles of 2026-06 to 2026-08, 2026-10 were never fetched,"
    )
    assert "BTC_USDT/ohlcv_1h" in str(refusal.value)
    assert registry.versions(BTC) == []


def test_months_outside_the_lookback_need_not_have_been_fetched(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    store.delete_candles(BTC, SEP, OCT)
    assert train(store, registry, request(lookback=timedelta(days=31)), NOW).created
    with pytest.raises(MonthsNotFetched, match=r"2026-09 were"):
        train(store, registry, request(lookback=timedelta(days=32)), NOW)


def test_a_fetched_month_without_candles_is_no_reason_to_refuse(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    store.merge_candles(BTC, empty_candles(), AUG, SEP)  # not listed yet
    assert train(store, registry, request(start=AUG), NOW).rows == 61 * 24


def test_candles_that_an_earlier_release_stored_and_no_market_has_are_refused(
    store: ParquetStore, registry: ModelRegistry, tmp_path: Path
) -> None:
    path = tmp_path / "candles/symbol=BTC_USDT/timeframe=1h/month=2026-09/candles.parquet"
    rows = pd.read_parquet(path)
    rows.loc[100, "high"] = 1e308
    schema = pq.read_schema(path).remove_metadata()
    MonthFiles(schema, "timestamp").write(MonthFile(str(path), CANDLES, BTC, SEP), rows)
    with pytest.raises(InvalidCandles, match=r"^\[out_of_range\]"):
        train(store, registry, request(), NOW)
    assert registry.versions(BTC) == []


def test_a_missing_newest_candle_is_tried_again_later(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    due = NOV + 14 * 24 * HOUR
    assert train(store, registry, request(due), NOW).created
    with pytest.raises(CandlesNotYetAvailable) as refusal:
        train(store, registry, request(due + HOUR), NOW)
    assert isinstance(refusal.value, TemporaryError)
    assert "candle 2026-11-15 00:00 is due but not stored" in str(refusal.value)
    assert "end with 2026-11-14 23:00" in str(refusal.value)
    assert len(registry.versions(BTC)) == 1


def test_a_newest_candle_that_the_market_skipped_is_no_reason_to_wait(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    store.delete_candles(BTC, NOV - HOUR, NOV)
    assert train(store, registry, request(NOV), NOW).rows == 61 * 24 - 1


def test_no_candle_at_all_is_tried_again_later(tmp_path: Path, registry: ModelRegistry) -> None:
    store = ParquetStore(tmp_path)
    store.merge_candles(BTC, empty_candles(), SEP, NOV)
    with pytest.raises(CandlesNotYetAvailable, match="have not begun"):
        train(store, registry, request(), NOW)


@pytest.mark.parametrize("cutoff", [SEP + 239 * HOUR, SEP + HOUR, SEP, SEP - HOUR])
def test_too_few_candles_give_no_version_and_no_error(
    store: ParquetStore, registry: ModelRegistry, cutoff: datetime
) -> None:
    result = train(store, registry, request(cutoff), NOW)
    assert result.version is None
    assert result.error is None
    assert not result.created
    assert result.rows == max(0, (cutoff - SEP) // HOUR)
    assert result.insufficient is not None
    assert "needs 240" in result.insufficient
    assert registry.versions(BTC) == []


def test_enough_candles_later_give_a_version_after_all(
    store: ParquetStore, registry: ModelRegistry
) -> None:
    assert train(store, registry, request(SEP + 239 * HOUR), NOW).version is None
    assert version_of(train(store, registry, request(SEP + 240 * HOUR), NOW)).number == 1


@pytest.mark.parametrize(
    ("timeframe", "minimum"), [("1h", 240), ("1d", 120), ("1w", 52), ("1M", 24)]
)
def test_a_model_needs_enough_candles_closed_by_the_cutoff(
    tmp_path: Path, timeframe: str, minimum: int
) -> None:
    series, store = Series("BTC/USDT", Timeframe.parse(timeframe)), ParquetStore(tmp_path)
    start = datetime(2020, 1, 6 if timeframe == "1w" else 1, tzinfo=UTC)
    cutoff = series.timeframe.shift(start, minimum)
    end = series.timeframe.shift(cutoff, 5)
    store.write_candles(series, candles(series, start, end), start, end)
    assert why_none(store, series, start, cutoff) is None
    assert (
        why_none(store, series, start, series.timeframe.next(cutoff) - timedelta.resolution) is None
    )
    few = f"{minimum - 1} {timeframe} candles are too few; a forecast needs {minimum}."
    assert why_none(store, series, start, cutoff - timedelta.resolution) == few
    assert why_none(store, series, series.timeframe.next(start), cutoff) == few


@pytest.mark.parametrize("ticks", [0.0, 0.03])
def test_a_price_that_hardly_moves_gives_no_model_and_every_part_has_the_same_reason(
    store: ParquetStore, registry: ModelRegistry, ticks: float
) -> None:
    """A pegged coin: all closes equal, or one tick now and then."""
    end = SEP + 500 * HOUR
    pegged = candles(BTC, SEP, end)
    moved = np.random.default_rng(7).random(len(pegged)) < ticks
    close = 1 + 0.0001 * moved
    pegged = pegged.assign(open=1.0, high=close + 0.001, low=0.999, close=close)
    store.write_candles(BTC, pegged, SEP, end)
    result = train(store, registry, request(end), NOW)
    assert result.version is None
    assert result.insufficient is not None
    assert "hardly ever moved" in result.insufficient
    assert why_none(store, BTC, SEP, end) == result.insufficient


class Reading(ParquetStore):
    """Counts the candles that are read."""

    read = 0

    def read_candles(self, series: Series, start: datetime, end: datetime) -> pd.DataFrame:
        found = super().read_candles(series, start, end)
        self.read += len(found)
        return found


def test_why_there_is_no_model_is_read_once_while_the_candles_stay_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, end = Reading(tmp_path), SEP + 500 * HOUR
    flat = candles(BTC, SEP, end).assign(open=1.0, high=1.0, low=1.0, close=1.0)
    store.write_candles(BTC, flat, SEP, end)
    monkeypatch.setattr(time, "time_ns", lambda: 2**62)  # files changed long ago
    reason = why_none(store, BTC, SEP, end)
    assert reason is not None
    read = store.read
    assert read >= 500
    assert [why_none(store, BTC, SEP, end) for _ in range(100)] == [reason] * 100
    assert store.read == read
    store.write_candles(BTC, candles(BTC, SEP, end), SEP, end)  # the same opens, and it moves
    assert why_none(store, BTC, SEP, end) is None


def test_of_a_sparse_series_as_many_candles_are_read_as_decide(tmp_path: Path) -> None:
    store, end = ParquetStore(tmp_path), SEP + 20_000 * HOUR
    whole = candles(BTC, SEP, end)
    close = np.where(np.arange(len(whole)) < 12_000, whole["close"], 1.0)
    frame = whole.assign(open=close, high=close, low=close, close=close)
    kept = frame[np.random.default_rng(7).random(len(frame)) < 0.3]
    store.write_candles(BTC, kept, SEP, end)
    assert len(kept) < MOST_CALIBRATED
    assert why_none(store, BTC, SEP, end) is why_no_model(kept, BTC.timeframe) is None


@pytest.mark.parametrize("timeframe", ["1d", "3d", "1w", "1M"])
def test_only_months_that_candles_open_in_need_to_be_fetched(
    tmp_path: Path, registry: ModelRegistry, timeframe: str
) -> None:
    """The last week of October closes in November, but it is stored in October."""
    series, store = Series("BTC/USDT", Timeframe.parse(timeframe)), ParquetStore(tmp_path)
    start = datetime(2023, 1, 1, tzinfo=UTC)
    store.write_candles(series, candles(series, start, NOV), start, NOV)
    last = store.newest_candles([series])[series]
    cutoff = series.timeframe.close_of(last)
    result = train(store, registry, request(cutoff, series, start), NOW)
    assert result.rows == len(candles(series, start, NOV))
    assert version_of(result).metadata()["data_end"] == cutoff.isoformat()
