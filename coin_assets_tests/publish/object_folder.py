"""What a published folder has in ``objects``, and publishing once more."""

import hashlib
from datetime import timedelta
from pathlib import Path

from coin_assets.domain.json_format import Document
from coin_assets.publish.publication import ManifestInputs
from coin_assets.publish.publisher import Publisher
from coin_assets_tests.publish.test_publisher import AS_OF, BTC, NOW, publish
from coin_assets_tests.schemas import assert_valid


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
