"""Weeks in seconds: the planner drives a made-up world, from event to event."""

import math
import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.publishing.manifest import status_of
from coin_assets.domain.publishing.manifest_entries import ManifestEntry, PublishedFile
from coin_assets.domain.series import Series
from coin_assets_tests.planning.world import SimulatedSeries, World

HOUR = timedelta(hours=1)
TICK = timedelta(seconds=5)
SETTLE = timedelta(seconds=2)
SOURCES = {"1h": None, "4h": "1h", "1d": "1h", "1w": "1h", "1M": "1h"}
_MINUTES = {"1h": (65, 130), "4h": (250, 500), "1d": (1500, 3000), "1w": (11520, 23040)}
MINUTES = {**_MINUTES, "1M": (50400, 100800)}
_LIMITS = {
    name: FreshnessLimits(timedelta(minutes=soft), timedelta(minutes=hard))
    for name, (soft, hard) in MINUTES.items()
}


@dataclass
class Outcome:
    """What a simulation saw.

    Attributes:
        heal_seconds: by timeframe, from each close to published files that reach it.
        most_requests: at one boundary until the next.
        requests: of runs, in all.
        statuses: how often each word was told.
    """

    heal_seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    boundaries: int = 0
    ticks: int = 0
    requests: int = 0
    most_requests: int = 0
    tasks: int = 0

    def quantiles(self, name: str) -> list[float]:
        times = sorted(self.heal_seconds[name])
        return [times[min(len(times) - 1, int(len(times) * q))] for q in (0.5, 0.9, 0.99, 1)]

    def report(self) -> str:
        lines = [
            f"{self.boundaries} boundaries, {self.ticks} ticks, {self.requests} runs "
            f"({self.requests / self.boundaries:.2f} a boundary, at most {self.most_requests}), "
            f"{self.tasks} steps; statuses {dict(self.statuses)}",
            "seconds from close to published  p50 p90 p99 max (closes)",
        ]
        for name, times in self.heal_seconds.items():
            shown = " ".join(f"{seconds:.0f}" for seconds in self.quantiles(name))
            lines.append(f"  {name:>3}  {shown} ({len(times)})")
        return "\n".join(lines)


