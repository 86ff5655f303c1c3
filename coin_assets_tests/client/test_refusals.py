"""Files that break the contract, differ from the manifest or lead elsewhere are refused by type.

- ``object`` is followed where it is listed; fixed names are read once more by a newer manifest.
- A manifest of another version or form is refused; fields that are new are ignored.
- Addresses are folders, or http(s) URLs without secrets.
"""

import json
import os
import shutil
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from coin_assets.client import (
    Damaged,
    NotPublished,
    PublishedError,
    StaleData,
    UnknownVersion,
    Unreadable,
    WrongAddress,
    open_published,
)
from coin_assets.client import published as module
from coin_assets.domain.json_format import Document
from coin_assets_tests.client.folder import (
    AS_OF,
    NAME,
    NOW,
    changed,
    entry_of,
    opened,
    publish,
    read_manifest,
    replace_file,
    write_manifest,
)

# ------------------------------------------------------------------------------------------- files


def test_objects_are_followed(folder: Path) -> None:
    (folder / "prediction_BTC_USDT_4h.json").write_bytes(b"another")
    reader = opened(folder)
    assert len(reader.forecast(*NAME)) == 24
    (folder / entry_of(read_manifest(folder))["prediction"]["object"]).unlink()
    with pytest.raises(Unreadable, match=r"objects/\w+\.json cannot be read"):
        reader.forecast(*NAME)


def test_an_old_manifest_agrees_with_its_objects(folder: Path) -> None:
    """As through a cache that keeps the manifest."""
    before = read_manifest(folder)
    publish(folder, NOW + timedelta(hours=4))
    write_manifest(folder, before)
    assert opened(folder).forecast(*NAME)["as_of"].iloc[0] == AS_OF


def test_fixed_names_are_read_again_by_a_newer_manifest(tmp_path: Path) -> None:
    folder, later = tmp_path / "published", NOW + timedelta(hours=4)
    publish(folder, NOW, objects=False)
    reader = open_published(folder, clock=lambda: later)
    publish(folder, later, objects=False)
    with warnings.catch_warnings():  # the manifest that it holds is of before
        warnings.simplefilter("ignore", StaleData)
        assert reader.forecast(*NAME)["as_of"].iloc[0] == AS_OF + timedelta(hours=4)


def test_the_manifest_is_read_again_after_a_while(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = NOW + timedelta(hours=4)
    reader = open_published(folder, clock=lambda: later)
    publish(folder, later)
    assert reader.series()["as_of"].iloc[0] == AS_OF
    monkeypatch.setattr(module, "_HELD_SECONDS", 0.0)
    assert reader.series()["as_of"].iloc[0] == AS_OF + timedelta(hours=4)


@pytest.mark.parametrize("has_objects", [True, False])
@pytest.mark.parametrize("content", [b"", b"{}", None])
def test_a_file_that_is_not_the_listed_one_is_refused(
    tmp_path: Path, has_objects: bool, content: bytes | None
) -> None:
    """Empty, another one, or the right length with one bit changed."""
    folder = tmp_path / "published"
    publish(folder, NOW, has_objects)
    reference = entry_of(read_manifest(folder))["prediction"]
    path = folder / reference["object" if has_objects else "file"]
    whole = path.read_bytes()
    path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:] if content is None else content)
    with pytest.raises(Damaged, match="is not what the manifest lists: it has"):
        opened(folder).forecast(*NAME)


@pytest.mark.parametrize(
    ("name", "value"),
    [("symbol", "ETH/USDT"), ("timeframe", "1d"), ("as_of", "2026-11-20T08:00:00Z")],
)
def test_a_file_of_another_series_or_time_is_refused(folder: Path, name: str, value: str) -> None:
    def swap(manifest: Document) -> None:
        reference = entry_of(manifest)["prediction"]
        document = json.loads((folder / reference["file"]).read_bytes())
        replace_file(folder, reference, json.dumps(document | {name: value}).encode())

    changed(folder, swap)
    with pytest.raises(Damaged, match=f"its {name} is '{value}'"):
        opened(folder).forecast(*NAME)


