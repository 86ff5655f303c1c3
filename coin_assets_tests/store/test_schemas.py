"""Columns of stored files: those of the documented schemas, as in files of earlier releases."""

import pyarrow as pa

from coin_assets.store.influxdb.measurements import FORECAST, OHLCV
from coin_assets.store.parquet import CANDLES, FORECASTS, REVISIONS

TIME, FLOAT = pa.timestamp("us", tz="UTC"), pa.float64()
VALUES = ("open", "high", "low", "close", "volume")
PRICES = ("price", "q05", "q10", "q25", "q50", "q75", "q90", "q95")


def test_the_columns_of_stored_files_stay_with_names_types_and_order() -> None:
    assert pa.schema([("timestamp", TIME), *((name, FLOAT) for name in VALUES)]) == CANDLES
    assert (
        pa.schema(
            [
                ("as_of", TIME),
                ("role", pa.string()),
                ("step", pa.int64()),
                *((name, FLOAT) for name in PRICES),
                ("model_version", pa.string()),
                ("kind", pa.string()),
            ]
        )
        == FORECASTS
    )
    assert (
        pa.schema(
            [
                ("timestamp", TIME),
                ("seen_at", TIME),
                *((f"{age}_{name}", FLOAT) for age in ("old", "new") for name in VALUES),
                ("redone_at", TIME),
            ]
        )
        == REVISIONS
    )


def test_a_bucket_has_the_columns_of_the_files() -> None:
    assert set(OHLCV.dtypes) == set(CANDLES.names)
    assert set(FORECAST.dtypes) == set(FORECASTS.names)
