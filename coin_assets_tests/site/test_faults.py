"""Files that are damaged, absent, of another release, or not to be served."""

import json
import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from coin_assets_tests.browser import requires_browser
from coin_assets_tests.site.folder import Folder, published
from coin_assets_tests.site.tabs import PLAIN, SUB_PATH, watched

pytestmark = requires_browser
SERIES = "#/series/BTC_USDT/1h"
NUMBERS = ("canvas", "table", ".facts", ".reading")


@pytest.fixture
def own(root: Path) -> Folder:
    return published(root / SUB_PATH, ("BTC/USDT",))


def entry_of(folder: Folder) -> dict[str, object]:
    entry: dict[str, object] = folder.manifest["public"]["entries"][0]
    return entry


def reference(folder: Folder, kind: str) -> dict[str, str]:
    found = entry_of(folder)[kind]
    assert isinstance(found, dict)
    return found


def require_no_numbers(tab: Page) -> None:
    for numbers in NUMBERS:
        expect(tab.locator(numbers)).to_have_count(0)


@pytest.mark.parametrize("kind", ["history", "prediction"])
def test_a_damaged_file_is_refused_until_it_is_whole_again(
    browser: Browser, port: int, own: Folder, kind: str
) -> None:
    path = own.path / reference(own, kind)["object"]
    whole = path.read_bytes()
    # One digit of a number: it is still JSON, and still keeps the schema.
    path.write_bytes(whole.replace(b"1", b"2", 1))
    with watched(browser, port) as opened:
        tab = opened.at(SERIES)
        expect(tab.locator(".banner")).to_contain_text("its SHA-256 differs")
        require_no_numbers(tab)
        path.write_bytes(whole)
        opened.advance("00:01:00")
        expect(tab.locator("canvas").first).to_be_visible()
        expect(tab.locator(".banner")).to_have_count(0)


def test_over_plain_http_hashes_are_compared_too(browser: Browser, port: int, own: Folder) -> None:
    with watched(browser, port, name=PLAIN) as opened:
        tab = opened.at(SERIES)
        assert tab.evaluate("crypto.subtle") is None
        expect(tab.locator("canvas").first).to_be_visible()
        path = own.path / reference(own, "history")["object"]
        path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))
        later = path.stat().st_mtime + 5  # the server compares whole seconds
        os.utime(path, (later, later))
        tab.reload()
        expect(tab.locator(".banner")).to_contain_text("its SHA-256 differs")
        require_no_numbers(tab)


def test_a_missing_object_is_named_and_its_successor_found(
    browser: Browser, port: int, own: Folder
) -> None:
    (own.path / reference(own, "prediction")["object"]).unlink()
    with watched(browser, port) as opened:
        opened.excused = "404"
        tab = opened.at(SERIES)
        expect(tab.locator(".banner")).to_contain_text("is not on the server (HTTP 404)")
        require_no_numbers(tab)
        own.publish("BTC/USDT", "1h")
        own.save()
        opened.advance("00:01:00")
        expect(tab.locator("canvas").first).to_be_visible()


def test_a_file_that_changes_while_the_page_reads_is_found_at_once(
    browser: Browser, port: int, own: Folder
) -> None:
    """The manifest in hand lists an object that is gone; the new manifest lists another one."""
    with watched(browser, port) as opened:
        opened.excused = "404"
        tab = opened.at()
        (own.path / reference(own, "history")["object"]).unlink()
        own.publish("BTC/USDT", "1h", holes=(5,))
        own.save()
        tab.locator("a.series").first.press("Enter")
        expect(tab.locator("canvas").first).to_be_visible()
        expect(tab.get_by_role("button", name="199 candles as CSV")).to_be_visible()


