"""A reader of an installation with shards: one folder, whatever lies in which shard."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.client import Damaged, NotPublished, ShardUnread, Unreadable
from coin_assets.domain.json_format import Document
from coin_assets_tests.client.folder import NAME, NOW, opened, publish

ETH = ("ETH/USDT", "4h")
DAILY = ("BTC/USDT", "1d")


def of_shard(folder: Path, symbol: str) -> None:
    """Publish all, and list the series of one symbol."""
    publish(folder, NOW)
    change(folder, lambda entry: entry["symbol"] == symbol)


def change(folder: Path, keep: object, **fields: object) -> None:
    path = folder / "manifest.json"
    manifest: Document = json.loads(path.read_bytes())
    entries = manifest["public"]["entries"]
    if callable(keep):
        manifest["public"]["entries"] = [entry for entry in entries if keep(entry)]
    path.write_text(json.dumps(manifest | fields))


def write_root(folder: Path, *names: str) -> None:
    listed = [{"shard": number, "manifest": name} for number, name in enumerate(names)]
    (folder / "manifest.json").write_text(json.dumps({"version": 3, "shards": listed}))


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    of_shard(tmp_path / "shard=0", "BTC/USDT")
    of_shard(tmp_path / "shard=1", "ETH/USDT")
    write_root(tmp_path, "shard=0/manifest.json", "shard=1/manifest.json")
    return tmp_path


def same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(left, right)


def test_all_series_are_there_with_the_files_of_their_shard(sharded: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    publish(whole, NOW)
    reader, one = opened(sharded), opened(whole)
    names = reader.series()[["symbol", "timeframe"]]
    assert set(map(tuple, names.to_numpy())) == {NAME, DAILY, ETH}
    for name in (NAME, DAILY, ETH):
        same(reader.forecast(*name), one.forecast(*name))
        same(reader.history(*name), one.history(*name))
        for part, frame in reader.evaluation(*name).items():
            same(frame, one.evaluation(*name)[part])


def test_a_folder_of_a_shard_is_a_published_folder_of_its_own(sharded: Path) -> None:
    reader = opened(sharded / "shard=1")
    assert set(reader.series()["symbol"]) == {"ETH/USDT"}
    same(reader.forecast(*ETH), opened(sharded).forecast(*ETH))


def test_archives_of_all_shards_are_read(sharded: Path) -> None:
    rows = opened(sharded).archive("forecasts", months="2026-11")
    parts = [opened(sharded / f"shard={n}").archive("forecasts", months="2026-11") for n in (0, 1)]
    assert len(rows) == sum(map(len, parts))


def test_a_shard_that_cannot_be_read_hides_its_own_series_alone(sharded: Path) -> None:
    path = sharded / "shard=1" / "manifest.json"
    for content in ("{", None):
        path.unlink() if content is None else path.write_text(content)
        reader = opened(sharded)
        with pytest.warns(ShardUnread, match=r"shard=1/manifest\.json"):
            assert set(reader.series()["symbol"]) == {"BTC/USDT"}
        assert len(reader.forecast(*NAME)) == 24
        with pytest.raises(Unreadable, match=r"ETH/USDT 4h is in no manifest that can be read"):
            reader.forecast(*ETH)
    (sharded / "shard=0" / "manifest.json").unlink()
    with pytest.raises(Unreadable, match=r"shard=0/manifest\.json"):
        opened(sharded)


def test_of_a_series_in_two_shards_the_newer_manifest_counts(sharded: Path) -> None:
    """It moves: its former shard has not written its manifest since."""
    shutil.copytree(sharded / "shard=0", sharded / "shard=2")
    write_root(sharded, *(f"shard={number}/manifest.json" for number in (2, 1, 0)))
    change(sharded / "shard=2", None, generated_at="2026-11-20T12:05:00Z")
    for path in (sharded / "shard=2").glob("objects/*"):
        path.unlink()
    with pytest.raises(Unreadable, match="shard=2/objects"):
        opened(sharded).forecast(*NAME)
    change(sharded / "shard=0", None, generated_at="2026-11-20T12:06:00Z")
    assert len(opened(sharded).forecast(*NAME)) == 24


@pytest.mark.parametrize(
    "listed", ["../manifest.json", "shard=x/manifest.json", "shard=0/other.json", "/manifest.json"]
)
def test_a_root_that_leads_elsewhere_is_refused(listed: str, sharded: Path) -> None:
    write_root(sharded, "shard=0/manifest.json", listed)
    with pytest.raises(Damaged, match="breaks the contract"):
        opened(sharded)


def test_a_root_without_shards_is_refused(sharded: Path) -> None:
    write_root(sharded)
    with pytest.raises(Damaged):
        opened(sharded)


def test_what_no_shard_lists_is_not_published(sharded: Path) -> None:
    with pytest.raises(NotPublished):
        opened(sharded).forecast("NONE/USDT", "4h")
