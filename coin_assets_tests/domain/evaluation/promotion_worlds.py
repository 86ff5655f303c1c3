"""Simulated markets in which it is known who forecasts better, for the promotion gate.

Returns have heavy tails and a volatility that clusters over days and over weeks. A role has the
volatility up to an error of its own, which lasts for some hours, and multiplies it by the quantiles
that standardised returns have in the long run. So losses are heavy-tailed, overlap as those of real
forecasts do, rise and fall together, and the intervals of a role have their nominal coverage
unless it narrows them on purpose.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from math import exp, sqrt

import numpy as np
import pandas as pd

from coin_assets.domain.evaluation.challengers import with_one_promotion
from coin_assets.domain.evaluation.promotion import (
    KEEP,
    PROMOTE,
    GateVerdict,
    PairedScores,
    TrialTerms,
    judge,
)
from coin_assets.domain.evaluation.scoring import pinball_loss
from coin_assets.domain.forecasting.frame import QUANTILES, STEPS, Floats
from coin_assets.domain.timeframes import Timeframe

HOUR = Timeframe("1h")
START = datetime(2026, 1, 1, tzinfo=UTC)
STAYS_WRONG = 0.94  # autocorrelation of a role's error from candle to candle
NAIVE_ERROR = 0.45  # the naive forecast hardly follows the volatility
TYPICAL = 0.005  # volatility of a candle, as log return
TAILS = 5.0  # degrees of freedom of the shocks
_FAR = 1e3  # standardised returns are never that large
_LONG, _PATHS = 6_000, 10  # origins, and histories, that long-run figures are taken from


@dataclass(frozen=True)
class Role:
    """A forecaster.

    Attributes:
        error: standard deviation of the error of its log volatility.
        narrowed: factor on the width of its intervals; 1 is honest.
    """

    error: float
    narrowed: float = 1.0


@dataclass(frozen=True)
class World:
    """Champion and challenger, and for how long they forecast.

    Attributes:
        backtest, live: origins of either kind, a candle apart; backtest ones come first, live ones
            make a trial period.
    """

    champion: Role
    challenger: Role
    backtest: int = 90 * 24
    live: int = 30 * 24
    timeframe: Timeframe = HOUR

    @property
    def origins(self) -> int:
        return self.backtest + self.live

    @property
    def candle(self) -> timedelta:
        return timedelta(seconds=self.timeframe.seconds)


@lru_cache(maxsize=2)
def _markets(seed: int, count: int, length: int) -> tuple[Floats, Floats]:
    """Log volatility at each candle, and what came of `STEPS` candles after it.

    Returns:
        Shapes (count, length) and (STEPS, count, length).
    """
    rng = np.random.default_rng(seed)
    longer = length + STEPS
    slow = _wandering(rng, count, longer, 0.998, 0.35)
    log_volatility = np.log(TYPICAL) + slow + _wandering(rng, count, longer, 0.97, 0.3)
    shocks = rng.standard_t(TAILS, (count, longer)) * sqrt((TAILS - 2) / TAILS)
    price = np.cumsum(np.exp(log_volatility) * shocks, axis=1)
    moves = [price[:, step : step + length] - price[:, :length] for step in range(1, STEPS + 1)]
    return log_volatility[:, :length], np.array(moves)


def _wandering(
    rng: np.random.Generator, count: int, length: int, memory: float, spread: float
) -> Floats:
    """Normal numbers of standard deviation ``spread``, each like the one before it."""
    steps = spread * rng.standard_normal((length, count))
    for now in range(1, length):
        steps[now] = memory * steps[now - 1] + sqrt(1 - memory**2) * steps[now]
    return np.ascontiguousarray(steps.T)


@cache
def _long_run_quantiles(error: float) -> Floats:
    """Of moves over a volatility known up to ``error``; shape (STEPS, quantiles), symmetric."""
    log_volatility, moves = _markets(0, _PATHS, _LONG)
    rng = np.random.default_rng(1)
    forecast = np.exp(log_volatility + error * rng.standard_normal(log_volatility.shape))
    upper = np.array([np.quantile(np.abs(move) / forecast, (0, 0.5, 0.8, 0.9)) for move in moves])
    upper[:, 0] = 0.0
    return np.concatenate([-upper[:, :0:-1], upper], axis=1)


def _scored(
    role: Role, rng: np.random.Generator, log_volatility: Floats, moves: Floats
) -> tuple[Floats, Floats]:
    """Mean loss and covered share at each origin, both of shape (count, length)."""
    count, length = log_volatility.shape
    forecast = np.exp(log_volatility + _wandering(rng, count, length, STAYS_WRONG, role.error))
    quantiles = role.narrowed * _long_run_quantiles(role.error)
    loss, covered = np.zeros_like(forecast), np.zeros_like(forecast)
    for move, levels in zip(moves, quantiles, strict=True):
        seen = move / forecast
        # The mean loss over quantiles is linear in the outcome between them.
        knots = np.concatenate([[-_FAR], levels, [_FAR]])
        at_knots = pinball_loss(knots, np.tile(levels, (len(knots), 1))).mean(axis=1)
        loss += np.interp(seen, knots, at_knots)
        covered += (levels[QUANTILES.index(0.1)] <= seen) & (seen <= levels[QUANTILES.index(0.9)])
    return loss * forecast / STEPS, covered / STEPS


def histories(world: World, count: int, seed: int) -> Iterator[PairedScores]:
    """``count`` independent histories of a world, as they are at the end."""
    for (history,) in rivalries(world, (world.challenger,), count, seed):
        yield history


def rivalries(
    world: World, rivals: Sequence[Role], count: int, seed: int
) -> Iterator[tuple[PairedScores, ...]]:
    """``count`` independent histories of several challengers of one champion in one market."""
    log_volatility, moves = _markets(seed, count, world.origins)
    rng = np.random.default_rng([seed, 1])
    naive, _ = _scored(Role(NAIVE_ERROR), rng, log_volatility, moves)
    champion, _ = _scored(world.champion, rng, log_volatility, moves)
    scored = [_scored(rival, rng, log_volatility, moves) for rival in rivals]
    origins = pd.date_range(START, periods=world.origins, freq=world.candle)
    live = np.arange(world.origins) >= world.backtest
    for each in range(count):
        yield tuple(
            PairedScores(origins, champion[each], lost[each], naive[each], covered[each], live)
            for lost, covered in scored
        )


def lucky_histories(
    world: World, count: int, seed: int, among: int, few: int
) -> list[PairedScores]:
    """The ``count`` of ``among`` histories whose challenger began best, at ``few`` origins."""

    def luck(history: PairedScores) -> float:
        return float(history.challenger[:few].mean() / history.champion[:few].mean())

    return sorted(histories(world, among, seed), key=luck)[:count]


def interim_tests(
    history: PairedScores, world: World, until: int | None = None
) -> Iterator[GateVerdict]:
    """Verdicts of one interim test a day, or a candle where it is longer, in the trial period.

    Each test uses the forecasts that have matured by then; the first decision ends the trial.

    Args:
        until: number of matured origins at which testing ends early.
    """
    for (verdict,) in _rounds((history,), world, until):
        yield verdict
        if verdict.decision != KEEP:
            return


def winner(rivalry: Sequence[PairedScores], world: World) -> int | None:
    """Place of the challenger that is promoted in the trial period; None if none is."""
    for verdicts in _rounds(rivalry, world):
        for place, verdict in enumerate(verdicts):
            if verdict.decision == PROMOTE:
                return place
    return None


def _rounds(
    rivalry: Sequence[PairedScores], world: World, until: int | None = None
) -> Iterator[list[GateVerdict]]:
    """Verdicts on all challengers, test by test."""
    length, every = len(rivalry[0]), np.arange(len(rivalry[0]))
    passes: list[list[datetime]] = [[] for _ in rivalry]
    pace = max(1, timedelta(days=1) // world.candle)
    terms = TrialTerms(START, world.live * world.candle, challengers=len(rivalry))
    for matured in range(world.backtest + pace, (until or length) + 1, pace):
        now = rivalry[0].origins[matured - 1].to_pydatetime() + STEPS * world.candle
        verdicts = [
            judge(
                history.at(every < matured),
                world.timeframe,
                terms,
                earlier_passes=earlier,
                now=now,
            )
            for history, earlier in zip(rivalry, passes, strict=True)
        ]
        yield list(with_one_promotion(dict(enumerate(verdicts))).values())
        passes = [
            [*earlier, now] if verdict.passed else []
            for earlier, verdict in zip(passes, verdicts, strict=True)
        ]


def decision(history: PairedScores, world: World, until: int | None = None) -> str:
    """Decision of the last interim test."""
    return [verdict.decision for verdict in interim_tests(history, world, until)][-1]


def expected_ratio(role: Role, other: Role) -> float:
    """Loss of one role to another's in the long run, about."""
    return exp(_log_loss(role) - _log_loss(other))


@cache
def _log_loss(role: Role) -> float:
    loss, _ = _scored(role, np.random.default_rng(2), *_markets(0, _PATHS, _LONG))
    return float(np.log(loss.mean()))


SKILLED, AVERAGE, POOR = Role(0.15), Role(0.3), Role(0.35)
NARROW = Role(0.1, narrowed=0.75)
BETTER = World(POOR, SKILLED)  # loses about 4% less
EQUAL = World(AVERAGE, AVERAGE)
WORSE = World(Role(0.2), AVERAGE)  # loses about 2% more
BADLY_CALIBRATED = World(POOR, NARROW)  # loses about 2% less; its 80% interval holds 68%
EQUAL_LIVE = World(AVERAGE, AVERAGE, backtest=0)
