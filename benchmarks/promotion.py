"""How often the promotion gate errs on simulated histories."""

from collections import Counter
from dataclasses import replace
from math import sqrt

from benchmarks.harness import Bench, Figure, say, timed
from coin_assets.domain.evaluation.promotion import DECISIONS, PROMOTE, PairedScores
from coin_assets.domain.timeframes import Timeframe
from coin_assets_tests.domain.evaluation.promotion_worlds import (
    AVERAGE,
    BADLY_CALIBRATED,
    BETTER,
    EQUAL,
    EQUAL_LIVE,
    WORSE,
    Role,
    World,
    decision,
    expected_ratio,
    histories,
    lucky_histories,
    rivalries,
    winner,
)

_HISTORIES, _QUICK = 200, 10
_FEW = 10 * 24
_AMONG = 10  # one lucky history of so many
_SEED = 11
_TIMES_EQUAL = 5  # so many times the histories where a rate of one percent has to be measured
_DAYS = Timeframe("1d")
_Z = 1.96  # 95% interval

_WORLDS = {
    "better": BETTER,
    "slightly better": World(AVERAGE, Role(0.15)),
    "equal": EQUAL,
    "worse": WORSE,
    "better, badly calibrated": BADLY_CALIBRATED,
    "better, live only": replace(BETTER, backtest=0),
    "equal, live only": EQUAL_LIVE,
    "better, badly calibrated, live only": replace(BADLY_CALIBRATED, backtest=0),
    "better, 1d": replace(BETTER, backtest=1000, live=180, timeframe=_DAYS),
    "equal, 1d": replace(EQUAL, backtest=1000, live=180, timeframe=_DAYS),
    "better, 1d, live only": replace(BETTER, backtest=0, live=180, timeframe=_DAYS),
}
_EQUALS = ("equal", "equal, live only")
# Several challengers of one champion, of which the first ought to win if it is better.
_RIVALRIES = (
    ("better beside a worse one", BETTER, (Role(0.15), Role(0.4))),
    ("better beside one that is slightly better", BETTER, (Role(0.15), AVERAGE)),
    ("one of three equal ones", EQUAL, (AVERAGE,) * 3),
)


def measure(bench: Bench) -> list[Figure]:
    """How often the gate promotes a challenger, over simulated trial periods with daily tests.

    A trial period is 30 days of hours (`1h`) or 180 days (`1d`); before it come 90 days of hours
    or 1000 days of walk-forward forecasts, unless the figure is for live only. Returns are
    heavy-tailed, volatility clusters, the champion and the challenger err in it independently.
    Only the better one ought to be promoted. Intervals are Wilson's at 95%. Seeds are fixed, so
    figures do not depend on the machine.
    """
    count = bench.pick(_HISTORIES, _QUICK)
    figures = []
    for name, world in _WORLDS.items():
        seeds = range(_SEED, _SEED + (_TIMES_EQUAL if name in _EQUALS else 1))
        played = [history for seed in seeds for history in histories(world, count, seed)]
        figures.append(_rate(name, world, played))
    figures += [_rivalry(name, world, rivals, count) for name, world, rivals in _RIVALRIES]
    lucky = lucky_histories(EQUAL_LIVE, count, _SEED, _AMONG * count, _FEW)
    chosen = f"the luckiest of {_AMONG * count} equal ones after {_FEW // 24} days, "
    figures.append(_rate("lucky, so far", EQUAL_LIVE, lucky, chosen + "until then", _FEW))
    figures.append(_rate("lucky, whole term", EQUAL_LIVE, lucky, chosen + "to the end"))
    return figures


def _rate(
    name: str, world: World, played: list[PairedScores], how: str = "", until: int | None = None
) -> Figure:
    seconds, found = timed(lambda: Counter(decision(each, world, until) for each in played))
    low, high = _wilson(found[PROMOTE], len(played))
    loss = f"expected loss {expected_ratio(world.challenger, world.champion):.3f} of the champion's"
    outcome = ", ".join(f"{found[word]} {word}" for word in DECISIONS)
    say(f"{name}: {outcome} ({seconds:.0f} s)")
    return Figure(
        f"promoted: {name}",
        100 * found[PROMOTE] / len(played),
        "%",
        f"{how or loss}; {outcome}; 95% interval {low:.1%} to {high:.1%}",
    )


def _rivalry(name: str, world: World, rivals: tuple[Role, ...], count: int) -> Figure:
    are_equal = len({world.champion, *rivals}) == 1
    seeds = range(_SEED, _SEED + (_TIMES_EQUAL if are_equal else 1))
    played = [each for seed in seeds for each in rivalries(world, rivals, count, seed)]
    seconds, found = timed(lambda: Counter(winner(each, world) for each in played))
    counted = len(played) - found[None] if are_equal else found[0]
    losses = ", ".join(f"{expected_ratio(each, world.champion):.3f}" for each in rivals)
    outcome = ", ".join(f"{found[place]} of number {place + 1}" for place in range(len(rivals)))
    low, high = _wilson(counted, len(played))
    say(f"{name}: {outcome} ({seconds:.0f} s)")
    return Figure(
        f"promoted: {name}",
        100 * counted / len(played),
        "%",
        f"expected losses {losses} of the champion's; promotions: {outcome}; "
        f"95% interval {low:.1%} to {high:.1%}",
    )


def _wilson(hits: int, count: int) -> tuple[float, float]:
    """Interval of a rate: Wilson, J. Am. Stat. Assoc. 22 (1927)."""
    rate = hits / count
    centre = rate + _Z**2 / (2 * count)
    half = _Z * sqrt(rate * (1 - rate) / count + _Z**2 / (4 * count**2))
    scale = 1 + _Z**2 / count
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)
