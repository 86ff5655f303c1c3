"""The page in the published folder: copied when it differs, never in the way of the data."""

import os
import re
from pathlib import Path

import pytest

from coin_assets.domain.publishing.documents import page_of
from coin_assets.publish.page import copy_page
from coin_assets_tests.publish.test_publisher import BTC, publish, publisher_of

FILES = {"index.html": "<title>1</title>", "assets/page-1.js": "1", "assets/page-1.css": "a{}"}


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A page as it is built."""
    folder = tmp_path / "site"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_a_page_is_copied_and_only_what_differs_is_written_again(
    tmp_path: Path, built: Path
) -> None:
    folder = tmp_path / "published"
    copy_page(folder, built)
    assert {name: (folder / name).read_text() for name in FILES} == FILES
    before = {name: (folder / name).stat().st_ino for name in FILES}
    copy_page(folder, built)
    assert {name: (folder / name).stat().st_ino for name in FILES} == before
    (built / "index.html").write_text("<title>2</title>")
    (folder / "assets/page-1.js").write_text("not as built")
    copy_page(folder, built)
    assert (folder / "index.html").read_text() == "<title>2</title>"
    assert (folder / "assets/page-1.js").read_text() == "1"
    assert (folder / "assets/page-1.css").stat().st_ino == before["assets/page-1.css"]


def test_the_index_is_written_when_what_it_needs_is_there(tmp_path: Path, built: Path) -> None:
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "assets").write_text("a file in the place of the folder")
    copy_page(folder, built)
    assert not (folder / "index.html").exists()
    (folder / "assets").unlink()
    copy_page(folder, built)
    assert (folder / "index.html").exists()


def test_a_page_that_cannot_be_copied_leaves_the_data_published(
    tmp_path: Path, built: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("coin_assets.publish.page.BUILT", built)
    folder = tmp_path / "published"
    (folder / "index.html").mkdir(parents=True)
    published = publish(publisher_of(folder), BTC)
    assert published.history is not None
    assert re.search("page is not copied: .*index.html", caplog.text)
    (folder / "index.html").rmdir()
    publish(publisher_of(folder), BTC)
    assert (folder / "index.html").read_text() == FILES["index.html"]
    assert os.stat(folder / "index.html").st_mode & 0o777 == 0o644  # noqa: PTH116


def test_a_package_without_a_page_copies_nothing(tmp_path: Path) -> None:
    copy_page(tmp_path / "published", tmp_path / "absent")
    assert not (tmp_path / "published").exists()


def test_a_series_has_an_address() -> None:
    for site in ("https://host/page", "https://host/page/"):
        assert page_of(site, BTC) == "https://host/page/#/series/BTC_USDT/1h"
