"""Installations whose size is computed, and what follows from their settings: exact arithmetic."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from coin_assets.planning.splitting import MOST_SYMBOLS

SETTINGS, EXTRAPOLATED = "settings", "extrapolated"  # what a row rests on
LAYERS_DUE = 3  # of a close: candles, predictions, published; models have a time of their own
QUEUES = 3
# Binance: klines weigh 2, the list of symbols 20; 6,000 are allowed a minute.
KLINES_WEIGHT, LIST_WEIGHT, WEIGHT_A_MINUTE = 2, 20, 6000
DAYS_A_MONTH = 365.25 / 12
_HOUR, _DAY = 3600.0, 86_400.0


@dataclass(frozen=True)
class Plan:
    """An installation.

    Attributes:
        seconds: length of each timeframe, the source first.
        slots: runs at a time, of all workers.
        months: of candles.
        source_days: for which the source timeframe is kept; None is for ever.
    """

    symbols: int
    seconds: tuple[float, ...]
    symbols_a_shard: int
    slots: int
    months: int
    source_days: float | None = None

    @property
    def series(self) -> int:
        return self.symbols * len(self.seconds)

    @property
    def shards(self) -> int:
        return math.ceil(self.symbols / self.symbols_a_shard)

    @property
    def closes_a_day(self) -> float:
        """Of one symbol."""
        return sum(_DAY / each for each in self.seconds)

    def closes_kept(self, days: float) -> float:
        """Of one symbol, after ``days``."""
        source = days if self.source_days is None else min(days, self.source_days)
        kept = (source, *(days for _ in self.seconds[1:]))
        return sum(each * _DAY / length for each, length in zip(kept, self.seconds, strict=True))

    @property
    def tasks_a_day(self) -> float:
        return self.symbols * self.closes_a_day * LAYERS_DUE

    @property
    def runs(self) -> int:
        """At a close of the source timeframe."""
        in_shard = math.ceil(self.symbols / self.shards)
        return self.shards * math.ceil(in_shard / MOST_SYMBOLS)


@dataclass(frozen=True)
class Row:
    """One row of the table; without a value it is not measured yet."""

    name: str
    value: float | None
    unit: str
    basis: str
    formula: str


# 1h with the derived 4h, 12h, 1d, 1w, 1M; and 1m with the derived 5m, 15m, 1h, 4h, 1d.
HOURS = Plan(
    2000, (_HOUR, 4 * _HOUR, 12 * _HOUR, _DAY, 7 * _DAY, DAYS_A_MONTH * _DAY), 250, 25, 112
)
MINUTES = Plan(2000, (60.0, 300.0, 900.0, _HOUR, 4 * _HOUR, _DAY), 250, 25, 12, source_days=14)


def counted(plan: Plan) -> Iterator[Row]:
    """What follows from the settings."""
    weight = plan.symbols * KLINES_WEIGHT + plan.runs * LIST_WEIGHT
    source_minutes = plan.seconds[0] / 60
    yield Row("series", plan.series, "", SETTINGS, "symbols x timeframes")
    yield Row("assets", 4 * plan.series + plan.shards, "", SETTINGS, "4 a series, 1 a shard")
    yield Row("shards", plan.shards, "", SETTINGS, f"{plan.symbols_a_shard} symbols each")
    fixed = 2 * plan.shards + 2 * QUEUES + 6
    yield Row(
        "processes that stay",
        fixed,
        "",
        SETTINGS,
        "2 a code location, 2 a worker (3 queues), daemon, web UI, watcher, make up, PostgreSQL's "
        "and Redis' first ones",
    )
    yield Row(
        "processes of runs, at most",
        5 * plan.slots,
        "",
        SETTINGS,
        "slots x (a run, and four small ones that keep what it prints)",
    )
    yield Row(
        "runs at a close of the source",
        plan.runs,
        "",
        SETTINGS,
        f"at most {MOST_SYMBOLS} symbols each, whole shards",
    )
    yield Row(
        "tasks a day",
        plan.tasks_a_day,
        "",
        SETTINGS,
        "symbols x closes a day x 3 (candles, predictions, published)",
    )
    yield Row(
        "requests at a close of the source",
        plan.symbols + plan.runs,
        "",
        SETTINGS,
        "one a symbol, and the list of symbols once a run; derived timeframes ask nothing",
    )
    yield Row(
        "requests a minute, mean",
        (plan.symbols + plan.runs) / source_minutes,
        "",
        SETTINGS,
        "the row above by the minutes between two closes",
    )
    yield Row(
        "share of the exchange's limit, if sent within a minute",
        100 * weight / WEIGHT_A_MINUTE,
        "%",
        SETTINGS,
        f"weight {weight:,} of {WEIGHT_A_MINUTE:,} a minute (Binance: {KLINES_WEIGHT} a request, "
        f"{LIST_WEIGHT} for the list), from one address",
    )
