"""A researcher finds the archived files of a series beside its tables, and nothing else of it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from coin_assets_tests.browser import requires_browser
from coin_assets_tests.schemas import assert_valid
from coin_assets_tests.site.archive_files import archive
from coin_assets_tests.site.documents import Document, as_of, history
from coin_assets_tests.site.folder import Folder, published
from coin_assets_tests.site.tabs import SUB_PATH, watched
from coin_assets_tests.site.test_access import AXE, PHONE, findings

pytestmark = requires_browser
SERIES = "#/series/BTC_USDT/4h"
SUMMARY = "All forecasts and candles of this series, as Parquet files"


@pytest.fixture
def own(root: Path) -> Iterator[Folder]:
    yield published(root / SUB_PATH, ("BTC/USDT",))
    shutil.rmtree(root / SUB_PATH)


@pytest.fixture
def index(own: Folder) -> Document:
    """The list of an archive of two series."""
    found = archive(own, *(history("BTC/USDT", name, as_of(name)) for name in ("4h", "1d")))
    assert_valid("archive", found)
    own.save()
    return found


def opened_list(tab: Page) -> None:
    tab.get_by_text(SUMMARY).click()


def of_hours(index: Document) -> list[Document]:
    """The listed files of the series that the tests open, oldest month first."""
    return [each for each in index["files"] if each["timeframe"] == "4h"]


def test_the_files_of_a_series_are_listed_by_month_and_can_be_downloaded(
    browser: Browser, port: int, own: Folder, index: Document
) -> None:
    months = of_hours(index)
    with watched(browser, port) as opened:
        tab = opened.at(SERIES)
        requested: list[str] = []
        tab.on("request", lambda request: requested.append(request.url))
        table = tab.get_by_role("table", name="Archived files of BTC/USDT 4h")
        expect(table).to_have_count(0)
        opened_list(tab)
        expect(table.get_by_role("columnheader")).to_have_text(["Month", "Candles"])
        rows = table.locator("tbody tr")
        expect(rows.locator("th")).to_have_text([each["month"] for each in reversed(months)])
        assert len(months) > 1
        assert requested == [f"{opened.url}{own.manifest['archive']['object']}"]
        newest = months[-1]
        with tab.expect_download() as waited:
            rows.first.get_by_role("link", name=f"{newest['rows']} rows").click()
        expected_name = f"candles_BTC_USDT_4h_{newest['month']}.parquet"
        assert waited.value.suggested_filename == expected_name
        found = pd.read_parquet(waited.value.path())
        candles = history("BTC/USDT", "4h", as_of("4h"))["data"][-newest["rows"] :]
        assert found["close"].tolist() == [each["close"] for each in candles]


def test_a_series_that_must_not_be_served_keeps_its_archive(
    browser: Browser, port: int, own: Folder, index: Document
) -> None:
    own.refuse(own.manifest["public"]["entries"][1], "hard_stale", "the exchange is silent")
    own.save()
    with watched(browser, port) as opened:
        tab = opened.at(SERIES)
        expect(tab.locator("h2").first).to_have_text("Not shown: too old")
        opened_list(tab)
        expect(tab.locator("tbody a")).to_have_count(len(of_hours(index)))


@pytest.mark.usefixtures("index")
def test_a_list_that_is_not_the_listed_one_is_refused(
    browser: Browser, port: int, own: Folder
) -> None:
    path = own.path / own.manifest["archive"]["object"]
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"rows":', b'"rows": '))
    with watched(browser, port) as opened:
        tab = opened.at(SERIES)
        opened_list(tab)
        expect(tab.locator(".banner")).to_contain_text("its SHA-256 differs")
        expect(tab.locator("tbody a")).to_have_count(0)
        expect(tab.locator("canvas").first).to_be_visible()  # the series itself is shown
        path.write_bytes(whole)
        opened.advance("00:01:00")
        expect(tab.locator("tbody a").first).to_be_visible()


def test_a_folder_without_an_archive_or_without_files_of_a_series_says_so(
    browser: Browser, port: int, own: Folder
) -> None:
    own.save(archive=None)
    with watched(browser, port) as opened:
        tab = opened.at(SERIES)
        expect(tab.get_by_text("No archive is published yet.")).to_be_visible()
        archive(own, history("BTC/USDT", "1d", as_of("1d")))
        own.save()
        opened.advance("00:01:00")
        opened_list(tab)
        expect(tab.get_by_text("The archive has no file of this series yet.")).to_be_visible()


@pytest.mark.skipif(not AXE.exists(), reason="no axe-core: run npm ci in site/")
@pytest.mark.usefixtures("index")
def test_axe_finds_nothing_in_an_open_list_and_it_fits_a_phone(browser: Browser, port: int) -> None:
    with watched(browser, port, viewport=PHONE) as opened:
        tab = opened.at(SERIES)
        tab.get_by_text(SUMMARY).focus()
        tab.keyboard.press("Enter")
        expect(tab.locator("tbody a").first).to_be_visible()
        assert findings(tab) == []
        assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
