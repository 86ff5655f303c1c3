"""The collector: all sources of metrics, each of which may fail alone."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from coin_assets.metrics.gauges import gauge

Source = Callable[[], Iterable[Metric]]
_LOGGER = logging.getLogger("coin_assets.metrics")


class SourcesCollector(Collector):
    """Reads all sources at each scrape.

    Args:
        sources: by name; one that raises has no metrics, and ``coin_assets_source_up`` is 0.
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources
        self._down: set[str] = set()

    def collect(self) -> Iterator[Metric]:
        """The metrics of all sources that can be read."""
        is_up = {}
        for name, read in self._sources.items():
            found = self._read(name, read)
            is_up[name] = found is not None
            yield from found or ()
        yield gauge(
            "source_up",
            "1 if the source of metrics could be read at this scrape.",
            ("source",),
            (((name,), float(up)) for name, up in is_up.items()),
        )

    def _read(self, name: str, read: Source) -> list[Metric] | None:
        """Metrics of a source; None if it fails, which is logged once."""
        try:
            found = list(read())
        except Exception as error:  # noqa: BLE001 (whatever it is, the others are scraped)
            if name not in self._down:
                _LOGGER.warning("%s cannot be read: %s: %s", name, type(error).__name__, error)
            self._down.add(name)
            return None
        self._down.discard(name)
        return found
