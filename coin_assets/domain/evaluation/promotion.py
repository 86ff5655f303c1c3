"""The promotion gate: whether a challenger has earned the champion's place.

It fails closed: what cannot be shown keeps the champion. A look may be taken every day, so the
chance of being fooled is kept small over all looks of a term: the level of a single look is
strict, the gain must be worth a change, and it must hold at several looks in a row.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from coin_assets.domain.evaluation.diebold_mariano import chance_of_difference
from coin_assets.domain.evaluation.promotion_criteria import (
    Criterion,
    agrees_live,
    beats_champion,
    beats_naive,
    covers,
    days,
    has_cooled,
    lasts,
    recent,
)
from coin_assets.domain.forecasting.frame import STEPS, Floats
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import DataRefused

PROMOTE, KEEP, RETIRE = DECISIONS = ("promote", "keep", "retire")

# Forecasts that start within `STEPS` candles of each other share outcomes: one block says about as
# much as one independent forecast.
FEWEST_BLOCKS, SHORTEST = 5, timedelta(days=14)
# Walk-forward forecasts may be most of the evidence, never all of it: a mistake in how they were
# made shows in live ones only.
FEWEST_LIVE_BLOCKS, SHORTEST_LIVE = 3, timedelta(days=7)

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PairedScores:
    """Losses of both roles at the origins that have matured for both.

    Attributes:
        origins: shape (n,), ascending.
        champion, challenger, naive: mean pinball loss on log price over steps and quantiles at
            each origin, shape (n,).
        covered: share of the challenger's steps whose close lay in its 80% interval, shape (n,).
        live: whether the forecasts were live, not backtest, shape (n,).

    Raises:
        DataRefused: lengths differ, a number is not finite or below 0, a share is above 1, or
            origins have no time zone or do not ascend.
    """

    origins: pd.DatetimeIndex
    champion: Floats
    challenger: Floats
    naive: Floats
    covered: Floats
    live: Mask

    def __post_init__(self) -> None:
        count = len(self.origins)
        for name in ("champion", "challenger", "naive", "covered", "live"):
            values = getattr(self, name)
            if values.shape != (count,):
                raise DataRefused(f"{name} has shape {values.shape}; {count} origins need as many.")
            if not np.isfinite(values).all() or (values < 0).any():
                place = self.origins[~(np.isfinite(values) & (values >= 0))][0]
                raise DataRefused(
                    f"{name} is not a number of 0 or more at {place}; leave out origins without "
                    "an outcome."
                )
        if (self.covered > 1).any():
            raise DataRefused(f"covered is {self.covered.max():g}; a share is at most 1.")
        if self.origins.tz is None:
            raise DataRefused("Origins have no time zone; use UTC.")
        if not (self.origins.is_monotonic_increasing and self.origins.is_unique):
            raise DataRefused("Origins do not ascend; give each origin once, in order.")

    def __len__(self) -> int:
        return len(self.origins)

    def at(self, mask: Mask) -> "PairedScores":
        """Those of the origins where ``mask`` holds."""
        return PairedScores(*(getattr(self, each.name)[mask] for each in fields(self)))


@dataclass(frozen=True)
class Tally:
    """Forecasts of one kind. Ratios are of mean losses, None where there is nothing to divide by.

    Attributes:
        origins: how many.
        to_champion, to_naive: the challenger's loss to theirs; below 1 is better.
        coverage: mean share of closes in the challenger's 80% interval.
    """

    origins: int
    to_champion: float | None
    to_naive: float | None
    coverage: float | None


@dataclass(frozen=True)
class GateVerdict:
    """What to do with the challenger, and why.

    Attributes:
        decision: `PROMOTE`, `KEEP` (the champion, for now) or `RETIRE` (the challenger).
        passed: whether the evidence is there; such looks in a row make ``earlier_passes``.
        criteria: all of them, passed or not.
        whole, live, backtest: figures of all origins and of either kind.
        p_value: chance of losing so much less than the champion without being better; None where
            the sample is too small to ask.
    """

    decision: str
    passed: bool
    criteria: tuple[Criterion, ...]
    whole: Tally
    live: Tally
    backtest: Tally
    p_value: float | None

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "criteria": [asdict(each) for each in self.criteria]}


def judge(
    paired: PairedScores,
    timeframe: Timeframe,
    *,
    earlier_passes: Sequence[datetime],
    champion_since: datetime | None,
    term: timedelta,
    now: datetime,
) -> GateVerdict:
    """Judge a challenger on all that has matured for it and the champion.

    It tells little from little: in simulations a challenger that loses 4% less passes within a
    term of 30 days of hours in one case of seven, and in six of seven if 90 days of walk-forward
    forecasts go before. Weeks and months need years of them, or the decision of a person.

    Args:
        paired: of the present champion and this challenger only.
        earlier_passes: times of the looks before this one that passed, with none in between that
            did not; ascending.
        champion_since: when the champion got its place; None if no champion is on record.
        term: time from its first live origin in ``paired`` in which a challenger must earn it.
        now: of this look; data time or clock, the same at every look.

    Raises:
        DataRefused: a time has no time zone or lies after ``now``, or passes do not ascend to it.
    """
    _refuse_disorder(paired, earlier_passes, champion_since, now)
    parts = (paired, paired.at(paired.live), paired.at(~paired.live))
    whole, live, backtest = (_tally(each) for each in parts)
    enough = _sample("sample", paired, "", FEWEST_BLOCKS, SHORTEST)
    p_value = naive_p_value = None
    if enough.passed:
        p_value = chance_of_difference(paired.challenger - paired.champion)
        naive_p_value = chance_of_difference(paired.challenger - paired.naive)
    evidence = (
        enough,
        _sample("live", parts[1], "live ", FEWEST_LIVE_BLOCKS, SHORTEST_LIVE),
        recent(paired.origins[-1].to_pydatetime() if len(paired) else None, timeframe, now),
        beats_naive(whole.to_naive, naive_p_value),
        beats_champion(whole.to_champion, p_value),
        agrees_live(live.to_champion),
        covers(whole.coverage),
    )
    passed = all(each.passed for each in evidence)
    status = (
        lasts(passed, earlier_passes, timeframe, now),
        has_cooled(champion_since, timeframe, now),
    )
    if passed and all(each.passed for each in status):
        decision = PROMOTE
    elif not passed and champion_since is not None and _has_served(parts[1], term, now):
        decision = RETIRE
    else:
        decision = KEEP
    return GateVerdict(decision, passed, (*evidence, *status), whole, live, backtest, p_value)


def _refuse_disorder(
    paired: PairedScores,
    earlier_passes: Sequence[datetime],
    champion_since: datetime | None,
    now: datetime,
) -> None:
    times = [*paired.origins[-1:], *earlier_passes, *filter(None, [champion_since])]
    for time in (now, *times):
        if time.tzinfo is None:
            raise DataRefused(f"{time} has no time zone; use UTC.")
        if time > now:
            raise DataRefused(f"{time} lies after {now}, the time of the look; judge later.")
    looks = [*earlier_passes, now]
    if looks != sorted(set(looks)):
        raise DataRefused("Earlier passes do not ascend up to now; give each look once, in order.")


def _tally(paired: PairedScores) -> Tally:
    if not len(paired):
        return Tally(0, None, None, None)
    mean = float(paired.challenger.mean())
    to_champion, to_naive = (
        mean / float(other.mean()) if other.any() else None
        for other in (paired.champion, paired.naive)
    )
    return Tally(len(paired), to_champion, to_naive, float(paired.covered.mean()))


def _sample(
    name: str, paired: PairedScores, kind: str, blocks: int, shortest: timedelta
) -> Criterion:
    span = paired.origins[-1] - paired.origins[0] if len(paired) else timedelta(0)
    return Criterion(
        name,
        len(paired) >= blocks * STEPS and span >= shortest,
        f"{len(paired)} matured {kind}forecasts over {days(span)}, about {len(paired) // STEPS} "
        f"of them independent; {blocks * STEPS} over {days(shortest)} are needed.",
    )


def _has_served(live: PairedScores, term: timedelta, now: datetime) -> bool:
    """Whether the challenger began to forecast live a full term ago."""
    return len(live) > 0 and now - live.origins[0].to_pydatetime() >= term
