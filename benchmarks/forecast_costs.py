"""Benchmark ``forecast_costs``: durations of training, forecasts and backtests."""

import statistics
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypedDict

from benchmarks.forecast_protocol import SYMBOLS, TEST, load_test
from benchmarks.harness import (
    FAIL,
    PASS,
    Bench,
    BenchmarkFailed,
    Figure,
    Home,
    execute,
    in_fresh_process,
    say,
    temporary_home,
    timed,
)
from benchmarks.published_path import installation
from coin_assets.domain.candles.resampling import derive
from coin_assets.domain.series import Series
from coin_assets.domain.series_policy import VarianceSource
from coin_assets.domain.timeframe_rules import rules_of
from coin_assets.domain.timeframes import Timeframe, month_start, next_month
from coin_assets.models.registry import ModelRegistry
from coin_assets.models.training import TrainingRequest, train_all
from coin_assets.pipeline.forecast import ForecastRequest, VisibleCandles, predict_window
from coin_assets.store.parquet import ParquetStore

# Most seconds that pass.
TRAINING_BAR, UPDATE_BAR, BACKTEST_BAR = 15.0, 1.0, 60.0
_HOUR = Timeframe("1h")
_DERIVED = ("4h", "1d", "1w", "1M")
# The real candles lack two of the default symbols, which get copies of others.
_COPIES = {"SOL/USDT": "BTC/USDT", "DOGE/USDT": "ETH/USDT"}
_ORIGINALS = {symbol: symbol for symbol in SYMBOLS}
_NOW = TEST["1h"].end
_QUICK_START = datetime(2025, 4, 1, tzinfo=UTC)
_LOCATION = "import coin_assets.definitions"
_ESTIMATORS = "sklearn"


class Trained(TypedDict):
    """Result of the training process: seconds of all series and of each."""

    seconds: float
    series_list: dict[str, float]


class Forecast(TypedDict):
    """Result of a forecasting process, in seconds."""

    imports: float
    forecasts: float
    by_timeframe: dict[str, float]


def measure(bench: Bench) -> list[Figure]:
    """Training and forecasts of the 25 default series on full history, without Dagster.

    The store holds real candles of three symbols, copies of them for the other two, and coarser
    timeframes derived from 1h. Training and forecasts run in new processes, so the import of
    scikit-learn is included. The backtest trains the monthly version of twelve months and forecasts
    each hour of the year, store and registry included.
    """
    sources = bench.pick(_ORIGINALS | _COPIES, {"BTC/USDT": "BTC/USDT"})
    figures = []
    with temporary_home() as home:
        for symbol, source in sources.items():
            say(f"candles of {symbol}")
            _store_candles(home.folder, symbol, source)
        symbols = list(sources)
        figures += _training_figures(home, symbols)
        figures += _update_figures(home, symbols, bench.pick(3, 1))
    figures.append(_backtest_figure(bench))
    return figures + _import_figures(bench.pick(7, 1))


def train_series(symbols: list[str]) -> Trained:
    """Train all series of ``symbols`` in the home of this process."""
    home = Path.cwd()
    store, registry = ParquetStore(home), ModelRegistry(home)
    requests = []
    for series in _all_series(symbols):
        extent = store.extent(series)
        if extent is None:
            raise BenchmarkFailed(f"{series} has no candles.")
        cutoff = series.timeframe.close_of(extent.last)
        start = month_start(extent.first)
        requests.append(TrainingRequest(series, cutoff, start, source=_source(series, start)))
    seconds, results = timed(train_all, store, registry, requests, _NOW, lambda _: None)
    for result in results:
        if result.version is None:
            raise BenchmarkFailed(f"{result.request.series}: {result.error or result.insufficient}")
    return {
        "seconds": seconds,
        "series_list": {str(one.request.series): one.seconds for one in results},
    }


def forecast_newest(symbols: list[str]) -> Forecast:
    """Forecast the newest origin of every series in the home of this process."""
    home = Path.cwd()
    store, registry = ParquetStore(home), ModelRegistry(home)
    newest = {}
    for series in _all_series(symbols):
        extent = store.extent(series)
        if extent is None:
            raise BenchmarkFailed(f"{series} has no candles.")
        newest[series] = (
            month_start(series.timeframe.close_of(extent.last)),
            month_start(extent.first),
        )
    started = time.perf_counter()
    for series in list(newest)[:1]:
        registry.load(registry.versions(series)[-1])
    imported = time.perf_counter()
    by_timeframe = dict.fromkeys((_HOUR.name, *_DERIVED), 0.0)
    for series, (month, start) in newest.items():
        began = time.perf_counter()
        now = _NOW + timedelta(seconds=5)
        visible = VisibleCandles(start, now, _source(series, start))
        request = ForecastRequest(series, month, next_month(month), visible, now)
        report = predict_window(store, registry, request)
        if report.added != 1:
            raise BenchmarkFailed(f"{series}: {report.added} forecasts were made in place of one.")
        by_timeframe[series.timeframe.name] += time.perf_counter() - began
    return {
        "imports": imported - started,
        "forecasts": time.perf_counter() - imported,
        "by_timeframe": by_timeframe,
    }


def run_candles_only() -> list[str]:
    """Materialise candles in the home of this process; returns the imported modules."""
    from coin_assets_tests.platform import Platform

    platform = Platform(Path.cwd(), "2024-02-10T00:00:10")
    done = platform.materialise(["BTC_USDT/ohlcv_1h", "BTC_USDT/ohlcv_1d"], "2024-01-01")
    if not done.success:
        raise BenchmarkFailed("A run of candles alone failed.")
    return sorted(sys.modules)


