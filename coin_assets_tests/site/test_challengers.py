"""The quality view of a series that three methods challenge, and of one with one challenger."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from coin_assets_tests.browser import requires_browser
from coin_assets_tests.schemas import assert_valid
from coin_assets_tests.site.challengers import challenged
from coin_assets_tests.site.documents import Document, as_of, evaluation, history
from coin_assets_tests.site.folder import Folder, published
from coin_assets_tests.site.tabs import SUB_PATH, watched
from coin_assets_tests.site.test_access import AXE, PHONE, findings

pytestmark = requires_browser
COLUMNS = (
    "Role",
    "Method",
    "Version",
    "Loss beside champion",
    "Loss beside naive",
    "Coverage of 80%",
    "Forecasts",
    "Promotion gate",
)
NAMES = ["champion", "challenger har_exogenous", "challenger har", "challenger naive"]
NONE = "\N{EN DASH}"
APOSTROPHE = "\N{RIGHT SINGLE QUOTATION MARK}"
OF_ONE = "#/quality/BTC_USDT/1h"


@pytest.fixture(scope="module")
def document(root: Path) -> Document:
    """Of ``1h``; ``4h`` has the same challengers in a file of an earlier release."""
    folder = published(root / SUB_PATH, ("BTC/USDT",))
    document = replaced(folder, "1h")
    replaced(folder, "4h", is_earlier=True)
    folder.save()
    return document


def replaced(folder: Folder, timeframe: str, *, is_earlier: bool = False) -> Document:
    """Replace the evaluation of a series by one with three challengers."""
    made = evaluation(history("BTC/USDT", timeframe, as_of(timeframe)))
    document = challenged(made, is_earlier=is_earlier)
    assert_valid("evaluation", document)
    entries = folder.manifest["public"]["entries"]
    entry = next(each for each in entries if each["timeframe"] == timeframe)
    name = f"evaluations/BTC_USDT_{timeframe}.json"
    entry["evaluation"] = folder.write(name, document)
    return document


def cells(row: Locator) -> list[str]:
    return row.locator("th, td").all_inner_texts()


def plot(tab: Page, title: str) -> Locator:
    return tab.locator(".plot-card", has=tab.get_by_role("heading", name=title))


def test_each_challenger_has_a_row_the_best_one_first(
    browser: Browser, port: int, document: Document
) -> None:
    with watched(browser, port) as opened:
        tab = opened.at(OF_ONE)
        table = tab.get_by_role("table", name="Champion and challengers by method")
        expect(table.get_by_role("columnheader")).to_have_text(list(COLUMNS))
        champion, exogenous, har, naive = (cells(each) for each in table.locator("tbody tr").all())
        assert champion[:4] == ["Champion", "har", "3", NONE]
        assert champion[-1] == NONE
        assert exogenous[:4] == ["Challenger", "har_exogenous", "5", "0.970"]
        assert har[:4] == ["Challenger", "har", "4", "0.990"]
        assert naive[:4] == ["Challenger", "naive", NONE, "1.040"]
        entries = {each["method"]: each for each in document["challengers"]}
        scores = entries["har_exogenous"]["scores"]
        assert exogenous[4] == f"{scores['pinball'] / scores['naive_pinball']:.3f}"
        assert exogenous[5] == f"{scores['coverage_80']:.1%}"
        assert exogenous[6] == f"{scores['origins']}"
        gate = "keep, 1 of 3 criteria met"
        assert [exogenous[7], har[7], naive[7]] == [gate, gate, "not tested"]


@pytest.mark.usefixtures("document")
def test_plots_and_tables_show_all_roles_by_name(browser: Browser, port: int) -> None:
    titles = [name.capitalize() for name in NAMES]
    with watched(browser, port) as opened:
        tab = opened.at(OF_ONE)
        for title in ("Reliability", "Loss beside naive, over time", "Loss beside naive, by step"):
            card = plot(tab, title)
            assert card.locator(".legend li").all_inner_texts()[:4] == NAMES
            strokes = "paths => paths.map(path => getComputedStyle(path).stroke)"
            looks = card.locator(".line path").evaluate_all(strokes)
            assert len(set(looks)) == len(NAMES)
        by_step = plot(tab, "Coverage of the 80% range, by step")
        by_step.locator("summary").click()
        expect(by_step.get_by_role("columnheader")).to_have_text(["Step", *NAMES])
        expect(by_step.locator("tbody tr").first.locator("td")).to_have_count(4)
        roles = tab.get_by_role("table", name="Scores by role")
        expect(roles.get_by_role("columnheader")).to_have_text(["Score", *titles])
        for name in NAMES[1:3]:
            expect(
                tab.get_by_role("heading", name=f"Test of the {name}", exact=True)
            ).to_be_visible()
        expect(tab.get_by_role("heading", name="Test of the")).to_have_count(2)


@pytest.mark.usefixtures("document")
def test_criteria_of_the_gate_are_words_and_unknown_ones_stay_as_they_are(
    browser: Browser, port: int
) -> None:
    with watched(browser, port) as opened:
        tab = opened.at(OF_ONE)
        name = "Criteria of the promotion gate for the challenger har"
        table = tab.get_by_role("table", name=name, exact=True)
        expect(table.locator("tbody th")).to_have_text(
            ["Enough forecasts", f"Lower loss than the champion{APOSTROPHE}s", "fair_weather"]
        )
        assert [cells(row)[1] for row in table.locator("tbody tr").all()] == ["yes", "no", "no"]


@pytest.mark.usefixtures("document")
def test_a_file_of_an_earlier_release_lacks_the_lines_alone(browser: Browser, port: int) -> None:
    with watched(browser, port) as opened:
        tab = opened.at("#/quality/BTC_USDT/4h")
        table = tab.get_by_role("table", name="Champion and challengers by method")
        expect(table.locator("tbody tr")).to_have_count(4)
        assert cells(table.locator("tbody tr").first)[1] == NONE
        assert plot(tab, "Reliability").locator(".line").count() == 4
        for title in ("Loss beside naive, over time", "Loss beside naive, by step"):
            assert plot(tab, title).locator(".line").count() == 2


@pytest.mark.usefixtures("document")
def test_one_challenger_is_shown_without_the_name_of_its_method(
    browser: Browser, port: int
) -> None:
    with watched(browser, port) as opened:
        tab = opened.at("#/quality/BTC_USDT/1d")
        roles = tab.get_by_role("table", name="Scores by role")
        expect(roles.get_by_role("columnheader")).to_have_text(["Score", "Champion", "Challenger"])
        expect(tab.get_by_role("heading", name="Challengers by method")).to_have_count(0)
        expect(
            tab.get_by_role("heading", name="Champion and challenger", exact=True)
        ).to_be_visible()
        legend = plot(tab, "Reliability").locator(".legend li")
        expect(legend).to_have_text(["champion", "challenger", "perfectly calibrated"])


@pytest.mark.usefixtures("document")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_axe_finds_nothing(browser: Browser, port: int, scheme: str) -> None:
    with watched(browser, port, viewport=PHONE, color_scheme=scheme) as opened:
        tab = opened.at(OF_ONE)
        assert tab.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert not AXE.exists() or findings(tab) == []
