"""A finished market: candle files in a folder, one a symbol and timeframe.

Files are called ``BTC_USDT_1h.parquet`` or ``BTC_USDT_1h.csv`` and hold the columns of the candle
frame. A file is accepted or refused as a whole.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pandas as pd

from coin_assets.domain.candles import between, closed_by, validated
from coin_assets.domain.keys import Key
from coin_assets.domain.timeframes import EPOCH
from coin_assets.errors import InvalidCandles, SymbolUnavailable
from coin_assets.market.base import Estimate, Page


class ArchiveMarket:
    """`Market` over the files of ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, tuple[int, pd.DataFrame]] = {}

    def pages(self, key: Key, start: datetime, end: datetime, now: datetime) -> Iterator[Page]:
        """One page: everything the file has in the range."""
        stop = min(end, key.timeframe.floor(now))
        if start < stop:
            yield Page(between(self._candles(key), start, stop), start, stop)

    def listed(self, key: Key, now: datetime) -> datetime | None:
        """Open of the file's first candle."""
        candles = closed_by(self._candles(key), key.timeframe, now)
        return None if candles.empty else candles["timestamp"].iloc[0].to_pydatetime()

    def estimate(self, key: Key, start: datetime, end: datetime) -> Estimate:  # noqa: ARG002
        """One file."""
        return Estimate(1, 0.0)

    def horizon(self, key: Key, now: datetime) -> datetime:
        """Close of the last candle in the file: this market has ended."""
        candles = closed_by(self._candles(key), key.timeframe, now)
        if candles.empty:
            return min(now, EPOCH)  # before any candle, yet time arithmetic still works there
        return min(now, key.timeframe.close_of(candles["timestamp"].iloc[-1].to_pydatetime()))

    def close(self) -> None:
        self._read.clear()

    def _candles(self, key: Key) -> pd.DataFrame:
        path = self._file(key)
        changed = path.stat().st_mtime_ns
        known = self._read.get(path)
        if known is None or known[0] != changed:
            known = changed, validated(_read_file(path), key.timeframe, str(path))
            self._read[path] = known
        return known[1]

    def _file(self, key: Key) -> Path:
        stem = f"{key.symbol_name}_{key.timeframe}"
        candidates = [self._folder / f"{stem}.{suffix}" for suffix in ("parquet", "csv")]
        found = [path for path in candidates if path.is_file()]
        if len(found) == 1:
            return found[0]
        if found:
            raise SymbolUnavailable(
                f"Both {found[0]} and {found[1]} exist and could disagree. Remove one of them."
            )
        raise SymbolUnavailable(
            f"{candidates[0]} does not exist (nor {candidates[1].name}), so the archive has no "
            f"{key} candles. Add the file, or take {key.symbol} out of COIN_SYMBOLS."
        )


def _read_file(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        frame = pd.read_csv(path)
        if "timestamp" in frame and not pd.api.types.is_numeric_dtype(frame["timestamp"]):
            frame["timestamp"] = pd.to_datetime(frame["timestamp"], format="ISO8601")
    except (ValueError, OSError) as error:
        raise InvalidCandles(
            "unreadable",
            f"{path} cannot be read as candles ({error}). Expected is a Parquet file, or a CSV "
            "with a header row and ISO 8601 timestamps with their zone.",
        ) from error
    return frame
