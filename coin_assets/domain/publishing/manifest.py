"""The manifest: what may be served, how old it is, and the state of the pipeline behind it.

``status`` is by the age of the data; ``degraded`` means that the last attempt to renew it failed. A
series is hidden from readers, not from operators, until its history is collected.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from coin_assets.domain.candles.outages import Outage
from coin_assets.domain.future_data import ahead_reason, why_ahead
from coin_assets.domain.json_format import Document, time_text
from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.publishing.manifest_entries import (
    HIDDEN,
    UNNAMED,
    Installation,
    ManifestEntry,
)
from coin_assets.domain.publishing.missing import NOT_PUBLISHED, WhyMissing, not_published
from coin_assets.domain.publishing.root import shard_fields
from coin_assets.domain.timeframes import Timeframe

VERSION = 2
MAX_OUTAGES = 50
FRESH, STALE, HARD_STALE, MISSING, CORRUPT, INSUFFICIENT_DATA = STATUSES = (
    "fresh",
    "stale",
    "hard_stale",
    "missing",
    "corrupt",
    "insufficient_data",
)
SERVED = (FRESH, STALE)
REASONS = {
    MISSING: NOT_PUBLISHED,
    CORRUPT: "a published file is damaged",
    INSUFFICIENT_DATA: "there are too few candles for a forecast",
}


def status_of(facts: ManifestEntry, limits: FreshnessLimits, now: datetime) -> str:
    """The status word of a series at ``now``."""
    if facts.corrupt is not None:
        return CORRUPT
    if not facts.enough_candles:
        return INSUFFICIENT_DATA
    if facts.history is None or facts.prediction is None or facts.as_of is None:
        return MISSING
    if why_ahead(facts.newest_as_of, now) is not None:
        return CORRUPT
    age = now - facts.as_of
    if age > limits.hard:
        return HARD_STALE
    return STALE if age > limits.soft else FRESH


def manifest_document(
    facts: Iterable[ManifestEntry],
    limits: dict[str, FreshnessLimits],
    now: datetime,
    outages: Mapping[Timeframe, Sequence[Outage]] | None = None,
    why_missing: WhyMissing = not_published,
    installation: Installation = UNNAMED,
) -> Document:
    """The manifest of all series.

    Args:
        limits: by timeframe name.
        outages: of the source timeframes; the newest `MAX_OUTAGES` are shown.
        why_missing: returns why a series lacks a file; called only for those that are `MISSING`.
        installation: that writes it.
    """
    ordered = list(facts)
    public = [fact for fact in ordered if fact.is_public]
    limits_of = {fact.series: limits[fact.series.timeframe.name] for fact in ordered}
    reasons = {
        fact.series: why_missing(fact)
        for fact in ordered
        if status_of(fact, limits_of[fact.series], now) == MISSING
    }
    entries = [
        _public_entry(fact, limits_of[fact.series], now, reasons.get(fact.series))
        for fact in public
    ]
    counts = Counter(entry["status"] for entry in entries)
    return {
        "version": VERSION,
        "generated_at": time_text(now),
        **({} if installation.market is None else {"market": installation.market}),
        **shard_fields(installation.shard),
        "public": {
            "symbols": list(dict.fromkeys(fact.series.symbol for fact in public)),
            "entries": entries,
        },
        "ops": {
            "dagster_url": installation.dagster_url,
            "entries": [
                _ops_entry(fact, limits_of[fact.series], reasons.get(fact.series))
                for fact in ordered
            ],
            "outages": _outage_entries(outages or {}),
            "summary": {
                **{word: counts[word] for word in STATUSES},
                HIDDEN: len(ordered) - len(public),
                "degraded": sum(fact.is_degraded for fact in ordered),
            },
        },
    }


def _public_entry(
    facts: ManifestEntry, limits: FreshnessLimits, now: datetime, reason: str | None
) -> dict[str, Any]:
    status, as_of = status_of(facts, limits, now), facts.as_of
    return {
        "symbol": facts.series.symbol,
        "timeframe": facts.series.timeframe.name,
        "status": status,
        "serve_allowed": status in SERVED,
        "warning": _warning(facts, status, limits),
        "reason": reason,
        "caution": facts.caution,
        "as_of": _optional_time(as_of),
        "stale_at": _optional_time(as_of and as_of + limits.soft),
        "hard_stale_at": _optional_time(as_of and as_of + limits.hard),
        "history": facts.history and facts.history.document(),
        "prediction": facts.prediction and facts.prediction.document(),
        "quality": facts.quality,
        "evaluation": facts.evaluation and facts.evaluation.document(),
        "overview": facts.overview if facts.history and facts.prediction else None,
    }


def _ops_entry(facts: ManifestEntry, limits: FreshnessLimits, reason: str | None) -> dict[str, Any]:
    attempts = facts.attempts
    return {
        "symbol": facts.series.symbol,
        "timeframe": facts.series.timeframe.name,
        "soft_minutes": limits.soft.total_seconds() / 60,
        "hard_minutes": limits.hard.total_seconds() / 60,
        "degraded": facts.is_degraded,
        "last_success_at": _optional_time(attempts.last_success_at),
        "last_failure_at": _optional_time(attempts.last_failure_at),
        "consecutive_failures": attempts.consecutive_failures,
        "last_error": attempts.last_error,
        "visibility": facts.visibility,
        "reason": reason,
        "caution": facts.caution,
        "coverage_start": _optional_time(facts.coverage_start),
        "coverage_end": _optional_time(facts.coverage_end),
        "missing_candles": facts.missing_candles,
        "gaps": facts.gaps and facts.gaps.document(),
        "gap_reasons": [each.document() for each in facts.gap_reasons],
        "unavailable_before": _optional_time(facts.unavailable_before),
        "champion": facts.champion,
    }


def _outage_entries(outages: Mapping[Timeframe, Sequence[Outage]]) -> list[Document]:
    """The newest ones, newest first."""
    known = [(timeframe, each) for timeframe, found in outages.items() for each in found]
    known.sort(key=lambda pair: (pair[1].start, pair[1].end), reverse=True)
    return [
        {
            "timeframe": timeframe.name,
            "start": time_text(each.start),
            "end": time_text(each.end),
            "candles": each.count,
            "symbols": list(each.symbols),
        }
        for timeframe, each in known[:MAX_OUTAGES]
    ]


def _warning(facts: ManifestEntry, status: str, limits: FreshnessLimits) -> str | None:
    if status == FRESH:
        return None
    if status == CORRUPT and facts.corrupt is None and facts.newest_as_of is not None:
        return ahead_reason(facts.newest_as_of)
    if status in REASONS or facts.as_of is None:
        known = facts.insufficient if status == INSUFFICIENT_DATA else facts.corrupt
        return known or REASONS.get(status)
    limit = limits.hard if status == HARD_STALE else limits.soft
    refused = "; do not serve it" if status == HARD_STALE else ""
    # Without the age itself, which would differ at every tick.
    minutes = f"{limit.total_seconds() / 60:g} minutes"
    return f"data ends {time_text(facts.as_of)}, more than {minutes} ago{refused}"


def _optional_time(time: datetime | None) -> str | None:
    return None if time is None else time_text(time)
