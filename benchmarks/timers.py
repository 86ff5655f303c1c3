"""Stopwatches put around calls inside a process that is being measured."""

import time
from collections.abc import Callable, Iterator, Sequence
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

    Every event of a run passes ``EventLogStorage.store_event`` or ``store_event_batch``. Counted is
    the time inside: the inserts into the run's own database and into the index, with their commits.
    Reading is not counted.

    Attributes:
        watch: time of all calls.
        events: stored in them.
        partition_events: materialisations of a partition among them.
        planned_events: announcements of an asset's materialisation, when the run is created.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._storage = instance.event_log_storage
        self.watch = Stopwatch()
        self.events = self.partition_events = self.planned_events = 0
        self._depth = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Measure what is stored within."""
        store_event, store_batch = self._storage.store_event, self._storage.store_event_batch

        def one(entry: dg.EventLogEntry) -> None:
            with self._counted([entry]):
                store_event(entry)

        def many(entries: Sequence[dg.EventLogEntry]) -> None:
            with self._counted(entries):
                store_batch(entries)

        with (
            patch.object(self._storage, "store_event", one),
            patch.object(self._storage, "store_event_batch", many),
            self.watch.around(self._storage, "store_event", "store_event_batch"),
        ):
            yield

    @contextmanager
    def _counted(self, entries: Sequence[dg.EventLogEntry]) -> Iterator[None]:
        """Count events once: either method may call the other."""
        if self._depth == 0:
            self._count(entries)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def _count(self, entries: Sequence[dg.EventLogEntry]) -> None:
        self.events += len(entries)
        for entry in entries:
            if not entry.is_dagster_event:
                continue
            event = entry.get_dagster_event()
            if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
                self.planned_events += 1
            elif event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION and event.partition:
                self.partition_events += 1
