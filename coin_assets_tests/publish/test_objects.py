"""Objects of the published folder: immutable names that any manifest a reader may hold still finds.

- Each file of a public series has one, with the same bytes, before a manifest lists it.
- It stays for a day after it was replaced, whatever clocks and restarts do, and goes then.
- One that is lost or damaged is made again; so are those of an earlier release's folder.
- What fails, or is killed, at any moment leaves a folder whose manifest lists whole objects alone.
"""

import hashlib
import json
import logging
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from coin_assets.domain.json_format import Document
from coin_assets.errors import MachineFault
from coin_assets.publish import objects
from coin_assets.publish.objects import KEPT_SECONDS, ObjectFolder, listed_objects
from coin_assets.publish.publication import ManifestInputs, publication_of
from coin_assets.publish.publisher import Publisher
from coin_assets_tests.orchestration.faults.recorded_calls import Disk, record
from coin_assets_tests.publish.test_publisher import (
    AS_OF,
    BTC,
    ETH,
    NO_FORECAST,
    NOW,
    candles,
    facts,
    forecast,
    offer,
    publish,
    publisher_of,
)
from coin_assets_tests.schemas import assert_valid
from coin_assets_tests.webui import ROOT

DAY, MINUTE = 24 * 3600.0, 60.0


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    return publisher_of(tmp_path)


def references(manifest: Document) -> list[Document]:
    """References to files of a valid manifest."""
    assert_valid("manifest", manifest)
    entries = manifest["public"]["entries"]
    kinds = ("history", "prediction", "evaluation")
    return [entry[kind] for entry in entries for kind in kinds if entry[kind] is not None]


def assert_whole(folder: Path, manifest: Document) -> list[Path]:
    """Check each object that a manifest lists; their paths."""
    found = []
    for each in references(manifest):
        path = folder / each["object"]
        content = path.read_bytes()
        assert path.name == f"{each['sha256']}.json"
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (
            each["sha256"],
            each["bytes"],
        )
        found.append(path)
    return found


def stored(folder: Path) -> set[Path]:
    return set((folder / "objects").glob("*"))


def refreshed(publisher: Publisher) -> Document | None:
    return publisher.refresh(ManifestInputs(NOW, lambda _series: True))


def later(publisher: Publisher, hours: int = 1) -> None:
    """Publish `BTC` once more, with newer data."""
    time_of = AS_OF + timedelta(hours=hours)
    publish(publisher, BTC, as_of=time_of, now=time_of)


# -------------------------------------------------------------------------------------- made


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


# --------------------------------------------------------------------------- kept and removed


def test_a_replaced_object_stays_for_a_day_and_goes_then(
    tmp_path: Path, publisher: Publisher
) -> None:
    publish(publisher, BTC)
    old = set(assert_whole(tmp_path, publisher.manifest()))
    later(publisher)
    new = set(assert_whole(tmp_path, publisher.manifest()))
    assert stored(tmp_path) == old | new
    folder = ObjectFolder(tmp_path)
    listed = listed_objects((tmp_path / "manifest.json").read_bytes())
    assert listed == {path.name for path in new}
    assert folder.remove_old(listed, time.time() + DAY - MINUTE) == 0
    assert folder.remove_old(listed, time.time() + DAY + MINUTE) == 2
    assert stored(tmp_path) == new
    assert folder.remove_old(listed, time.time() + 365 * DAY) == 0
    assert KEPT_SECONDS == DAY


@pytest.mark.parametrize("how", ["removed from the settings", "without content", "lost manifest"])
def test_the_day_begins_when_no_manifest_lists_an_object_any_more(
    tmp_path: Path, publisher: Publisher, how: str
) -> None:
    publish(publisher, BTC)
    publish(publisher, ETH)
    for path in stored(tmp_path):  # their files are those of days ago
        os.utime(path, (1, 1))
    time.sleep(0.05)
    began = time.time()
    if how == "removed from the settings":
        publisher = publisher_of(tmp_path, (BTC,))
        publish(publisher, BTC)
    elif how == "without content":
        offer(publisher, facts(ETH), candles(ETH), NO_FORECAST)
    else:
        (tmp_path / "manifest.json").unlink()
        for path in tmp_path.glob("*_ETH_*"):
            path.unlink()
        publish(publisher, BTC)
    listed = listed_objects((tmp_path / "manifest.json").read_bytes())
    gone = {path for path in stored(tmp_path) if path.name not in listed}
    assert gone
    assert all(path.stat().st_ctime >= began - 0.02 for path in gone)