def test_a_manifest_of_an_earlier_release_is_read_by_fixed_names(
    browser: Browser, port: int, own: Folder
) -> None:
    for each in own.manifest["public"]["entries"]:
        for kind in ("history", "prediction"):
            del each[kind]["object"]
        for name in ("evaluation", "overview", "reason", "caution"):
            del each[name]
    for each in own.manifest["ops"]["entries"]:
        del each["reason"], each["caution"]
    del own.manifest["ops"]["dagster_url"], own.manifest["market"]
    own.save()
    for path in (own.path / "objects").iterdir():
        path.unlink()
    with watched(browser, port) as opened:
        tab = opened.at()
        expect(tab.locator("tr.row").first.locator(".c-price")).to_have_text("\N{EN DASH}")
        tab.goto(f"{opened.url}{SERIES}")
        expect(tab.locator("canvas").first).to_be_visible()
        expect(tab.get_by_role("table", name="Forecast from")).to_be_visible()
        expect(tab.locator("main")).to_contain_text("No past forecast is published yet")
        opened.at("#/status")


def test_a_manifest_of_an_unknown_version_is_refused(
    browser: Browser, port: int, own: Folder
) -> None:
    with watched(browser, port) as opened:
        tab = opened.at(SERIES)
        expect(tab.locator("canvas").first).to_be_visible()
        own.save(version=3)
        opened.advance("00:01:00")
        expect(tab.get_by_role("status").first).to_contain_text("has version 3; this page knows")
        require_no_numbers(tab)


def test_a_damaged_manifest_leaves_the_last_one(browser: Browser, port: int, own: Folder) -> None:
    with watched(browser, port) as opened:
        tab = opened.at()
        whole = (own.path / "manifest.json").read_text()
        (own.path / "manifest.json").write_text(whole[: len(whole) // 2])
        opened.advance("00:01:00")
        expect(tab.get_by_role("status").first).to_contain_text("manifest.json is not JSON")
        expect(tab.locator("tr.row").first.locator(".c-price")).to_have_count(1)


@pytest.mark.parametrize(
    ("status", "title"),
    [
        ("insufficient_data", "Too few candles"),
        pytest.param("missing", "Missing", marks=pytest.mark.slow),
        pytest.param("corrupt", "Damaged", marks=pytest.mark.slow),
        pytest.param("hard_stale", "Too old", marks=pytest.mark.slow),
        pytest.param("golden", "Refused", marks=pytest.mark.slow),
    ],
)
def test_what_may_not_be_served_shows_why_and_no_numbers(
    browser: Browser, port: int, own: Folder, status: str, title: str
) -> None:
    own.refuse(own.manifest["public"]["entries"][0], status, "a reason of its own")
    own.save()
    asked: list[str] = []
    with watched(browser, port) as opened:
        opened.tab.on("request", lambda request: asked.append(request.url))
        tab = opened.at(SERIES)
        expect(tab.locator(".refusal")).to_contain_text(f"Not shown: {title.lower()}")
        if status != "golden":
            expect(tab.locator(".refusal")).to_contain_text("A reason of its own.")
        require_no_numbers(tab)
        tab.goto(f"{opened.url}#/quality/BTC_USDT/1h")
        expect(tab.locator(".refusal")).to_contain_text(title.lower())
        tab.goto(f"{opened.url}#/")
        row = tab.locator("tr.row").first
        expect(row.locator(".c-status")).to_have_text(title)
        assert row.locator(".num, svg").count() == 0
    assert [url for url in asked if "objects" in url] == []


def test_text_of_the_manifest_is_shown_as_text(browser: Browser, port: int, own: Folder) -> None:
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    own.refuse(own.manifest["public"]["entries"][0], "corrupt", hostile)
    own.manifest["ops"]["dagster_url"] = "javascript:alert(3)"
    own.save()
    assert json.loads((own.path / "manifest.json").read_text())["ops"]["dagster_url"]
    with watched(browser, port) as opened:
        tab = opened.at(SERIES)
        expect(tab.locator(".refusal")).to_contain_text(hostile)
        opened.at("#/status")
        expect(tab.locator("a[href^=javascript]")).to_have_count(0)
