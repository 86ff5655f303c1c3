"""Benchmark ``ingest``: candles from an exchange and from bulk archives into the store."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.exchange_server import SERVED, pointed_at, running_exchange
from benchmarks.harness import REAL_CANDLES, Bench, BenchmarkFailed, Figure, say, temporary_home
from benchmarks.harness import timed as timed_call
from benchmarks.symbols import measure_symbols
from coin_assets.domain.candles.frame import VALUES, between
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe, as_micros, month_start, next_month
from coin_assets.market.archive import ArchiveMarket
from coin_assets.market.ccxt import CcxtMarket
from coin_assets.pipeline.fetch import fetch_candles
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.store.parquet import ParquetStore

_HOUR, _MINUTE = Series(SERVED, Timeframe("1h")), Series(SERVED, Timeframe("1m"))
_NOW = datetime(2025, 7, 1, tzinfo=UTC)
_PAGE = 1000
_DELAYS = (0.2, 0.1, 0.0)  # seconds that an answer takes besides making and reading it


def measure(bench: Bench) -> list[Figure]:
    """Fetches of real candles: from a fake exchange by REST, and from Binance Vision zips.

    The fake exchange runs in a process of its own on loopback and is used by the real ccxt client.
    The bare loop does the same requests with the same client and keeps the rows in a list. Zips are
    made from real candles (1h as they are; one year of 1m from two real weeks, repeated); a file
    is read, checked against its checksum, parsed, validated, stored durably and accounted for in
    the gap ledger.
    """
    if not REAL_CANDLES.is_dir():
        raise BenchmarkFailed(f"needs real candles in {REAL_CANDLES}")
    figures = _paging(bench)
    years = bench.pick(5, 1)
    hours = pd.read_parquet(REAL_CANDLES / "BTC_USDT_1h.parquet")
    hours = between(hours, _NOW.replace(year=_NOW.year - years), _NOW)
    figures.append(_vision(_HOUR, hours, bench.pick(3, 1), f"{years} years of 1h"))
    minutes = _year_of_minutes(bench.pick(12, 2))
    figures.append(_vision(_MINUTE, minutes, bench.pick(3, 1), "one year of 1m"))
    return figures + measure_symbols(REAL_CANDLES, bench.pick(50, 5), _DELAYS[0])


def _paging(bench: Bench) -> list[Figure]:
    pages, figures = bench.pick(60, 5), []
    start = month_start(_HOUR.timeframe.shift(_NOW, -pages * _PAGE))
    count = _HOUR.timeframe.count(start, _NOW)
    for delay in _DELAYS:
        words = f"answers after {1000 * delay:.0f} ms" if delay else "answers at once"
        say(f"{count:,} candles by REST, {words}")
        bare, ours, overheads = [], [], []
        with running_exchange(REAL_CANDLES, _NOW, [SERVED], delay) as url:
            for _ in range(bench.pick(3, 1)):
                seconds = timed_call(_bare_loop, pointed_at(url), start)[0]
                with temporary_home() as home:
                    taken = timed_call(_fetch_all, pointed_at(url), home.folder, start)[0]
                bare.append(count / seconds)
                ours.append(count / taken)
                overheads.append(100 * (taken / seconds - 1))
        how = f"{count:,} 1h candles, {_PAGE} a page, ccxt's rate limiter on"
        figures += [
            Figure.median(f"REST paging, bare ccxt loop, {words}", bare, "candles/s", how),
            Figure.median(f"REST paging, stored, {words}", ours, "candles/s", how),
            Figure.median(
                f"REST overhead, {words}",
                overheads,
                "%",
                "time of the fetch beyond that of the bare loop: validated, compared with what is "
                "stored, accounted for, stored durably page by page",
            ),
        ]
    return figures


def _bare_loop(configure: Callable[[Any], None], start: datetime) -> int:
    import ccxt

    client = ccxt.binance(
        {
            "enableRateLimit": True,
            "options": {
                "defaultType": "spot",
                "fetchMarkets": {"types": ["spot"]},
                "fetchCurrencies": False,
            },
        }
    )
    configure(client)
    client.load_markets()
    for timeframe in ("1d", "1h"):  # the fetch looks for the first candle of the market
        client.fetch_ohlcv(SERVED, timeframe, since=0, limit=_PAGE)
    rows: list[Any] = []
    since, end = int(start.timestamp() * 1000), int(_NOW.timestamp() * 1000)
    while since < end:
        page = client.fetch_ohlcv(SERVED, "1h", since=since, limit=_PAGE)
        if not page:
            break
        rows += page
        since = page[-1][0] + 3_600_000
    return len(rows)


def _fetch_all(configure: Callable[[Any], None], folder: Path, start: datetime) -> None:
    market = CcxtMarket("binance", configure)
    request = FetchRequest(_HOUR, start, _NOW, start, _NOW, 3)
    fetch_candles(ParquetStore(folder), market, request, lambda: _NOW)
    market.close()


def _vision(series: Series, candles: pd.DataFrame, times: int, words: str) -> Figure:
    say(f"{len(candles):,} {series.timeframe} candles from zips")
    start = month_start(candles["timestamp"].iloc[0].to_pydatetime())
    end = next_month(candles["timestamp"].iloc[-1].to_pydatetime())
    rates = []
    with temporary_home() as home:
        _write_zips(home.folder / "archive", series, candles)
        for number in range(times):
            store = ParquetStore(home.folder / f"store{number}")
            market = ArchiveMarket(home.folder / "archive")
            request = FetchRequest(series, start, end, start, end, 0)
            seconds = timed_call(fetch_candles, store, market, request, lambda: end)[0]
            stored = store.count_candles(series, start, end)
            if stored != len(candles):
                raise BenchmarkFailed(f"{stored} of {len(candles)} candles were stored")
            rates.append(len(candles) / seconds)
    how = f"{len(candles):,} rows in monthly zips of a folder: checksum, parse, validate, store"
    return Figure.median(f"Vision import, {words}", rates, "rows/s", how)


def _year_of_minutes(months: int) -> pd.DataFrame:
    """Real minutes, repeated one block after the other."""
    real = pd.read_parquet(REAL_CANDLES / "BTC_USDT_1m.parquet")
    end = datetime(2025, 1, 1, tzinfo=UTC)
    opens = Timeframe("1m").opens(Timeframe("1M").shift(end, -months), end)
    rows = np.arange(len(opens)) % len(real)
    repeated = real[VALUES].iloc[rows].reset_index(drop=True)
    repeated.insert(0, "timestamp", opens)
    return repeated


def _write_zips(folder: Path, series: Series, candles: pd.DataFrame) -> None:
    name = series.symbol.replace("/", "")
    place = folder / "data" / "spot" / "monthly" / "klines" / name / series.timeframe.name
    place.mkdir(parents=True)
    closes = as_micros(series.timeframe.close_all(candles["timestamp"])) // 1000 - 1
    rows = pd.DataFrame({"open_time": as_micros(candles["timestamp"]) // 1000})
    rows[VALUES] = candles[VALUES].to_numpy()
    rows["close_time"] = closes
    rows[["quote", "count", "taker", "taker_quote", "ignore"]] = [1234567.89, 1000, 12.5, 1e6, 0]
    months = candles["timestamp"].dt.strftime("%Y-%m").to_numpy()
    for month in np.unique(months):
        stem = f"{name}-{series.timeframe}-{month}"
        text = rows[months == month].to_csv(index=False, header=False, float_format="%.8f")
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{stem}.csv", text)
        (place / f"{stem}.zip").write_bytes(buffer.getvalue())
        digest = hashlib.sha256(buffer.getvalue()).hexdigest()
        (place / f"{stem}.zip.CHECKSUM").write_text(f"{digest}  {stem}.zip\n")
