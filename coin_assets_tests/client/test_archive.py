"""A reader of the archive gets the rows of the files that it asks for, checked as all others.

- Kinds, series and months are chosen; rows come by series and month, in the files' columns.
- A month that was rewritten meanwhile is read by the newer index.
- Files that differ from the index, and versions of the index that are unknown, are refused.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coin_assets.client import (
    Damaged,
    NotPublished,
    Published,
    UnknownVersion,
    open_published,
)
from coin_assets.domain.json_format import Document
from coin_assets_tests.client.folder import (
    ARCHIVED,
    BTC,
    BTC_DAILY,
    NOW,
    PATHS,
    candles,
    read_manifest,
    replace_file,
    write_manifest,
)
from coin_assets_tests.realdata import REPOSITORY

COLUMNS = [
    *("symbol", "timeframe", "origin_time", "target_time", "horizon", "model_id", "role", "kind"),
    *("output_type", "output_type_id", "value"),
]
LATER = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def reader(folder: Path) -> Published:
    """By a clock that makes every series too old: the archive is read all the same."""
    return open_published(folder, clock=lambda: LATER)


def with_index(folder: Path, change: Callable[[Document], object]) -> None:
    """Apply a change to the index of the archive, and list it."""
    manifest = read_manifest(folder)
    reference = manifest["archive"]
    index = json.loads((folder / reference["file"]).read_bytes())
    change(index)
    replace_file(folder, reference, json.dumps(index).encode())
    write_manifest(folder, manifest)


def test_forecasts_are_those_of_all_files(folder: Path, reader: Published) -> None:
    frame = reader.archive("forecasts")
    assert list(frame.columns) == COLUMNS
    assert len(frame) == 2 * ARCHIVED * 24 * 7
    for name in ("origin_time", "target_time"):
        assert str(frame[name].dtype) == "datetime64[us, UTC]"
    files = sorted((folder / "archive/forecasts").rglob("*.parquet"))
    assert len(files) >= 3
    rows = pd.concat([pd.read_parquet(path, partitioning=None) for path in files])
    order = ["timeframe", "origin_time", "horizon", "output_type_id"]
    expected = rows.sort_values(order).reset_index(drop=True)
    pd.testing.assert_frame_equal(frame.sort_values(order).reset_index(drop=True), expected)


def test_series_and_months_are_chosen(reader: Published) -> None:
    daily = reader.archive("forecasts", "BTC/USDT", "1d")
    assert set(daily["timeframe"]) == {"1d"}
    of_month = daily["origin_time"].dt.strftime("%Y-%m")
    october = reader.archive("forecasts", timeframe="1d", months="2026-10")
    assert len(october) == (of_month == "2026-10").sum() > 0
    both = reader.archive("forecasts", timeframe="1d", months=["2026-11", "2026-10"])
    assert list(both["origin_time"].dt.strftime("%Y-%m").unique()) == ["2026-10", "2026-11"]


def test_candles_have_their_series(reader: Published) -> None:
    frame = reader.archive("candles", "BTC/USDT", "4h")
    expected = candles(BTC, BTC.timeframe.floor(NOW))
    assert list(frame.columns[:3]) == ["symbol", "timeframe", "timestamp"]
    assert set(frame["symbol"] + frame["timeframe"]) == {"BTC/USDT4h"}
    pd.testing.assert_frame_equal(frame.iloc[:, 2:], expected)


def test_candle_files_of_the_store_are_read(folder: Path, reader: Published) -> None:
    """The archive has the store's bytes, whose labels differ by month."""
    home = REPOSITORY / "coin_assets_tests/release_home/candles/symbol=BTC_USDT/timeframe=4h"
    files = sorted(home.rglob("*.parquet"))
    rows = pd.concat([pd.read_parquet(each, partitioning=None) for each in files])

    def list_them(index: Document) -> None:
        index["files"] = []
        for path in files:
            month = path.parent.name.removeprefix("month=")
            listed: Document = {
                "file": f"archive/{month}.parquet",
                "kind": "candles",
                "month": month,
            }
            listed |= {"symbol": "BTC/USDT", "timeframe": "4h"}
            listed["rows"] = len(pd.read_parquet(path, partitioning=None))
            replace_file(folder, listed, path.read_bytes())
            index["files"].append(listed)

    with_index(folder, list_them)
    reader.refresh()
    frame = reader.archive("candles").iloc[:, 2:]
    pd.testing.assert_frame_equal(frame, rows.reset_index(drop=True))


