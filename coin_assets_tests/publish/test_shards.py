"""The published folder of shards: a part of each, one root, and symbols that move between them.

Every stage publishes with another number of shards into the same folder, as installations do that
change `COIN_SHARDS`. No history counts as complete after the first stage, so a series is public
later only if its state moved along.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from coin_assets.domain.json_format import Document
from coin_assets.domain.publishing.archive import folder_of as archive_folder_of
from coin_assets.domain.publishing.documents import file_name
from coin_assets.domain.publishing.manifest_entries import Installation
from coin_assets.domain.publishing.root import root_document
from coin_assets.domain.series import Series
from coin_assets.domain.shards import Shard, shard_of
from coin_assets.publish import objects, root
from coin_assets.publish.publication import ManifestInputs, publication_of
from coin_assets.publish.publisher import Publisher
from coin_assets_tests.publish.test_publisher import (
    AS_OF,
    HOUR,
    LIMITS,
    NOW,
    candles,
    facts,
    forecast,
)
from coin_assets_tests.schemas import assert_valid

SYMBOLS = [f"COIN{number}/USDT" for number in range(12)]
ALL = [Series(symbol, HOUR) for symbol in SYMBOLS]
COMPLETE, UNKNOWN = (lambda _: True), (lambda _: False)


@pytest.fixture(autouse=True)
def _new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed `COIN_SHARDS` begins with new processes, which sweep at once."""
    monkeypatch.setattr(root, "_SWEEP_SECONDS", 0.0)
    monkeypatch.setattr(objects, "_SWEPT", {})


def shards_of(folder: Path, count: int) -> list[Publisher]:
    """The publishers of all shards."""
    return [
        Publisher(
            folder,
            folder.with_name("locks"),
            [series for series in ALL if shard_of(series.symbol, count) == number],
            LIMITS,
            Installation("sandbox", None, Shard(number, count)),
        )
        for number in range(count)
    ]


def publish_all(publishers: Sequence[Publisher], as_of: datetime = AS_OF) -> None:
    for publisher in publishers:
        made = [
            publication_of(facts(each, as_of), candles(each, as_of), forecast(as_of), NOW)
            for each in publisher.series_list
        ]
        publisher.publish_all(made, ManifestInputs(NOW, COMPLETE))


def refresh(publishers: Sequence[Publisher]) -> None:
    """Two ticks of each `publish_due`; the second finds the others' manifests."""
    for _ in range(2):
        for publisher in publishers:
            publisher.refresh(ManifestInputs(NOW, UNKNOWN))


def read(path: Path) -> Document:
    document: Document = json.loads(path.read_bytes())
    return document


