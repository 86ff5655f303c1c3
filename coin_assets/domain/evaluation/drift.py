"""Whether the champion still does what it used to do: loses less than naive, and holds its share.

The newest third of an evaluation's origins, or `JUDGED` but at most half, is judged by the rest:

- loss: the pinball loss as share of the naive loss, so that a wild market is no drift, has grown
  by more than `_SURE` standard errors;
- coverage: the 80% intervals of the first step, or of all steps, hold such a share of closes as
  honest intervals would in fewer than one of a thousand samples.

Forecasts that look 24 steps ahead overlap, and markets are calm or wild for days, so neighbouring
origins say nearly the same. Uncertainty is therefore that between blocks of `STEPS` origins, with
the correlation of neighbouring blocks (Carlstein, Annals of Statistics 14, 1986; Newey and West,
Econometrica 55, 1987). Few blocks may look alike by chance: it never counts as less than what
stationary markets with slowly changing volatility showed.

Live forecasts and backtests count alike: neither knows the future.
"""

from dataclasses import dataclass
from datetime import datetime
from math import comb
from typing import Any

import numpy as np

from coin_assets.domain.evaluation.matured import Matured
from coin_assets.domain.evaluation.scoring import inside, losses, mean_by_origin
from coin_assets.domain.forecasting.frame import STEPS, Floats
from coin_assets.domain.json_format import Document, parse_time, time_text

STABLE, DRIFTING, UNKNOWN = STATES = ("stable", "drifting", "unknown")
COVERAGE, CONFIDENCE = 0.8, 0.999
# Origins: fewer give no state; so many are judged, if that is more than a third.
FEWEST, JUDGED = 100, 100

_SURE = 4.0
_FEWEST_BLOCKS = 5
# Least standard deviation of the log ratio of a block, and least number of origins that say as
# much as one of which no other is a neighbour.
_USUAL_SPREAD = 0.15
_PER_SAMPLE_ONE_STEP, _PER_SAMPLE_ALL_STEPS = 3.0, STEPS / 3


@dataclass(frozen=True)
class Drift:
    """The drift state of a champion.

    Attributes:
        state: one of `STATES`; `UNKNOWN` with fewer than `FEWEST` origins, as windows of ``3d``
            and ``1M`` always have.
        since: first origin of those that were judged; None if unknown.
        reasons: why it is `DRIFTING`, in words.
        ratio, ratio_before: pinball loss over naive loss of the origins judged and of those
            before; None if unknown or if nothing moved.
    """

    state: str
    since: datetime | None = None
    reasons: tuple[str, ...] = ()
    ratio: float | None = None
    ratio_before: float | None = None

    def document(self) -> Document:
        """As JSON values."""
        return {
            "state": self.state,
            "since": None if self.since is None else time_text(self.since),
            "reasons": list(self.reasons),
            "ratio": self.ratio,
            "ratio_before": self.ratio_before,
        }


