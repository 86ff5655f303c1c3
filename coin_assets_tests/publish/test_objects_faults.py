"""What fails, or is killed, leaves a folder whose manifest lists whole objects alone."""

import hashlib
import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from coin_assets.errors import MachineFault
from coin_assets.publish.publication import ManifestInputs, publication_of
from coin_assets.publish.publisher import Publisher
from coin_assets_tests.orchestration.faults.recorded_calls import Disk, record
from coin_assets_tests.publish.object_folder import references
from coin_assets_tests.publish.test_publisher import AS_OF, BTC, candles, facts, forecast, publish
from coin_assets_tests.webui import ROOT


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
