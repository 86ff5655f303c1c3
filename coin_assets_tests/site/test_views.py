"""Each view of the page, in a real browser."""

import csv
import re

import pytest
from playwright.sync_api import Browser, Page, expect

from coin_assets_tests.browser import requires_browser
from coin_assets_tests.site.documents import as_of, history
from coin_assets_tests.site.folder import HOLES, SYMBOLS, TIMEFRAMES, Folder
from coin_assets_tests.site.tabs import watched

pytestmark = [requires_browser, pytest.mark.usefixtures("folder")]


def rows(tab: Page) -> list[str]:
    return [" ".join(text.split()) for text in tab.locator("a.series").all_text_contents()]


def test_the_overview_lists_every_series_by_symbol(
    browser: Browser, port: int, folder: Folder
) -> None:
    with watched(browser, port) as opened:
        tab = opened.at()
        assert rows(tab) == [f"{symbol} {name}" for symbol in SYMBOLS for name in TIMEFRAMES]
        entry = folder.manifest["public"]["entries"][0]
        row = tab.locator("tr.row").first
        expect(row.locator(".c-status")).to_have_text("Fresh")
        expect(row.locator(".c-age")).to_have_text("2 min ago")
        price = row.locator(".c-price").inner_text().replace(",", "")
        assert float(price) == pytest.approx(entry["overview"]["price"], rel=1e-5)
        points = row.locator("polyline").get_attribute("points")
        assert points is not None
        assert len(points.split()) == 48
        troubled = tab.locator("tr.row", has_text="Too few candles")
        expect(troubled).to_contain_text("There are 9 candles, not 60.")
        assert troubled.locator(".num, svg").count() == 0
        expect(tab.locator("tr.notes", has_text="has not moved")).to_be_visible()
        hidden = tab.get_by_role("region", name="Hidden series")
        expect(hidden).to_contain_text("ADA/USDT 1h")
        expect(hidden).to_contain_text("3 of 30 months are fetched.")


def test_the_overview_sorts_and_filters_and_keeps_that_in_the_address(
    browser: Browser, port: int, folder: Folder
) -> None:
    with watched(browser, port) as opened:
        tab = opened.at()
        skills = {
            f"{each['symbol']} {each['timeframe']}": each["quality"]["skill"]
            for each in folder.manifest["public"]["entries"]
            if each["quality"]
        }
        heading = tab.get_by_role("columnheader", name="Skill")
        heading.get_by_role("button").click()
        heading.get_by_role("button").click()
        expect(heading).to_have_attribute("aria-sort", "descending")
        shown = rows(tab)
        assert shown[-1] == "DOGE/USDT 1M"  # it has no skill
        assert [skills[name] for name in shown[:-1]] == sorted(skills.values(), reverse=True)
        tab.keyboard.press("/")
        tab.keyboard.type("eth 1")
        expect(tab.locator("a.series")).to_have_count(4)
        assert set(rows(tab)) == {f"ETH/USDT {name}" for name in ("1h", "1d", "1w", "1M")}
        tab.reload()
        expect(tab.locator("a.series")).to_have_count(4)
        expect(tab.get_by_role("searchbox")).to_have_value("eth 1")
        tab.get_by_role("searchbox").fill("")
        tab.get_by_role("button", name="Not shown").click()
        expect(tab.locator("a.series")).to_have_text("DOGE/USDT 1M")
        tab.get_by_role("button", name="Group by symbol").click()
        expect(heading).to_have_attribute("aria-sort", "none")


def test_a_series_shows_candles_forecast_and_exact_values(browser: Browser, port: int) -> None:
    with watched(browser, port) as opened:
        tab = opened.at("#/series/BTC_USDT/1h")
        chart = tab.get_by_role("img", name="Chart of BTC/USDT 1h")
        expect(chart.locator("canvas").first).to_be_visible()
        expect(tab.locator(".facts").last).to_contain_text(
            "2026-11-29 12:00 UTC (2026-11-29 13:00 local)"
        )
        expect(tab.locator(".facts").last).to_contain_text("version 3")
        expect(tab.locator(".facts a", has_text="Dagster")).to_have_attribute(
            "href", "http://127.0.0.1:3000/assets/BTC_USDT/published_1h"
        )
        table = tab.get_by_role("table", name="Forecast from 2026-11-29 12:00 UTC")
        expect(table.get_by_role("row")).to_have_count(25)
        expect(table.locator("tbody tr").last.locator("th")).to_have_text("2026-11-30 12:00")
        expect(tab.locator("figcaption")).to_contain_text("1 gap in these candles")
        expect(tab.locator("figcaption")).to_contain_text("(3 candles, outage of the exchange)")
        chart.focus()
        tab.keyboard.press("ArrowLeft")
        expect(tab.locator(".reading")).to_contain_text("2026-11-29 11:00 UTC")
        expect(tab.locator(".reading")).to_contain_text("C\N{NO-BREAK SPACE}91,250.00")
        tab.keyboard.press("ArrowRight")
        expect(tab.locator(".reading")).to_contain_text("2026-11-29 12:00 UTC")
        expect(tab.locator(".reading")).to_contain_text("80% ")
        tab.get_by_role("navigation", name="Timeframe").get_by_role("link", name="1M").click()
        expect(tab.locator("h1")).to_have_text("BTC/USDT 1M")
        expect(tab.locator("h1")).to_be_focused()


