"""A published folder as of any time: documents of the platform, and what follows them by hand.

Histories, predictions and the manifest are the platform's own documents. ``object``, evaluation and
archive follow ``docs/contract/README.md``: columns, paths and index as it describes them.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from coin_assets.client import Published, open_published
from coin_assets.domain.forecasting.frame import LIVE, QUANTILE_COLUMNS, QUANTILES, forecast_frame
from coin_assets.domain.json_format import Document, parse_time, time_text
from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.publishing.documents import file_name, history_document, prediction_document
from coin_assets.domain.publishing.manifest import manifest_document
from coin_assets.domain.publishing.manifest_entries import PUBLIC, ManifestEntry
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.publish.json_files import json_bytes, published_file

H4, D1 = Timeframe.parse("4h"), Timeframe.parse("1d")
BTC, BTC_DAILY, ETH, YOUNG = (
    Series("BTC/USDT", H4),
    Series("BTC/USDT", D1),
    Series("ETH/USDT", H4),
    Series("NEW/USDT", H4),
)
_LENGTHS = {each.name: timedelta(seconds=each.seconds) for each in (H4, D1)}
LIMITS = {
    name: FreshnessLimits(length + timedelta(minutes=10), 2 * length)
    for name, length in _LENGTHS.items()
}
NOW = datetime(2026, 11, 20, 12, 1, tzinfo=UTC)
NAME = ("BTC/USDT", "4h")  # of a series that is fresh then
AS_OF = H4.floor(NOW)
ARCHIVED = 60  # origins of each series, a candle apart: more than one month of 1d
PATHS = 3


def publish(folder: Path, now: datetime, objects: bool = True) -> Document:
    """Publish two series of BTC, one of ETH and one that is too young; returns the manifest.

    Args:
        objects: whether it has what a release before ``object`` lacks.
    """
    folder.mkdir(exist_ok=True)
    facts = [_published(folder, series, now) for series in (BTC, BTC_DAILY, ETH)]
    young = _published(folder, YOUNG, now, forecast=False)
    facts.append(young)
    manifest = manifest_document(facts, LIMITS, now)
    if objects:
        for entry in manifest["public"]["entries"]:
            for kind in ("history", "prediction"):
                if entry[kind]:
                    add_object(folder, entry[kind])
            entry["evaluation"] = _evaluation(folder, entry) if entry["prediction"] else None
        manifest["archive"] = _archive(folder, now)
    write_manifest(folder, manifest)
    return manifest


def write_manifest(folder: Path, manifest: Document) -> None:
    (folder / "manifest.json").write_bytes(json_bytes(manifest))


def add_object(folder: Path, reference: Document) -> None:
    """Name the file by its hash as well."""
    reference["object"] = f"objects/{reference['sha256']}.json"
    target = folder / reference["object"]
    target.parent.mkdir(exist_ok=True)
    target.write_bytes((folder / reference["file"]).read_bytes())


def candles(series: Series, as_of: datetime, count: int = 60) -> pd.DataFrame:
    """The last candles closed by ``as_of``: a random walk, the same for the same times."""
    opens = [series.timeframe.shift(as_of, -number) for number in range(count, 0, -1)]
    seed = int(opens[0].timestamp()) + len(series.symbol)
    close = 100 * np.exp(np.random.default_rng(seed).normal(0, 0.01, count).cumsum())
    opened = np.concatenate([[100.0], close[:-1]])
    return pd.DataFrame(
        {
            "timestamp": pd.Series(opens, dtype="datetime64[us, UTC]"),
            "open": opened,
            "high": np.maximum(opened, close) * 1.001,
            "low": np.minimum(opened, close) * 0.999,
            "close": close,
            "volume": 5.0,
        }
    )


def forecasts(history: pd.DataFrame, series: Series, origins: int) -> pd.DataFrame:
    """Forecasts of the newest origins of ``history``: its close, with a spread that grows."""
    newest = history.tail(origins)
    times = pd.DatetimeIndex([series.timeframe.close_of(each) for each in newest["timestamp"]])
    spread = np.asarray([-1.64, -1.28, -0.67, 0.0, 0.67, 1.28, 1.64])
    growth = 0.01 * np.sqrt(np.arange(1, 25))[:, None] * spread
    quantiles = newest["close"].to_numpy()[:, None, None] * np.exp(growth)
    return forecast_frame(times, quantiles, "3", [LIVE] * len(times))


def _published(folder: Path, series: Series, now: datetime, forecast: bool = True) -> ManifestEntry:
    history = candles(series, series.timeframe.floor(now))
    documents = {"history": history_document(series, history, now)}
    if forecast:
        documents["prediction"] = prediction_document(series, forecasts(history, series, 1), now)
    files = {}
    for kind, document in documents.items():
        content, name = json_bytes(document), file_name(kind, series)
        (folder / name).write_bytes(content)
        files[kind] = published_file(name, content, document)
    return ManifestEntry(
        series,
        enough_candles=forecast,
        history=files["history"],
        prediction=files.get("prediction"),
        champion="3" if forecast else None,
        visibility=PUBLIC,
    )


def _evaluation(folder: Path, entry: Document) -> Document:
    """A reference to an evaluation with the members that the page shows."""
    as_of = parse_time(entry["as_of"])
    shares = {"pinball": 0.004, "naive_pinball": 0.005, "coverage_80": 0.79, "coverage_90": 0.9}
    origin = as_of - timedelta(days=30)
    document: dict[str, Any] = {
        "version": 1,
        **{name: entry[name] for name in ("symbol", "timeframe", "as_of")},
        "type": f"evaluation_{entry['timeframe']}",
        "window": {"start": time_text(origin), "end": entry["as_of"]},
        "levels": list(QUANTILES),
        "champion": {
            "origins": 40,
            "versions": {"3": 40},
            **shares,
            "coverage_by_volatility": {
                tercile: {"coverage_80": share, "coverage_90": 0.9}
                for tercile, share in (("calm", 0.75), ("middle", 0.8), ("wild", 0.84))
            },
            "observed": list(QUANTILES),
        },
        "challenger": None,
        "naive": {"pinball": 0.005, "coverage_80": 0.8},
        "by_step": [{"step": each, "champion": shares, "challenger": None} for each in (1, 2)],
        "over_time": [
            {"start": time_text(origin), "end": entry["as_of"], "origins": 40, "champion": shares}
        ],
        "recent": [
            {
                "as_of": time_text(origin),
                "model_version": "3",
                "live": True,
                "last": 100.0,
                "forecast": [
                    {
                        "close_time": entry["as_of"],
                        "actual": 101.0,
                        "quantiles": {str(level): 100 + level for level in QUANTILES},
                    }
                ],
            }
        ],
        "roles": [{"role": "champion", "version": "3", "since": time_text(origin), "by": "first"}],
    }
    name = f"evaluations/{entry['symbol'].replace('/', '_')}_{entry['timeframe']}.json"
    return _write_referenced(folder, name, json_bytes(document), entry["as_of"])


def _archive(folder: Path, now: datetime) -> Document:
    """Archive forecasts, paths and candles by month; returns a reference to the index."""
    files: list[Document] = []
    for series in (BTC, BTC_DAILY):
        history = candles(series, series.timeframe.floor(now))
        made = _long(forecasts(history, series, ARCHIVED), series)
        paths = pd.concat(
            [
                made[made["output_type_id"] == 0.5].assign(
                    output_type="sample", output_type_id=each
                )
                for each in range(PATHS)
            ]
        )
        for kind, rows, time in (
            ("forecasts", made, "origin_time"),
            ("candles", history, "timestamp"),
            ("paths", paths, "origin_time"),
        ):
            for month, of_month in rows.groupby(rows[time].dt.strftime("%Y-%m")):
                files.append(_month(folder, kind, series, str(month), of_month))
    index = {"version": 1, "generated_at": time_text(now), "as_of": time_text(now), "files": files}
    return _write_referenced(folder, "archive/index.json", json_bytes(index), time_text(now))


def _long(made: pd.DataFrame, series: Series) -> pd.DataFrame:
    """Forecasts with one row a quantile."""
    wide = made.rename(columns=dict(zip(QUANTILE_COLUMNS, QUANTILES, strict=True)))
    long = wide.melt(
        id_vars=["as_of", "step", "role", "kind", "model_version"],
        value_vars=list(QUANTILES),
        var_name="output_type_id",
    )
    length = pd.Timedelta(seconds=series.timeframe.seconds)
    return pd.DataFrame(
        {
            "symbol": series.symbol,
            "timeframe": series.timeframe.name,
            "origin_time": long["as_of"],
            "target_time": long["as_of"] + length * long["step"],
            "horizon": long["step"],
            "model_id": long["model_version"],
            "role": long["role"],
            "kind": long["kind"],
            "output_type": "quantile",
            "output_type_id": long["output_type_id"].astype(float),
            "value": long["value"].astype(float),
        }
    )


def _month(folder: Path, kind: str, series: Series, month: str, rows: pd.DataFrame) -> Document:
    name = (
        f"archive/{kind}/symbol={series.symbol_name}/timeframe={series.timeframe}/month={month}/"
        f"{kind}.parquet"
    )
    buffer = BytesIO()
    rows.to_parquet(buffer, index=False)
    content = buffer.getvalue()
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return {
        "file": name,
        "kind": kind,
        "symbol": series.symbol,
        "timeframe": series.timeframe.name,
        "month": month,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "rows": len(rows),
    }


def _write_referenced(folder: Path, name: str, content: bytes, as_of: str) -> Document:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    reference = {
        "file": name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "as_of": as_of,
    }
    add_object(folder, reference)
    return reference


def read_manifest(folder: Path) -> Document:
    document: Document = json.loads((folder / "manifest.json").read_bytes())
    return document


def replace_file(folder: Path, reference: Document, content: bytes) -> None:
    """Put ``content`` under the names of a reference, and list it."""
    names = [reference["file"]]
    reference |= {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    if "object" in reference:
        reference["object"] = f"objects/{reference['sha256']}.json"
        names.append(reference["object"])
    for name in names:
        (folder / name).write_bytes(content)


def opened(folder: Path, now: datetime = NOW) -> Published:
    """A reader whose clock stands at ``now``."""
    return open_published(folder, clock=lambda: now)


def changed(folder: Path, change: Callable[[Document], object]) -> None:
    """Apply a change to the manifest."""
    manifest = read_manifest(folder)
    change(manifest)
    write_manifest(folder, manifest)


def entry_of(manifest: Document, name: tuple[str, str] = NAME) -> Document:
    entries = manifest["public"]["entries"]
    (found,) = [each for each in entries if (each["symbol"], each["timeframe"]) == name]
    entry: Document = found
    return entry
