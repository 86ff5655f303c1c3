"""Bounds a tick by time: what it leaves is done by the next one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from coin_assets.orchestration.assets.specs import SeriesAssets

# Dagster ends a tick after 60 s. One part begun at the last moment has to fit in, and what follows
# the parts: a plan, the manifest, or the conditions for alerts.
TICK_SECONDS = 25.0
_PART_SYMBOLS = 10

ItemT = TypeVar("ItemT")
Part = Sequence[SeriesAssets]


class TickTime:
    """The time that one tick may take for work that can wait.

    Args:
        clock: monotonic, in seconds.
    """

    def __init__(self, clock: Callable[[], float], seconds: float = TICK_SECONDS) -> None:
        self._clock, self._end = clock, clock() + seconds

    def left(self) -> float:
        """Seconds that are left; never negative."""
        return max(0.0, self._end - self._clock())

    def is_over(self) -> bool:
        """Whether nothing more should be begun."""
        return self.left() == 0.0


class Rotation(Generic[ItemT]):
    """Items in turn: each tick goes on where the one before stopped, so that none starves.

    The position is kept in the process; after a restart the first item is the next.
    """

    def __init__(self, items: Iterable[ItemT]) -> None:
        self.items, self._next = list(items), 0

    def take(self, time: TickTime) -> Iterator[ItemT]:
        """Each item once, or as many as ``time`` allows, but at least one."""
        for _ in self.items:
            item = self.items[self._next]
            self._next = (self._next + 1) % len(self.items)
            yield item
            if time.is_over():
                return


def parts_of(specs: Iterable[SeriesAssets]) -> list[Part]:
    """``specs`` in parts of a few symbols; a symbol stays whole, with its source."""
    by_symbol: dict[str, list[SeriesAssets]] = {}
    for spec in specs:
        by_symbol.setdefault(spec.series.symbol, []).append(spec)
    groups = list(by_symbol.values())
    firsts = range(0, len(groups), _PART_SYMBOLS)
    return [
        [spec for group in groups[first : first + _PART_SYMBOLS] for spec in group]
        for first in firsts
    ]


def left_over(looked_at: int, total: int) -> str:
    """The end of a skip reason: how many series wait for the next tick; empty if none does."""
    if looked_at >= total:
        return ""
    return f"; the time of a tick was over, {total - looked_at} series follow in the next one"