def test_paths_are_numbered(reader: Published) -> None:
    frame = reader.archive("paths", timeframe="1d")
    assert set(frame["output_type"]) == {"sample"}
    assert set(frame["output_type_id"]) == set(range(PATHS))


def test_archived_forecasts_can_be_rescored(reader: Published) -> None:
    """By rows alone: each target time is the close of a candle of the archive."""
    made = reader.archive("forecasts", "BTC/USDT", "1d")
    known = reader.archive("candles", "BTC/USDT", "1d")
    closes = known.set_index(BTC_DAILY.timeframe.close_all(known["timestamp"]))["close"]
    scored = made.join(closes.rename("outcome"), on="target_time", how="inner")
    miss, level = np.log(scored["outcome"] / scored["value"]), scored["output_type_id"]
    loss = np.maximum(level * miss, (level - 1) * miss)
    assert len(scored) == 7 * sum(min(24, ARCHIVED - 1 - each) for each in range(ARCHIVED))
    assert 0 < loss.mean() < 0.02


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("quantiles",), "is no kind of the archive. Use one of forecasts, candles, paths"),
        (("forecasts", "DOGE/USDT"), "has no forecasts of symbol DOGE/USDT"),
        (("forecasts", None, None, "1999-01"), "it has candles, forecasts, paths, of 2 series"),
    ],
)
def test_what_is_not_there_is_named(reader: Published, arguments: tuple[str], message: str) -> None:
    with pytest.raises(NotPublished, match=message):
        reader.archive(*arguments)


def test_a_month_that_was_rewritten_is_read_by_the_newer_index(
    folder: Path, reader: Published
) -> None:
    def rewrite(index: Document) -> None:
        listed = next(each for each in index["files"] if each["kind"] == "candles")
        rows = pd.read_parquet(folder / listed["file"], partitioning=None).head(1)
        rows.to_parquet(folder / "one.parquet", index=False)
        replace_file(folder, listed, (folder / "one.parquet").read_bytes())
        listed["rows"] = 1

    before = len(reader.archive("candles"))
    with_index(folder, rewrite)
    assert 0 < len(reader.archive("candles")) < before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is not what the manifest lists"),
        (lambda path: path.write_bytes(b"PAR1"), "is not what the manifest lists"),
    ],
)
def test_a_damaged_month_is_refused(
    folder: Path, reader: Published, change: Callable[[Path], object], message: str
) -> None:
    change(next((folder / "archive/candles").rglob("*.parquet")))
    with pytest.raises(Damaged, match=message):
        reader.archive("candles")


@pytest.mark.parametrize("content", [None, b"PAR1", b"{}"])
def test_a_month_that_is_listed_wrongly_is_refused(
    folder: Path, reader: Published, content: bytes | None
) -> None:
    """Another number of rows, or no Parquet file."""

    def spoil(index: Document) -> None:
        listed = index["files"][0]
        if content is None:
            listed["rows"] += 1
        else:
            replace_file(folder, listed, content)

    with_index(folder, spoil)
    reader.refresh()
    with pytest.raises(Damaged, match=r"\.parquet breaks the contract"):
        reader.archive("forecasts")


@pytest.mark.parametrize("version", [2, True, None])
def test_other_versions_of_the_index_are_refused(
    folder: Path, reader: Published, version: object
) -> None:
    with_index(folder, lambda index: index.update(version=version))
    reader.refresh()
    with pytest.raises(UnknownVersion, match=r"objects/\w+\.json has version"):
        reader.archive("forecasts")


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index.pop("files"),
        lambda index: index["files"][0].update(file="../../outside.parquet"),
        lambda index: index["files"][0].update(month=7),
        lambda index: index["files"][0].pop("rows"),
    ],
)
def test_an_index_that_breaks_the_contract_is_refused(
    folder: Path, reader: Published, change: Callable[[Document], object]
) -> None:
    with_index(folder, change)
    reader.refresh()
    with pytest.raises(Damaged, match=r"objects/\w+\.json breaks the contract"):
        reader.archive("forecasts")