def public_files(folder: Path, manifest: Document) -> dict[str, bytes]:
    """Content of the history file of each public symbol, by its object, as readers find it."""
    found = {}
    for entry in manifest["public"]["entries"]:
        reference = entry["history"]
        content = (folder / reference["object"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == reference["sha256"]
        assert (folder / reference["file"]).read_bytes() == content
        found[entry["symbol"]] = content
    return found


def served(folder: Path) -> dict[str, bytes]:
    """What readers find of all symbols, from the root manifest on."""
    manifest = read(folder / "manifest.json")
    if "shards" not in manifest:
        assert_valid("manifest", manifest)
        return public_files(folder, manifest)
    assert_valid("root", manifest)
    found: dict[str, bytes] = {}
    for listed in manifest["shards"]:
        path = folder / listed["manifest"]
        own = read(path)
        assert_valid("manifest", own)
        files = public_files(path.parent, own)
        assert not files.keys() & found.keys()
        found |= files
    return found


def names(folder: Path) -> set[str]:
    """Stable names of histories and predictions, wherever they lie."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*_COIN*_1h.json")}


def expected_names(count: int) -> set[str]:
    return {
        str(Path(Shard(shard_of(each.symbol, count), count).folder, file_name(kind, each)))
        for each in ALL
        for kind in ("history", "prediction")
    }


def test_each_shard_publishes_its_symbols_and_the_root_lists_them(tmp_path: Path) -> None:
    folder = tmp_path / "published"
    first, *others = shards_of(folder, 3)
    publish_all([first])
    assert not (folder / "manifest.json").exists()  # readers would miss the other shards
    publish_all(others)
    assert read(folder / "manifest.json") == root_document(3)
    assert served(folder).keys() == set(SYMBOLS)
    assert names(folder) == expected_names(3)
    assert (folder / "index.html").is_file()
    assert not (folder / "shard=0" / "index.html").exists()
    manifest = read(folder / "shard=1" / "manifest.json")
    assert manifest["shard"] == {"number": 1, "of": 3}


def test_all_shards_write_the_same_root_and_only_if_it_differs(tmp_path: Path) -> None:
    folder = tmp_path / "published"
    publishers = shards_of(folder, 2)
    publish_all(publishers)
    before = (folder / "manifest.json").stat()
    refresh(publishers)
    publish_all(publishers, AS_OF + timedelta(hours=1))
    after = (folder / "manifest.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    for publisher in publishers:  # whichever comes first repairs it
        (folder / "manifest.json").write_text("damaged")
        publisher.refresh(ManifestInputs(NOW, UNKNOWN))
        assert read(folder / "manifest.json") == root_document(2)


@pytest.mark.parametrize("counts", [(1, 2, 3, 1), (3, 2, 1, 3), (1, 3, 2), (2, 5, 4)])
def test_files_and_state_move_with_their_symbols(counts: tuple[int, ...], tmp_path: Path) -> None:
    folder = tmp_path / "published"
    publish_all(shards_of(folder, counts[0]))
    before = served(folder)
    assert before.keys() == set(SYMBOLS)
    for count in counts[1:]:
        refresh(shards_of(folder, count))
        assert served(folder) == before  # byte for byte, and still public
        refresh(shards_of(folder, count))
        assert names(folder) == expected_names(count)


def test_readers_keep_what_was_listed_until_every_shard_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "published"
    publish_all(shards_of(folder, 1))
    before, manifest = served(folder), (folder / "manifest.json").read_bytes()
    first, second = shards_of(folder, 2)
    refresh([first])
    assert (folder / "manifest.json").read_bytes() == manifest
    assert served(folder) == before
    refresh([second])
    assert read(folder / "manifest.json") == root_document(2)
    assert served(folder) == before


def test_objects_of_before_stay_for_a_day_and_then_their_folders_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "published"
    publish_all(shards_of(folder, 3))
    old = {path for path in folder.glob("shard=*/objects/*.json") if path.is_file()}
    refresh(shards_of(folder, 1))
    gone = {path for path in old if not path.exists()}
    assert not gone
    monkeypatch.setattr(objects, "KEPT_SECONDS", -1.0)
    refresh(shards_of(folder, 1))
    assert not list(folder.glob("shard=*"))
    assert served(folder).keys() == set(SYMBOLS)


def test_a_symbol_without_files_is_new_and_not_public(tmp_path: Path) -> None:
    folder = tmp_path / "published"
    publishers = shards_of(folder, 2)
    refresh(publishers)
    assert served(folder) == {}
    assert names(folder) == set()


def test_what_is_damaged_elsewhere_is_not_taken_over(tmp_path: Path) -> None:
    folder = tmp_path / "published"
    publish_all(shards_of(folder, 1))
    damaged = file_name("history", ALL[0])
    (folder / damaged).write_text('{"symbol": "other"}')
    refresh(shards_of(folder, 2))
    assert served(folder).keys() == set(SYMBOLS) - {ALL[0].symbol}


def test_the_newest_of_several_leftovers_is_taken_over(tmp_path: Path) -> None:
    folder = tmp_path / "published"
    publish_all(shards_of(folder, 2))
    publish_all(shards_of(folder, 1), AS_OF + timedelta(hours=1))  # removes what it publishes
    for publisher in shards_of(folder, 2):
        publication = [
            publication_of(facts(each), candles(each), forecast(), NOW)
            for each in publisher.series_list
        ]
        old = Publisher(
            folder / "other", tmp_path / "l", publisher.series_list, LIMITS, Installation("sandbox")
        )
        old.publish_all(publication, ManifestInputs(NOW, COMPLETE))
    (folder / "other").rename(folder / "shard=7")
    refresh(shards_of(folder, 3))
    for content in served(folder).values():
        assert json.loads(content)["as_of"] == "2026-11-22T01:00:00Z"


@pytest.mark.parametrize("counts", [(1, 2, 3, 1), (3, 1, 2)])
def test_archived_months_move_once_and_keep_their_bytes(
    counts: tuple[int, ...], tmp_path: Path
) -> None:
    """What retention removed from the store is in the archive alone."""
    folder, months = tmp_path / "published", ("2026-10", "2026-11")

    def place(number: int, series: Series, count: int, month: str) -> Path:
        own = folder / Shard(shard_of(series.symbol, count), count).folder
        return own / archive_folder_of("forecasts", series) / f"month={month}" / f"{number}.parquet"

    for number, series in enumerate(ALL):
        for month in months:
            path = place(number, series, counts[0], month)
            path.parent.mkdir(parents=True)
            path.write_text(f"{series} {month}")
    publish_all(shards_of(folder, counts[0]))
    for count in counts[1:]:
        for publisher in shards_of(folder, count) * 2:
            publisher.take_over_archive()
        found = {path: path.read_text() for path in folder.rglob("*.parquet")}
        assert found == {
            place(number, series, count, month): f"{series} {month}"
            for number, series in enumerate(ALL)
            for month in months
        }
        refresh(shards_of(folder, count))
        assert set(folder.rglob("*.parquet")) == set(found)
