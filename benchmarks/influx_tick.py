"""What one tick of the planner reads, on an InfluxDB store."""

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from benchmarks.harness import Bench, Figure, say, timed
from coin_assets.domain.forecasting.frame import LIVE, QUANTILES, STEPS, forecast_frame
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.store.base import Store

_SYMBOLS = ("BTC/USDT", "ETH/USDT", "XRP/USDT", "SOL/USDT", "DOGE/USDT")
_TIMEFRAMES = ("1h", "4h", "1d", "1w", "1M")
_END = datetime(2026, 1, 1, tzinfo=UTC)
_ORIGINS = 24


def measure_tick(store: Store, name: str, bench: Bench) -> list[Figure]:
    """Figures of the reads of one tick.

    Args:
        store: empty; what is read is stored first.
        name: what to call its server.
    """
    years = bench.pick(2, 1)
    series_list = [
        Series(symbol, Timeframe(timeframe))
        for symbol in bench.pick(_SYMBOLS, _SYMBOLS[:1])
        for timeframe in _TIMEFRAMES
    ]
    say(f"one tick of {len(series_list)} series on {name}")
    for series in series_list:
        _fill(store, series, _END.replace(year=_END.year - years))
    reads: dict[str, Callable[[], object]] = {
        "newest candles": lambda: store.newest_candles(series_list),
        "newest forecasts": lambda: store.newest_forecasts(series_list),
        "fetched months": lambda: [store.fetched_months(series) for series in series_list],
        "gap ledgers": lambda: [store.read_ledger(series) for series in series_list],
    }
    taken = [
        {read: 1000 * timed(function)[0] for read, function in reads.items()}
        for _ in range(bench.pick(7, 2))
    ]
    size = f"{len(series_list)} series with {years} years of candles and {_ORIGINS} origins each"
    hows = dict.fromkeys(reads, "one query a series") | dict.fromkeys(
        ("newest candles", "newest forecasts"), "one query for all series"
    )
    return [
        Figure.median(
            f"one tick on {name}",
            [sum(each.values()) for each in taken],
            "ms",
            f"all reads; {size}",
        ),
        *(
            Figure.median(f"one tick on {name}: {read}", [each[read] for each in taken], "ms", how)
            for read, how in hows.items()
        ),
    ]


def sandbox_candles(series: Series, start: datetime, end: datetime) -> pd.DataFrame:
    """All candles that open in ``[start, end)``."""
    pages = SandboxMarket().pages(series, start, end, end)
    return pd.concat([page.candles for page in pages], ignore_index=True)


def _fill(store: Store, series: Series, start: datetime) -> None:
    candles = sandbox_candles(series, start, _END)
    store.write_candles(series, candles, start, _END)
    store.update_ledger(series, lambda ledger: ledger.listed_at(start))
    origins = pd.DatetimeIndex(candles["timestamp"].tail(min(_ORIGINS, len(candles))))
    spread = np.linspace(0.9, 1.1, len(QUANTILES))
    closes = candles["close"].tail(len(origins)).to_numpy()
    quantiles = closes[:, None, None] * np.ones((1, STEPS, 1)) * spread
    store.add_forecasts(series, forecast_frame(origins, quantiles, "1", [LIVE] * len(origins)))
