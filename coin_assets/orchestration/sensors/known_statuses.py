"""Statuses of all series, of which each tick renews as many as it has time for."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from coin_assets.domain.series import Series
from coin_assets.errors import CoinAssetsError, MachineFault
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.resources import PublisherResource, RegistryResource, StoreResource
from coin_assets.orchestration.sensors.machine import MachineFaults, fault_behind
from coin_assets.orchestration.sensors.tick_time import Rotation, TickTime, parts_of
from coin_assets.planning.series_status import (
    SeriesStatus,
    StatusReader,
    read_status_without_store,
)

HEALTH_ALERTS = "health_alerts"


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


class StatusesRead(NamedTuple):
    """What one tick has read.

    Attributes:
        statuses: of all series; fewer at the start, None if the machine failed.
        looked_at: the series whose status was renewed.
        refusal: of the store.
    """

    statuses: Mapping[Series, SeriesStatus] | None
    looked_at: Sequence[SeriesAssets] = ()
    refusal: CoinAssetsError | None = None


def read_statuses(
    known: KnownStatuses,
    specs: Sequence[SeriesAssets],
    resources: tuple[StoreResource, RegistryResource, PublisherResource],
    time_left: TickTime,
    faults: MachineFaults,
) -> StatusesRead:
    """Renew statuses; without the store those of the published files, which still show health."""
    store, registry, publisher = resources
    series_list = [spec.series for spec in specs]
    try:
        try:
            stored = store.client().snapshot(series_list)
            reader = StatusReader(stored, registry.client(), publisher.client())
            looked_at = known.renew(reader, time_left)
            read = StatusesRead(known.by_series, looked_at)
        except MachineFault:
            raise
        except CoinAssetsError as error:
            statuses = read_status_without_store(registry.client(), publisher.client(), series_list)
            read = StatusesRead(statuses, refusal=error)
    except Exception as error:
        fault = fault_behind(error)
        if fault is None:
            raise
        faults.note(HEALTH_ALERTS, fault)
        return StatusesRead(None)
    faults.end(HEALTH_ALERTS)
    found = [fault for status in (read.statuses or {}).values() for fault in status.faults]
    faults.note_some(HEALTH_ALERTS, found)
    return read
