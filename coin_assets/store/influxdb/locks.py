"""Locks of the writers of a bucket: a series of a measurement has one at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coin_assets.domain.series import Series
from coin_assets.files.locks import locked
from coin_assets.store.faults import typed_errors
from coin_assets.store.influxdb.measurements import Measurement


@contextmanager
def series_locked(locks: Path, measurement: Measurement, series: Series) -> Iterator[None]:
    """Hold the lock of a series, which lies in a folder of its own below ``locks``.

    Raises:
        MachineFault: the folder cannot be used.
    """
    name = f"symbol={series.symbol_name}/timeframe={series.timeframe.name}"
    folder = locks / measurement.name / name
    with typed_errors(folder), locked(folder):
        yield
