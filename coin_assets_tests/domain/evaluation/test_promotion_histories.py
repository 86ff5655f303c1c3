"""Error rates of the promotion gate on simulated histories."""

from collections import Counter
from math import comb

import numpy as np
import pytest

from coin_assets.domain.evaluation.promotion import (
    KEEP,
    PROMOTE,
)
from coin_assets_tests.domain.evaluation.promotion_worlds import (
    BADLY_CALIBRATED,
    BETTER,
    EQUAL,
    EQUAL_LIVE,
    WORSE,
    World,
    decision,
    expected_ratio,
    histories,
    interim_tests,
    lucky_histories,
)
from coin_assets_tests.domain.evaluation.test_promotion import failed


def most_likely_at_most(count: int, rate: float, surely: float = 0.999) -> int:
    """What a binomial count stays within with probability ``surely``."""
    total, number = 0.0, -1
    while total < surely:
        number += 1
        total += comb(count, number) * rate**number * (1 - rate) ** (count - number)
    return number


def promotions(world: World, count: int) -> int:
    found = Counter(decision(history, world) for history in histories(world, count, seed=3))
    return found[PROMOTE]


def test_the_worlds_are_as_described() -> None:
    for world, least, most in (
        (BETTER, 0.95, 0.97),
        (EQUAL, 1.0, 1.0),
        (WORSE, 1.01, 1.03),
        (BADLY_CALIBRATED, 0.97, 0.985),
    ):
        assert least <= expected_ratio(world.challenger, world.champion) <= most
    for world, least, most in ((EQUAL, 0.79, 0.81), (BADLY_CALIBRATED, 0.66, 0.7)):
        shares = [history.covered.mean() for history in histories(world, 30, seed=3)]
        assert least <= float(np.mean(shares)) <= most


COUNTS = [60, pytest.param(200, marks=pytest.mark.slow)]


@pytest.mark.parametrize("count", COUNTS)
def test_a_truly_better_challenger_is_promoted_within_its_trial_period(count: int) -> None:
    assert count - promotions(BETTER, count) <= most_likely_at_most(count, 0.2)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize(
    "world",
    [EQUAL, EQUAL_LIVE, WORSE, BADLY_CALIBRATED],
    ids=["equal", "equal, live only", "worse", "badly calibrated"],
)
def test_no_other_is_promoted_in_a_trial_period_of_daily_tests(world: World, count: int) -> None:
    assert promotions(world, count) <= most_likely_at_most(count, 0.02)


def test_a_challenger_that_is_lucky_on_few_samples_has_to_wait() -> None:
    few = 10 * 24
    for history in lucky_histories(EQUAL_LIVE, 30, seed=3, among=300, few=few):
        start = history.at(np.arange(len(history)) < few)
        assert start.challenger.mean() < 0.97 * start.champion.mean()
        verdicts = list(interim_tests(history, EQUAL_LIVE, until=few))
        assert {verdict.decision for verdict in verdicts} == {KEEP}
        assert "sample" in failed(verdicts[-1])
