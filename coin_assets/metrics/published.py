"""Metrics of each series, from the manifest."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

from prometheus_client.core import Metric

from coin_assets.domain.json_format import Document, parse_time
from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.publishing.manifest import STATUSES, status_of
from coin_assets.domain.publishing.manifest_entries import HIDDEN, ManifestEntry
from coin_assets.domain.publishing.manifest_reading import entries_of_manifest, merged_entries
from coin_assets.metrics.gauges import SERIES, gauge
from coin_assets.publish.manifests import manifests_in

Name = tuple[str, str]
_OF_SERIES: dict[str, tuple[str, Callable[[ManifestEntry], float | None]]] = {
    "series_degraded": (
        "1 if renewing the series failed last time while older files are published.",
        lambda entry: entry.is_degraded,
    ),
    "consecutive_failures": (
        "Failures of renewing the series since its last success.",
        lambda entry: entry.attempts.consecutive_failures,
    ),
    "missing_candles": (
        "Candles of the series that are missing within its coverage.",
        lambda entry: entry.missing_candles,
    ),
    "forecast_skill_ratio": (
        "1 less the ratio of the champion's pinball loss to that of a naive forecast.",
        lambda entry: _score(entry, "skill"),
    ),
}
_INTERVALS = {"0.8": "coverage_80", "0.9": "coverage_90"}


def published_metrics(folder: Path, now: datetime) -> Iterator[Metric]:
    """Age, status, failures and scores of each series at ``now``.

    Raises:
        FileNotFoundError: nothing was published yet.
        CorruptArtefact, KeyError, TypeError, ValueError: the manifest is damaged.
    """
    documents = manifests_in(folder, "publish_due writes it again.")
    entries = merged_entries([entries_of_manifest(each) for each in documents]).by_name
    limits = {
        name: _limits_of(each)
        for document in documents
        for each in document["ops"]["entries"]
        if (name := _name(each))
    }
    oldest = min(parse_time(document["generated_at"]) for document in documents)
    yield gauge(
        "manifest_age_seconds",
        "Time since the manifest was written; with shards, since the oldest of theirs was.",
        (),
        [((), (now - oldest).total_seconds())],
    )
    yield from _ages(entries, limits, now)
    yield gauge(
        "series_status",
        "1 for the status word that holds now, 0 for all others.",
        (*SERIES, "status"),
        (
            ((*name, word), float(word == _status(entry, limits[name], now)))
            for name, entry in entries.items()
            for word in (*STATUSES, HIDDEN)
        ),
    )
    for metric, (meaning, value) in _OF_SERIES.items():
        yield gauge(metric, meaning, SERIES, ((name, value(e)) for name, e in entries.items()))
    yield gauge(
        "forecast_coverage_ratio",
        "Share of closes inside the champion's interval of this nominal share.",
        (*SERIES, "interval"),
        (
            ((*name, interval), _score(entry, score))
            for name, entry in entries.items()
            for interval, score in _INTERVALS.items()
        ),
    )


def _ages(
    entries: dict[Name, ManifestEntry], limits: dict[Name, FreshnessLimits], now: datetime
) -> Iterator[Metric]:
    def age(entry: ManifestEntry) -> float | None:
        return None if entry.as_of is None else (now - entry.as_of).total_seconds()

    yield gauge(
        "data_age_seconds",
        "Age of the published data: time since the close of the newest candle in its older file.",
        SERIES,
        ((name, age(entry)) for name, entry in entries.items()),
    )
    for limit in ("soft", "hard"):
        yield gauge(
            f"data_age_{limit}_limit_seconds",
            f"The {limit} limit of COIN_FRESHNESS for that age.",
            SERIES,
            ((name, getattr(each, limit).total_seconds()) for name, each in limits.items()),
        )


def _status(entry: ManifestEntry, limits: FreshnessLimits, now: datetime) -> str:
    return status_of(entry, limits, now) if entry.is_public else HIDDEN


def _score(entry: ManifestEntry, name: str) -> float | None:
    return None if entry.quality is None else entry.quality[name]


def _name(entry: Document) -> Name:
    return entry["symbol"], entry["timeframe"]


def _limits_of(entry: Document) -> FreshnessLimits:
    soft, hard = (timedelta(minutes=entry[f"{name}_minutes"]) for name in ("soft", "hard"))
    return FreshnessLimits(soft, hard)
