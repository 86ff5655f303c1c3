"""Entries of the manifest before statuses are derived from the clock; see `manifest`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from coin_assets.domain.json_format import Document, time_text
from coin_assets.domain.series import Series
from coin_assets.domain.shards import ALONE, Shard
from coin_assets.errors import MachineFault

PUBLIC, HIDDEN = VISIBILITIES = ("public", "hidden_backfilling")
OBJECTS = "objects"


def object_name(sha256: str) -> str:
    """Immutable name of a published file: its bytes never change under it."""
    return f"{OBJECTS}/{sha256}.json"


@dataclass(frozen=True)
class Installation:
    """What the manifest says of the installation that writes it.

    Attributes:
        market: where the candles come from; None leaves it out.
        dagster_url: address of its Dagster UI, for operators.
        shard: of which it is the manifest.
    """

    market: str | None = None
    dagster_url: str | None = None
    shard: Shard = ALONE


UNNAMED = Installation()


@dataclass(frozen=True)
class PublishedFile:
    """A file in the published folder.

    Attributes:
        size: in bytes.
        as_of: close of the newest candle that it was made from.
        has_object: whether its bytes are also published under `object_name`.
    """

    name: str
    sha256: str
    size: int
    as_of: datetime
    has_object: bool = False

    def document(self) -> Document:
        """The file as in the manifest: names, SHA-256, size in bytes, data time."""
        return {
            "file": self.name,
            **({"object": object_name(self.sha256)} if self.has_object else {}),
            "sha256": self.sha256,
            "bytes": self.size,
            "as_of": time_text(self.as_of),
        }


@dataclass(frozen=True)
class Attempts:
    """Successes and failures of publishing a series."""

    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    consecutive_failures: int = 0
    last_error: str | None = None

    def succeeded(self, time: datetime) -> "Attempts":
        """One more success, which ends a run of failures; the last failure's time stays."""
        return Attempts(time, self.last_failure_at)

    def failed(self, time: datetime, error: str, in_a_row: int = 0) -> "Attempts":
        """One more failure; reported again with the same time, it counts once.

        Args:
            in_a_row: failures since the last success that Dagster records; a repair's success does
                not end them, and they outlive the manifest.
        """
        time = time.replace(microsecond=0)  # the manifest has whole seconds
        if self.last_failure_at is None or time > self.last_failure_at:
            in_a_row = max(in_a_row, self.consecutive_failures + 1)
            return Attempts(self.last_success_at, time, in_a_row, error)
        if in_a_row and not self.consecutive_failures:
            return Attempts(self.last_success_at, self.last_failure_at, in_a_row, error)
        return self


@dataclass(frozen=True)
class GapCounts:
    """Numbers of missing candles by state in the gap ledger."""

    verified_absent: int = 0
    unavailable: int = 0
    refused: int = 0
    pending: int = 0
    failed: int = 0

    def document(self) -> Document:
        """The numbers as in the manifest, by state."""
        return asdict(self)


@dataclass(frozen=True)
class GapReason:
    """Why ``count`` consecutive candles from the open ``start`` on are refused or failed."""

    state: str
    start: datetime
    count: int
    reason: str

    def document(self) -> Document:
        """The reason as in the manifest."""
        return {
            "state": self.state,
            "start": time_text(self.start),
            "candles": self.count,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class ManifestEntry:
    """The manifest's entry of one series, without what depends on the clock.

    Attributes:
        corrupt: why a published file is damaged; None if none is.
        enough_candles: whether candles suffice for a forecast.
        insufficient: why they do not, if the reason is known.
        coverage_start, coverage_end: open of the first and close of the newest stored candle.
        gaps: of a fetched series; None for a derived one.
        gap_reasons: of a fetched series, of the newest gaps that have one, newest first.
        unavailable_before: of a fetched series, the earliest candle that the market serves, once
            known.
        champion: model version of the published forecast.
        caution: what looks implausible in the newest candles.
        quality: scores of its matured forecasts; see `report.quality_of`.
        evaluation: the file with all scores and the recent forecasts with their outcomes.
        overview: the numbers of a first view; see `documents.overview_of`.
        visibility: `HIDDEN` until the history was collected once.
        fault: of the machine at a published file; then the entry is as the manifest lists it.
    """

    series: Series
    history: PublishedFile | None = None
    prediction: PublishedFile | None = None
    corrupt: str | None = None
    enough_candles: bool = False
    insufficient: str | None = None
    coverage_start: datetime | None = None
    coverage_end: datetime | None = None
    missing_candles: int = 0
    gaps: GapCounts | None = None
    gap_reasons: tuple[GapReason, ...] = ()
    unavailable_before: datetime | None = None
    champion: str | None = None
    caution: str | None = None
    quality: Document | None = None
    evaluation: PublishedFile | None = None
    overview: Document | None = None
    visibility: str = HIDDEN
    attempts: Attempts = Attempts()
    fault: MachineFault | None = field(default=None, compare=False)

    @property
    def files(self) -> dict[str, PublishedFile]:
        """The files that it has, by the name of the attribute."""
        named = {
            "history": self.history,
            "prediction": self.prediction,
            "evaluation": self.evaluation,
        }
        return {name: file for name, file in named.items() if file is not None}

    def with_files(self, files: Mapping[str, PublishedFile | None]) -> "ManifestEntry":
        """This entry with other files, by the name of the attribute."""
        changed: dict[str, Any] = dict(files)
        return replace(self, **changed)

    @property
    def history_as_of(self) -> datetime | None:
        """Data time of the history file."""
        return None if self.history is None else self.history.as_of

    @property
    def prediction_as_of(self) -> datetime | None:
        """Data time of the prediction file."""
        return None if self.prediction is None else self.prediction.as_of

    @property
    def as_of(self) -> datetime | None:
        """Data time of the series: that of its older file."""
        times = (self.history_as_of, self.prediction_as_of)
        return min((time for time in times if time is not None), default=None)

    @property
    def newest_as_of(self) -> datetime | None:
        """Data time of its newer file."""
        times = (self.history_as_of, self.prediction_as_of)
        return max((time for time in times if time is not None), default=None)

    @property
    def is_public(self) -> bool:
        """Whether readers see the series."""
        return self.visibility == PUBLIC

    @property
    def is_degraded(self) -> bool:
        """Whether the last attempt failed while older files are published."""
        return self.attempts.consecutive_failures > 0 and self.history is not None
