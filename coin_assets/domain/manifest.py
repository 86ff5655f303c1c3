"""The manifest: what may be served, how old it is, and how the pipeline behind it is doing.

``status`` says how old the data is, ``degraded`` whether the last attempt to renew it failed.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from coin_assets.domain.documents import Document, parse_time, time_text
from coin_assets.domain.keys import Key
from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.timeframes import Timeframe

VERSION = 2
FRESH, STALE, HARD_STALE, MISSING, CORRUPT, INSUFFICIENT_DATA = STATUSES = (
    "fresh",
    "stale",
    "hard_stale",
    "missing",
    "corrupt",
    "insufficient_data",
)
SERVED = (FRESH, STALE)
_REASONS = {
    MISSING: "not every file has been published yet",
    CORRUPT: "a published file is damaged",
    INSUFFICIENT_DATA: "there are too few candles for a forecast",
}


@dataclass(frozen=True)
class PublishedFile:
    """A file in the published folder; ``as_of`` is the close of the newest candle in it."""

    name: str
    sha256: str
    size: int
    as_of: datetime

    def document(self) -> Document:
        return {
            "file": self.name,
            "sha256": self.sha256,
            "bytes": self.size,
            "as_of": time_text(self.as_of),
        }


@dataclass(frozen=True)
class Attempts:
    """How publishing a key has been going."""

    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    consecutive_failures: int = 0
    last_error: str | None = None

    def succeeded(self, time: datetime) -> "Attempts":
        return Attempts(time, self.last_failure_at)

    def failed(self, time: datetime, error: str) -> "Attempts":
        """The same failure, known by its time, counts once however often it is reported."""
        time = time.replace(microsecond=0)  # the manifest, where it is remembered, has seconds
        if self.last_failure_at is not None and time <= self.last_failure_at:
            return self
        return Attempts(self.last_success_at, time, self.consecutive_failures + 1, error)


@dataclass(frozen=True)
class KeyFacts:
    """Everything the manifest says about a key, before a clock is applied.

    Attributes:
        corrupt: why a published file cannot be trusted.
        enough_candles: whether a forecast can be expected.
        coverage_start, coverage_end: open of the first and close of the newest stored candle.
        champion: model version of the published forecast.
    """

    key: Key
    history: PublishedFile | None = None
    prediction: PublishedFile | None = None
    corrupt: str | None = None
    enough_candles: bool = False
    coverage_start: datetime | None = None
    coverage_end: datetime | None = None
    missing_candles: int = 0
    champion: str | None = None
    attempts: Attempts = Attempts()

    @property
    def as_of(self) -> datetime | None:
        """Data time of the key: of its files, the older one's."""
        times = [file.as_of for file in (self.history, self.prediction) if file is not None]
        return min(times, default=None)


def status_of(facts: KeyFacts, limits: FreshnessLimits, now: datetime) -> str:
    """The status word of a key at ``now``."""
    if facts.corrupt is not None:
        return CORRUPT
    if not facts.enough_candles:
        return INSUFFICIENT_DATA
    if facts.history is None or facts.prediction is None or facts.as_of is None:
        return MISSING
    age = now - facts.as_of
    if age > limits.hard:
        return HARD_STALE
    return STALE if age > limits.soft else FRESH


def manifest_document(
    facts: Iterable[KeyFacts], limits: dict[str, FreshnessLimits], now: datetime
) -> Document:
    """The manifest of all keys.

    Args:
        limits: by timeframe name.
    """
    ordered = list(facts)
    statuses = [status_of(fact, limits[fact.key.timeframe.name], now) for fact in ordered]
    with_status = list(zip(ordered, statuses, strict=True))
    counts = Counter(statuses)
    degraded = sum(is_degraded(fact) for fact in ordered)
    return {
        "version": VERSION,
        "generated_at": time_text(now),
        "public": {
            "symbols": list(dict.fromkeys(fact.key.symbol for fact in ordered)),
            "entries": [
                _public_entry(fact, status, limits[fact.key.timeframe.name], now)
                for fact, status in with_status
            ],
        },
        "ops": {
            "entries": [_ops_entry(fact, limits[fact.key.timeframe.name]) for fact in ordered],
            "summary": {**{word: counts[word] for word in STATUSES}, "degraded": degraded},
        },
    }


