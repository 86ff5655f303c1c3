"""Benchmark ``store``: the Parquet store alone, without Dagster."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.harness import Bench, Figure, say, temporary_home, timed
from coin_assets.domain.candles.frame import between
from coin_assets.domain.series import Series, safe_name
from coin_assets.domain.timeframes import Timeframe, month_start, months_between, next_month
from coin_assets.store.parquet import ParquetStore

_SERIES = 25
_MONTHS = 112


@dataclass(frozen=True)
class Case:
    """A long series of candles of one series."""

    series: Series
    candles: pd.DataFrame
    start: datetime
    end: datetime

    @property
    def months(self) -> list[datetime]:
        return months_between(self.start, self.end)

    def __str__(self) -> str:
        return f"{self.series.timeframe} candles"


def measure(bench: Bench) -> list[Figure]:
    """Calls of the Parquet store in this process, on a store that nobody else uses.

    The candles are a random walk without gaps. Writes are durable (fsync of file and folder, one
    file a month). Reads find their files in the page cache, as the platform's do.
    """
    figures: list[Figure] = []
    start, times = datetime(2015, 1, 1, tzinfo=UTC), bench.pick(3, 1)
    for name, rows in (("1h", bench.pick(100_000, 5_000)), ("1m", bench.pick(1_000_000, 100_000))):
        case = _case(Series("BTC/USDT", Timeframe(name)), start, rows)
        with temporary_home() as home:
            figures += _bulk(case, home.folder, times)
            figures += _monthly(case, ParquetStore(home.folder), bench.pick(20, 3))
    with temporary_home() as home:
        figures.append(_newest(home.folder, bench.pick(20, 3)))
    return figures


def _bulk(case: Case, folder: Path, times: int) -> list[Figure]:
    """Write the whole series into an empty store, each time a new one, then read it back."""
    say(f"{len(case.candles)} {case}")
    writes, reads = [], []
    rows = len(case.candles)
    for _ in range(times):
        shutil.rmtree(folder / "candles", ignore_errors=True)
        store = ParquetStore(folder)
        window = case.start, case.end
        seconds, _ = timed(store.write_candles, case.series, case.candles, *window)
        writes.append(rows / seconds)
        seconds, _ = timed(store.read_candles, case.series, *window)
        reads.append(rows / seconds)
    size = f"{rows:,} candles, {len(case.months)} months"
    return [
        Figure.median(f"write {case}", writes, "rows/s", f"one `write_candles` of {size}"),
        Figure.median(f"read {case}", reads, "rows/s", f"one `read_candles` of the same {size}"),
    ]


def _monthly(case: Case, store: ParquetStore, times: int) -> list[Figure]:
    """Write single months as the platform does: one that is stored already, and one candle."""
    series, unchanged, added = case.series, [], []
    for month in case.months[:-1][-times:]:
        until = next_month(month)
        candles = between(case.candles, month, until)
        newest = candles.tail(1)
        unchanged.append(1000 * timed(store.write_candles, series, candles, month, until)[0])
        store.delete_candles(series, newest["timestamp"].iloc[0].to_pydatetime(), until)
        added.append(1000 * timed(store.merge_candles, series, newest, month, until)[0])
    rows = len(candles)
    return [
        Figure.median(
            f"re-write a month of {case}",
            unchanged,
            "ms",
            f"`write_candles` of about {rows:,} candles that are stored already: nothing changes",
        ),
        Figure.median(
            f"add one of the {case}",
            added,
            "ms",
            f"`merge_candles` of the newest candle into a month of about {rows:,}",
        ),
    ]


def _newest(folder: Path, times: int) -> Figure:
    say(f"newest candles of {_SERIES} series")
    start = datetime(2017, 8, 1, tzinfo=UTC)
    symbols = [f"C{number:02d}/USDT" for number in range(_SERIES)]
    series_list = [Series(symbol, Timeframe("1d")) for symbol in symbols]
    store = ParquetStore(folder)
    end = Timeframe("1M").shift(start, _MONTHS)
    case = _case(series_list[0], start, (end - start).days)
    store.write_candles(case.series, case.candles, start, end)
    first = folder / "candles" / f"symbol={safe_name(symbols[0])}"
    for symbol in symbols[1:]:
        shutil.copytree(first, first.with_name(f"symbol={safe_name(symbol)}"))
    store.newest_candles(series_list)
    return Figure.median(
        "newest candle of every series",
        [1000 * timed(store.newest_candles, series_list)[0] for _ in range(times)],
        "ms",
        f"one `newest_candles` of {_SERIES} series with {len(case.months)} months each",
    )


def _case(series: Series, start: datetime, rows: int) -> Case:
    opens = series.timeframe.opens(start, series.timeframe.shift(start, rows))
    generator = np.random.default_rng(7)
    close = 1000.0 * np.exp(np.cumsum(generator.normal(0.0, 1e-3, rows)))
    opened = np.concatenate([[1000.0], close[:-1]])
    spread = 1.0 + generator.exponential(1e-3, (2, rows))
    candles = pd.DataFrame(
        {
            "timestamp": opens,
            "open": opened,
            "high": np.maximum(opened, close) * spread[0],
            "low": np.minimum(opened, close) / spread[1],
            "close": close,
            "volume": generator.exponential(100.0, rows),
        }
    )
    return Case(series, candles, start, next_month(month_start(opens[-1].to_pydatetime())))
