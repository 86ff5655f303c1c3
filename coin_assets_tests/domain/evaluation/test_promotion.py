"""The gate promotes what is better, has been shown to be, and is calibrated; nothing else."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_assets.domain.evaluation.promotion import (
    KEEP,
    PROMOTE,
    RETIRE,
    GateVerdict,
    PairedScores,
    judge,
)
from coin_assets.domain.forecasting.frame import STEPS
from coin_assets.domain.timeframes import NAMES, Timeframe
from coin_assets.errors import DataRefused
from coin_assets_tests.domain.evaluation.promotion_worlds import (
    BADLY_CALIBRATED,
    BETTER,
    EQUAL,
    EQUAL_LIVE,
    HOUR,
    WORSE,
    World,
    decision,
    expected_ratio,
    histories,
    interim_tests,
    lucky_histories,
)

NOW = datetime(2026, 9, 1, tzinfo=UTC)
TRIAL_PERIOD = timedelta(days=30)
DAYS_AGO = [NOW - timedelta(days=2), NOW - timedelta(days=1)]
LIVE, BACKTEST = 10 * 24, 30 * 24
FEWER = settings(max_examples=30)


def scores(ratio: float = 0.95, seed: int = 0, timeframe: Timeframe = HOUR) -> PairedScores:
    """A challenger that loses about ``ratio`` of the champion's loss, and clearly so.

    Origins are a candle apart, an hour at least.
    """
    count = BACKTEST + LIVE
    rng = np.random.default_rng(seed)
    champion = rng.gamma(4.0, 0.0025, count)
    candle = timedelta(seconds=timeframe.seconds)
    apart = max(candle, timedelta(hours=1))
    return PairedScores(
        origins=pd.date_range(end=NOW - STEPS * candle, periods=count, freq=apart),
        champion=champion,
        challenger=champion * ratio * rng.uniform(0.97, 1.03, count),
        naive=champion * rng.uniform(1.0, 1.1, count),
        covered=rng.binomial(STEPS, 0.8, count) / STEPS,
        live=np.arange(count) >= BACKTEST,
    )


def verdict_of(
    paired: PairedScores,
    timeframe: Timeframe = HOUR,
    passes: Iterable[datetime] = DAYS_AGO,
    since: datetime | None = NOW - timedelta(days=60),
    trial_period: timedelta = TRIAL_PERIOD,
) -> GateVerdict:
    return judge(
        paired,
        timeframe,
        earlier_passes=list(passes),
        champion_since=since,
        trial_period=trial_period,
        now=NOW,
    )


def failed(verdict: GateVerdict) -> list[str]:
    return [each.name for each in verdict.criteria if not each.passed]


def empty() -> PairedScores:
    return scores().at(np.zeros(BACKTEST + LIVE, dtype=bool))


# --------------------------------------------------------------- what it takes


def test_a_challenger_that_shows_everything_is_promoted() -> None:
    verdict = verdict_of(scores())
    assert verdict.decision == PROMOTE
    assert verdict.passed
    assert failed(verdict) == []


def last(paired: PairedScores, count: int) -> PairedScores:
    return paired.at(np.arange(len(paired)) >= len(paired) - count)


def later(paired: PairedScores) -> PairedScores:
    """Live forecasts no better than the champion's, backtest ones so much the better."""
    worse = np.where(paired.live, 1.03, 0.93) * paired.champion
    return replace(paired, challenger=worse * np.random.default_rng(1).uniform(0.99, 1.01, 960))


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        (lambda paired: last(paired, 14 * 24), ["sample"]),
        (lambda paired: paired.at(np.arange(960) % 9 == 0), ["sample", "live"]),
        (lambda paired: replace(paired, live=np.arange(960) >= 960 - 7 * 24), ["live"]),
        (lambda paired: replace(paired, live=np.zeros(960, dtype=bool)), ["live", "live_agrees"]),
        (lambda paired: paired.at(np.arange(960) < 960 - 25), ["recent"]),
        (lambda paired: replace(paired, naive=0.94 * paired.champion), ["naive"]),
        (later, ["live_agrees"]),
        (lambda paired: replace(paired, covered=paired.covered * 0.94), ["coverage"]),
        (lambda paired: replace(paired, covered=1 - (1 - paired.covered) * 0.75), ["coverage"]),
    ],
    ids=[
        "short",
        "sparse",
        "few live",
        "no live",
        "old",
        "naive is better",
        "live is worse",
        "too narrow",
        "too wide",
    ],
)
def test_each_thing_that_is_not_shown_keeps_the_champion(
    change: Callable[[PairedScores], PairedScores], reasons: list[str]
) -> None:
    verdict = verdict_of(change(scores()))
    assert verdict.decision == KEEP
    assert not verdict.passed
    missing = [name for name in failed(verdict) if name != "lasting"]
    assert set(reasons) <= set(missing)
    assert set(missing) <= {*reasons, "naive", "champion"}
    assert "lasting" in failed(verdict)  # a failed interim test ends the row


