"""Challengers of several methods: scored and tested beside each other, one promoted at most."""

import json
from pathlib import Path

import pytest

from coin_assets.domain.evaluation.promotion import KEEP, PROMOTE, RETIRE
from coin_assets.domain.evaluation.promotion_criteria import CHAMPION_LEVEL
from coin_assets.domain.forecasting.naive_forecaster import NaiveForecaster
from coin_assets.domain.methods import CHALLENGER, CHALLENGER_NAIVE, CHAMPION
from coin_assets.errors import ConfigurationError, CorruptArtefact, DataRefused
from coin_assets.models.evaluations import PUBLISHED_SHA256
from coin_assets.pipeline.evaluate import EvaluationReport
from coin_assets.pipeline.promote import apply_verdict, promote
from coin_assets.planning.evaluations import quality_facts
from coin_assets_tests.pipeline.known_market import (
    DAY,
    FIRST,
    HOUR,
    SERIES,
    TRUE,
    WIDE,
    KnownMarket,
    enough,
    whole_trial,
)
from coin_assets_tests.schemas import assert_valid

CLOSER = 1.25  # wider than right, and narrower than `WIDE`


def decisions(report: EvaluationReport) -> dict[str, str]:
    return {trial.role: trial.verdict.decision for trial in report.trials}


def holders(market: KnownMarket) -> list[str | None]:
    roles = market.registry.roles(SERIES)
    return [roles.holder(role) for role in (CHAMPION, CHALLENGER, CHALLENGER_NAIVE)]


def applied(market: KnownMarket, days: int) -> list[dict[str, str]]:
    """Decisions of daily tests, each applied as the job does."""
    made = []
    for day in range(days):
        now = enough() + day * DAY
        report = market.evaluate(now)
        made.append(decisions(report))
        apply_verdict(market.store, market.registry, report, now)
    return made


@pytest.mark.parametrize(
    ("widths", "winner", "champion"),
    [((WIDE, TRUE, CLOSER), CHALLENGER, "2"), ((WIDE, CLOSER, TRUE), CHALLENGER_NAIVE, "4")],
    ids=["the fitted one", "the naive one"],
)
def test_the_better_of_two_becomes_champion_and_the_other_goes_on(
    tmp_path: Path, widths: tuple[float, ...], winner: str, champion: str
) -> None:
    market = KnownMarket(tmp_path, widths)
    assert holders(market) == ["1", "2", "4"]
    other = CHALLENGER if winner == CHALLENGER_NAIVE else CHALLENGER_NAIVE
    made = applied(market, 3)
    assert made == [{winner: KEEP, other: KEEP}] * 2 + [{winner: PROMOTE, other: KEEP}]
    roles = market.registry.roles(SERIES)
    assert (roles.holder(CHAMPION), roles.holder(winner)) == (champion, None)
    assert roles.holder(other) is not None
    # It has to show itself against the new champion, from nothing.
    promotions = market.evaluate(enough() + 3 * DAY).trials
    assert [(each.role, each.verdict.whole.origins) for each in promotions] == [(other, 0)]


def test_each_challenger_is_scored_and_published_with_its_method(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path, (WIDE, CLOSER, TRUE))
    report = market.evaluate(enough())
    (entry,) = report.document["challengers"]
    assert (entry["method"], entry["role"]) == ("naive", CHALLENGER_NAIVE)
    assert entry["scores"]["versions"] == {"4": report.document["challenger"]["origins"]}
    assert entry["scores"]["pinball"] < report.document["challenger"]["pinball"]
    assert entry["paired"]["champion"] == report.document["paired"]["champion"]
    level = f"p of at most {CHAMPION_LEVEL / 2:g}"
    for promotion in (report.document["promotion"], entry["promotion"]):
        (against,) = [each for each in promotion["criteria"] if each["name"] == "champion"]
        assert level in against["said"]
    sha256 = report.document[PUBLISHED_SHA256]
    published = json.loads(market.evaluations.published(SERIES, sha256) or b"")
    assert_valid("evaluation", published)
    assert published["challengers"][0]["scores"] == entry["scores"]
    assert {each["role"] for each in published["roles"]} == {
        CHAMPION,
        CHALLENGER,
        CHALLENGER_NAIVE,
    }
    assert market.evaluations.versions(SERIES) == {"1", "2", "4"}
    assert market.evaluations.read(SERIES) is not None


def test_with_one_method_the_document_has_no_further_member(tmp_path: Path) -> None:
    report = KnownMarket(tmp_path).evaluate(enough())
    assert "challengers" not in report.document
    assert [trial.role for trial in report.trials] == [CHALLENGER]


def test_a_retired_challenger_leaves_the_other_and_its_place_to_its_own_method(
    tmp_path: Path,
) -> None:
    market = KnownMarket(tmp_path, (TRUE, WIDE, WIDE))
    now = whole_trial()
    report = market.evaluate(now)
    assert decisions(report) == {CHALLENGER: RETIRE, CHALLENGER_NAIVE: RETIRE}
    assert quality_facts(market.evaluations, market.registry, [SERIES])[SERIES].is_decided
    apply_verdict(market.store, market.registry, report, now)
    assert holders(market) == ["1", "3", None]
    assert not quality_facts(market.evaluations, market.registry, [SERIES])[SERIES].is_decided


def test_a_damaged_challenger_holds_up_no_verdict_on_another(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path, (WIDE, WIDE, TRUE))
    reports = [market.evaluate(whole_trial() + day * DAY) for day in (-2, -1, 0)]
    assert decisions(reports[-1]) == {CHALLENGER: RETIRE, CHALLENGER_NAIVE: PROMOTE}
    (market.registry.versions(SERIES)[3].folder / "model.json").unlink()
    with pytest.raises(CorruptArtefact, match=r"model\.json is missing"):
        apply_verdict(market.store, market.registry, reports[-1], whole_trial())
    assert holders(market) == ["1", "3", "4"]


def test_an_operator_names_one_of_several_challengers(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path, (WIDE, WIDE, TRUE))
    store, registry = market.store, market.registry
    with pytest.raises(ConfigurationError, match=r"several challengers\. Name one of them: 2, 4"):
        promote(store, registry, SERIES, None, "because", FIRST)
    promote(store, registry, SERIES, "4", "because", FIRST + HOUR)
    assert holders(market) == ["4", "2", None]


def test_a_version_has_the_role_of_its_method(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path, (WIDE, WIDE, TRUE))
    _, _, third, naive = market.registry.versions(SERIES)
    for role, version in ((CHALLENGER, naive), (CHALLENGER_NAIVE, third)):
        with pytest.raises(DataRefused, match=f"of the method {version.method} and cannot be"):
            market.registry.appoint(
                SERIES, role, version, FIRST, reason="", by="test", recorded_at=FIRST
            )


def test_a_renamed_folder_does_not_pass_for_another_method(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path, (WIDE, WIDE, TRUE))
    folder = market.registry.versions(SERIES)[3].folder
    assert folder.name.endswith("Z_naive")
    assert isinstance(market.registry.load(market.registry.versions(SERIES)[3]), NaiveForecaster)
    folder.rename(folder.with_name(folder.name.removesuffix("_naive")))
    renamed = market.registry.versions(SERIES)[3]
    assert renamed.method == "har"
    with pytest.raises(CorruptArtefact, match="holds a model of naive_returns"):
        market.registry.load(renamed)
