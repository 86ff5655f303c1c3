"""The embedded store: Parquet files and ledgers below one folder."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa

from coin_assets.domain.candles import VALUES, merged, validated
from coin_assets.domain.forecasting import PRICE_COLUMNS, validated_forecasts
from coin_assets.domain.keys import Key
from coin_assets.domain.ledger import Ledger
from coin_assets.domain.revisions import REVISION_SCHEMA
from coin_assets.domain.timeframes import month_start, months_between
from coin_assets.errors import InvalidCandles
from coin_assets.store.base import Extent, Written
from coin_assets.store.ledgers import LedgerFiles
from coin_assets.store.monthly import MonthlyTable

_TIME = pa.timestamp("us", tz="UTC")
CANDLES = pa.schema([("timestamp", _TIME), *((name, pa.float64()) for name in VALUES)])
FORECASTS = pa.schema(
    [
        ("as_of", _TIME),
        ("role", pa.string()),
        ("step", pa.int64()),
        *((name, pa.float64()) for name in PRICE_COLUMNS),
        ("model_version", pa.string()),
        ("kind", pa.string()),
    ]
)
REVISIONS = pa.schema(
    [
        (name, _TIME if kind.startswith("timestamp") else pa.float64())
        for name, (kind, _) in REVISION_SCHEMA.items()
    ]
)


class ParquetStore:
    """`Store` in ``candles/``, ``forecasts/``, ``revisions/`` and ``ledger/`` of a home; safe for
    many processes."""

    def __init__(self, home: Path) -> None:
        self._candles = MonthlyTable(
            home / "candles", "candles", CANDLES, "timestamp", ("timestamp",), remembers_empty=True
        )
        self._forecasts = MonthlyTable(
            home / "forecasts",
            "forecasts",
            FORECASTS,
            "as_of",
            ("role", "as_of", "step"),
            remembers_empty=False,
        )
        self._revisions = MonthlyTable(
            home / "revisions",
            "revisions",
            REVISIONS,
            "timestamp",
            ("timestamp", "seen_at"),
            remembers_empty=False,
        )
        self._ledgers = LedgerFiles(home / "ledger")

    def read_candles(self, key: Key, start: datetime, end: datetime) -> pd.DataFrame:
        return self._candles.read(key, start, end)

    def write_candles(
        self, key: Key, candles: pd.DataFrame, start: datetime, end: datetime
    ) -> Written:
        rows = self._checked(key, candles, start, end)

        def replace(stored: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
            outside = (stored["timestamp"] < start) | (stored["timestamp"] >= end)
            return pd.concat([stored[outside], new], ignore_index=True)

        return Written(*self._candles.update(key, rows, months_between(start, end), replace))

    def merge_candles(
        self, key: Key, candles: pd.DataFrame, start: datetime, end: datetime
    ) -> Written:
        rows = self._checked(key, candles, start, end)
        return Written(*self._candles.update(key, rows, months_between(start, end), merged))

    def extent(self, key: Key) -> Extent | None:
        return self._candles.extent(key)

    def fetched_months(self, key: Key) -> list[datetime]:
        return self._candles.months(key)

    def newest_candles(self, keys: Iterable[Key]) -> dict[Key, datetime]:
        return self._candles.newest(keys)

    def count_candles(self, key: Key, start: datetime, end: datetime) -> int:
        return self._candles.count(key, start, end)

    def delete_candles(self, key: Key, start: datetime, end: datetime) -> int:
        return self._candles.delete(key, start, end)

    def read_forecasts(self, key: Key, start: datetime, end: datetime) -> pd.DataFrame:
        return self._forecasts.read(key, start, end)

    def add_forecasts(self, key: Key, forecasts: pd.DataFrame) -> Written:
        rows = validated_forecasts(forecasts, key.timeframe)
        months = sorted({month_start(origin) for origin in rows["as_of"].dt.to_pydatetime()})
        return Written(*self._forecasts.update(key, rows, months, _keep_stored_origins))

    def revise_forecasts(self, key: Key, forecasts: pd.DataFrame) -> Written:
        rows = validated_forecasts(forecasts, key.timeframe)
        months = sorted({month_start(origin) for origin in rows["as_of"].dt.to_pydatetime()})
        return Written(*self._forecasts.update(key, rows, months, _keep_new_origins))

    def delete_forecasts(self, key: Key, start: datetime, end: datetime) -> int:
        return self._forecasts.delete(key, start, end)

    def newest_forecasts(self, keys: Iterable[Key]) -> dict[Key, datetime]:
        return self._forecasts.newest(keys)

    def read_ledger(self, key: Key) -> Ledger:
        return self._ledgers.read(key)

    def update_ledger(self, key: Key, change: Callable[[Ledger], Ledger]) -> Ledger:
        return self._ledgers.update(key, change)

    def read_revisions(self, key: Key, start: datetime, end: datetime) -> pd.DataFrame:
        return self._revisions.read(key, start, end)

    def record_revisions(self, key: Key, revisions: pd.DataFrame) -> Written:
        months = sorted({month_start(opened) for opened in revisions["timestamp"]})
        return Written(*self._revisions.update(key, revisions, months, _newer_record))

    def delete_revisions(self, key: Key, start: datetime, end: datetime) -> int:
        return self._revisions.delete(key, start, end)

    def close(self) -> None:
        """Nothing is held open."""

    def _checked(
        self, key: Key, candles: pd.DataFrame, start: datetime, end: datetime
    ) -> pd.DataFrame:
        rows = validated(candles, key.timeframe, f"{key} candles offered to the store")
        _require_inside(rows["timestamp"], key, start, end)
        return rows


def _keep_stored_origins(stored: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    if len(stored) and len(new) and stored["as_of"].max() < new["as_of"].min():
        return pd.concat([stored, new], ignore_index=True)  # the usual case, in a tenth of the time
    known = pd.MultiIndex.from_frame(stored[["role", "as_of"]])
    added = ~pd.MultiIndex.from_frame(new[["role", "as_of"]]).isin(known)
    return pd.concat([stored, new[added]], ignore_index=True)


def _keep_new_origins(stored: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    return _keep_stored_origins(new, stored)


def _newer_record(stored: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    both = pd.concat([stored, new], ignore_index=True)
    return both.drop_duplicates(["timestamp", "seen_at"], keep="last")


def _require_inside(
    times: "pd.Series[pd.Timestamp]", key: Key, start: datetime, end: datetime
) -> None:
    outside = times[(times < start) | (times >= end)]
    if len(outside):
        raise InvalidCandles(
            "outside_window",
            f"{key}: {len(outside)} candles lie outside the window "
            f"[{start.astimezone(UTC):%Y-%m-%d %H:%M}, {end.astimezone(UTC):%Y-%m-%d %H:%M}).",
            tuple(str(time) for time in outside.head(3)),
        )