def test_a_clock_that_was_set_back_begins_the_day_anew(
    tmp_path: Path, publisher: Publisher
) -> None:
    publish(publisher, BTC)
    old = assert_whole(tmp_path, publisher.manifest())
    later(publisher)
    listed = listed_objects((tmp_path / "manifest.json").read_bytes())
    before = {path: path.stat().st_ctime_ns for path in old}
    time.sleep(0.05)
    assert ObjectFolder(tmp_path).remove_old(listed, time.time() - 30 * DAY) == 0
    assert all(path.stat().st_ctime_ns > before[path] for path in old)


def test_a_sweep_is_bounded_and_the_next_one_goes_on(
    tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hours in range(4):
        later(publisher, hours)
    monkeypatch.setattr(objects, "MOST_REMOVED", 4)
    listed = listed_objects((tmp_path / "manifest.json").read_bytes())
    removed = [ObjectFolder(tmp_path).remove_old(listed, time.time() + 2 * DAY) for _ in range(3)]
    assert removed == [4, 2, 0]


def test_the_sensor_removes_what_is_old(
    tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(publisher, BTC)
    later(publisher)
    assert len(stored(tmp_path)) == 4
    monkeypatch.setattr(objects, "KEPT_SECONDS", 0.2)
    time.sleep(0.3)
    refreshed(publisher)
    assert stored(tmp_path) == set(assert_whole(tmp_path, publisher.manifest()))


def test_strays_are_named_once_and_stay_and_unfinished_copies_go(
    tmp_path: Path, publisher: Publisher, caplog: pytest.LogCaptureFixture
) -> None:
    publish(publisher, BTC)
    strays = [tmp_path / "objects" / name for name in ("notes.txt", f"{'a' * 64}.json")]
    strays[0].write_text("mine")
    strays[1].mkdir()
    (tmp_path / "objects" / f".{'b' * 64}.json.17.partial").write_text("{")
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            ObjectFolder(tmp_path).remove_old((), 0.0)
    assert [path.exists() for path in strays] == [True, True]
    assert sorted(text.split()[0] for text in caplog.messages) == sorted(map(str, strays))
    assert not list((tmp_path / "objects").glob(".*"))


# ---------------------------------------------------------------------------------- made again


DAMAGES: dict[str, bytes | None] = {"gone": None, "empty": b"", "others' bytes": b"{}"}


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


# ------------------------------------------------------------------------------ faults and kills


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the kernel refuse larger files, as a full disk does: EFBIG."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_refuses_a_file_keeps_the_old_ones_and_no_new_object(
    tmp_path: Path, publisher: Publisher
) -> None:
    publish(publisher, BTC)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    at = AS_OF + timedelta(hours=1)
    # The history is small enough, the forecast is not.
    publication = publication_of(facts(BTC, at), candles(BTC, at, 2), forecast(at), at)
    sizes = {name: len(content or b"") for name, content in publication.files.items()}
    assert sizes["history_BTC_USDT_1h.json"] < 2000 < sizes["prediction_BTC_USDT_1h.json"]
    with largest_file(2000), pytest.raises(MachineFault):
        publisher.publish(publication, ManifestInputs(at, lambda _series: True))
    left = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {path for path in left if not path.name.endswith(".partial")} == set(before)
    assert all(left[path] == content for path, content in before.items())


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_after_a_crash_at_any_moment_the_manifest_lists_whole_objects(tmp_path: Path) -> None:
    folder = tmp_path / "published"
    folder.mkdir()
    command = [sys.executable, "-m", "coin_assets_tests.publish.publish_run", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    operations = record(command, folder, tmp_path / "log", cwd=ROOT, env=environment)
    assert {"link", "rename", "sync"} <= {each.call for each in operations}
    disk, manifests = Disk(), set()
    for operation in operations:
        disk.apply(operation)
        for keeps_names in (False, True):
            image = disk.image(keeps_names=keeps_names)
            if "manifest.json" not in image:
                continue
            manifests.add(image["manifest.json"])
            for each in references(json.loads(image["manifest.json"])):
                content = image[each["object"]]
                assert hashlib.sha256(content).hexdigest() == each["sha256"]
    assert len(manifests) == 3