@pytest.mark.parametrize(
    "path",
    [
        "../outside.json",
        "objects/../../outside.json",
        "/etc/hostname",
        "http://127.0.0.1/a.json",
        ".hidden.json",
        "objects//a.json",
        "a\n.json",
        "",
    ],
)
@pytest.mark.parametrize("member", ["file", "object"])
def test_paths_lead_below_the_folder(folder: Path, path: str, member: str) -> None:
    (folder.parent / "outside.json").write_bytes(
        (folder / "prediction_BTC_USDT_4h.json").read_bytes()
    )

    def lead_away(manifest: Document) -> None:
        reference = entry_of(manifest)["prediction"]
        reference.pop("object")
        reference[member] = path

    changed(folder, lead_away)
    if member == "object" and not path:  # as absent
        assert len(opened(folder).forecast(*NAME)) == 24
        return
    with pytest.raises(Damaged, match="is no path below the folder"):
        opened(folder)


@pytest.mark.parametrize("version", [1, 3, "2", 2.0, True, None])
def test_other_versions_are_refused(folder: Path, version: object) -> None:
    changed(folder, lambda manifest: manifest.update(version=version))
    with pytest.raises(UnknownVersion, match="this reader knows version 2"):
        opened(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.pop("public"),
        lambda manifest: manifest["public"].update(entries={"a": 1}),
        lambda manifest: entry_of(manifest).pop("status"),
        lambda manifest: entry_of(manifest).update(stale_at=None),
        lambda manifest: entry_of(manifest).update(as_of="yesterday"),
        lambda manifest: entry_of(manifest).update(as_of=5),
        lambda manifest: entry_of(manifest)["history"].update(bytes=-1),
        lambda manifest: entry_of(manifest)["history"].update(bytes="5"),
        lambda manifest: entry_of(manifest)["history"].update(sha256="ab"),
        lambda manifest: entry_of(manifest).update(history="history.json"),
    ],
)
def test_a_manifest_that_breaks_the_contract_is_refused(
    folder: Path, change: Callable[[Document], object]
) -> None:
    changed(folder, change)
    with pytest.raises(Damaged, match=r"manifest\.json breaks the contract"):
        opened(folder)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"version": 2', b"\xff", b"[" * 100_000])
def test_a_manifest_that_is_no_json_object_is_refused(folder: Path, content: bytes) -> None:
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(Damaged, match=r"manifest\.json breaks the contract"):
        opened(folder)


def test_fields_that_are_new_are_ignored(folder: Path) -> None:
    changed(folder, lambda manifest: manifest.update(brand_new=1))
    changed(folder, lambda manifest: entry_of(manifest).update(brand_new={"a": [1]}))
    assert len(opened(folder).forecast(*NAME)) == 24


# ----------------------------------------------------------------------------------------- absences


def test_a_folder_without_manifest_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no such file"):
        open_published(tmp_path / "nowhere")


def test_a_pipe_or_folder_in_the_place_of_a_file_is_unreadable(folder: Path) -> None:
    path = folder / "manifest.json"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(Unreadable, match="is no file"):
        open_published(folder)
    path.unlink()
    path.mkdir()
    with pytest.raises(Unreadable, match="is no file"):
        open_published(str(folder))


def test_a_series_that_is_not_published_is_named_with_those_that_are(folder: Path) -> None:
    with pytest.raises(NotPublished, match=r"BTC/USDT 7h is not published .* BTC/USDT 4h, BTC"):
        opened(folder).forecast("BTC/USDT", "7h")
    with pytest.raises(LookupError):
        opened(folder).history("DOGE/USDT", "4h")


@pytest.mark.parametrize(
    "address",
    [
        "file:///etc",
        "ftp://example.org/published",
        "s3://bucket/published",
        "data:,a",
        "http://",
        "http://[::1",
        "https://example.org/published?token=1",
        "https://example.org/published#1",
    ],
)
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(WrongAddress):
        open_published(address)


def test_a_password_is_neither_sent_nor_shown() -> None:
    with pytest.raises(WrongAddress, match=r"example\.org") as refused:
        open_published("https://reader:hunter2@example.org/published")
    assert "hunter2" not in str(refused.value)


def test_errors_escape_what_cannot_be_seen() -> None:
    assert str(PublishedError("a\u202eb\x1b[31m")) == r"a\u202eb\x1b[31m"


def test_a_reader_survives_a_folder_that_is_away_for_a_while(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_HELD_SECONDS", 0.0)
    reader = opened(folder)
    aside = folder.rename(folder.with_name("aside"))
    with pytest.raises(Unreadable):
        reader.forecast(*NAME)
    shutil.move(aside, folder)
    assert len(reader.forecast(*NAME)) == 24
