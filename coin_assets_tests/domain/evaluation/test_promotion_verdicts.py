"""Retirement of challengers, and the contents of verdicts."""

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.evaluation.promotion import (
    KEEP,
    PROMOTE,
    RETIRE,
)
from coin_assets_tests.domain.evaluation.test_promotion import (
    BACKTEST,
    FEWER,
    LIVE,
    scores,
    verdict_of,
)

# --------------------------------------------------------------- the end of a trial period


@pytest.mark.parametrize(("days", "is_over"), [(10.9, True), (11.1, False)])
def test_a_challenger_that_has_not_earned_it_in_its_trial_period_is_retired(
    days: float, is_over: bool
) -> None:
    """The first live forecast was made 10 days and 24 hours before, less one."""
    verdict = verdict_of(scores(1.0), trial_period=timedelta(days=days))
    assert verdict.decision == (RETIRE if is_over else KEEP)


def test_walk_forward_forecasts_do_not_use_up_a_trial_period() -> None:
    paired = replace(scores(1.0), live=np.zeros(960, dtype=bool))
    assert verdict_of(paired, trial_period=timedelta(days=1)).decision == KEEP


def test_a_challenger_that_passes_when_its_trial_period_ends_may_wait_for_the_row() -> None:
    verdict = verdict_of(scores(), passes=[], trial_period=timedelta(days=5))
    assert verdict.passed
    assert verdict.decision == KEEP


# -------------------------------------------------------------- the findings


def test_live_and_walk_forward_forecasts_are_counted_apart() -> None:
    paired = scores()
    verdict = verdict_of(paired)
    for tally, rows in (
        (verdict.whole, range(960)),
        (verdict.live, range(BACKTEST, 960)),
        (verdict.backtest, range(BACKTEST)),
    ):
        losses = {
            name: sum(float(getattr(paired, name)[row]) for row in rows)
            for name in ("challenger", "champion", "naive", "covered")
        }
        assert tally.origins == len(rows)
        assert tally.to_champion == pytest.approx(losses["challenger"] / losses["champion"])
        assert tally.to_naive == pytest.approx(losses["challenger"] / losses["naive"])
        assert tally.coverage == pytest.approx(losses["covered"] / len(rows))


def test_every_criterion_has_its_finding_and_the_document_is_json() -> None:
    verdict = verdict_of(scores())
    document = json.loads(json.dumps(verdict.document(), allow_nan=False))
    assert document == verdict.document()
    assert document["decision"] == PROMOTE
    assert document["live"]["origins"] == LIVE
    assert [each["name"] for each in document["criteria"]] == [
        each.name for each in verdict.criteria
    ]
    assert all(each["said"].endswith(".") for each in document["criteria"])
    assert f"{LIVE} matured live forecasts" in document["criteria"][1]["said"]


@FEWER
@given(st.integers(0, 2**32 - 1), st.floats(0.9, 1.1), st.integers(-30, 30))
def test_the_unit_of_the_losses_does_not_matter(seed: int, ratio: float, power: int) -> None:
    paired, unit = scores(ratio, seed), 2.0**power
    scaled = replace(
        paired,
        champion=unit * paired.champion,
        challenger=unit * paired.challenger,
        naive=unit * paired.naive,
    )
    assert verdict_of(scaled) == verdict_of(paired)


@FEWER
@given(st.integers(0, 2**32 - 1), st.floats(0.9, 1.1))
def test_two_forecasters_never_both_deserve_the_others_place(seed: int, ratio: float) -> None:
    paired = scores(ratio, seed)
    exchanged = replace(paired, champion=paired.challenger, challenger=paired.champion)
    assert not (verdict_of(paired).passed and verdict_of(exchanged).passed)
