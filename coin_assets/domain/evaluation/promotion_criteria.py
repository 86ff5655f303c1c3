"""What a challenger must show besides a large enough sample, criterion by criterion.

The limits were chosen by simulation: a challenger that is just as good as the champion gets its
place in about one term of a hundred, although it is looked at every day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from coin_assets.domain.forecasting.frame import STEPS
from coin_assets.domain.timeframes import Timeframe

LEVEL = 0.0075  # of one look at the champion
LARGEST_RATIO = 0.995  # to the champion's loss: a smaller gain is not worth a change
NAIVE_LEVEL = 0.05  # the naive forecast is no rival, only a floor
COVERAGE, COVERAGE_OFF = 0.8, 0.04
LATEST_STEPS = 2 * STEPS  # an older newest origin is evidence about another market
LOOKS = 3
LOOKS_SPAN = timedelta(days=2)
LOOKS_APART = timedelta(days=4)  # after a longer break the row starts again
COOL_DOWN = timedelta(days=7)


@dataclass(frozen=True)
class Criterion:
    """One thing that a challenger must show.

    Attributes:
        said: what was found and what is needed, for people.
    """

    name: str
    passed: bool
    said: str


def beats_naive(ratio: float | None, p_value: float | None) -> Criterion:
    """A forecast that is not surely better than none has no place to earn.

    Args:
        ratio: the challenger's loss to the naive one; None if there is nothing to divide by.
        p_value: chance of such a difference without being better; None if it was not asked.
    """
    return _better("naive", "the naive forecast's", ratio, 1.0, p_value, NAIVE_LEVEL)


def beats_champion(ratio: float | None, p_value: float | None) -> Criterion:
    """Better by more than chance, and by enough; arguments as in `beats_naive`."""
    return _better("champion", "the champion's", ratio, LARGEST_RATIO, p_value, LEVEL)


def agrees_live(ratio: float | None) -> Criterion:
    """What walk-forward forecasts show must not be gone in those that were made in time."""
    if ratio is None:
        return Criterion("live_agrees", False, "No live loss to compare with the champion's.")
    return Criterion(
        "live_agrees",
        ratio < 1,
        f"In live forecasts alone the loss is {ratio:.4f} of the champion's; less than 1 is "
        "needed.",
    )


def covers(coverage: float | None) -> Criterion:
    """The interval holds what it says. Few forecasts widen nothing: they may fail by bad luck."""
    if coverage is None:
        return Criterion("coverage", False, "No interval has been tested yet.")
    return Criterion(
        "coverage",
        abs(coverage - COVERAGE) <= COVERAGE_OFF,
        f"The {COVERAGE:.0%} interval held {coverage:.1%} of closes; it may be off by "
        f"{COVERAGE_OFF * 100:g} points.",
    )


def recent(newest: datetime | None, timeframe: Timeframe, now: datetime) -> Criterion:
    """Nobody is promoted on what was true some time ago."""
    if newest is None:
        return Criterion("recent", False, "No forecast has matured for both.")
    oldest = max(candles(LATEST_STEPS, timeframe), timedelta(days=2))
    return Criterion(
        "recent",
        now - newest <= oldest,
        f"The newest matured forecast was made {days(now - newest)} ago; {days(oldest)} is the "
        "most.",
    )


def lasts(
    passed: bool, earlier_passes: Sequence[datetime], timeframe: Timeframe, now: datetime
) -> Criterion:
    """Passes in an unbroken row up to this one; looks before a new candle tell nothing new."""
    row = [now] if passed else []
    for time in reversed(earlier_passes if passed else []):
        if row[-1] - time > max(LOOKS_APART, candles(4, timeframe)):
            break
        row.append(time)
    span = row[0] - row[-1] if row else timedelta(0)
    needed = max(LOOKS_SPAN, candles(2, timeframe))
    return Criterion(
        "lasting",
        len(row) >= LOOKS and span >= needed,
        f"All of this held at {len(row)} looks in a row over {days(span)}; {LOOKS} over "
        f"{days(needed)} are needed.",
    )


def has_cooled(champion_since: datetime | None, timeframe: Timeframe, now: datetime) -> Criterion:
    """A champion stands long enough for its own forecasts to mature."""
    if champion_since is None:
        return Criterion("cool_down", False, "No champion is on record, so nobody can follow it.")
    needed = max(COOL_DOWN, candles(STEPS, timeframe))
    return Criterion(
        "cool_down",
        now - champion_since >= needed,
        f"The champion has stood for {days(now - champion_since)}; {days(needed)} are needed "
        "between changes.",
    )


def candles(count: int, timeframe: Timeframe) -> timedelta:
    """Length of so many candles, about."""
    return timedelta(seconds=count * timeframe.seconds)


def days(span: timedelta) -> str:
    """``2.5 days``."""
    return f"{span / timedelta(days=1):.1f} days"


def _better(
    name: str, whose: str, ratio: float | None, largest: float, p_value: float | None, level: float
) -> Criterion:
    if ratio is None or p_value is None:
        return Criterion(name, False, f"There is too little to compare with {whose} loss.")
    return Criterion(
        name,
        ratio < largest and p_value <= level,
        f"The loss is {ratio:.4f} of {whose}, by chance with p = {p_value:.4f}; less than "
        f"{largest:g} with p of at most {level:g} is needed.",
    )
