"""Stopwatches put around calls inside a process that is being measured."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest.mock import patch

import dagster as dg


class Stopwatch:
    """Wall time spent inside chosen functions; one that calls another of them counts once.

    Attributes:
        seconds: spent so far.
        calls: outermost calls so far.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.calls = 0
        self._depth = 0

    @contextmanager
    def around(self, owner: object, *names: str) -> Iterator[None]:
        """Replace attributes of a class, object or module by measured ones for a while."""
        with ExitStack() as patches:
            for name in names:
                measured = self._measured(getattr(owner, name))
                patches.enter_context(patch.object(owner, name, measured))
            yield

    def _measured(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def measured(*args: Any, **kwargs: Any) -> Any:
            if self._depth:
                return function(*args, **kwargs)
            self._depth, self.calls = 1, self.calls + 1
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.perf_counter() - started
                self._depth = 0

        return measured


class EventLogMeter:
    """What an instance's event log costs the process that writes it.

    Every event of a run passes ``EventLogStorage.store_event`` (``store_event_batch`` of the base
    class calls it, too). Counted is the time inside: the insert into the run's own database and,
    for asset events, those into the index database, each a commit. Reading is not counted.

    Attributes:
        watch: time and number of all events.
        partition_events: materialisations of a partition among them.
        planned_events: announcements of an asset's materialisation, when the run is created.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._storage = instance.event_log_storage
        self.watch = Stopwatch()
        self.partition_events = 0
        self.planned_events = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure what is stored within."""
        store_event = self._storage.store_event

        def counted(entry: dg.EventLogEntry) -> None:
            store_event(entry)
            self._count(entry)

        with (
            patch.object(self._storage, "store_event", counted),
            self.watch.around(self._storage, "store_event"),
        ):
            yield

    def _count(self, entry: dg.EventLogEntry) -> None:
        if not entry.is_dagster_event:
            return
        event = entry.get_dagster_event()
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
            self.planned_events += 1
        elif event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION and event.partition:
            self.partition_events += 1
