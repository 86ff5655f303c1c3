"""The evaluation file of a series that several methods challenge.

- It has scores of each challenger in every part that has the champion's.
- With one method it has no member of the others, so it is as before.
- A reader gets a row for each of them.
"""

import copy
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from coin_assets.client.frames import evaluation_frames
from coin_assets.domain.forecasting.frame import STEPS
from coin_assets.domain.json_format import Document
from coin_assets.domain.methods import (
    CHALLENGER,
    CHALLENGER_EXOGENOUS,
    CHALLENGER_NAIVE,
    CHAMPION,
    CHAMPION_METHOD,
)
from coin_assets.pipeline.publish import evaluation_file
from coin_assets_tests.pipeline.known_market import (
    FIRST,
    HOUR,
    SERIES,
    TRUE,
    WIDE,
    KnownMarket,
    enough,
)
from coin_assets_tests.schemas import assert_valid, broken_rules

CLOSER = 1.25  # wider than right, and narrower than `WIDE`
FURTHER = {CHALLENGER_NAIVE: "naive", CHALLENGER_EXOGENOUS: "har_exogenous"}
ALL = (CHAMPION, CHALLENGER, *FURTHER)


def document_of(market: KnownMarket) -> Document:
    file = evaluation_file(market.evaluations, SERIES)
    assert file is not None
    found: Document = json.loads(file.content() or b"")
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """Of three challengers; the one with exogenous series is best, the naive one second."""
    market = KnownMarket(tmp_path_factory.mktemp("known"), (WIDE, WIDE, CLOSER, TRUE))
    market.evaluate(enough())
    return document_of(market)


@pytest.fixture
def document(made: Document) -> Document:
    return copy.deepcopy(made)


def test_each_challenger_has_scores_pairs_and_a_verdict(document: Document) -> None:
    assert_valid("evaluation", document)
    assert document[CHAMPION_METHOD] == "har"
    entries = {each["role"]: each for each in document["challengers"]}
    assert {role: each["method"] for role, each in entries.items()} == FURTHER
    naive, exogenous = entries.values()
    losses = [each["paired"]["challenger"] for each in (document, naive, exogenous)]
    assert losses == sorted(losses, reverse=True)
    for each, version in zip(entries.values(), ("4", "5"), strict=True):
        assert each["scores"]["versions"] == {version: document["champion"]["origins"]}
        assert each["promotion"]["challenger"] == version
        assert each["promotion"]["whole"]["to_champion"] == pytest.approx(
            each["paired"]["challenger"] / each["paired"]["champion"]
        )
        assert each["promotion"]["decision"] == "keep"
    assert document["unscored"] == dict.fromkeys(ALL, 0)


def test_steps_and_periods_have_the_mean_of_each_role(document: Document) -> None:
    scores = {each["role"]: each["scores"] for each in document["challengers"]}
    assert len(document["by_step"]) == STEPS
    for role, whole in scores.items():
        for name in ("pinball", "coverage_80"):
            steps = [each[role][name] for each in document["by_step"]]
            assert np.mean(steps) == pytest.approx(whole[name], rel=1e-7)
        periods = document["over_time"]
        losses = [each[role]["pinball"] for each in periods]
        origins = [each["origins"] for each in periods]
        assert np.average(losses, weights=origins) == pytest.approx(whole["pinball"], rel=1e-7)


def test_a_reader_gets_rows_of_each_role(document: Document) -> None:
    frames = evaluation_frames(document)
    for part in ("by_step", "over_time"):
        assert set(frames[part]["role"]) == set(ALL)
    assert set(frames["scores"]["role"]) == {*ALL, "naive"}
    for each in (*document["by_step"], *document["over_time"]):  # as earlier releases wrote it
        for role in FURTHER:
            del each[role]
    assert set(evaluation_frames(document)["by_step"]["role"]) == {CHAMPION, CHALLENGER}


def test_before_a_forecast_has_matured_challengers_have_a_trial_and_no_scores(
    tmp_path: Path,
) -> None:
    market = KnownMarket(tmp_path, (WIDE, WIDE, CLOSER, TRUE))
    market.evaluate(FIRST + 5 * HOUR)
    found = document_of(market)
    assert_valid("evaluation", found)
    assert [(each["scores"], each["paired"]) for each in found["challengers"]] == [(None, None)] * 2
    assert found["by_step"][0] == {"step": 1, "champion": None, "challenger": None}


def test_with_one_method_nothing_is_added(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path)
    market.evaluate(enough())
    found = document_of(market)
    assert not {"challengers", CHAMPION_METHOD} & found.keys()
    assert found["unscored"].keys() == {CHAMPION, CHALLENGER}
    for each in (*found["by_step"], *found["over_time"]):
        assert not FURTHER.keys() & each.keys()


def test_the_champions_method_is_unknown_without_its_version(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path, (WIDE, WIDE, CLOSER))
    folder = market.registry.versions(SERIES)[0].folder
    folder.rename(folder.with_name(f"{folder.name}.damaged"))
    market.evaluate(enough())
    found = document_of(market)
    assert found[CHAMPION_METHOD] is None
    assert_valid("evaluation", found)


BROKEN: dict[str, Callable[[Document], object]] = {
    "another method": lambda found: found.update(champion_method="oracle"),
    "no challenger": lambda found: found.update(challengers=[]),
    "a step without scores": lambda found: found["by_step"][0].update(challenger_naive=None),
    "a role that nobody has": lambda found: found["over_time"][0].update(challenger_oracle=None),
    "a negative count": lambda found: found["unscored"].update(challenger_naive=-1),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_member_breaks_the_schema(document: Document, name: str) -> None:
    BROKEN[name](document)
    assert broken_rules("evaluation", document)
