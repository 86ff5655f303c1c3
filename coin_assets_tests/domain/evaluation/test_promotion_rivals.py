"""Several challengers of one champion: the better one wins, and more of them err no more often."""

from collections import Counter
from collections.abc import Sequence

import pytest

from coin_assets.domain.evaluation.challengers import with_one_promotion
from coin_assets.domain.evaluation.promotion import KEEP, PROMOTE, RETIRE
from coin_assets.domain.evaluation.promotion_criteria import CHAMPION_LEVEL
from coin_assets_tests.domain.evaluation.promotion_worlds import (
    AVERAGE,
    BETTER,
    EQUAL,
    POOR,
    SKILLED,
    Role,
    World,
    rivalries,
    winner,
)
from coin_assets_tests.domain.evaluation.test_promotion import (
    DAYS_AGO,
    TRIAL_PERIOD,
    failed,
    scores,
    verdict_of,
)
from coin_assets_tests.domain.evaluation.test_promotion_histories import most_likely_at_most

COUNTS = [40, pytest.param(200, marks=pytest.mark.slow)]
WORST = Role(0.4)  # worse than the champion of `BETTER`


def winners(world: World, rivals: Sequence[Role], count: int) -> Counter[Role | None]:
    found = (winner(each, world) for each in rivalries(world, rivals, count, seed=3))
    return Counter(None if place is None else rivals[place] for place in found)


@pytest.mark.parametrize("count", COUNTS)
def test_the_better_of_two_challengers_wins_and_the_worse_never_does(count: int) -> None:
    for rivals in ((SKILLED, WORST), (WORST, SKILLED)):
        found = winners(BETTER, rivals, count)
        assert found[WORST] == 0
        assert count - found[SKILLED] <= most_likely_at_most(count, 0.25)


def test_of_two_that_are_better_than_the_champion_the_best_wins() -> None:
    """`AVERAGE` loses 1% less than the champion, `SKILLED` 4%."""
    found = winners(BETTER, (AVERAGE, SKILLED), 40)
    assert found[SKILLED] > 10 * found[AVERAGE]


@pytest.mark.parametrize("count", COUNTS)
def test_more_challengers_do_not_make_a_wrong_promotion_likelier(count: int) -> None:
    """All together as often as one alone: once in a hundred trial periods or so."""
    found = winners(EQUAL, [AVERAGE, AVERAGE, AVERAGE], count)
    assert count - found[None] <= most_likely_at_most(count, 0.02)


def test_challengers_share_the_level_of_the_test_against_the_champion() -> None:
    paired = scores(0.9935)
    alone = verdict_of(paired)
    assert alone.p_value is not None
    many = int(CHAMPION_LEVEL / alone.p_value) + 1
    assert alone.passed
    assert failed(verdict_of(paired, challengers=many)) == ["champion", "lasting"]
    assert verdict_of(paired, challengers=many - 1).passed


def test_one_at_most_is_promoted_and_the_others_are_kept() -> None:
    verdicts = {name: verdict_of(scores(ratio)) for name, ratio in (("a", 0.95), ("b", 0.9))}
    verdicts["c"] = verdict_of(scores(1.05), passes=[], trial_period=TRIAL_PERIOD / 6)
    assert [each.decision for each in verdicts.values()] == [PROMOTE, PROMOTE, RETIRE]
    found = with_one_promotion(verdicts)
    assert {name: each.decision for name, each in found.items()} == {
        "a": KEEP,
        "b": PROMOTE,
        "c": RETIRE,
    }
    assert found["a"].passed
    assert with_one_promotion({}) == {}


def test_the_naive_forecast_need_not_beat_itself() -> None:
    paired = scores()
    itself = type(paired)(
        paired.origins,
        paired.champion,
        paired.challenger,
        paired.challenger,
        paired.covered,
        paired.live,
    )
    assert failed(verdict_of(itself, passes=DAYS_AGO)) == ["naive", "lasting"]
    assert verdict_of(itself, is_reference=True).decision == PROMOTE


def test_the_worlds_are_as_described() -> None:
    assert SKILLED.error < AVERAGE.error < POOR.error < WORST.error
