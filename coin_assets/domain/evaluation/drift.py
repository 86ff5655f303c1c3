"""Drift of the champion: its loss has grown, or its intervals are no longer calibrated.

The newest third of an evaluation's origins (at least `JUDGED`, at most half) is compared with the
older ones. The champion drifts if one of these holds:

- loss: the ratio of its pinball loss to the naive loss has grown by more than `_SURE` standard
  errors. A more volatile market raises both losses and is no drift.
- coverage: the share of closes in the 80% intervals, of step 1 or of all steps, is one that
  calibrated intervals give in fewer than one of a thousand samples.

Forecasts over 24 steps overlap and volatility is persistent, so neighbouring origins are strongly
correlated. Standard errors are therefore taken between blocks of `STEPS` origins, with the
correlation of neighbouring blocks (Carlstein, Annals of Statistics 14, 1986; Newey and West,
Econometrica 55, 1987). They have a lower limit, measured on simulated stationary markets.

Live forecasts and backtests count alike.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from coin_assets.domain.evaluation.matured import Matured
from coin_assets.domain.evaluation.scoring import inside, losses, mean_by_origin
from coin_assets.domain.forecasting.frame import STEPS, Floats
from coin_assets.domain.json_format import Document, parse_time, time_text

STABLE, DRIFTING, UNKNOWN = STATES = ("stable", "drifting", "unknown")
COVERAGE, CONFIDENCE = 0.8, 0.999
# Least number of origins for a state, and least number that is compared with the older ones.
FEWEST, JUDGED = 100, 100

_SURE = 4.0
_FEWEST_BLOCKS = 5
# Least standard deviation of the log ratio of a block, and least number of origins that count as
# one independent sample.
_LEAST_SPREAD = 0.15
_PER_SAMPLE_ONE_STEP, _PER_SAMPLE_ALL_STEPS = 3.0, STEPS / 3


@dataclass(frozen=True)
class Drift:
    """The drift state of a champion.

    Attributes:
        state: one of `STATES`; `UNKNOWN` with fewer than `FEWEST` origins, as windows of ``3d``
            and ``1M`` always have.
        since: first of the newest origins; None if unknown.
        reasons: texts, one a criterion that holds.
        ratio, ratio_before: pinball loss over naive loss of the newest and of the older origins;
            None if unknown or if the naive loss is 0.
    """

    state: str
    since: datetime | None = None
    reasons: tuple[str, ...] = ()
    ratio: float | None = None
    ratio_before: float | None = None

    def document(self) -> Document:
        """The state as JSON values."""
        return {
            "state": self.state,
            "since": None if self.since is None else time_text(self.since),
            "reasons": list(self.reasons),
            "ratio": self.ratio,
            "ratio_before": self.ratio_before,
        }


def drift_of(champion: Matured, naive: Matured) -> Drift:
    """The drift state of a champion.

    False alarms on simulated markets with slow and fast changes of volatility, and a forecaster
    that lags behind them: 0.6 of 1000 daily evaluations with windows of 720 origins, 1.1 with 540,
    none with 180 (10,000 evaluations or more each). On three years of real hours of three symbols:
    none of 3,195. If the newest intervals have half or twice their width, 97% and 87% of windows of
    720 origins are drifting. Short windows detect only larger errors.

    Args:
        champion: matured forecasts in ascending order of origins.
        naive: naive forecasts of the same origins.
    """
    recent = min(len(champion) // 2, max(JUDGED, len(champion) // 3))
    if len(champion) < FEWEST:
        return Drift(UNKNOWN)
    loss, naive_loss, held = losses(champion), losses(naive), inside(champion, 0.1, 0.9)
    found = (
        _loss_reason(loss, naive_loss, recent),
        _coverage_reason(held[:, 0], recent, _PER_SAMPLE_ONE_STEP, "first-step closes"),
        _coverage_reason(mean_by_origin(held), recent, _PER_SAMPLE_ALL_STEPS, "closes"),
    )
    reasons = tuple(reason for reason in found if reason is not None)
    return Drift(
        state=DRIFTING if reasons else STABLE,
        since=champion.origins[-recent].to_pydatetime(),
        reasons=reasons,
        ratio=_ratio(loss[-recent:], naive_loss[-recent:]),
        ratio_before=_ratio(loss[:-recent], naive_loss[:-recent]),
    )


def training_reason(drift: dict[str, Any], cutoff: datetime) -> str | None:
    """The reason to train a series because of drift; None if there is none.

    Args:
        drift: `Drift.document` of the last evaluation.
        cutoff: of the newest version. A version trained after the drift began already answers it.
    """
    if drift["state"] != DRIFTING or cutoff >= parse_time(drift["since"]):
        return None
    return "drift: " + " and ".join(drift["reasons"])


def coverage_band(count: int) -> tuple[int, int]:
    """Central range of the number of hits among ``count`` calibrated `COVERAGE` intervals.

    Returns:
        Fewest and most hits. Each binomial tail outside has a probability of at most half of
        1 - `CONFIDENCE`.
    """
    from scipy.special import bdtr  # SciPy takes a fifth of a second to import

    hits, tail = np.arange(count + 1), (1 - CONFIDENCE) / 2
    least = int((bdtr(hits, count, COVERAGE) <= tail).sum())
    most = count - int((bdtr(hits, count, 1 - COVERAGE) <= tail).sum())
    return least, most


def _loss_reason(loss: Floats, naive_loss: Floats, recent: int) -> str | None:
    """The reason, if the last ``recent`` losses are a larger share of the naive ones."""
    now, before = (
        _block_ratios(loss[part], naive_loss[part])
        for part in (slice(-recent, None), slice(-recent))
    )
    if not len(now) or len(before) < _FEWEST_BLOCKS:
        return None
    spread = max(_LEAST_SPREAD, _spread(before))
    growth = float(now.mean() - before.mean())
    if growth <= _SURE * spread * np.sqrt(1 / len(now) + 1 / len(before)):
        return None
    return (
        f"relative to naive the last {recent} forecasts lose {np.exp(growth):.2f} times as much as "
        f"the {len(loss) - recent} before them"
    )


def _coverage_reason(held: Floats, recent: int, per_sample: float, what: str) -> str | None:
    """The reason, if the mean of the last ``recent`` shares is unlikely for `COVERAGE`."""
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
        f"{least:.0%} to {most:.0%} are expected"
    )


def _blocks(values: Floats) -> Floats:
    """Sums over blocks of `STEPS` origins; an incomplete oldest block is dropped."""
    count = len(values) // STEPS
    return np.asarray(values[len(values) - count * STEPS :].reshape(count, STEPS).sum(axis=1))


def _block_ratios(loss: Floats, naive_loss: Floats) -> Floats:
    """Log of loss over naive loss by block, without blocks in which one of them is 0."""
    lost, naive = _blocks(loss), _blocks(naive_loss)
    moved = (lost > 0) & (naive > 0)
    return np.asarray(np.log(lost[moved] / naive[moved]))


def _spread(blocks: Floats) -> float:
    """Standard deviation of block values, with two lags of autocorrelation.

    Never less than without lags; 0 for fewer than two blocks.
    """
    if len(blocks) < 2:
        return 0.0
    centred = blocks - blocks.mean()
    own = float(centred @ centred)
    near, far = (float(centred[lag:] @ centred[:-lag]) for lag in (1, 2))
    total = max(own, own + 4 / 3 * near + 2 / 3 * far)
    return float(np.sqrt(total / (len(blocks) - 1)))


def _ratio(loss: Floats, naive_loss: Floats) -> float | None:
    naive = float(naive_loss.sum())
    return float(loss.sum()) / naive if naive > 0 else None
