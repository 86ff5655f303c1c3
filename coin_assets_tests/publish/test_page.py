"""The page in the published folder: copied when it differs, never in the way of the data.

Files that only earlier pages have stay for a day, for readers who hold an old index.
"""

import os
import re
import time
from pathlib import Path

import pytest

from coin_assets.domain.publishing.documents import page_of
from coin_assets.publish.page import copy_page, remove_old
from coin_assets_tests.publish.test_publisher import BTC, publish, publisher_of

DAY, MINUTE = 24 * 3600.0, 60.0
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


@pytest.fixture
def renewed(tmp_path: Path, built: Path) -> Path:
    """A published folder whose page was replaced by one with other names, files of others in it."""
    folder = tmp_path / "published"
    copy_page(folder, built)
    for name, text in (("logo.png", "theirs"), (".page-1.js.9.partial", "half")):
        (folder / "assets" / name).write_text(text)
    for path in (folder / "assets").iterdir():
        os.utime(path, (1, 1))  # what a copied folder says; it does not count
    (built / "assets/page-1.js").rename(built / "assets/page-2.js")
    (built / "index.html").write_text("<title>2</title>")
    copy_page(folder, built)
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "assets").iterdir()}


def test_files_of_an_earlier_page_stay_for_a_day_after_its_index_and_go_then(
    renewed: Path,
) -> None:
    whole = {"page-1.js", "page-2.js", "page-1.css", "logo.png"}
    assert names(renewed) == whole  # a reader of the old index still finds what it names
    current, replaced = {"assets/page-2.js", "assets/page-1.css"}, time.time()
    assert remove_old(renewed, current, replaced + DAY - MINUTE) == 0
    assert remove_old(renewed, current, replaced - 30 * DAY) == 0  # a clock that was set back
    assert names(renewed) == whole
    assert remove_old(renewed, current, replaced + DAY + MINUTE) == 1
    assert names(renewed) == whole - {"page-1.js"}
    assert remove_old(renewed, current, replaced + 365 * DAY) == 0


def test_publishing_removes_what_is_over(
    renewed: Path, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coin_assets.publish.page.BUILT", built)
    publish(publisher_of(renewed), BTC)
    assert "page-1.js" in names(renewed)
    monkeypatch.setattr("coin_assets.publish.page.KEPT_SECONDS", 0.2)
    time.sleep(0.3)
    publish(publisher_of(renewed), BTC)
    assert names(renewed) == {"page-2.js", "page-1.css", "logo.png"}


def test_a_package_without_a_page_copies_nothing(tmp_path: Path) -> None:
    copy_page(tmp_path / "published", tmp_path / "absent")
    assert not (tmp_path / "published").exists()


def test_a_series_has_an_address() -> None:
    for site in ("https://host/page", "https://host/page/"):
        assert page_of(site, BTC) == "https://host/page/#/series/BTC_USDT/1h"
