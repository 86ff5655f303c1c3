"""Criteria of the promotion gate, and all of its limits.

The limits were chosen by simulation. A challenger that is exactly as good as the champion is
promoted in about one trial period of a hundred, with an interim test every day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from coin_assets.domain.forecasting.frame import STEPS
from coin_assets.domain.timeframes import Timeframe

# Forecasts that start within `STEPS` candles of each other share outcomes. One block of `STEPS`
# origins counts as one independent forecast.
FEWEST_SAMPLE_BLOCKS, SHORTEST_SAMPLE = 5, timedelta(days=14)
# Part of the evidence must be live, because an error in the walk-forward procedure shows only in
# live forecasts.
FEWEST_LIVE_BLOCKS, SHORTEST_LIVE_SAMPLE = 3, timedelta(days=7)
# Of one interim test against the champion, shared by all challengers that are tested (Bonferroni).
# Holm's procedure would gain nothing: one challenger at most is promoted, and its first step is
# Bonferroni's level.
CHAMPION_LEVEL = 0.0075
LARGEST_RATIO = 0.995  # to the champion's loss; a smaller gain does not justify a change
NAIVE_LEVEL = 0.05  # of one interim test against the naive forecast
COVERAGE, COVERAGE_OFF = 0.8, 0.04
# Largest age of the newest matured origin: the longer one of a time and a number of candles.
LARGEST_AGE, LARGEST_AGE_IN_CANDLES = timedelta(days=2), 2 * STEPS
INTERIM_TESTS = 3
INTERIM_TESTS_SPAN, INTERIM_TESTS_SPAN_IN_CANDLES = timedelta(days=2), 2
# After a longer break the count restarts.
INTERIM_TESTS_APART, INTERIM_TESTS_APART_IN_CANDLES = timedelta(days=4), 4
COOL_DOWN, COOL_DOWN_IN_CANDLES = timedelta(days=7), STEPS
# What each criterion demands, for people; documents have the names. The page has its own table,
# `site/src/rules/criteria.ts`, and a test compares the two.
TITLES = {
    "sample": "enough forecasts",
    "live": "enough live forecasts",
    "recent": "recent forecasts",
    "naive": "lower loss than the naive forecast's",
    "champion": "lower loss than the champion's",
    "live_agrees": "lower loss than the champion's, live",
    "coverage": "calibrated 80% interval",
    "lasting": "several tests passed in a row",
    "cool_down": "champion long enough in its role",
}


@dataclass(frozen=True)
class Criterion:
    """Result of one criterion.

    Attributes:
        name: of the criterion.
        passed: whether the challenger meets it.
        finding: sentence with the measured and the required value.
    """

    name: str
    passed: bool
    finding: str

    @property
    def title(self) -> str:
        """What it demands; its name if `TITLES` lacks it."""
        return TITLES.get(self.name, self.name)

    def document(self) -> dict[str, Any]:
        """The result as JSON values; published evaluations call the finding ``said``."""
        return {"name": self.name, "passed": self.passed, "said": self.finding}


def beats_naive(ratio: float | None, p_value: float | None) -> Criterion:
    """The challenger's loss is significantly lower than the naive one.

    Args:
        ratio: the challenger's mean loss to the naive one; None if it is undefined.
        p_value: one-sided p-value of the difference; None if the sample is too small.
    """
    return _better("naive", "the naive forecast's", ratio, 1.0, p_value, NAIVE_LEVEL)


def is_naive() -> Criterion:
    """In place of `beats_naive` for a challenger that is the naive forecast."""
    return Criterion("naive", True, "The challenger is the naive forecast itself.")


def beats_champion(ratio: float | None, p_value: float | None, challengers: int = 1) -> Criterion:
    """The challenger's loss is significantly lower than the champion's, by `LARGEST_RATIO` or more.

    Arguments as in `beats_naive`, against the champion.

    Args:
        challengers: number of challengers that are tested; they share `CHAMPION_LEVEL`.
    """
    level = CHAMPION_LEVEL / challengers
    return _better("champion", "the champion's", ratio, LARGEST_RATIO, p_value, level)


def agrees_live(ratio: float | None) -> Criterion:
    """The challenger's loss is lower in live forecasts alone.

    Args:
        ratio: its mean loss to the champion's in live forecasts; None if there are none.
    """
    if ratio is None:
        return Criterion("live_agrees", False, "No live loss to compare with the champion's.")
    return Criterion(
        "live_agrees",
        ratio < 1,
        f"In live forecasts alone the loss is {ratio:.4f} of the champion's; less than 1 is "
        "needed.",
    )


def covers(coverage: float | None) -> Criterion:
    """The 80% interval is calibrated within `COVERAGE_OFF`, however small the sample.

    Args:
        coverage: share of closes in the interval, 0 to 1; None without forecasts.
    """
    if coverage is None:
        return Criterion("coverage", False, "No interval has matured yet.")
    return Criterion(
        "coverage",
        abs(coverage - COVERAGE) <= COVERAGE_OFF,
        f"The {COVERAGE:.0%} interval held {coverage:.1%} of closes; it may be off by "
        f"{COVERAGE_OFF * 100:g} points.",
    )


def recent(newest: datetime | None, timeframe: Timeframe, now: datetime) -> Criterion:
    """The newest matured forecast is recent.

    Args:
        newest: origin of the newest matured forecast of both roles; None if there is none.
        timeframe: of the forecasts.
        now: time of the interim test.
    """
    if newest is None:
        return Criterion("recent", False, "No forecast has matured for both.")
    oldest = max(LARGEST_AGE, candles(LARGEST_AGE_IN_CANDLES, timeframe))
    return Criterion(
        "recent",
        now - newest <= oldest,
        f"The newest matured forecast was made {days(now - newest)} ago; {days(oldest)} is the "
        "maximum.",
    )


def lasts(
    passed: bool, earlier_passes: Sequence[datetime], timeframe: Timeframe, now: datetime
) -> Criterion:
    """Enough consecutive interim tests passed, over a long enough time.

    Args:
        passed: result of this interim test.
        earlier_passes: times of the consecutive passes before, ascending.
        timeframe: of the forecasts.
        now: time of this interim test.
    """
    row = [now] if passed else []
    for time in reversed(earlier_passes if passed else []):
        if row[-1] - time > max(
            INTERIM_TESTS_APART, candles(INTERIM_TESTS_APART_IN_CANDLES, timeframe)
        ):
            break
        row.append(time)
    span = row[0] - row[-1] if row else timedelta(0)
    needed = max(INTERIM_TESTS_SPAN, candles(INTERIM_TESTS_SPAN_IN_CANDLES, timeframe))
    return Criterion(
        "lasting",
        len(row) >= INTERIM_TESTS and span >= needed,
        f"Consecutive interim tests passed: {len(row)} over {days(span)}; {INTERIM_TESTS} over "
        f"{days(needed)} are needed.",
    )


def has_cooled(champion_since: datetime | None, timeframe: Timeframe, now: datetime) -> Criterion:
    """The champion's tenure is long enough for its forecasts to mature.

    Args:
        champion_since: start of the tenure; None without a recorded champion.
        timeframe: of the forecasts.
        now: time of the interim test.
    """
    if champion_since is None:
        return Criterion("cool_down", False, "No champion is on record, so none can be replaced.")
    needed = max(COOL_DOWN, candles(COOL_DOWN_IN_CANDLES, timeframe))
    return Criterion(
        "cool_down",
        now - champion_since >= needed,
        f"The champion's tenure is {days(now - champion_since)}; {days(needed)} are needed "
        "between changes.",
    )


def candles(count: int, timeframe: Timeframe) -> timedelta:
    """Approximate duration of ``count`` candles."""
    return timedelta(seconds=count * timeframe.seconds)


def days(span: timedelta) -> str:
    """``span`` as text, for example ``2.5 days``."""
    return f"{span / timedelta(days=1):.1f} days"


def _better(
    name: str, whose: str, ratio: float | None, largest: float, p_value: float | None, level: float
) -> Criterion:
    if ratio is None or p_value is None:
        return Criterion(name, False, f"The sample is too small to compare with {whose} loss.")
    return Criterion(
        name,
        ratio < largest and p_value <= level,
        f"The loss is {ratio:.4f} of {whose} with p = {p_value:.4f}; less than "
        f"{largest:g} with p of at most {level:g} is needed.",
    )
