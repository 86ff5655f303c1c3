"""Plausibility: valid candles that a market is unlikely to have traded.

- A **step** is a price far from the close before it: by more than a factor of 3, and by more than
  30 times the usual range of the candles before it. Across a gap the price may have wandered, so
  the limit grows with the root of the time.
- A **frozen** market repeats its last candle, or has no trade, for far longer than it ever did
  lately.

The usual range is that of `anomalies`; a candle with fewer than `FEWEST_BARS` before it is never
implausible. A verdict depends on no later candle, and on ratios of prices alone. Real candles of
BTC, ETH and XRP, 1h since listing, have none; see docs/decisions.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from coin_assets.domain.candles.absences import Absence
from coin_assets.domain.candles.anomalies import usual_ranges
from coin_assets.domain.candles.frame import PRICES, VALUES, rendered
from coin_assets.domain.candles.grid import Floats, Mask
from coin_assets.domain.candles.refusals import IMPLAUSIBLE, Refusal
from coin_assets.domain.timeframes import Timeframe

LEAST_STEP = float(np.log(3))
TIMES_USUAL, TIMES_USUAL_OF_GAP = 30.0, 6.0
# A larger step needs an operator: a wrong unit or symbol is sent again just as it was.
MOST_CONFIRMED_FACTOR = 10
SECOND_READING_AFTER = timedelta(minutes=2)
CONTEXT = 500  # candles that a verdict needs at most
# Newest stored candles whose steps are reported.
_RECENT = 100
_FROZEN_CANDLES, _FROZEN_SECONDS, _TIMES_FROZEN = 6, 3600, 3


@dataclass(frozen=True)
class Step:
    """An implausible candle.

    Attributes:
        row: its row in the frame.
        before: the close before it.
        price: its price that is farthest from ``before``.
    """

    row: int
    opened: datetime
    before: float
    price: float

    @property
    def size(self) -> float:
        """Absolute log return."""
        return abs(float(np.log(self.price / self.before)))

    def __str__(self) -> str:
        factor = np.exp(self.size)
        sign = "x" if self.price > self.before else "/"
        where = f"{self.opened:%Y-%m-%d %H:%M} steps from {self.before:g} to {self.price:g}"
        return f"{where}, {sign}{factor:.3g}"


@dataclass(frozen=True)
class Sifted:
    """Candles of an answer after a look for steps.

    Attributes:
        candles: those to store.
        refusals: those held back, ascending.
        step: the last one held back, if no later candle of the answer returns to the level before
            it. Nothing after it is in ``candles``.
    """

    candles: pd.DataFrame
    refusals: tuple[Refusal, ...] = ()
    step: Refusal | None = None


def moves_far(candles: pd.DataFrame, close: float | None) -> bool:
    """Whether any step is large enough to look at; cheap, and mostly False.

    Args:
        candles: valid candle frame with at least one row.
        close: close before the first candle; None to leave the first one out.
    """
    closes = candles["close"].to_numpy()
    before = np.concatenate([[candles["open"].iloc[0] if close is None else close], closes[:-1]])
    prices = candles[PRICES].to_numpy()
    ratio = np.exp(LEAST_STEP)
    return bool(((prices > before[:, None] * ratio) | (prices * ratio < before[:, None])).any())


def find_steps(candles: pd.DataFrame, timeframe: Timeframe) -> list[Step]:
    """Implausible candles, each beside the row before it, ascending."""
    if len(candles) < 2:
        return []
    logs = np.log(candles[PRICES].to_numpy())
    before = np.concatenate([[np.nan], logs[:-1, 3]])
    far = np.abs(logs - before[:, None])
    sizes, which = far.max(axis=1), far.argmax(axis=1)
    if not (sizes > LEAST_STEP).any():
        return []
    ordinals = timeframe.ordinals(candles["timestamp"])
    gaps = np.concatenate([[1], np.diff(ordinals)])
    limits = _limits(candles, gaps.astype("float64"))
    stamps, prices = candles["timestamp"], candles[PRICES].to_numpy()
    return [
        Step(
            int(row),
            stamps.iloc[row].to_pydatetime(),
            float(prices[row - 1, 3]),
            float(prices[row, which[row]]),
        )
        for row in np.flatnonzero(sizes > limits)
    ]


def _limits(candles: pd.DataFrame, distances: Floats) -> Floats:
    """(n,) largest plausible log return; NaN where too few candles precede."""
    usual = np.log1p(usual_ranges((candles["high"] / candles["low"] - 1).to_numpy()))
    times = np.maximum(TIMES_USUAL, TIMES_USUAL_OF_GAP * np.sqrt(distances))
    return np.asarray(np.maximum(LEAST_STEP, usual * times))


@dataclass(frozen=True)
class Surroundings:
    """Stored candles around an answer; they were confirmed when they were stored.

    Attributes:
        before: the newest `CONTEXT` before the answer.
        within: those of its range.
        after: the first one after it; no row if none follows closely.
    """

    before: pd.DataFrame
    within: pd.DataFrame
    after: pd.DataFrame


def sift_steps(
    stored: Surroundings,
    candles: pd.DataFrame,
    timeframe: Timeframe,
    is_confirmed: Callable[[Refusal, Step], bool],
) -> Sifted:
    """Split an answer into candles to store and implausible ones.

    Of an implausible revision the stored candle stays. If the answer does not lead to the stored
    candle after it, its last candle is held back and nothing of it is stored.

    Args:
        stored: what the answer is compared with.
        candles: valid candle frame of the answer, with at least one row.
        is_confirmed: whether an implausible candle is to be stored all the same.
    """
    before, known = stored.before, stored.within.set_index("timestamp")[VALUES]
    rows, first = candles.reset_index(drop=True), 0
    refusals: list[Refusal] = []
    while True:
        frame = pd.concat([before, rows], ignore_index=True)
        steps = [each for each in find_steps(frame, timeframe) if each.row >= len(before) + first]
        if not steps:
            break
        step = steps[0]
        row = step.row - len(before)
        stamp, first = rows["timestamp"].iloc[row], row + 1
        if stamp in known.index and (rows.loc[row, VALUES] == known.loc[stamp]).all():
            continue  # it was confirmed when it was stored
        refusal = _refusal(rows, row, step, timeframe)
        if is_confirmed(refusal, step):
            continue
        if stamp in known.index:
            rows.loc[row, VALUES] = known.loc[stamp].to_numpy()
            continue
        refusals.append(refusal)
        if not _returns(rows.iloc[first:], step.before, known.index):
            return Sifted(rows.iloc[:row], tuple(refusals), refusal)
        rows, first = rows.drop(index=row).reset_index(drop=True), row
    frame = pd.concat([before, rows, stored.after], ignore_index=True)
    steps = [each for each in find_steps(frame, timeframe) if each.row == len(before) + len(rows)]
    if not (len(rows) and steps):
        return Sifted(rows, tuple(refusals))
    last = _refusal(rows, len(rows) - 1, steps[0], timeframe)
    if is_confirmed(last, steps[0]):
        return Sifted(rows, tuple(refusals))
    return Sifted(rows.iloc[:0], (last,), last)


def _refusal(rows: pd.DataFrame, row: int, step: Step, timeframe: Timeframe) -> Refusal:
    opened = rows["timestamp"].iloc[row].to_pydatetime()
    value = f"{rendered(rows['timestamp'].iloc[row], rows.iloc[row])} ({step})"
    return Refusal(opened, timeframe.close_of(opened), IMPLAUSIBLE, value)


def _returns(later: pd.DataFrame, level: float, known: pd.Index) -> bool:
    """Whether a later candle is stored already, or is near the level before the step."""
    sizes = np.abs(np.log(later[PRICES].to_numpy() / level)).max(axis=1, initial=0)
    near: Mask = (sizes <= LEAST_STEP) | later["timestamp"].isin(known).to_numpy()
    return bool(near.any())


def is_second_reading(
    absences: Sequence[Absence], refusal: Refusal, step: Step, at: datetime
) -> bool:
    """Whether an answer at ``at`` confirms an implausible candle that was held back before.

    It has to be the same candle, `SECOND_READING_AFTER` the first answer or later. Larger steps
    than `MOST_CONFIRMED_FACTOR` are never confirmed by the market itself.

    Args:
        absences: of the gap ledger, in the range of the answer.
    """
    return step.size <= float(np.log(MOST_CONFIRMED_FACTOR)) and any(
        absence.start <= refusal.start < absence.end
        and (absence.rule, absence.value) == (IMPLAUSIBLE, refusal.value)
        and absence.first_answer is not None
        and at - absence.first_answer >= SECOND_READING_AFTER
        for absence in absences
    )


def frozen_since(candles: pd.DataFrame, timeframe: Timeframe) -> tuple[datetime, int] | None:
    """Open and number of the newest candles if the market looks frozen; None if it does not.

    It does if they repeat the candle before them, or have no trade at its close, for an hour and
    six candles at least, and three times longer than any such run in the candles before them.

    Args:
        candles: the newest ones, ascending; fewer than `CONTEXT` give no verdict.
    """
    if len(candles) < CONTEXT:
        return None
    values = candles[VALUES].to_numpy()
    closes = np.concatenate([[np.nan], values[:-1, 3]])
    repeats = np.concatenate([[False], (values[1:] == values[:-1]).all(axis=1)])
    silent = (values[:, :4] == closes[:, None]).all(axis=1) & (values[:, 4] == 0)
    moves = np.flatnonzero(~(repeats | silent))
    if not len(moves):
        return None
    newest = len(candles) - 1 - int(moves[-1])
    longest = int(np.diff(moves, prepend=-1).max()) - 1
    least = max(_FROZEN_CANDLES, -(-_FROZEN_SECONDS // timeframe.seconds))
    if newest < max(least, _TIMES_FROZEN * longest):
        return None
    return candles["timestamp"].iloc[moves[-1] + 1].to_pydatetime(), newest


def caution_about(
    candles: pd.DataFrame, absences: Sequence[Absence], timeframe: Timeframe
) -> str | None:
    """What looks implausible in the newest candles, for readers; None if nothing does.

    Args:
        candles: the newest `CONTEXT` stored ones.
        absences: of the gap ledger, in their range.
    """
    held = [each for each in absences if each.rule == IMPLAUSIBLE and not each.is_settled]
    if held:
        return f"a candle is held back until it is confirmed: {held[-1].value}"
    steps = [each for each in find_steps(candles, timeframe) if each.row >= len(candles) - _RECENT]
    if steps:
        return f"the candle {steps[-1]}; the exchange or an operator confirmed it"
    if frozen := frozen_since(candles, timeframe):
        start, count = frozen
        return (
            f"the market looks frozen: {count} {timeframe} candles without a change since "
            f"{start:%Y-%m-%d %H:%M} UTC"
        )
    return None