def test_the_candles_can_be_downloaded_unrounded(browser: Browser, port: int) -> None:
    with watched(browser, port) as opened:
        tab = opened.at("#/series/BTC_USDT/1h")
        with tab.expect_download() as waited:
            tab.get_by_role("button", name="197 candles as CSV").click()
        assert waited.value.suggested_filename == "history_BTC_USDT_1h.csv"
        with waited.value.path().open(newline="") as file:
            found = list(csv.DictReader(file))
        expected = history("BTC/USDT", "1h", as_of("1h"), holes=HOLES)["data"]
        numbers = [
            {name: text if name == "timestamp" else float(text) for name, text in row.items()}
            for row in found
        ]
        assert numbers == expected


def test_a_reader_steps_back_through_past_forecasts(browser: Browser, port: int) -> None:
    with watched(browser, port) as opened:
        tab = opened.at("#/series/ETH_USDT/1h")
        tab.get_by_role("button", name="Earlier").click()
        expect(tab.locator("#chart-heading")).to_contain_text("Forecast of 2026-11-28 12:00 UTC")
        table = tab.get_by_role("table", name="Forecast from 2026-11-28 12:00 UTC")
        expect(table.locator("tbody tr")).to_have_count(24)
        assert set(table.locator("tbody td:last-child").all_inner_texts()) <= {"yes", "no"}
        expect(tab.get_by_role("button", name="Earlier")).to_be_focused()
        tab.get_by_role("button", name="Earlier").click()
        assert "origin=2026-11-28T11%3A00%3A00Z" in tab.url
        tab.get_by_role("combobox", name="Origin").select_option("")
        expect(tab.locator("#chart-heading")).to_have_text("Candles and forecast")


def test_the_quality_of_all_series_and_of_one(browser: Browser, port: int) -> None:
    with watched(browser, port) as opened:
        tab = opened.at("#/quality")
        table = tab.get_by_role("table", name="Scores of the champion by series")
        expect(table.locator("tbody tr")).to_have_count(25)
        expect(table.get_by_role("row", name="DOGE/USDT 1M")).to_contain_text("Too few candles")
        table.get_by_role("link", name="XRP/USDT 4h").click()
        expect(tab.locator("svg[role=img]")).to_have_count(5)
        names = [each.get_attribute("aria-label") for each in tab.locator("svg[role=img]").all()]
        assert names[0] == "Reliability: observed against nominal shares"
        by_step = tab.locator(".plot-card", has_text="Coverage of the 80% range, by step")
        by_step.locator("summary").click()
        expect(by_step.locator("tbody tr")).to_have_count(24)
        expect(tab.locator("line.mark")).to_have_count(4)  # two rollovers in two plots
        roles = tab.get_by_role("table", name="Scores by role")
        expect(roles.get_by_role("columnheader")).to_have_text(["Score", "Champion", "Challenger"])
        changes = tab.get_by_role("table", name="Changes of champion and challenger")
        expect(changes.locator("tbody tr").first).to_contain_text("monthly rollover")


def test_the_status_view_shows_outages_failures_and_missing_candles(
    browser: Browser, port: int
) -> None:
    with watched(browser, port) as opened:
        tab = opened.at("#/status")
        facts = tab.locator(".facts")
        expect(facts).to_contain_text("24 fresh, 1 too few candles, 1 not published yet")
        expect(facts).to_contain_text(re.compile(r"Published files\d+ files"))
        expect(facts.get_by_role("link", name="Open Dagster")).to_have_attribute(
            "href", "http://127.0.0.1:3000/"
        )
        degraded = tab.get_by_role("table", name="Series whose last renewal failed")
        expect(degraded).to_contain_text("did not answer within 10 seconds")
        outages = tab.get_by_role("table", name="Outages, newest first")
        expect(outages.locator("tbody tr")).to_have_count(1)
        expect(outages).to_contain_text("BTC/USDT, ETH/USDT")
        gaps = tab.get_by_role("table", name="Missing candles by what is known of them")
        expect(gaps.locator("tbody tr").first).to_contain_text("BTC/USDT 1h")
        newest = tab.get_by_role("table", name="Newest 12 results by series").locator("tbody tr")
        expect(newest.first).to_contain_text("12:00")