def is_degraded(facts: KeyFacts) -> bool:
    """Whether the last attempt failed while older output still stands."""
    return facts.attempts.consecutive_failures > 0 and facts.history is not None


def _public_entry(
    facts: KeyFacts, status: str, limits: FreshnessLimits, now: datetime
) -> dict[str, Any]:
    as_of = facts.as_of
    return {
        "symbol": facts.key.symbol,
        "timeframe": facts.key.timeframe.name,
        "status": status,
        "serve_allowed": status in SERVED,
        "warning": _warning(facts, status, limits, now),
        "as_of": _optional_time(as_of),
        "stale_at": _optional_time(as_of and as_of + limits.soft),
        "hard_stale_at": _optional_time(as_of and as_of + limits.hard),
        "history": facts.history and facts.history.document(),
        "prediction": facts.prediction and facts.prediction.document(),
        "quality": None,
    }


def _ops_entry(facts: KeyFacts, limits: FreshnessLimits) -> dict[str, Any]:
    attempts = facts.attempts
    return {
        "symbol": facts.key.symbol,
        "timeframe": facts.key.timeframe.name,
        "soft_minutes": limits.soft.total_seconds() / 60,
        "hard_minutes": limits.hard.total_seconds() / 60,
        "degraded": is_degraded(facts),
        "last_success_at": _optional_time(attempts.last_success_at),
        "last_failure_at": _optional_time(attempts.last_failure_at),
        "consecutive_failures": attempts.consecutive_failures,
        "last_error": attempts.last_error,
        "visibility": "public",
        "coverage_start": _optional_time(facts.coverage_start),
        "coverage_end": _optional_time(facts.coverage_end),
        "missing_candles": facts.missing_candles,
        "champion": facts.champion,
    }


def _warning(facts: KeyFacts, status: str, limits: FreshnessLimits, now: datetime) -> str | None:
    if status == FRESH:
        return None
    if status in _REASONS or facts.as_of is None:
        return facts.corrupt or _REASONS.get(status)
    limit = limits.hard if status == HARD_STALE else limits.soft
    minutes = int((now - facts.as_of).total_seconds() // 60)
    refused = "; do not serve it" if status == HARD_STALE else ""
    return (
        f"data ends {time_text(facts.as_of)}, {minutes} minutes ago "
        f"(limit {int(limit.total_seconds() // 60)}){refused}"
    )


def _optional_time(time: datetime | None) -> str | None:
    return None if time is None else time_text(time)


def facts_of_manifest(manifest: Document) -> dict[tuple[str, str], KeyFacts]:
    """The facts a manifest was made from, by symbol and timeframe name.

    Raises:
        ConfigurationError, KeyError, TypeError, ValueError: it is no manifest of this version.
    """
    if manifest["version"] != VERSION:
        raise ValueError(f"manifest version {manifest['version']}")
    public = {_name_of(entry): entry for entry in manifest["public"]["entries"]}
    return {
        _name_of(ops): _facts_of_entries(public[_name_of(ops)], ops)
        for ops in manifest["ops"]["entries"]
    }


def _name_of(entry: Document) -> tuple[str, str]:
    return entry["symbol"], entry["timeframe"]


def _facts_of_entries(public: Document, ops: Document) -> KeyFacts:
    status = public["status"]
    return KeyFacts(
        key=Key(public["symbol"], Timeframe.parse(public["timeframe"])),
        history=_published_file(public["history"]),
        prediction=_published_file(public["prediction"]),
        corrupt=public["warning"] if status == CORRUPT else None,
        enough_candles=status != INSUFFICIENT_DATA,
        coverage_start=_optional_parse(ops["coverage_start"]),
        coverage_end=_optional_parse(ops["coverage_end"]),
        missing_candles=ops["missing_candles"],
        champion=ops["champion"],
        attempts=Attempts(
            last_success_at=_optional_parse(ops["last_success_at"]),
            last_failure_at=_optional_parse(ops["last_failure_at"]),
            consecutive_failures=ops["consecutive_failures"],
            last_error=ops["last_error"],
        ),
    )


def _published_file(document: Document | None) -> PublishedFile | None:
    if document is None:
        return None
    return PublishedFile(
        document["file"], document["sha256"], document["bytes"], parse_time(document["as_of"])
    )


def _optional_parse(text: str | None) -> datetime | None:
    return None if text is None else parse_time(text)
