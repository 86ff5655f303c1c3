"""``python -m coin_assets.metrics``: serves metrics on localhost, and writes them to a file.

``make up`` starts it if ``COIN_METRICS_PORT`` or ``COIN_METRICS_TEXTFILE`` is set.
"""

import contextlib
import logging
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from prometheus_client import CollectorRegistry, start_http_server, write_to_textfile

from coin_assets import metrics
from coin_assets.alerts.database import BOOK, FOLDER
from coin_assets.config.settings import Settings
from coin_assets.errors import CoinAssetsError
from coin_assets.metrics.challengers import challenger_metrics
from coin_assets.metrics.collector import Source, SourcesCollector
from coin_assets.metrics.home import alert_metrics, disk_metrics, heartbeat_metrics
from coin_assets.metrics.published import published_metrics
from coin_assets.metrics.records import run_metrics, update_metrics

_FILE_SECONDS = 15.0
_LOGGER = logging.getLogger("coin_assets.metrics")


def main() -> int:
    """Serve until a signal; returns 2 if the settings or the port cannot be used."""
    logging.basicConfig(
        format="%(asctime)s - %(name)s - %(levelname)s - %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S %z",
    )
    try:
        settings = Settings()
    except CoinAssetsError as error:
        _LOGGER.error("%s", error)
        return 2
    with dg.DagsterInstance.get() as instance, contextlib.suppress(KeyboardInterrupt):
        registry = registry_of(settings, instance)
        if settings.metrics_port:
            start_http_server(settings.metrics_port, metrics.HOST, registry)
        while True:
            if settings.metrics_textfile is not None:
                write(settings.metrics_textfile, registry)
            time.sleep(_FILE_SECONDS)
    return 0


def registry_of(settings: Settings, instance: dg.DagsterInstance) -> CollectorRegistry:
    """The sources of an installation."""
    registry = CollectorRegistry()
    registry.register(SourcesCollector(sources(settings, instance)))
    return registry


def sources(settings: Settings, instance: dg.DagsterInstance) -> dict[str, Source]:
    """Everything that metrics are derived from, by name."""
    alerts, published = settings.home / FOLDER, settings.series_list
    fetched = [each for each in published if each.timeframe in settings.source_timeframes]
    return {
        "manifest": lambda: published_metrics(settings.publish_dir, _now()),
        "evaluations": lambda: challenger_metrics(settings.home, published),
        "alerts": lambda: alert_metrics(alerts / BOOK, _now()),
        "heartbeat": lambda: heartbeat_metrics(alerts, _now(), settings.shards),
        "disk": lambda: disk_metrics(settings.home),
        "runs": lambda: run_metrics(instance, _now()),
        "updates": lambda: update_metrics(instance, fetched, published),
    }


def write(file: Path, registry: CollectorRegistry) -> None:
    """Replace the file of metrics; a disk that refuses is logged and tried again."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_to_textfile(str(file), registry)
    except OSError as error:
        _LOGGER.warning("COIN_METRICS_TEXTFILE: %s cannot be written (%s)", file, error)


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(main())
