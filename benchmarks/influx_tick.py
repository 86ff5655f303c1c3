"""What one tick of the planner reads, on an InfluxDB store."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.harness import Bench, Figure, say, timed
from benchmarks.influx_servers import Traffic, metered
from coin_assets.domain.forecasting.frame import LIVE, QUANTILES, STEPS, forecast_frame
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.store.base import Store
from coin_assets.store.influxdb.connection import Connection
from coin_assets.store.influxdb.store import InfluxStore

_TIMEFRAMES = ("1h", "4h", "1d", "1w", "1M")
_END = datetime(2026, 1, 1, tzinfo=UTC)
_YEARS, _DAYS, _ORIGINS = 2, 40, 2


def measure_tick(bucket: Connection, name: str, folder: Path, bench: Bench) -> list[Figure]:
    """Figures of the reads of one tick, by number of series.

    Args:
        bucket: empty; what is read is stored first.
        name: what to call its server.
    """
    figures, series_list = [], list[Series]()
    with opened(bucket, folder) as store, metered(bucket) as (relay, traffic):
        for count in bench.pick((5, 25, 250), (5, 25)):
            say(f"one tick of {count} series on {name}")
            new = _series_list(len(series_list), count)
            for series in new:
                _fill(store, series)
            series_list += new
            with opened(relay, folder) as counted:
                counted.newest_candles(series_list)  # asks for the market once
                figures += _tick_figures(store, counted, traffic, series_list, name, bench)
    return figures


@contextmanager
def opened(bucket: Connection, folder: Path) -> Iterator[InfluxStore]:
    """The store in a bucket."""
    store = InfluxStore(bucket, "sandbox", folder / "locks")
    try:
        yield store
    finally:
        store.close()


def traffic_figures(name: str, found: Mapping[str, Traffic], how: str) -> list[Figure]:
    """Requests and bytes of each way of asking."""
    return [
        figure
        for way, each in found.items()
        for figure in (
            Figure(f"{name}, {way}: requests", each.requests, "requests", how),
            Figure(f"{name}, {way}: sent", each.asked, "bytes", f"{how}; bodies"),
            Figure(f"{name}, {way}: received", each.answered, "bytes", f"{how}; bodies as sent"),
        )
    ]


def sandbox_candles(series: Series, start: datetime, end: datetime) -> pd.DataFrame:
    """All candles that open in ``[start, end)``."""
    pages = SandboxMarket().pages(series, start, end, end)
    return pd.concat([page.candles for page in pages], ignore_index=True)


def _tick_figures(
    store: Store,
    counted: Store,
    traffic: Traffic,
    series_list: list[Series],
    name: str,
    bench: Bench,
) -> list[Figure]:
    title = f"one tick of {len(series_list)} series on {name}"
    how = f"{_YEARS} years of months, {_DAYS} days of candles and {_ORIGINS} origins each"
    turns = bench.pick(5, 2)
    times = [1000 * timed(_ask, store.snapshot(series_list), series_list)[0] for _ in range(turns)]
    ways = {
        "asked for all at once": traffic.of(
            lambda: _ask(counted.snapshot(series_list), series_list)
        ),
        "asked one by one": traffic.of(lambda: _ask(counted, series_list)),
    }
    one_by_one = [1000 * timed(_ask, store, series_list)[0] for _ in range(bench.pick(2, 1))]
    return [
        Figure.median(f"{title}, asked for all at once", times, "ms", how),
        Figure.median(f"{title}, asked one by one", one_by_one, "ms", how),
        *traffic_figures(title, ways, how),
    ]


def _ask(store: Store, series_list: Iterable[Series]) -> None:
    """What a tick asks when nothing is due."""
    newest = store.newest_candles(series_list)
    store.newest_forecasts(series_list)
    for series in series_list:
        store.fetched_months(series)
        listed = store.read_ledger(series).listed
        if listed is not None:
            store.count_candles(series, listed, series.timeframe.close_of(newest[series]))


def _series_list(known: int, count: int) -> list[Series]:
    """Series that make ``known`` into ``count``."""
    return [
        Series(f"S{number // len(_TIMEFRAMES)}/USDT", Timeframe(_TIMEFRAMES[number % 5]))
        for number in range(known, count)
    ]


def _fill(store: Store, series: Series) -> None:
    """Few candles, so that it is quick, but all months."""
    first = series.timeframe.ceil(_END - timedelta(days=_DAYS))
    candles = sandbox_candles(series, first, _END)
    store.write_candles(series, candles, _END.replace(year=_END.year - _YEARS), _END)
    if series.timeframe.name == "1h":  # only fetched series have a ledger
        store.update_ledger(series, lambda ledger: ledger.listed_at(first))
    origins = pd.DatetimeIndex(candles["timestamp"].tail(_ORIGINS))
    spread = np.linspace(0.9, 1.1, len(QUANTILES))
    closes = candles["close"].tail(len(origins)).to_numpy()
    quantiles = closes[:, None, None] * np.ones((1, STEPS, 1)) * spread
    store.add_forecasts(series, forecast_frame(origins, quantiles, "1", [LIVE] * len(origins)))
