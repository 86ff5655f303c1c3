"""The quality view of series without scores says why there are none."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from coin_assets.domain.forecasting.frame import STEPS
from coin_assets_tests.browser import requires_browser
from coin_assets_tests.schemas import assert_valid
from coin_assets_tests.site.documents import as_of, evaluation, history
from coin_assets_tests.site.folder import Folder, published
from coin_assets_tests.site.tabs import SUB_PATH, watched

pytestmark = requires_browser


@pytest.fixture
def own(root: Path) -> Folder:
    """``1h`` was never evaluated, and of ``4h`` no forecast has matured."""
    folder = published(root / SUB_PATH, ("BTC/USDT",))
    hours, four_hours, *_ = folder.manifest["public"]["entries"]
    hours.update(evaluation=None, quality=None)
    document = evaluation(history("BTC/USDT", "4h", as_of("4h")))
    document |= {"champion": None, "challenger": None}
    steps = [{"step": 1 + at, "champion": None, "challenger": None} for at in range(STEPS)]
    document |= {"by_step": steps, "over_time": [], "recent": []}
    assert_valid("evaluation", document)
    name = "evaluations/BTC_USDT_4h.json"
    four_hours.update(evaluation=folder.write(name, document), quality=None)
    folder.save()
    return folder


@pytest.mark.usefixtures("own")
def test_series_without_scores_say_why(browser: Browser, port: int) -> None:
    with watched(browser, port) as opened:
        tab = opened.at("#/quality")
        table = tab.get_by_role("table", name="Scores of the champion by series")
        rows = table.locator("tbody tr")
        expect(rows.nth(0)).to_contain_text("No forecast is scored yet.")
        expect(rows.nth(1)).to_contain_text("No forecast has matured yet; each takes 24 candles.")
        expect(rows.nth(2)).to_contain_text("stable")
        tab = opened.at("#/quality/BTC_USDT/1h")
        expect(tab.locator("main")).to_contain_text("a forecast matures after 24 candles")
        tab = opened.at("#/quality/BTC_USDT/4h")
        expect(tab.locator("main")).to_contain_text("No forecast has matured yet")
        expect(tab.locator("svg[role=img]")).to_have_count(0)
        expect(tab.locator("main")).not_to_contain_text("Not published yet")
        versions = tab.get_by_role("table", name="Changes of champion and challenger")
        expect(versions.locator("tbody tr")).to_have_count(2)
