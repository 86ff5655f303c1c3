"""A crash after each file operation of an update into a new month: the next start heals it.

The operations are those that the kernel saw (strace). Whatever image the disk kept is opened by a
new platform, which must read it without damage and end with the candles, ledgers, models and
published histories of an update that nothing interrupted, to the byte. `make test` takes a few of
the images, `make test-slow` all.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from coin_assets.planning import facts as work
from coin_assets_tests.alerts.receiver import Receiver
from coin_assets_tests.orchestration.faults.matrix import Cell
from coin_assets_tests.orchestration.faults.recorded_calls import (
    Disk,
    Operation,
    record,
    write_image,
)
from coin_assets_tests.orchestration.faults.watched import (
    NEXT_MONTH,
    cycles,
    platform_at,
    published,
    statuses,
    told_by,
    words_of,
)
from coin_assets_tests.orchestration.sensors.conftest import grown  # noqa: F401
from coin_assets_tests.platform import files_of
from coin_assets_tests.webui import ROOT

_TABLES = ("candles", "ledger", "models")
_FAST_IMAGES = 2


@pytest.fixture(scope="session")
def recorded(
    grown: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, Path, list[Operation]]:
    """The home before the update, the home after it, and the operations between."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    folder = tmp_path_factory.mktemp("recorded")
    before, home = folder / "before", folder / "home"
    for each in (before, home):
        shutil.copytree(grown, each)
    command = [sys.executable, "-m", "coin_assets_tests.orchestration.faults.update_run", str(home)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    operations = record(command, home, folder / "log", cwd=ROOT, env=environment)
    return before, home, [each for each in operations if not each.path.startswith("alerts/")]


def images(before: Path, operations: list[Operation]) -> Iterator[dict[str, bytes]]:
    """Each distinct image of the disk, in order."""
    disk, seen = Disk.of(before), set[str]()
    for operation in (None, *operations):
        if operation is not None:
            disk.apply(operation)
        for keeps_names in (False, True):
            image = disk.image(keeps_names=keeps_names)
            digest = hashlib.sha256(repr(sorted(image.items())).encode()).hexdigest()
            if digest not in seen:
                seen.add(digest)
                yield image


def tables(home: Path) -> dict[str, bytes]:
    """Files of candles, ledgers and models, but for what records durations and times of changes."""
    return {
        f"{part}/{name}": content
        for part in _TABLES
        for name, content in files_of(home / part).items()
        if not name.endswith(("metadata.json", "roles.json"))
    }


def assert_heals(image: dict[str, bytes], after: Path, home: Path) -> tuple[str, str]:
    """Update what a crash left; what the series were then, and what was told."""
    write_image(image, home)
    with Receiver() as receiver:
        platform = platform_at(home, receiver)
        cycles(platform, 4, NEXT_MONTH)
        found = words_of(statuses(platform)), told_by(receiver.accepted)
        assert found[0] == "all fresh"
        texts = [body["text"] for body in receiver.accepted if body is not None]
        assert not any("damaged" in text or "cannot be read" in text for text in texts), texts
        made, expected = published(platform), published(platform_at(after, receiver))
    # Forecasts are by the version that was champion when they were made: after a crash the month's
    # own version may have come first.
    for name in expected:
        if name.startswith("history_"):
            assert made[name] == expected[name]
        assert json.loads(made[name])["as_of"] == json.loads(expected[name])["as_of"]
    assert tables(home) == tables(after)
    return found


def heal(
    some: Sequence[dict[str, bytes]],
    after: Path,
    home: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """Let every image heal; a line of the matrix for all of them."""
    found: list[tuple[str, str]] = []
    try:
        for image in some:
            found.append(assert_heals(image, after, home))  # noqa: PERF401 (some may fail)
    finally:
        words, told = (", ".join(sorted({each[part] for each in found})) for part in (0, 1))
        healed = f"by itself, {len(found)} of {len(some)} images"
        Cell("crash after each call", "an update", words, told, healed).record(record_property)


@pytest.fixture(autouse=True)
def _short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "FIRST_DELAY", timedelta(minutes=1))


def test_what_is_renamed_was_synced_and_new_folders_are_synced_in_their_parents(
    recorded: tuple[Path, Path, list[Operation]],
) -> None:
    before, after, operations = recorded
    disk = Disk.of(before)
    for each in operations:
        if each.call == "rename":
            for name, file in disk.names.items():
                if name == each.path or name.startswith(f"{each.path}/"):
                    assert file.durable == file.data, name
        disk.apply(each)
    renamed = [each for each in operations if each.call == "rename"]
    assert {each.other.partition("/")[0] for each in renamed} >= {"candles", "forecasts", "models"}
    assert disk.image(keeps_names=False).keys() >= {
        name for name in tables(after) if not name.endswith(".lock")
    }


def test_some_crashes_heal(
    recorded: tuple[Path, Path, list[Operation]],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    before, after, operations = recorded
    found = list(images(before, operations))
    assert len(found) > _FAST_IMAGES
    some = found[:: len(found) // _FAST_IMAGES]
    heal(some, after, tmp_path / "home", record_property)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_crash_heals(
    recorded: tuple[Path, Path, list[Operation]],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    before, after, operations = recorded
    heal(list(images(before, operations)), after, tmp_path / "home", record_property)
