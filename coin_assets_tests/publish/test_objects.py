"""Objects of the published folder: immutable names that any manifest a reader may hold still finds.

- Each file of a public series has one, with the same bytes, before a manifest lists it.
- One that is lost or damaged is made again; so are those of an earlier release's folder.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from coin_assets.publish.publisher import Publisher
from coin_assets_tests.publish.object_folder import (
    assert_whole,
    later,
    references,
    refreshed,
    stored,
)
from coin_assets_tests.publish.test_publisher import BTC, ETH, publish
from coin_assets_tests.schemas import assert_valid

DAMAGES: dict[str, bytes | None] = {"gone": None, "empty": b"", "others' bytes": b"{}"}


def test_a_public_file_has_an_object_that_is_the_same_file(
    tmp_path: Path, publisher: Publisher
) -> None:
    publish(publisher, BTC)
    publish(publisher, ETH)
    found = assert_whole(tmp_path, publisher.manifest())
    assert stored(tmp_path) == set(found)
    for each, path in zip(references(publisher.manifest()), found, strict=True):
        assert path.samefile(tmp_path / each["file"])


def test_a_hidden_series_has_no_object_until_it_is_public(
    tmp_path: Path, publisher: Publisher
) -> None:
    publish(publisher, ETH, complete=())
    assert stored(tmp_path) == set()
    publish(publisher, ETH)
    assert len(assert_whole(tmp_path, publisher.manifest())) == 2


def test_the_same_bytes_again_are_the_same_object(tmp_path: Path, publisher: Publisher) -> None:
    publish(publisher, BTC)
    before = stored(tmp_path)
    publish(publisher, BTC)
    assert stored(tmp_path) == before
    assert_whole(tmp_path, publisher.manifest())


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system, where link(2) fails with EXDEV."""
    folder = Path("/dev/shm") / f"coin-{os.getpid()}-{tmp_path.name}"  # noqa: S108 (removed below)
    if not folder.parent.is_dir() or folder.parent.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs two file systems")
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def test_without_hard_links_an_object_is_a_copy(
    tmp_path: Path, publisher: Publisher, elsewhere: Path
) -> None:
    (tmp_path / "objects").symlink_to(elsewhere)
    publish(publisher, BTC)
    first = assert_whole(tmp_path, publisher.manifest())
    for each, path in zip(references(publisher.manifest()), first, strict=True):
        assert not path.samefile(tmp_path / each["file"])
    time.sleep(0.05)
    began = time.time()
    later(publisher)
    assert stored(tmp_path) == {*first, *assert_whole(tmp_path, publisher.manifest())}
    # The day of a copy begins when it is replaced, not when it was written.
    assert all(path.stat().st_ctime >= began - 0.02 for path in first)


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_object_that_is_lost_while_its_file_is_whole_is_made_again(
    tmp_path: Path, publisher: Publisher, damage: str
) -> None:
    publish(publisher, BTC)
    before, (path, _) = publisher.manifest(), assert_whole(tmp_path, publisher.manifest())
    path.unlink()
    if (content := DAMAGES[damage]) is not None:
        path.write_bytes(content)
    entry = publisher.inspect()[BTC]
    assert entry.history is not None
    assert (entry.corrupt, entry.history.has_object) == (None, False)
    refreshed(publisher)
    assert_whole(tmp_path, publisher.manifest())
    assert publisher.manifest()["public"] == before["public"]
    assert publisher.inspect()[BTC].history == entry_file(publisher)


def entry_file(publisher: Publisher) -> object:
    found = publisher.inspect()[BTC].history
    assert found is not None
    assert found.has_object
    return found


def test_a_file_that_is_damaged_in_place_damages_its_object_and_both_heal(
    tmp_path: Path, publisher: Publisher
) -> None:
    publish(publisher, BTC)
    (path, _) = assert_whole(tmp_path, publisher.manifest())
    (tmp_path / "history_BTC_USDT_1h.json").write_bytes(b"{")  # the same inode
    assert path.read_bytes() == b"{"
    refreshed(publisher)
    (entry,) = publisher.manifest()["public"]["entries"]
    assert (entry["status"], "object" in entry["history"]) == ("corrupt", False)
    publish(publisher, BTC)
    assert path in assert_whole(tmp_path, publisher.manifest())


def test_the_folder_of_an_earlier_release_gets_its_objects(
    tmp_path: Path, publisher: Publisher
) -> None:
    publish(publisher, BTC)
    manifest = publisher.manifest()
    shutil.rmtree(tmp_path / "objects")
    for each in references(manifest):
        del each["object"]
    for name in ("evaluation", "overview"):
        del manifest["public"]["entries"][0][name]
    del manifest["ops"]["dagster_url"]
    assert_valid("manifest", manifest)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    publish(publisher, ETH)  # of the others it lists no object that is not there
    assert [("object" in each) for each in references(publisher.manifest())] == [False] * 2 + [
        True
    ] * 2
    assert refreshed(publisher) is not None
    assert len(assert_whole(tmp_path, publisher.manifest())) == 4
    assert refreshed(publisher) is None
