"""Parquet files of the archive: their columns, their bytes, and what they hold.

Equal rows give equal bytes: rows are sorted, options are fixed, and no time of writing is in them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coin_assets.domain.forecasting.frame import QUANTILE_COLUMNS, QUANTILES, STEPS, Floats
from coin_assets.domain.publishing.archive import CANDLES, FORECASTS, PATHS, ArchivePlace
from coin_assets.domain.series import Series
from coin_assets.store import parquet, tabular
from coin_assets.store.labels import MonthFile
from coin_assets.store.month_files import MonthFiles

# Column of each kind that determines the month of a row.
TIME = {CANDLES: "timestamp", FORECASTS: "origin_time", PATHS: "origin_time"}
QUANTILE, SAMPLE = "quantile", "sample"
_CANDLE_FILES = MonthFiles(parquet.CANDLES, tabular.CANDLES.time)
_INSTANT = pa.timestamp("us", tz="UTC")
_OF_FORECAST = ["origin_time", "role", "model_id", "kind"]
_ROWS_A_GROUP = 2**17
# Errors of pyarrow on damaged content.
DAMAGE = (pa.ArrowException, ArithmeticError, LookupError, OSError, TypeError, ValueError)


@dataclass(frozen=True, eq=False)
class Forecasts:
    """Forecasts of a series, one an origin and role, by origin, then by role.

    Attributes:
        heads: columns ``origin_time``, ``role``, ``model_id`` and ``kind``.
        quantiles: prices, shape (n, `STEPS`, quantiles).
    """

    series: Series
    heads: pd.DataFrame
    quantiles: Floats

    @classmethod
    def of_stored(cls, series: Series, rows: pd.DataFrame) -> "Forecasts":
        """From rows of the store."""
        ordered = rows.sort_values(["as_of", "role", "step"], ignore_index=True)
        heads = ordered.iloc[::STEPS].rename(
            columns={"as_of": "origin_time", "model_version": "model_id"}
        )
        return cls._of(series, heads, ordered[QUANTILE_COLUMNS].to_numpy())

    @classmethod
    def of_archived(cls, series: Series, tables: Iterable[pa.Table]) -> "Forecasts":
        """From tables of archived files, oldest first."""
        table = pa.concat_tables(tables)
        heads = table.select(_OF_FORECAST).take(
            pa.array(np.arange(0, len(table), STEPS * len(QUANTILES)))
        )
        return cls._of(series, heads.to_pandas(), table["value"].to_numpy())

    @classmethod
    def _of(cls, series: Series, heads: pd.DataFrame, values: Floats) -> "Forecasts":
        shape = (-1, STEPS, len(QUANTILES))
        return cls(series, heads[_OF_FORECAST].reset_index(drop=True), values.reshape(shape))

    def at(self, rows: Any) -> "Forecasts":
        """Some of the forecasts, by a mask or a slice."""
        return Forecasts(self.series, self.heads[rows], self.quantiles[rows])

    def quantile_table(self) -> pa.Table:
        """One row a forecast, step and quantile."""
        return self._table(QUANTILE, np.asarray(QUANTILES), self.quantiles)

    def path_table(self, paths: Floats) -> pa.Table:
        """One row a forecast, step and path.

        Args:
            paths: prices, shape (n, count, `STEPS`).
        """
        numbers = np.arange(paths.shape[1], dtype=np.int32)
        return self._table(SAMPLE, numbers, paths.swapaxes(1, 2))

    def _table(self, output: str, ids: npt.NDArray[Any], values: Floats) -> pa.Table:
        """The table of ``values``, shape (n, `STEPS`, ids)."""
        timeframe, origins = self.series.timeframe, self.heads["origin_time"]
        steps = np.tile(np.arange(1, STEPS + 1), len(origins))
        targets = timeframe.shift_all(origins.repeat(STEPS), steps)
        size, every = values.size, STEPS * len(ids)
        texts = {name: self.heads[name] for name in ("model_id", "role", "kind")}
        columns = {
            "symbol": _same(self.series.symbol, size),
            "timeframe": _same(timeframe.name, size),
            "origin_time": pa.array(origins.repeat(every), _INSTANT),
            "target_time": pa.array(targets.repeat(len(ids)), _INSTANT),
            "horizon": steps.astype(np.int32).repeat(len(ids)),
            **{name: _repeated(column, every) for name, column in texts.items()},
            "output_type": _same(output, size),
            "output_type_id": np.tile(ids, values.size // len(ids)),
            "value": np.ascontiguousarray(values).ravel(),
        }
        return pa.table(columns)


def candle_table(rows: pd.DataFrame) -> pa.Table:
    """Candles of the store, with its columns."""
    return _CANDLE_FILES.table_of(rows)


def content_of(place: ArchivePlace, tables: Iterable[pa.Table]) -> bytes:
    """Content of a file; that of candles is the store's."""
    if place.kind == CANDLES:
        file = MonthFile("", tabular.CANDLES, place.series, place.month)
        return _CANDLE_FILES.encoded(file, pa.concat_tables(tables))
    sink, writer = pa.BufferOutputStream(), None
    for table in tables:
        schema = pa.schema([field.with_type(_plain(field.type)) for field in table.schema])
        if writer is None:
            writer = pq.ParquetWriter(
                sink,
                schema,
                compression="zstd",
                use_dictionary=[name for name in schema.names if name != "value"],
                write_page_checksum=True,
            )
        for first in range(0, len(table), _ROWS_A_GROUP):
            writer.write_table(table.slice(first, _ROWS_A_GROUP).cast(schema))
    if writer is None:
        raise ValueError(f"{place.name} has no rows")
    writer.close()
    content: bytes = sink.getvalue().to_pybytes()
    return content


def table_of(content: bytes) -> pa.Table:
    """Rows of a file; raises one of `DAMAGE`."""
    table = pq.read_table(BytesIO(content), partitioning=None, page_checksum_verification=True)
    return table.replace_schema_metadata(None)


def times_of(content: bytes, kind: str) -> pa.Table:
    """The column of a file that determines the month of its rows."""
    return pq.read_table(BytesIO(content), columns=[TIME[kind]], partitioning=None)


def before(table: pa.Table, kind: str, time: pd.Timestamp) -> pa.Table:
    """The rows of before ``time``."""
    column = table[TIME[kind]]
    return table.filter(pc.less(column, pa.scalar(time.to_pydatetime(), column.type)))


def newest_of(table: pa.Table, kind: str) -> pd.Timestamp:
    """Newest time among the rows of a file; there is at least one."""
    return pd.Timestamp(pc.max(table[TIME[kind]]).as_py())


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type of the values of a dictionary, which saves memory and is no type of a file."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _same(text: str, count: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(count, dtype=np.int8)), pa.array([text])
    )


def _repeated(column: "pd.Series[str]", every: int) -> pa.Array:
    codes, texts = pd.factorize(column)
    indices = pa.array(codes.astype(np.int32).repeat(every))
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(texts), pa.string()))
