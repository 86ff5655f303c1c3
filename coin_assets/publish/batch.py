"""Publications of one run, written together."""

import logging
import threading
import time
from collections.abc import Callable, Collection

from coin_assets.domain.json_format import Document
from coin_assets.domain.series import Series
from coin_assets.publish.publication import ManifestInputs, Publication
from coin_assets.publish.publisher import Publisher

_EVERY_SECONDS = 1.0
_LOG = logging.getLogger(__name__)


class PublishingBatch:
    """Writes the publications of a run and the manifest, at most once a second.

    The manifest lists all series, so rewriting it for each would take time that grows with their
    square. The first publication is written at once; those that follow within a second are written
    together, by a timer at the latest, so that a slow task holds none back. A killed process loses
    publications that were not written yet; the planner finds their files behind and requests them
    again.

    Args:
        every_seconds: shortest time between two manifests.
        stopwatch: monotonic time in seconds.
    """

    def __init__(
        self,
        publisher: Publisher,
        every_seconds: float = _EVERY_SECONDS,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._publisher = publisher
        self._every = every_seconds
        self._stopwatch = stopwatch
        self._lock = threading.Lock()
        self._pending: list[Publication] = []
        self._added: set[Series] = set()
        self._inputs: Callable[[], ManifestInputs] | None = None
        self._timer: threading.Timer | None = None
        self._written_at: float | None = None
        self._manifest: Document | None = None
        self._is_overdue = False

    def add(
        self,
        publication: Publication,
        inputs: Callable[[], ManifestInputs],
        expected: Collection[Series],
    ) -> Document | None:
        """Write a publication now or soon.

        Args:
            inputs: returns the inputs of the next manifest.
            expected: series that the run publishes; the last of them is written now.

        Returns:
            The manifest after the last one of ``expected``, else None.

        Raises:
            CorruptArtefact: a folder is in the place of a file; nothing of it is written.
            Exception: of the write, which may be another publication's.
        """
        self._publisher.require_free(publication)  # or it would fail the others' writes
        with self._lock:
            self._pending.append(publication)
            self._inputs = inputs
            self._added.add(publication.entry.series)
            due = 0.0 if self._written_at is None else self._written_at + self._every
            left = due - self._stopwatch()
            is_last = self._added.issuperset(expected)
            if is_last or left <= 0 or self._is_overdue:
                self._write()
            elif self._timer is None:
                self._timer = threading.Timer(left, self._write_late)
                self._timer.daemon = True
                self._timer.start()
            return self._take_manifest() if is_last else None

    def close(self) -> Document | None:
        """Write what is pending; the manifest if `add` has not returned it.

        Raises:
            Exception: of the write.
        """
        with self._lock:
            self._write()
            return self._take_manifest()

    def _take_manifest(self) -> Document | None:
        manifest, self._manifest = self._manifest, None
        return manifest

    def _write_late(self) -> None:
        with self._lock:
            try:
                self._write()
            except Exception:  # noqa: BLE001 (of a timer: the next call tries again, and raises)
                _LOG.exception("Published files were not written; the next task tries again.")
                self._is_overdue = True

    def _write(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._pending or self._inputs is None:
            return
        self._manifest = self._publisher.publish_all(self._pending, self._inputs())
        self._pending.clear()
        self._written_at, self._is_overdue = self._stopwatch(), False
