"""The gate promotes what is better, has been shown to be, and is calibrated; nothing else."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from coin_assets.domain.evaluation.promotion import (
    KEEP,
    PROMOTE,
    GateVerdict,
    PairedScores,
    TrialTerms,
    judge,
)
from coin_assets.domain.forecasting.frame import STEPS
from coin_assets.domain.timeframes import NAMES, Timeframe
from coin_assets_tests.domain.evaluation.promotion_worlds import (
    HOUR,
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
    challengers: int = 1,
    is_reference: bool = False,
) -> GateVerdict:
    return judge(
        paired,
        timeframe,
        TrialTerms(since, trial_period, challengers, is_reference),
        earlier_passes=list(passes),
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
def test_too_little_keeps_the_champion_and_reports_it(paired: PairedScores) -> None:
    verdict = verdict_of(paired, passes=[])
    assert verdict.decision == KEEP
    assert "champion" in failed(verdict)
    assert json.loads(json.dumps(verdict.document(), allow_nan=False)) == verdict.document()


def test_without_a_champion_on_record_nobody_is_promoted_or_retired() -> None:
    for paired, trial_period in ((scores(), TRIAL_PERIOD), (scores(1.05), timedelta(days=5))):
        verdict = verdict_of(paired, since=None, trial_period=trial_period)
        assert verdict.decision == KEEP
        assert "cool_down" in failed(verdict)
