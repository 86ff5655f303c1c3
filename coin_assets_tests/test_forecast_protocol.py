"""Tuning never sees the test spans: they come later, and asking for their candles is refused."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import forecast_ablation
from benchmarks.forecast_protocol import TEST, TUNING, HeldOut, Span, load, load_hours, load_test
from benchmarks.harness import Bench
from coin_assets.domain.forecasting.realised import VARIANCE
from coin_assets.domain.timeframes import Timeframe

BTC, TIMEFRAMES = "BTC/USDT", sorted(TEST)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Candles of every timeframe, from before the tuning spans to behind the test spans."""
    for name in TIMEFRAMES:
        timeframe = Timeframe.parse(name)
        first, last = TUNING[name].start - timedelta(weeks=2), TEST[name].end + timedelta(weeks=2)
        opens = timeframe.opens(timeframe.floor(first), timeframe.floor(last))
        candles = pd.DataFrame({"timestamp": opens})
        candles[["open", "high", "low", "close", "volume"]] = 1.0
        candles.to_parquet(tmp_path / f"BTC_USDT_{name}.parquet")
    return tmp_path


def newest_close(candles: pd.DataFrame, timeframe: str) -> datetime:
    newest: datetime = candles["timestamp"].iloc[-1].to_pydatetime()
    return Timeframe.parse(timeframe).close_of(newest)


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_candles_of_a_tuning_span_end_before_the_test_span(timeframe: str, folder: Path) -> None:
    tuning, test = TUNING[timeframe], TEST[timeframe]
    assert tuning.start < tuning.end <= test.start < test.end
    found = load(BTC, timeframe, tuning, folder)
    assert newest_close(found, timeframe) <= test.start
    assert newest_close(load_test(BTC, timeframe, folder), timeframe) > test.start


@pytest.mark.parametrize("timeframe", ["1d", "1w"])
def test_hours_of_the_test_span_measure_nothing_in_a_tuning_span(
    timeframe: str, folder: Path
) -> None:
    path, tuning = folder / "BTC_USDT_1h.parquet", TUNING[timeframe]
    hours = pd.read_parquet(path)
    found = load(BTC, timeframe, tuning, folder)
    assert found[VARIANCE].notna().any()
    later = hours["timestamp"] >= tuning.end
    hours.loc[later, ["open", "high", "low", "close"]] *= 9.0
    hours.to_parquet(path)
    pd.testing.assert_frame_equal(load(BTC, timeframe, tuning, folder), found, check_exact=True)
    assert load_hours(BTC, tuning.end, folder)["timestamp"].max() < pd.Timestamp(tuning.end)


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
@pytest.mark.parametrize("change", ["a second too long", "the test span", "a part"])
def test_a_span_that_reaches_into_the_test_span_is_refused_unread(
    timeframe: str, change: str, tmp_path: Path
) -> None:
    test = TEST[timeframe]
    asked: dict[str, Span] = {
        "a second too long": replace(TUNING[timeframe], end=test.start + timedelta(seconds=1)),
        "the test span": test,
        "a part": replace(test, start=test.start + timedelta(weeks=30)),
    }
    with pytest.raises(HeldOut, match=f"reaches into the test span, .*{test.start:%Y-%m-%d}"):
        load(BTC, timeframe, asked[change], tmp_path / "no such folder")


def test_the_ablation_cannot_be_run_on_the_test_span(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast_ablation, "TUNING", TEST)
    with pytest.raises(HeldOut):
        forecast_ablation.measure(Bench(quick=True))