class Simulation:
    """A world that runs by itself from ``start`` to ``end``.

    Args:
        rate: part of steps that fail.
        outages: number of times that the market is silent for one symbol in ten, and that the
            daemon is down.
    """

    def __init__(
        self, symbols: int, start: datetime, end: datetime, rate: float, outages: int, seed: int = 1
    ) -> None:
        self.chance = random.Random(seed)
        begin = datetime(start.year - 1, start.month, 1, tzinfo=UTC)
        names = [f"S{number:02}/USDT" for number in range(symbols)]
        self.world = World(
            names, SOURCES, begin, start, end + 62 * 24 * HOUR, seed=seed, duration=3 * TICK / 5
        )
        self.end, self.outcome = end, Outcome()
        self._make_market(start, outages)
        self.down = sorted(self._spans(start, outages))
        self._downs = list(self.down)
        for _ in range(60):
            self.world.tick()
            self.world.now += 2 * TICK
        self.world.log.clear()
        self.world.faults.rate = rate
        self._behind: dict[Series, list[datetime]] = {}

    def _spans(self, start: datetime, count: int) -> list[tuple[datetime, datetime]]:
        hours = int((self.end - start) / HOUR)
        begins = [start + self.chance.randrange(hours) * HOUR for _ in range(count)]
        return [(each, each + self.chance.choice((1, 3, 20, 60)) * HOUR) for each in begins]

    def _make_market(self, start: datetime, outages: int) -> None:
        spans = self._spans(start, outages)
        for number, each in enumerate(self.world.series.values()):
            if not each.is_fetched:
                continue
            size = len(each.calendar.times)
            for _ in range(size // 2000):
                hole = self.chance.randrange(size)
                each.holes.update(range(hole, hole + self.chance.choice((1, 1, 2, 30))))
            for _ in range(size // 300):
                late = self.chance.randrange(size - 1)
                delay = timedelta(seconds=self.chance.choice((3, 20, 300)))
                each.late[late] = each.calendar.times[late + 1] + delay
            if number % 25 == 20:
                each.listed = each.calendar.opened_by(start) + 300
            each.silent = [span for span in spans if self.chance.random() < 0.1]
            if number % 4 == 1:
                each.refused = {self.chance.choice(sorted(each.calendar.months)[:12])}

    def run(self) -> Outcome:
        world, outcome = self.world, self.outcome
        hourly = next(iter(world.series.values())).calendar.times
        boundaries = [time + SETTLE for time in hourly if world.now < time + SETTLE <= self.end]
        for boundary, following in zip(boundaries, [*boundaries[1:], self.end], strict=True):
            outcome.boundaries += 1
            world.now, before = boundary, len(world.log)
            self._note_closes(boundary)
            while world.now < following:
                if not self._is_down():
                    world.tick()
                    outcome.ticks += 1
                    self._note_healed()
                if (moment := self._next_event()) is None or moment >= following:
                    break
                world.now = moment
            self._check_statuses()
            asked = world.log[before:]
            outcome.requests += len(asked)
            outcome.tasks += sum(len(request.tasks) for _, request in asked)
            outcome.most_requests = max(outcome.most_requests, len(asked))
            world.log.clear()
        self._heal()
        self._note_healed()
        assert not self._behind, self._behind
        return outcome

    def _is_down(self) -> bool:
        while self.down and self.down[0][1] <= self.world.now:
            self.down.pop(0)
        return bool(self.down) and self.down[0][0] <= self.world.now

    def _next_event(self) -> datetime | None:
        """Next tick at which a plan can differ: a run ends, or something is to be tried again."""
        world = self.world
        moments = [run.end for run in world.runs]
        moments += [each.retry_at for each in world.failures.values()]
        moments += world.rested.values()
        moments = [moment for moment in moments if moment > world.now]
        if not moments:
            return None
        return world.now + math.ceil((min(moments) - world.now) / TICK) * TICK

    def _note_closes(self, boundary: datetime) -> None:
        """Remember the keys whose candle has just closed, unless the market does not have it."""
        for series, each in self.world.series.items():
            close = each.calendar.times[each.calendar.closed_by(boundary)]
            source = each.source
            number = source.calendar.closed_by(boundary) - 1
            recent = (number - 1, number)
            if close + SETTLE != boundary or number - 2 < source.listed:
                continue
            if not any(n in source.holes or n in source.late for n in recent):
                self._behind.setdefault(series, []).append(close)

    def _is_excused(self, each: SimulatedSeries, close: datetime) -> bool:
        """Whether market or daemon were away since the close, or until shortly before it."""
        spans = [*each.source.silent, *self._downs]
        return any(start < self.world.now and close < end + HOUR for start, end in spans)

    def _note_healed(self) -> None:
        for series, closes in list(self._behind.items()):
            each = self.world.series[series]
            if each.history is None or each.history < closes[0]:
                continue
            if each.cutoffs and (each.prediction is None or each.prediction < closes[0]):
                continue
            reached = [close for close in closes if close <= each.history]
            self.outcome.heal_seconds[series.timeframe.name] += [
                (self.world.now - close).total_seconds()
                for close in reached
                if not self._is_excused(each, close)
            ]
            if len(reached) == len(closes):
                del self._behind[series]
            else:
                self._behind[series] = closes[len(reached) :]

    def _check_statuses(self) -> None:
        """Of one symbol: the words of the manifest against plain arithmetic of minutes."""
        series_list = list(self.world.series)
        for series in series_list[:: max(1, len(series_list) // 5)]:
            each, now = self.world.series[series], self.world.now
            ages = [now - time for time in (each.history, each.prediction) if time is not None]
            minutes = max((age.total_seconds() / 60 for age in ages), default=0)
            soft, hard = MINUTES[series.timeframe.name]
            enough = sum(each.stored) >= self.world.enough
            if not enough:
                expected = "insufficient_data"
            elif len(ages) < 2:
                expected = "missing"
            elif minutes <= soft:
                expected = "fresh"
            else:
                expected = "stale" if minutes <= hard else "hard_stale"
            facts = ManifestEntry(
                series,
                _file(each.history),
                _file(each.prediction),
                enough_candles=enough,
            )
            word = status_of(facts, _LIMITS[series.timeframe.name], now)
            assert word == expected, (series, word, expected, minutes)
            self.outcome.statuses[word] += 1

    def _heal(self) -> None:
        """All faults stop: everything that the market has is published soon."""
        world = self.world
        world.faults.rate = 0
        for each in world.series.values():
            each.silent = []
        for _ in range(400):  # holes at the end are believed after an hour
            world.now += timedelta(seconds=30)
            world.tick()
        behind = [str(series) for series in world.series if not world.is_up_to_date(series)]
        assert not behind, behind
        untrained = [str(series) for series in world.series if not world.is_trained(series)]
        assert not untrained, untrained


def _file(as_of: datetime | None) -> PublishedFile | None:
    return None if as_of is None else PublishedFile("file", "", 0, as_of)
