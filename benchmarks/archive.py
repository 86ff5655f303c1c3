"""Benchmark ``archive``: the published archive, and the calibration of its sample paths."""

from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from benchmarks.forecast_protocol import TEST, load_test
from benchmarks.harness import Bench, BenchmarkFailed, Figure, say, timed
from benchmarks.published_path import Installation, installation
from coin_assets.domain.candles.grid import candle_rows
from coin_assets.domain.forecasting.frame import PRICE_COLUMNS, STEPS, Floats
from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.publishing.archive import FORECASTS, INDEX, KINDS, PATHS
from coin_assets.domain.series import Series
from coin_assets.domain.series_policy import SeriesPolicy
from coin_assets.domain.timeframes import Timeframe, month_start
from coin_assets.pipeline.publish_archive import SeriesArchive
from coin_assets.publish.archive import ArchiveFolder, archive_reference, write_index

_SERIES = Series("BTC/USDT", Timeframe("1h"))
_PATHS, _QUICK_PATHS = 100, 20
_SHARES = (0.5, 0.8, 0.9, 0.95)
_EVERY = 25  # hours, as in the benchmark `forecasts`
_LIMITS = FreshnessLimits(timedelta(hours=1), timedelta(hours=2))
_MB = 1e6


def measure(bench: Bench) -> list[Figure]:
    """Size and cost of the archive of one series of hours, and how well its paths are calibrated.

    A temporary home with real candles of BTC/USDT is trained each month, and forecasts every hour
    of the test span as a backtest (``predict_window``). Then the year is archived: for the first
    time, again without a change, and after one forecast of the newest month changed; the same with
    sample paths. Calibration is that of the largest fall from a peak (max drawdown) within the 24
    candles after an origin, by closes: the share of origins at which the fall that came was at most
    the quantile among the paths. Every 25th origin is scored. For comparison the same values are
    shuffled at each step, which takes the dependence away.
    """
    count = bench.pick(_PATHS, _QUICK_PATHS)
    span = TEST["1h"]
    if bench.quick:
        span = replace(span, start=span.end - timedelta(days=45))
    candles = load_test(_SERIES.symbol, _SERIES.timeframe.name)
    with ExitStack() as stack:
        home = stack.enter_context(installation(_SERIES, candles, span.end))
        seconds, _ = timed(home.walk_forward, span)
        say(f"forecasts of {(span.end - span.start).days} days made in {seconds:.0f} s")
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="coin_bench_")))
        figures = _costs(home, folder, 0) + _costs(home, folder, count)
        return [*figures, *_sizes(folder, count), *_calibration(folder, candles, count)]


def _archived(home: Installation, folder: Path, paths: int) -> tuple[float, int]:
    """Seconds that one run takes, and the number of files that it writes."""
    policy = SeriesPolicy(_SERIES, _SERIES, home.start, _LIMITS, None, 3, None, None)

    def run() -> int:
        files = ArchiveFolder(folder, [_SERIES])
        written = SeriesArchive(home.store, files, policy, paths, home.now).update()
        files.commit(home.now, lambda content: write_index(folder, content))
        return written

    return timed(run)


def _costs(home: Installation, folder: Path, paths: int) -> list[Figure]:
    label = f"with {paths} paths a forecast" if paths else "forecasts and candles"
    first, files = _archived(home, folder, paths)
    again, _ = _archived(home, folder, paths)
    month = month_start(home.now - timedelta(days=2))
    rows = home.store.read_forecasts(_SERIES, month, home.now)
    rows = rows[rows["as_of"] == rows["as_of"].max()].copy()
    rows[PRICE_COLUMNS] *= 1.0001
    home.store.revise_forecasts(_SERIES, rows)
    changed, rewritten = _archived(home, folder, paths)
    return [
        Figure(f"{label}: first run", first, "s", f"{files} files written"),
        Figure(f"{label}: nothing changed", 1000 * again, "ms", "a run that writes nothing"),
        Figure(
            f"{label}: one forecast changed", 1000 * changed, "ms", f"{rewritten} files written"
        ),
    ]


def _sizes(folder: Path, paths: int) -> list[Figure]:
    files = ArchiveFolder(folder, [_SERIES]).files
    forecasts = sum(file.rows for file in files if file.place.kind == FORECASTS) / (STEPS * 7)
    figures = []
    for kind in KINDS:
        chosen = [file for file in files if file.place.kind == kind]
        newest = [file.size / _MB for file in chosen[-13:-1]]
        how = f"month of {kind}" + (f", {paths} a forecast" if kind == PATHS else "")
        figures.append(Figure.median(f"size: {how}", newest, "MB", f"of {len(chosen)} files"))
    size = sum(file.size for file in files if file.place.kind == FORECASTS) / forecasts
    figures.append(
        Figure("size: one forecast", size, "bytes", "168 quantiles, in the month's file")
    )
    listed = (folder / INDEX).stat().st_size / len(files)
    figures.append(Figure("size: one file in the list", listed, "bytes", "of archive/index.json"))
    archive_reference(folder)
    seconds = [timed(archive_reference, folder)[0] for _ in range(20)]
    how = "what a manifest needs of the archive at each update"
    figures.append(Figure.median("reference", [1e6 * each for each in seconds], "us", how))
    return figures


def _calibration(folder: Path, candles: pd.DataFrame, count: int) -> list[Figure]:
    """Shares of falls within the quantiles of the paths, with and without dependence."""
    files = ArchiveFolder(folder, [_SERIES])
    paths, origins = _paths_of(files, count)
    ordinals = _SERIES.timeframe.ordinals(candles["timestamp"])
    opened = _SERIES.timeframe.ordinals(origins)
    closes = np.append(candles["close"].to_numpy(), np.nan)
    came = closes[candle_rows(ordinals, opened[:, None] + np.arange(-1, STEPS))]
    known = np.isfinite(came).all(axis=1)
    came, paths = came[known], paths[known]
    starts = came[:, None, :1].repeat(count, axis=1)
    generator = np.random.default_rng(7)
    shuffled = generator.permuted(paths, axis=1)
    actual = _drawdown(came)
    figures = []
    for name, drawn in (("paths", paths), ("shuffled paths", shuffled)):
        falls = _drawdown(np.concatenate([starts, drawn], axis=2))
        for share in _SHARES:
            held = actual <= np.quantile(falls, share, axis=1)
            how = f"of {len(actual)} origins; {share:.0%} if calibrated"
            figures.append(
                Figure(f"max drawdown within {share:.0%} of {name}", 100 * held.mean(), "%", how)
            )
    return figures


def _paths_of(files: ArchiveFolder, count: int) -> tuple[Floats, pd.DatetimeIndex]:
    """Paths of every `_EVERY`-th forecast, shape (origins, count, `STEPS`)."""
    values, origins = [], list[pd.Timestamp]()
    for place in files.places(PATHS, _SERIES):
        table = files.table(place)
        if table is None:
            raise BenchmarkFailed(f"{place.name} cannot be read")
        shaped = table["value"].to_numpy().reshape(-1, STEPS, count).swapaxes(1, 2)
        times = table["origin_time"].to_pandas().iloc[:: STEPS * count]
        chosen = (_SERIES.timeframe.ordinals(times) % _EVERY) == 0
        values.append(shaped[chosen])
        origins += list(times[chosen])
    return np.concatenate(values), pd.DatetimeIndex(origins)


def _drawdown(closes: Floats) -> Floats:
    """Largest fall from a peak along the last axis, as log return."""
    prices = np.log(closes)
    return np.asarray((np.maximum.accumulate(prices, axis=-1) - prices).max(axis=-1))
