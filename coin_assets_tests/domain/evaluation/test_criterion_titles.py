"""Criteria of the promotion gate in words: all that the gate tests, the same on the page."""

import re

from coin_assets.domain.evaluation.promotion_criteria import TITLES, Criterion
from coin_assets_tests.domain.evaluation.test_promotion import scores, verdict_of
from coin_assets_tests.realdata import REPOSITORY

OF_PAGE = REPOSITORY / "site" / "src" / "rules" / "criteria.ts"


def test_every_criterion_has_a_title_of_its_own() -> None:
    verdict = verdict_of(scores())
    assert [each.name for each in verdict.criteria] == list(TITLES)
    assert len({each.title for each in verdict.criteria}) == len(TITLES)
    assert all("_" not in each.title for each in verdict.criteria)


def test_documents_have_the_name() -> None:
    (champion,) = (each for each in verdict_of(scores()).criteria if each.name == "champion")
    assert champion.title == "lower loss than the champion's"
    assert champion.document()["name"] == "champion"
    assert champion.title not in champion.document().values()


def test_an_unknown_criterion_is_called_by_its_name() -> None:
    assert Criterion("fair_weather", True, "").title == "fair_weather"


def test_the_page_has_the_same_titles() -> None:
    found = dict(re.findall(r'^  \["(\w+)", "(.+)"\],$', OF_PAGE.read_text(), re.MULTILINE))
    assert {name: _plain(text) for name, text in found.items()} == TITLES


def _plain(text: str) -> str:
    return text[0].lower() + text[1:].replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
