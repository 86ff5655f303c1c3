"""Scores and times that the promotion gate refuses."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from coin_assets.domain.evaluation.promotion import (
    PairedScores,
)
from coin_assets.errors import DataRefused
from coin_assets_tests.domain.evaluation.test_promotion import DAYS_AGO, NOW, scores, verdict_of


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
