"""The promotion gate: decides whether a challenger replaces the champion.

The gate fails closed: without sufficient evidence the champion stays. The gate may test every day,
so the error rate is controlled over all interim tests of a trial period: the level of one test is
strict, the gain must exceed a threshold, and several tests in a row must pass.
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
    FEWEST_LIVE_BLOCKS,
    FEWEST_SAMPLE_BLOCKS,
    SHORTEST_LIVE_SAMPLE,
    SHORTEST_SAMPLE,
    Criterion,
    agrees_live,
    beats_champion,
    beats_naive,
    covers,
    days,
    has_cooled,
    is_naive,
    lasts,
    recent,
)
from coin_assets.domain.forecasting.frame import STEPS, Floats
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import DataRefused

PROMOTE, KEEP, RETIRE = DECISIONS = ("promote", "keep", "retire")

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PairedScores:
    """Losses of both roles at their common matured origins.

    Attributes:
        origins: shape (n,), ascending.
        champion, challenger, naive: mean pinball loss on log price over steps and quantiles at
            each origin, shape (n,).
        covered: share of steps whose close lies in the challenger's 80% interval, shape (n,).
        live: whether both forecasts are live, shape (n,).

    Raises:
        DataRefused: lengths differ, a number is not finite or below 0, a share is above 1, origins
            have no time zone, or origins do not ascend.
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
                raise DataRefused(
                    f"{name} has shape {values.shape}; expected ({count},), one value an origin."
                )
            if not np.isfinite(values).all() or (values < 0).any():
                place = self.origins[~(np.isfinite(values) & (values >= 0))][0]
                raise DataRefused(
                    f"{name} is negative or not finite at {place}. Leave out origins without an "
                    "outcome."
                )
        if (self.covered > 1).any():
            raise DataRefused(f"covered is {self.covered.max():g}; expected at most 1.")
        if self.origins.tz is None:
            raise DataRefused("Origins have no time zone. Use UTC.")
        if not (self.origins.is_monotonic_increasing and self.origins.is_unique):
            raise DataRefused("Origins do not ascend. Pass each origin once, in order.")

    def __len__(self) -> int:
        return len(self.origins)

    def at(self, mask: Mask) -> "PairedScores":
        """The origins where ``mask``, of shape (n,), is true."""
        return PairedScores(*(getattr(self, each.name)[mask] for each in fields(self)))


@dataclass(frozen=True)
class Tally:
    """Summary of a set of paired forecasts.

    Attributes:
        origins: number of origins.
        to_champion, to_naive: ratio of the challenger's mean loss to the champion's and to the
            naive one, below 1 is better; None where the divisor is 0.
        coverage: mean share of closes in the challenger's 80% interval; None without origins.
    """

    origins: int
    to_champion: float | None
    to_naive: float | None
    coverage: float | None


@dataclass(frozen=True)
class GateVerdict:
    """Decision of the gate on a challenger.

    Attributes:
        decision: `PROMOTE`, `KEEP` (no change) or `RETIRE` (the challenger).
        passed: whether this interim test passed; consecutive passes are the ``earlier_passes`` of
            the next one.
        criteria: all criteria, passed or not.
        whole, live, backtest: summaries of all origins, the live ones and the backtests.
        p_value: of the test that the challenger loses less than the champion; None where the
            sample is too small.
    """

    decision: str
    passed: bool
    criteria: tuple[Criterion, ...]
    whole: Tally
    live: Tally
    backtest: Tally
    p_value: float | None

    def document(self) -> dict[str, Any]:
        """The verdict as JSON values."""
        return {**asdict(self), "criteria": [each.document() for each in self.criteria]}


@dataclass(frozen=True)
class TrialTerms:
    """Terms of the trial of one challenger.

    Attributes:
        champion_since: start of the champion's tenure; None without a recorded champion.
        trial_period: time from the first live origin after which a challenger that does not pass
            is retired.
        challengers: number of challengers that are tested against this champion.
        is_reference: whether the challenger is the naive forecast, which need not beat itself.
    """

    champion_since: datetime | None
    trial_period: timedelta
    challengers: int = 1
    is_reference: bool = False


def judge(
    paired: PairedScores,
    timeframe: Timeframe,
    terms: TrialTerms,
    *,
    earlier_passes: Sequence[datetime],
    now: datetime,
) -> GateVerdict:
    """Test a challenger against the champion.

    Power in simulations: a challenger that loses 4% less is promoted within a trial period of 30
    days of hours in one case of seven, and in six of seven after 90 days of walk-forward
    forecasts. Weeks and months need years of forecasts, or the decision of an operator.

    Args:
        paired: scores of the champion's tenure and this challenger only.
        timeframe: of the forecasts.
        terms: of the trial.
        earlier_passes: times of the interim tests just before this one that passed without a
            failed one in between; ascending.
        now: time of this interim test; always data time, or always the clock.

    Raises:
        DataRefused: a time has no time zone or lies after ``now``, or passes do not ascend.
    """
    since = terms.champion_since
    _refuse_disorder(paired, earlier_passes, since, now)
    parts = (paired, paired.at(paired.live), paired.at(~paired.live))
    whole, live, backtest = (_tally(each) for each in parts)
    enough = _sample("sample", paired, "", FEWEST_SAMPLE_BLOCKS, SHORTEST_SAMPLE)
    p_value = naive_p_value = None
    if enough.passed:
        p_value = chance_of_difference(paired.challenger - paired.champion)
        naive_p_value = chance_of_difference(paired.challenger - paired.naive)
    evidence = (
        enough,
        _sample("live", parts[1], "live ", FEWEST_LIVE_BLOCKS, SHORTEST_LIVE_SAMPLE),
        recent(paired.origins[-1].to_pydatetime() if len(paired) else None, timeframe, now),
        is_naive() if terms.is_reference else beats_naive(whole.to_naive, naive_p_value),
        beats_champion(whole.to_champion, p_value, terms.challengers),
        agrees_live(live.to_champion),
        covers(whole.coverage),
    )
    passed = all(each.passed for each in evidence)
    status = (
        lasts(passed, earlier_passes, timeframe, now),
        has_cooled(since, timeframe, now),
    )
    if passed and all(each.passed for each in status):
        decision = PROMOTE
    elif not passed and since is not None and _trial_is_over(parts[1], terms.trial_period, now):
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
    times: list[tuple[str, datetime]] = [
        ("the interim test", now),
        *(("the newest origin", origin) for origin in paired.origins[-1:]),
        *(("an earlier pass", each) for each in earlier_passes),
        *(("the start of the champion's tenure", each) for each in [champion_since] if each),
    ]
    for name, time in times:
        if time.tzinfo is None:
            raise DataRefused(f"The time of {name}, {time}, has no time zone. Use UTC.")
        if time > now:
            raise DataRefused(
                f"The time of {name}, {time}, lies after {now}, that of the interim test. "
                "This is a defect: report it."
            )
    tests = [*earlier_passes, now]
    if tests != sorted(set(tests)):
        raise DataRefused("Earlier passes do not ascend. Pass each test before now once, in order.")


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


def _trial_is_over(live: PairedScores, trial_period: timedelta, now: datetime) -> bool:
    """Whether the first live forecast is at least one trial period old."""
    return len(live) > 0 and now - live.origins[0].to_pydatetime() >= trial_period
