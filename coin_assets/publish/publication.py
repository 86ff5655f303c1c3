"""What the publisher writes: new files of a series, and what a manifest needs besides."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import pandas as pd

from coin_assets.domain.candles.outages import Outage
from coin_assets.domain.json_format import Document
from coin_assets.domain.publishing.documents import (
    file_name,
    history_document,
    overview_of,
    prediction_document,
)
from coin_assets.domain.publishing.manifest_entries import HIDDEN, PUBLIC, ManifestEntry
from coin_assets.domain.publishing.missing import WhyMissing, not_published
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.publish.json_files import json_bytes, published_file


@dataclass(frozen=True)
class PublishFailure:
    """A failed attempt to renew a series.

    Attributes:
        error: text for people; the manifest shows it as ``last_error``.
        in_a_row: failures since the last success; 0 if only this one is known.
    """

    time: datetime
    error: str
    in_a_row: int = 0


@dataclass(frozen=True)
class ManifestInputs:
    """What a manifest needs beyond the entries of its series.

    Attributes:
        is_complete: whether the history of a series was collected; called only for series that
            are not public yet.
        failures: series whose renewal failed meanwhile, for their entries.
        outages: of the source timeframes.
        why_missing: returns why a series lacks a file; called only for those that do.
    """

    now: datetime
    is_complete: Callable[[Series], bool]
    failures: Mapping[Series, PublishFailure] = field(default_factory=dict)
    outages: Mapping[Timeframe, Sequence[Outage]] = field(default_factory=dict)
    why_missing: WhyMissing = not_published


@dataclass(frozen=True)
class EvaluationFile:
    """The evaluation of a series that readers shall get.

    Attributes:
        as_of: data time of the evaluation.
        content: reads the file; None if it is not whole.
    """

    sha256: str
    as_of: datetime
    content: Callable[[], bytes | None]


@dataclass(frozen=True)
class Publication:
    """New files of one series, and its manifest entry.

    Attributes:
        entry: with files and champion; visibility and attempts are filled in when it is written.
        files: content by name; None for a file to remove. A public series gets objects too.
        candles: of the history file.
        now: when it was made.
        is_current: whether the files hold the newest candles and forecast; a repair from older
            ones does not count as a success.
    """

    entry: ManifestEntry
    files: Mapping[str, bytes | None]
    candles: int
    now: datetime
    is_current: bool = True

    def entry_after(
        self, before: ManifestEntry, is_complete: Callable[[Series], bool]
    ) -> ManifestEntry:
        """The entry to write in the place of ``before``."""
        is_public = before.is_public or is_complete(self.entry.series)
        attempts = before.attempts
        entry = replace(
            self.entry,
            evaluation=before.evaluation,
            visibility=PUBLIC if is_public else HIDDEN,
            attempts=attempts.succeeded(self.now) if self.is_current else attempts,
        )
        return entry.with_files(
            {name: replace(file, has_object=is_public) for name, file in self.entry.files.items()}
        )


def publication_of(
    entry: ManifestEntry,
    history: pd.DataFrame,
    forecast: pd.DataFrame,
    now: datetime,
    *,
    is_current: bool = True,
) -> Publication:
    """The publication of a series.

    Args:
        entry: without files.
        history: candles of the history file; no rows, no file.
        forecast: rows of the newest origin; no rows, no file.
        is_current: as in `Publication`.
    """
    series, files, documents = entry.series, dict[str, bytes | None](), dict[str, Document]()
    for kind, rows, build in (
        ("history", history, history_document),
        ("prediction", forecast, prediction_document),
    ):
        name = file_name(kind, series)
        files[name] = None
        if len(rows):
            document = documents[kind] = build(series, rows, now)
            content = files[name] = json_bytes(document)
            entry = entry.with_files({kind: published_file(name, content, document)})
    if len(documents) > 1:
        entry = replace(entry, overview=overview_of(series, **documents))
    champion = None if forecast.empty else str(forecast["model_version"].iloc[0])
    return Publication(replace(entry, champion=champion), files, len(history), now, is_current)