def drift_of(champion: Matured, naive: Matured) -> Drift:
    """The drift state of forecasts, beside the naive ones of the same origins.

    Measured on simulated markets with slow and fast waves of volatility, and a forecaster that
    follows them late: it is called drifting in 0.6 of 1000 daily looks at windows of 720 origins,
    in 1.1 at 540 and in none at 180 (over 10,000 looks each); on three years of real hours of
    three symbols in none of 3,195. With intervals of half or twice their width for the part judged
    97% and 87% of the windows of 720 are called so; of short windows only the worst are.
    """
    recent = min(len(champion) // 2, max(JUDGED, len(champion) // 3))
    if len(champion) < FEWEST:
        return Drift(UNKNOWN)
    loss, usual, held = losses(champion), losses(naive), inside(champion, 0.1, 0.9)
    found = (
        _loss_reason(loss, usual, recent),
        _coverage_reason(held[:, 0], recent, _PER_SAMPLE_ONE_STEP, "first-step closes"),
        _coverage_reason(mean_by_origin(held), recent, _PER_SAMPLE_ALL_STEPS, "closes"),
    )
    reasons = tuple(reason for reason in found if reason is not None)
    return Drift(
        state=DRIFTING if reasons else STABLE,
        since=champion.origins[-recent].to_pydatetime(),
        reasons=reasons,
        ratio=_ratio(loss[-recent:], usual[-recent:]),
        ratio_before=_ratio(loss[:-recent], usual[:-recent]),
    )


def training_reason(drift: dict[str, Any], cutoff: datetime) -> str | None:
    """Why a key should be trained anew, by the drift of its last evaluation.

    Args:
        drift: document of a `Drift`.
        cutoff: of the newest version. One that was trained after the drift began is the answer
            to it; another training would have little more to learn from.
    """
    if drift["state"] != DRIFTING or cutoff >= parse_time(drift["since"]):
        return None
    return "drift: " + " and ".join(drift["reasons"])


def coverage_band(count: int) -> tuple[int, int]:
    """Fewest and most of ``count`` honest `COVERAGE` intervals that hold, at `CONFIDENCE`.

    Each tail outside has at most half of what the confidence leaves.
    """
    chances = [
        comb(count, hits) * COVERAGE**hits * (1 - COVERAGE) ** (count - hits)
        for hits in range(count + 1)
    ]
    tail = (1 - CONFIDENCE) / 2
    least = int((np.cumsum(chances) <= tail).sum())
    most = count - int((np.cumsum(chances[::-1]) <= tail).sum())
    return least, most


def _loss_reason(loss: Floats, usual: Floats, recent: int) -> str | None:
    """Whether the last ``recent`` losses are a larger share of the naive ones than before."""
    now, before = (
        _block_ratios(loss[part], usual[part]) for part in (slice(-recent, None), slice(-recent))
    )
    if not len(now) or len(before) < _FEWEST_BLOCKS:
        return None
    spread = max(_USUAL_SPREAD, _spread(before))
    growth = float(now.mean() - before.mean())
    if growth <= _SURE * spread * np.sqrt(1 / len(now) + 1 / len(before)):
        return None
    return (
        f"beside naive the last {recent} forecasts lose {np.exp(growth):.2f} times as much as the "
        f"{len(loss) - recent} before them"
    )


def _coverage_reason(held: Floats, recent: int, per_sample: float, what: str) -> str | None:
    """Whether the last ``recent`` shares inside the interval are unlike `COVERAGE` on the whole."""
    now, before = held[-recent:], held[:-recent]
    now, before = now[np.isfinite(now)], before[np.isfinite(before)]
    if not len(now):
        return None
    variance = STEPS * _spread(_blocks(before) / STEPS) ** 2
    count = int(len(now) / max(per_sample, variance / (COVERAGE * (1 - COVERAGE))))
    if count < 1:
        return None
    least, most = (hits / count for hits in coverage_band(count))
    share = float(now.mean())
    if least <= share <= most:
        return None
    return (
        f"{share:.0%} of the last {len(now)} {what} lie in the {COVERAGE:.0%} interval, "
        f"{least:.0%} to {most:.0%} would be usual"
    )


def _blocks(values: Floats) -> Floats:
    """Sums of `STEPS` neighbours, the newest complete; what is left of the oldest is dropped."""
    count = len(values) // STEPS
    return np.asarray(values[len(values) - count * STEPS :].reshape(count, STEPS).sum(axis=1))


def _block_ratios(loss: Floats, usual: Floats) -> Floats:
    """Logarithm of loss over naive loss by block, without blocks in which nothing moved."""
    lost, naive = _blocks(loss), _blocks(usual)
    moved = (lost > 0) & (naive > 0)
    return np.asarray(np.log(lost[moved] / naive[moved]))


def _spread(blocks: Floats) -> float:
    """Standard deviation of block values that stands for their mean's: two lags, never less
    than without; 0 for fewer than two blocks."""
    if len(blocks) < 2:
        return 0.0
    centred = blocks - blocks.mean()
    own = float(centred @ centred)
    near, far = (float(centred[lag:] @ centred[:-lag]) for lag in (1, 2))
    total = max(own, own + 4 / 3 * near + 2 / 3 * far)
    return float(np.sqrt(total / (len(blocks) - 1)))


def _ratio(loss: Floats, usual: Floats) -> float | None:
    naive = float(usual.sum())
    return float(loss.sum()) / naive if naive > 0 else None