@pytest.mark.parametrize(("ratio", "enough"), [(0.993, True), (0.997, False)])
def test_a_gain_must_be_worth_a_change_however_certain_it_is(ratio: float, enough: bool) -> None:
    verdict = verdict_of(scores(ratio))
    assert verdict.p_value is not None
    assert verdict.p_value < 0.001
    assert ("champion" not in failed(verdict)) is enough


def test_a_large_gain_must_be_more_than_chance() -> None:
    paired = scores()
    noise = np.random.default_rng(2).standard_t(3, len(paired) // STEPS).repeat(STEPS)
    noisy = replace(paired, challenger=paired.challenger * np.exp(0.5 * (noise - noise.mean())))
    loss = noisy.challenger * (0.95 * noisy.champion.mean() / noisy.challenger.mean())
    verdict = verdict_of(replace(noisy, challenger=loss))
    assert verdict.whole.to_champion == pytest.approx(0.95)
    assert "champion" in failed(verdict)


@pytest.mark.parametrize(
    ("days", "lasts"),
    [
        ([], False),
        ([1], False),
        ([0.5, 1.5], False),
        ([1, 2], True),
        ([2], False),
        ([3], False),
        ([1, 1.2, 1.4, 1.9], False),
        ([3, 6], True),
        ([1, 6, 7, 8], False),
        ([5, 6, 7], False),
    ],
)
def test_the_evidence_must_last_over_interim_tests_in_a_row(days: list[float], lasts: bool) -> None:
    verdict = verdict_of(scores(), passes=[NOW - timedelta(days=day) for day in reversed(days)])
    assert verdict.passed
    assert (verdict.decision == PROMOTE) is lasts
    assert failed(verdict) == ([] if lasts else ["lasting"])


@pytest.mark.parametrize(("days", "cooled"), [(0.0, False), (6.9, False), (7.0, True)])
def test_a_champion_stands_for_a_while(days: float, cooled: bool) -> None:
    verdict = verdict_of(scores(), since=NOW - timedelta(days=days))
    assert verdict.passed
    assert failed(verdict) == ([] if cooled else ["cool_down"])


@pytest.mark.parametrize("name", NAMES)
def test_row_and_cool_down_are_long_enough_for_something_new(name: str) -> None:
    timeframe = Timeframe(name)
    candle = timedelta(seconds=timeframe.seconds)
    paired = scores(timeframe=timeframe)
    recent = verdict_of(
        paired,
        timeframe,
        passes=[NOW - 1.9 * candle, NOW - 0.9 * candle],
        since=NOW - (STEPS - 0.1) * candle,
    )
    assert {"lasting", "cool_down"} <= set(failed(recent))
    step = max(candle, timedelta(days=1))
    longer = verdict_of(
        paired,
        timeframe,
        passes=[NOW - 2 * step, NOW - step],
        since=NOW - max(STEPS * candle, timedelta(days=7)),
    )
    assert not {"lasting", "cool_down"} & set(failed(longer))


# --------------------------------------------------------------- nothing to go by


@pytest.mark.parametrize(
    "paired",
    [
        empty(),
        last(scores(), 1),
        last(scores(), 30),
        replace(scores(), challenger=scores().champion),
        replace(
            scores(),
            challenger=np.zeros(960),
            champion=np.zeros(960),
            naive=np.zeros(960),
        ),
    ],
    ids=["none", "one", "few", "the same forecasts", "a price that never moves"],
)
def test_too_little_keeps_the_champion_and_says_so(paired: PairedScores) -> None:
    verdict = verdict_of(paired, passes=[])
    assert verdict.decision == KEEP
    assert "champion" in failed(verdict)
    assert json.loads(json.dumps(verdict.document(), allow_nan=False)) == verdict.document()


def test_without_a_champion_on_record_nobody_is_promoted_or_retired() -> None:
    for paired, trial_period in ((scores(), TRIAL_PERIOD), (scores(1.05), timedelta(days=5))):
        verdict = verdict_of(paired, since=None, trial_period=trial_period)
        assert verdict.decision == KEEP
        assert "cool_down" in failed(verdict)


# --------------------------------------------------------------- the end of a trial period


@pytest.mark.parametrize(("days", "is_over"), [(10.9, True), (11.1, False)])
def test_a_challenger_that_has_not_earned_it_in_its_term_is_retired(
    days: float, is_over: bool
) -> None:
    """The first live forecast was made 10 days and 24 hours before, less one."""
    verdict = verdict_of(scores(1.0), trial_period=timedelta(days=days))
    assert verdict.decision == (RETIRE if is_over else KEEP)


def test_walk_forward_forecasts_do_not_use_up_a_term() -> None:
    paired = replace(scores(1.0), live=np.zeros(960, dtype=bool))
    assert verdict_of(paired, trial_period=timedelta(days=1)).decision == KEEP


def test_a_challenger_that_passes_when_its_term_ends_may_wait_for_the_row() -> None:
    verdict = verdict_of(scores(), passes=[], trial_period=timedelta(days=5))
    assert verdict.passed
    assert verdict.decision == KEEP


# --------------------------------------------------------------- what is said


def test_live_and_walk_forward_forecasts_are_told_apart() -> None:
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


def test_every_criterion_says_what_was_found_and_the_document_is_json() -> None:
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


# --------------------------------------------------------------- what is refused


def swapped(paired: PairedScores) -> PairedScores:
    return replace(paired, origins=paired.origins[::-1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda paired: replace(paired, naive=paired.naive[1:]), r"naive has shape \(959,\)"),
        (
            lambda paired: replace(paired, champion=paired.champion * np.nan),
            "champion is negative or not finite",
        ),
        (
            lambda paired: replace(paired, challenger=-paired.challenger),
            "challenger is negative or not finite",
        ),
        (lambda paired: replace(paired, covered=paired.covered * 100), "expected at most 1"),
        (swapped, "do not ascend"),
        (lambda paired: replace(paired, origins=paired.origins.repeat(2)[:960]), "do not ascend"),
        (lambda paired: replace(paired, origins=paired.origins.tz_localize(None)), "no time zone"),
    ],
    ids=["lengths", "not finite", "negative", "percent", "descending", "twice", "no zone"],
)
def test_scores_that_break_their_contract_are_refused(
    change: Callable[[PairedScores], PairedScores], words: str
) -> None:
    with pytest.raises(DataRefused, match=words):
        change(scores())


@pytest.mark.parametrize(
    ("passes", "since", "words"),
    [
        (DAYS_AGO[::-1], NOW, "do not ascend"),
        ([NOW], NOW, "do not ascend"),
        ([NOW + timedelta(days=1)], NOW, "lies after"),
        ([], NOW + timedelta(days=1), "lies after"),
        ([], NOW.replace(tzinfo=None), "no time zone"),
    ],
)
def test_times_out_of_order_are_refused(
    passes: list[datetime], since: datetime, words: str
) -> None:
    with pytest.raises(DataRefused, match=words):
        verdict_of(scores(), passes=passes, since=since)


def test_forecasts_of_the_future_are_refused() -> None:
    paired = scores()
    with pytest.raises(DataRefused, match="lies after"):
        verdict_of(replace(paired, origins=paired.origins + timedelta(days=5)))


# --------------------------------------------------------------- simulated histories


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


def test_the_worlds_are_what_they_say() -> None:
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
def test_a_truly_better_challenger_is_promoted_within_its_term(count: int) -> None:
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
