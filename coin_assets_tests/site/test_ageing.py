"""What the page does as time passes, as the data changes, and while the server is away."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from coin_assets.domain.json_format import time_text
from coin_assets_tests.browser import requires_browser
from coin_assets_tests.site.documents import NOW
from coin_assets_tests.site.folder import Folder, published, served
from coin_assets_tests.site.tabs import SUB_PATH, watched

pytestmark = [requires_browser, pytest.mark.usefixtures("own")]
UNREACHABLE = "ERR_CONNECTION_REFUSED"


@pytest.fixture
def own(root: Path) -> Folder:
    """A folder of two symbols that the test may change."""
    return published(root / SUB_PATH, ("BTC/USDT", "ETH/USDT"))


def test_an_open_page_ages_to_stale_and_then_shows_no_numbers(browser: Browser, port: int) -> None:
    with watched(browser, port) as opened:
        tab = opened.at()
        row = tab.locator("tr.row").first
        expect(row.locator(".c-age")).to_have_text("2 min ago")
        opened.advance("01:03:30")
        expect(row.locator(".c-status")).to_have_text("Stale")
        expect(row.locator(".c-price")).to_have_count(1)
        expect(tab.get_by_role("status").first).not_to_contain_text("manifest is old")
        opened.advance("01:05:00")
        expect(row.locator(".c-status")).to_have_text("Too old")
        assert row.locator(".num, svg").count() == 0
        expect(row).to_contain_text("was not to be shown after 2026-11-29 14:10 UTC")
        expect(tab.get_by_role("status").first).to_contain_text("The manifest is old.")


def test_an_open_series_is_withdrawn_when_it_is_too_old(browser: Browser, port: int) -> None:
    with watched(browser, port) as opened:
        tab = opened.at("#/series/BTC_USDT/1h")
        expect(tab.locator("canvas").first).to_be_visible()
        opened.advance("01:03:30")
        expect(tab.locator(".banner", has_text="Stale.")).to_be_visible()
        opened.advance("01:05:00")
        expect(tab.locator(".refusal")).to_contain_text("Not shown: too old")
        for numbers in ("canvas", "table", ".facts", ".reading"):
            expect(tab.locator(numbers)).to_have_count(0)


def test_new_data_appears_without_moving_the_reader(
    browser: Browser, port: int, own: Folder
) -> None:
    with watched(browser, port, viewport={"width": 1280, "height": 400}) as opened:
        tab = opened.at()
        chosen = tab.get_by_role("link", name="ETH/USDT 1w")
        chosen.focus()
        tab.evaluate("scrollTo(0, 150)")
        before = tab.locator("tr.row").first.locator(".c-price").inner_text()
        own.now = NOW + timedelta(hours=1)
        own.manifest["generated_at"] = time_text(own.now)
        for symbol in ("BTC/USDT", "ETH/USDT"):
            own.publish(symbol, "1h")
        own.manifest["public"]["entries"].sort(
            key=lambda each: (each["symbol"], each["timeframe"] != "1h")
        )
        own.manifest["public"]["entries"][0]["overview"]["price"] *= 1.5
        own.save()
        opened.advance("01:00:00")
        expect(tab.locator("tr.row").first.locator(".c-age")).to_have_text("2 min ago")
        expect(tab.locator("tr.row").first.locator(".c-price")).not_to_have_text(before)
        expect(chosen).to_be_focused()
        assert tab.evaluate("scrollY") == 150


def test_an_open_series_follows_the_manifest_and_keeps_the_readers_view(
    browser: Browser, port: int, own: Folder
) -> None:
    with watched(browser, port) as opened:
        tab = opened.at("#/series/BTC_USDT/1h")
        tab.get_by_role("button", name="Earlier").click()
        tab.get_by_role("button", name="Earlier").click()
        heading = tab.locator("#chart-heading")
        expect(heading).to_contain_text("Forecast of 2026-11-28 11:00 UTC")
        own.now = NOW + timedelta(hours=1)
        own.manifest["generated_at"] = time_text(own.now)
        own.publish("BTC/USDT", "1h")
        own.save()
        opened.advance("01:00:00")
        expect(tab.locator(".facts").last).to_contain_text("2026-11-29 13:00 UTC")
        expect(tab.get_by_role("combobox", name="Origin").locator("option").nth(1)).to_have_text(
            "2026-11-28 13:00 UTC"
        )
        expect(heading).to_contain_text("Forecast of 2026-11-28 11:00 UTC")
        expect(tab.get_by_role("button", name="Earlier")).to_be_focused()


def test_a_server_that_is_away_leaves_the_last_state_with_ages_that_go_on(
    browser: Browser, root: Path
) -> None:
    with ExitStack() as server:
        port = server.enter_context(served(root))
        with watched(browser, port) as opened:
            opened.excused = UNREACHABLE
            tab = opened.at()
            row = tab.locator("tr.row").first
            server.close()
            opened.advance("00:01:00")
            banner = tab.get_by_role("status").first
            expect(banner).to_contain_text("The server does not answer.")
            expect(banner).to_contain_text("(2026-11-29 12:02 UTC)")
            expect(row.locator(".c-age")).to_have_text("3 min ago")
            expect(row.locator(".c-price")).to_have_count(1)
            opened.advance("00:10:00")
            expect(row.locator(".c-age")).to_have_text("13 min ago")
            server.enter_context(served(root, port))
            tab.get_by_role("button", name="Update").click()
            expect(banner).not_to_contain_text("The server does not answer.")
            opened.advance("02:00:00")
            expect(row.locator(".c-status")).to_have_text("Too old")


def test_a_page_that_finds_no_server_recovers_by_itself(
    browser: Browser, root: Path, own: Folder
) -> None:
    manifest = own.path / "manifest.json"
    kept = manifest.rename(own.path / "kept.json")
    with served(root) as port, watched(browser, port) as opened:
        opened.excused = "404"
        tab = opened.at()
        expect(tab.locator("h1")).to_have_text("Nothing to show")
        expect(tab.get_by_role("status").first).to_contain_text(
            "manifest.json is not on the server"
        )
        kept.rename(manifest)
        opened.advance("00:01:00")
        expect(tab.locator("tr.row")).to_have_count(10)


def test_a_clock_that_is_behind_the_manifest_is_pointed_out(browser: Browser, port: int) -> None:
    with watched(browser, port, now=NOW - timedelta(hours=3)) as opened:
        banner = opened.at().get_by_role("status").first
        expect(banner).to_contain_text("The clock of this device looks wrong.")
