"""Statuses of all series, of which each tick renews as many as it has time for."""

from collections.abc import Sequence

from coin_assets.domain.series import Series
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.sensors.tick_time import Rotation, TickTime, parts_of
from coin_assets.planning.series_status import SeriesStatus, StatusReader


class KnownStatuses:
    """The last read status of each series, kept in the process.

    Attributes:
        by_series: empty at the start; complete after the first round of ticks.
    """

    def __init__(self, specs: Sequence[SeriesAssets]) -> None:
        self._parts, self._total = Rotation(parts_of(specs)), len(specs)
        self.by_series: dict[Series, SeriesStatus] = {}

    @property
    def are_complete(self) -> bool:
        """Whether every series was read at least once."""
        return len(self.by_series) == self._total

    def renew(self, reader: StatusReader, time_left: TickTime) -> list[SeriesAssets]:
        """Read part by part while there is time, at least one part; returns the series read."""
        renewed: list[SeriesAssets] = []
        for part in self._parts.take(time_left):
            self.by_series |= reader.read([spec.series for spec in part])
            renewed += part
        return renewed
