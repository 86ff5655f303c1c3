"""Live logs of runs, by polling."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from dagster._core.event_api import EventHandlerFn, EventLogCursor
from dagster._core.storage.event_log.base import EventLogConnection

# From a run's records after a cursor to at most so many of them.
_Read = Callable[[str, str | None, int], EventLogConnection]
_PAGE = 1000
_BUSY_SECONDS, _QUIET_SECONDS = 0.25, 1.0
_JOIN_SECONDS = 15


class RunWatcher:
    """Calls handlers with the new events of their runs, each from a thread of its own.

    Dagster's polling watcher reads a run from its start for each new reader, and waits up to 16 s
    after a quiet time. A poll of an open SQLite file takes a millisecond.
    """

    def __init__(self, read: _Read) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._threads: dict[tuple[str, EventHandlerFn], _Poller] = {}

    def watch(self, run_id: str, cursor: str | None, handler: EventHandlerFn) -> None:
        """Call ``handler`` with each event of the run after ``cursor``, until `end`."""
        self.end(run_id, handler)
        thread = _Poller(self._read, run_id, cursor, handler)
        with self._lock:
            self._threads[run_id, handler] = thread
        thread.start()

    def end(self, run_id: str, handler: EventHandlerFn) -> None:
        """Stop calling ``handler``; it may do this itself."""
        with self._lock:
            thread = self._threads.pop((run_id, handler), None)
        if thread is not None:
            thread.ended.set()

    def close(self) -> None:
        """Stop all threads, and wait for them."""
        with self._lock:
            threads = list(self._threads.values())
            self._threads.clear()
        for thread in threads:
            thread.ended.set()
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(_JOIN_SECONDS)


class _Poller(threading.Thread):
    def __init__(
        self, read: _Read, run_id: str, cursor: str | None, handler: EventHandlerFn
    ) -> None:
        super().__init__(name=f"watch-{run_id}", daemon=True)
        self.ended = threading.Event()
        self._read, self._run_id, self._cursor, self._handler = read, run_id, cursor, handler

    def run(self) -> None:
        seconds = _BUSY_SECONDS
        while not self.ended.wait(seconds):
            try:
                page = self._read(self._run_id, self._cursor, _PAGE)
            except Exception:  # the next poll reads again
                logging.exception("Could not read the events of run %s.", self._run_id)
                seconds = _QUIET_SECONDS
                continue
            self._cursor = page.cursor
            for record in page.records:
                if self.ended.is_set():
                    return
                self._call(record)
            seconds = 0 if page.has_more else _BUSY_SECONDS if page.records else _QUIET_SECONDS

    def _call(self, record: Any) -> None:
        cursor = EventLogCursor.from_storage_id(record.storage_id).to_string()
        try:
            self._handler(record.event_log_entry, cursor)
        except Exception:  # one event does not end the log
            logging.exception("A reader of the events of run %s failed.", self._run_id)
