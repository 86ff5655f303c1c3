"""Readers with a phone, a dark screen, a keyboard or a screen reader; and very many series."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from coin_assets_tests.browser import requires_browser
from coin_assets_tests.realdata import REPOSITORY
from coin_assets_tests.site.folder import published, served
from coin_assets_tests.site.tabs import SUB_PATH, watched

pytestmark = [requires_browser, pytest.mark.usefixtures("folder")]
AXE = REPOSITORY / "site" / "node_modules" / "axe-core" / "axe.min.js"
VIEWS = {
    "overview": "",
    "series": "#/series/BTC_USDT/1h",
    "refused": "#/series/DOGE_USDT/1M",
    "quality": "#/quality",
    "quality of one": "#/quality/BTC_USDT/1h",
    "status": "#/status",
}
PHONE = {"width": 375, "height": 740}


def findings(tab: Page) -> list[str]:
    """What axe-core finds, by rule and element; nothing is taken out."""
    tab.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = tab.evaluate(
        "axe.run(document, {resultTypes: ['violations']}).then(result => result.violations)"
    )
    return [
        f"{each['impact']} {each['id']}: {node['html'][:150]} {node['failureSummary'][:300]}"
        for each in found
        for node in each["nodes"]
    ]


@pytest.mark.skipif(not AXE.exists(), reason="no axe-core: run npm ci in site/")
@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1280, "light"),
        pytest.param(1280, "dark", marks=pytest.mark.slow),
        pytest.param(375, "light", marks=pytest.mark.slow),
        pytest.param(375, "dark", marks=pytest.mark.slow),
    ],
)
def test_axe_finds_nothing(browser: Browser, port: int, width: int, scheme: str) -> None:
    viewport = {"width": width, "height": 900}
    with watched(browser, port, color_scheme=scheme, viewport=viewport) as opened:
        found = {}
        for name, address in VIEWS.items():
            tab = opened.at(address)
            found[name] = findings(tab)
        assert found == {name: [] for name in VIEWS}


def test_nothing_is_wider_than_a_phone(browser: Browser, port: int) -> None:
    with watched(browser, port, viewport=PHONE, has_touch=True) as opened:
        for address in VIEWS.values():
            tab = opened.at(address)
            assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], address
        tab = opened.at()
        row = tab.locator("tr.row").first
        for part in ("a.series", ".c-status", ".c-price", ".c-range", ".c-skill"):
            expect(row.locator(part)).to_be_visible()
        box = row.locator(".c-price").bounding_box()  # anywhere in the card opens the series
        assert box is not None
        tab.touchscreen.tap(box["x"] + 5, box["y"] + 5)
        expect(tab.locator("h1")).to_have_text("BTC/USDT 1h")


def test_a_dark_screen_gets_dark_colours_in_the_chart_too(browser: Browser, port: int) -> None:
    brightness = """canvas => {
        const pixels = canvas.getContext("2d").getImageData(2, 2, 1, 1).data;
        return (pixels[0] + pixels[1] + pixels[2]) / 3;
    }"""
    with watched(browser, port) as opened:
        opened.excused = "willReadFrequently"  # this test reads the canvas
        tab = opened.at("#/series/BTC_USDT/1h")
        canvas = tab.locator("canvas").first
        expect(canvas).to_be_visible()
        assert canvas.evaluate(brightness) > 230
        tab.emulate_media(color_scheme="dark")
        tab.wait_for_timeout(200)
        assert canvas.evaluate(brightness) < 60
        ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == "rgb(17, 21, 26)"


def test_everything_works_from_the_keyboard(browser: Browser, port: int) -> None:
    with watched(browser, port) as opened:
        tab = opened.at()
        tab.keyboard.press("Tab")
        expect(tab.get_by_role("link", name="Skip to content")).to_be_focused()
        tab.keyboard.press("Enter")
        expect(tab.locator("main")).to_be_focused()
        tab.keyboard.press("Tab")
        expect(tab.get_by_role("searchbox")).to_be_focused()
        tab.get_by_role("columnheader", name="Status").get_by_role("button").focus()
        tab.keyboard.press("Enter")
        expect(tab.get_by_role("columnheader", name="Status")).to_have_attribute(
            "aria-sort", "ascending"
        )
        first = tab.locator("a.series").first
        expect(first).to_contain_text("DOGE/USDT 1M")  # the worst status comes first
        first.focus()
        tab.keyboard.press("ArrowDown")
        expect(tab.locator("a.series").nth(1)).to_be_focused()
        tab.keyboard.press("Enter")
        expect(tab.locator("h1")).to_be_focused()
        chart = tab.get_by_role("img", name="Chart of")
        for _ in range(20):
            tab.keyboard.press("Tab")
            if chart.evaluate("each => each === document.activeElement"):
                break
        tab.keyboard.press("ArrowLeft")
        expect(tab.locator(".reading")).to_contain_text("closes")
        expect(tab.locator(".reading")).to_have_attribute("aria-live", "polite")
        tab.go_back()
        expect(tab.locator("h1")).to_have_text("Overview")


def test_five_hundred_series(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / SUB_PATH
    path.mkdir(parents=True)
    made = published(path, ("BTC/USDT",))
    entries, ops = made.manifest["public"]["entries"], made.manifest["ops"]["entries"]
    names = [f"C{number:02}/USDT" for number in range(100)]
    for listed in (entries, ops):
        listed[:] = [each | {"symbol": name} for name in names for each in listed]
    made.manifest["public"]["symbols"] = names
    made.save()
    with served(tmp_path) as port, watched(browser, port) as opened:
        tab = opened.at()
        expect(tab.locator("a.series")).to_have_count(500)
        tab.get_by_role("searchbox").fill("c42")
        expect(tab.locator("a.series")).to_have_count(5)
        tab.get_by_role("searchbox").fill("")
        expect(tab.locator("a.series")).to_have_count(500)
        # Seconds that pass change no row: the page has to stay quick under many of them.
        ticks = """() => new Promise(done => {
            let changed = 0;
            const table = document.querySelector("table.overview");
            new MutationObserver(seen => { changed += seen.length; })
                .observe(table, {subtree: true, childList: true, characterData: true});
            setTimeout(() => done(changed), 1500);
        })"""
        # Once more if a minute, which rows show, passed just then.
        assert tab.evaluate(ticks) == 0 or tab.evaluate(ticks) == 0
        opened.advance("00:01:00")
        expect(tab.locator("tr.row").first.locator(".c-age")).to_have_text("3 min ago")


@pytest.mark.slow
def test_the_first_view_takes_less_than_a_second(browser: Browser, port: int) -> None:
    times = []
    for _ in range(5):
        with watched(browser, port, now=None) as opened:
            opened.tab.goto(opened.url)
            opened.tab.locator("tr.row").nth(24).wait_for()
            times.append(json.loads(opened.tab.evaluate("JSON.stringify(performance.now())")))
    assert min(times) < 1000, times
