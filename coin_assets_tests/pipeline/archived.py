"""An archive of one series beside its store, as tests make it."""

import hashlib
import json
import os
import signal
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import pyarrow.parquet as pq

from coin_assets.domain.forecasting.frame import QUANTILE_COLUMNS, QUANTILES
from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.series import Series
from coin_assets.domain.series_policy import SeriesPolicy
from coin_assets.pipeline.publish_archive import SeriesArchive
from coin_assets.publish.archive import ArchiveFolder, write_index
from coin_assets.store.base import Store
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.pipeline.series_sandbox import ALWAYS, START
from coin_assets_tests.platform import series, utc

LIMITS = FreshnessLimits(timedelta(hours=2), timedelta(hours=3))
COLUMNS = [
    "symbol",
    "timeframe",
    "origin_time",
    "target_time",
    "horizon",
    "model_id",
    "role",
    "kind",
    "output_type",
    "output_type_id",
    "value",
]


def policy_of(own: Series, retention: timedelta | None = None) -> SeriesPolicy:
    return SeriesPolicy(own, own, START, LIMITS, None, 3, retention, retention)


def archive(
    store: Store,
    own: Series,
    folder: Path,
    now: datetime,
    *,
    paths: int = 0,
    retention: timedelta | None = None,
    verify: bool = False,
) -> int:
    """Archive a series as one run does; returns the number of files written."""
    files = ArchiveFolder(folder, [own], verify=verify)
    written = SeriesArchive(store, files, policy_of(own, retention), paths, now).update()
    files.commit(now, lambda content: write_index(folder, content))
    return written


def archive_until(home: Path, now: str, paths: int, number: int) -> None:
    """Archive hours, and be killed as the ``number``-th file or folder is synced."""
    sync, left = os.fsync, [number]

    def fatal(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(descriptor)

    with patch("os.fsync", fatal):
        archive(ParquetStore(home), series("1h"), home / "published", utc(now), paths=paths)


def listed(folder: Path) -> list[dict[str, Any]]:
    """Files of the list, each of which is as listed."""
    index = json.loads((folder / "archive/index.json").read_bytes())
    for file in index["files"]:
        content = (folder / file["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        assert len(content) == file["bytes"]
        assert pq.ParquetFile(folder / file["file"]).metadata.num_rows == file["rows"]
    files: list[dict[str, Any]] = index["files"]
    return files


def rows_of(folder: Path, kind: str) -> pd.DataFrame:
    """All rows of one kind, file by file in the order of the list."""
    found = [
        pd.read_parquet(folder / file["file"], partitioning=None)
        for file in listed(folder)
        if file["kind"] == kind
    ]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def stored_as_archived(store: Store, own: Series) -> pd.DataFrame:
    """The stored forecasts of hours in the columns of the archive, by pandas alone."""
    rows = store.read_forecasts(own, *ALWAYS)
    names = dict(zip(QUANTILE_COLUMNS, QUANTILES, strict=True))
    long = rows.rename(columns=names).melt(
        id_vars=["as_of", "role", "step", "model_version", "kind"],
        value_vars=list(QUANTILES),
        var_name="output_type_id",
    )
    long = long.rename(
        columns={"as_of": "origin_time", "step": "horizon", "model_version": "model_id"}
    ).assign(
        symbol=own.symbol,
        timeframe=own.timeframe.name,
        target_time=long["as_of"] + long["step"] * pd.Timedelta("1h"),
        output_type="quantile",
        output_type_id=long["output_type_id"].astype(float),
        horizon=long["step"].astype("int32"),
    )
    order = ["origin_time", "role", "horizon", "output_type_id"]
    return long[COLUMNS].sort_values(order, ignore_index=True)
