"""Benchmark ``demo``: what a newcomer waits for, and the prepared home of other benchmarks."""

import sys
from datetime import UTC, datetime
from functools import cache

from benchmarks.harness import Bench, Figure, Home, execute, say, temporary_home
from coin_assets.domain.timeframes import Timeframe

_MONTHS = 30  # as deploy/home.sh
_COMMAND = (sys.executable, "-m", "coin_assets.demo")


def measure(bench: Bench) -> list[Figure]:
    """Wall time of ``python -m coin_assets.demo`` (``make demo`` without the installation).

    From the start of the interpreter to its exit, once each; the sandbox market, 30 months, all
    settings but the home at their defaults (a quick run: one symbol).
    """
    home, first = prepared(bench)
    say("second run")
    second, _ = execute(home, *_COMMAND)
    symbols = "one symbol" if bench.quick else "5 symbols"
    return [
        Figure("first run", first, "s", f"empty home, {symbols}: 30 months of candles, all models"),
        Figure("second run", second, "s", "right after it: only the running month is requested"),
    ]


@cache
def prepared(bench: Bench) -> tuple[Home, float]:
    """A home in which the demo ran once, shared by all groups, and the seconds it took."""
    say("first run of the demo on an empty home")
    start = Timeframe("1M").shift(datetime.now(UTC), 1 - _MONTHS)
    settings = {"COIN_HISTORY_START": f"{start:%Y-%m-%d}"}
    if bench.quick:
        settings["COIN_SYMBOLS"] = "BTC/USDT"
    home = bench.homes.enter_context(temporary_home(**settings))
    seconds, _ = execute(home, *_COMMAND)
    return home, seconds