def _all_series(symbols: list[str]) -> list[Series]:
    names = (_HOUR.name, *_DERIVED)
    return [Series(symbol, Timeframe.parse(name)) for symbol in symbols for name in names]


def _source(series: Series, start: datetime) -> VarianceSource | None:
    """What measures the variance in a default installation, which fetches hours."""
    is_measured = rules_of(series.timeframe).realised
    return VarianceSource(series.at(_HOUR), start) if is_measured else None


def _store_candles(folder: Path, symbol: str, source: str) -> None:
    store, candles = ParquetStore(folder), load_test(source, _HOUR.name)
    start = month_start(candles["timestamp"].iloc[0])
    store.write_candles(Series(symbol, _HOUR), candles, start, _NOW)
    for name in _DERIVED:
        timeframe = Timeframe.parse(name)
        derived = derive(candles, _HOUR, timeframe, start, _NOW, _NOW).candles
        store.write_candles(Series(symbol, timeframe), derived, start, _NOW)


def _training_figures(home: Home, symbols: list[str]) -> list[Figure]:
    say("training")
    trained = in_fresh_process(home, train_series, symbols=symbols)
    count = len(trained["series_list"])
    figures = [
        _bar_figure(
            f"training of {count} series",
            [trained["seconds"]],
            TRAINING_BAR,
            "one `train_all` on full history, with validation and the import of scikit-learn",
        )
    ]
    for name in (_HOUR.name, *_DERIVED):
        seconds = [
            value for series, value in trained["series_list"].items() if series.endswith(f" {name}")
        ]
        how = "one series, with others on all cores: reading, fit, scores, storing"
        figures.append(Figure.median(f"training of a {name} series", seconds, "s", how))
    return figures


def _update_figures(home: Home, symbols: list[str], times: int) -> list[Figure]:
    store, found = ParquetStore(home.folder), []
    series_list = _all_series(symbols)
    first, end = month_start(_NOW - timedelta(days=31)), next_month(_NOW)
    # The first live forecast of a series also appoints its champion; it is not measured.
    for number in range(times + 1):
        say(f"forecasts of one update, {number} of {times}")
        for series in series_list:
            store.delete_forecasts(series, first, end)
        found.append(in_fresh_process(home, forecast_newest, symbols=symbols))
    found = found[1:]
    how = (
        f"`predict_window` of {len(series_list)} series one after the other, the newest origin of "
        "each: artefacts loaded and checked, candles read, forecasts stored durably"
    )
    return [
        _bar_figure(
            "forecasts of one update", [one["forecasts"] for one in found], UPDATE_BAR, how
        ),
        Figure.median(
            "first model of a process",
            [one["imports"] for one in found],
            "s",
            "before these: loading one artefact, with what it imports",
        ),
        *(
            Figure.median(
                f"forecasts of one update, {name} alone",
                [one["by_timeframe"][name] for one in found],
                "s",
                f"part of it, {len(symbols)} series; most updates forecast 1h alone, and all are "
                "due together when a month begins on a Monday",
            )
            for name in (_HOUR.name, *_DERIVED)
        ),
    ]


def _backtest_figure(bench: Bench) -> Figure:
    span = TEST[_HOUR.name]
    span = bench.pick(span, replace(span, start=_QUICK_START))
    series = Series(SYMBOLS[0], _HOUR)
    candles = load_test(series.symbol, _HOUR.name)
    origins = _HOUR.count(span.start, span.end)
    say(f"backtest of {series}, {origins:,} origins")
    with installation(series, candles, span.end) as home:
        seconds, _ = timed(home.walk_forward, span)
        found = len(home.quantiles(_HOUR.opens(span.start, span.end)))
    if found != origins:
        raise BenchmarkFailed(f"{series}: {found} of {origins} forecasts were made.")
    return _bar_figure(
        f"backtest of {series.symbol} 1h",
        [seconds],
        BACKTEST_BAR,
        f"monthly versions and {origins:,} forecasts from {span.start:%Y-%m} on, stored",
    )


def _import_figures(times: int) -> list[Figure]:
    """New interpreters, from start to exit.

    Raises:
        BenchmarkFailed: the code location or a run of candles alone imports scikit-learn.
    """
    say("imports")
    with temporary_home() as home:
        check = f"{_LOCATION}, sys; sys.exit('{_ESTIMATORS}' in sys.modules)"
        execute(home, sys.executable, "-c", check)
        if _ESTIMATORS in in_fresh_process(home, run_candles_only):
            raise BenchmarkFailed("A run of candles alone imports scikit-learn.")
        statements = {
            "code location": (_LOCATION, "without scikit-learn, as it is"),
            "code location and scikit-learn": (
                f"{_LOCATION}, sklearn.linear_model",
                "what it would be if definitions needed estimators",
            ),
        }
        return [
            Figure.median(
                name,
                [execute(home, sys.executable, "-c", text)[0] for _ in range(times)],
                "s",
                f"`{text}`: {how}",
            )
            for name, (text, how) in statements.items()
        ]


def _bar_figure(name: str, samples: list[float], bar: float, how: str) -> Figure:
    seconds = statistics.median(samples)
    word = PASS if seconds <= bar else FAIL
    say(f"{word} {name}: {seconds:.3g} s, at most {bar:g} s")
    return Figure.median(name, samples, "s", f"{word}, the bar is {bar:g} s; {how}")
