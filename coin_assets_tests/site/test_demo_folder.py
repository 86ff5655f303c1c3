"""The page on what ``make demo`` published, by the clock of this machine."""

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from coin_assets_tests.browser import requires_browser
from coin_assets_tests.site.folder import BUILT, served
from coin_assets_tests.site.tabs import SUB_PATH, watched
from coin_assets_tests.test_demo import DEMO, TWO_SYMBOLS, demo_environment
from coin_assets_tests.webui import run

pytestmark = [requires_browser, pytest.mark.slow, pytest.mark.timeout(600)]


def test_every_view_of_a_demo(browser: Browser, tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = run(DEMO, demo_environment(home, **TWO_SYMBOLS), timeout=290)
    assert done.returncode == 0, done.stderr
    root = tmp_path / "root"
    shutil.copytree(home / "published", root / SUB_PATH)
    shutil.copytree(BUILT, root / SUB_PATH, dirs_exist_ok=True)
    with served(root) as port, watched(browser, port, now=None) as opened:
        tab = opened.at()
        expect(tab.locator("tr.row")).to_have_count(10)
        shown = tab.locator("tr.row", has=tab.locator(".badge.fresh"))
        assert shown.count() >= 6  # weeks and months are too few for a forecast
        address = shown.first.locator("a.series").get_attribute("href")
        opened.at(address or "")
        expect(tab.locator("canvas").first).to_be_visible()
        expect(tab.get_by_role("table", name="Forecast from").get_by_role("row")).to_have_count(25)
        expect(tab.locator("tbody tr").first).to_be_visible()
        opened.at("#/quality")
        expect(tab.locator("tbody tr")).to_have_count(10)
        # Early in a month of forecasts none has matured; the view says so then.
        expect(tab.locator("tbody")).not_to_contain_text("No forecast is scored yet")
        hours = tab.locator("tbody tr", has_text="1h").first
        expect(hours).to_contain_text(re.compile(r"stable|unknown|drifting|has matured yet"))
        opened.at("#/status")
        expect(tab.locator(".facts")).to_contain_text("sandbox")
