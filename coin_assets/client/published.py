"""`Published`, a published folder that is open for reading."""

import hashlib
import time
import warnings
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pandas as pd
import pyarrow as pa

from coin_assets.client import archive as archives
from coin_assets.client.errors import (
    AheadOfClock,
    Damaged,
    NotPublished,
    NotServed,
    ShardUnread,
    StaleData,
    TooOld,
    Unreadable,
)
from coin_assets.client.frames import Frames, evaluation_frames, forecast_frame, history_frame
from coin_assets.client.manifest import (
    CORRUPT,
    FRESH,
    HARD_STALE,
    Entry,
    FileReference,
    Manifest,
    damaged,
    versioned,
)
from coin_assets.client.shards import newest_manifest
from coin_assets.client.sources import Source, source_of
from coin_assets.domain.json_format import Document, parse_time
from coin_assets.files.strict_json import CONTENT_ERRORS, document_of, shown

SECONDS = 60.0
EVALUATION_VERSION = 1
_MOST_BYTES = 1 << 30  # a history file of all minutes of five years takes a third
_HELD_SECONDS = 10.0  # a reader that polls, or reads many series, reads the manifest this often
_MOST_NAMED = 12
_COLUMNS = (
    *("symbol", "timeframe", "status", "as_of", "stale_at", "hard_stale_at", "serve_allowed"),
    *("warning", "caution"),
)
_TIMES = ("as_of", "stale_at", "hard_stale_at")

T = TypeVar("T")


def _machine_clock() -> datetime:
    return datetime.now(UTC)


def open_published(
    folder_or_url: str | Path,
    *,
    seconds: float = SECONDS,
    clock: Callable[[], datetime] = _machine_clock,
) -> "Published":
    """The published folder at a path or http(s) URL, its manifest read and checked.

    Args:
        seconds: the most that connecting, and one reply of a server, may take.
        clock: returns the time, with a time zone, by which data is stale or too old.

    Raises:
        WrongAddress: it is no folder's path and no http(s) URL.
        Unreadable, UnknownVersion, Damaged: of the manifest.
    """
    return Published(source_of(folder_or_url, seconds), clock)


class Published:
    """A published folder. It reads the manifest again when that is some seconds old.

    A file that does not match the manifest is read once more by a newer manifest, then refused.
    Methods raise `Unreadable`, `UnknownVersion` or `Damaged` for files that cannot be used.
    """

    def __init__(self, source: Source, clock: Callable[[], datetime]) -> None:
        self._source, self._clock = source, clock
        self.refresh()

    def __repr__(self) -> str:
        return f"<Published {self._source}>"

    def refresh(self) -> None:
        """Read the manifest now, and those of the shards if it lists any."""
        self._newest = newest_manifest(self._source)
        self._read_at = time.monotonic()

    def series(self) -> pd.DataFrame:
        """One row a public series, with its status by this reader's clock.

        Columns: ``symbol, timeframe, status, as_of, stale_at, hard_stale_at, serve_allowed,
        warning, caution``. Show warning and caution to users. `ShardUnread` warns of a shard whose
        series are left out.
        """
        now = self._clock()
        for why in self._manifest().unread.values():
            warnings.warn(str(why), ShardUnread, stacklevel=2)
        entries = [each.at(now) for each in self._manifest().entries.values()]
        frame = pd.DataFrame({name: [getattr(e, name) for e in entries] for name in _COLUMNS})
        return frame.astype({**dict.fromkeys(_TIMES, "datetime64[us, UTC]"), "serve_allowed": bool})

    def forecast(self, symbol: str, timeframe: str) -> pd.DataFrame:
        """The newest forecast, one row a step; see `forecast_frame`.

        Raises:
            NotPublished: there is no such series or file.
            NotServed: it must not be served now; `TooOld` and `AheadOfClock` say why.
        """
        return self._frames("prediction", symbol, timeframe, forecast_frame)

    def history(self, symbol: str, timeframe: str) -> pd.DataFrame:
        """The newest candles, oldest first; see `history_frame`.

        Raises:
            NotPublished: there is no such series or file.
            NotServed: it must not be served now; `TooOld` and `AheadOfClock` say why.
        """
        return self._frames("history", symbol, timeframe, history_frame)

    def evaluation(self, symbol: str, timeframe: str) -> Frames:
        """Scores of the matured forecasts, a frame for each part; see `evaluation_frames`.

        Raises:
            NotPublished: there is no such series or file.
            NotServed: it must not be served now; `TooOld` and `AheadOfClock` say why.
        """
        return self._frames("evaluation", symbol, timeframe, evaluation_frames)

    def archive(
        self,
        kind: str,
        symbol: str | None = None,
        timeframe: str | None = None,
        months: str | Collection[str] | None = None,
    ) -> pd.DataFrame:
        """Rows of the archive, by series and month. It is a record: its age refuses nothing.

        Args:
            kind: ``forecasts``, ``candles`` or ``paths``.
            symbol, timeframe: of the series; None stands for all.
            months: such as ``2026-11``; None stands for all.

        Raises:
            NotPublished: there is no archive, or nothing of this in it.
        """
        if kind not in archives.KINDS:
            known = ", ".join(archives.KINDS)
            raise NotPublished(f"{shown(kind)} is no kind of the archive. Use one of {known}.")
        wanted = (months,) if isinstance(months, str) else months
        read = dict[FileReference, pa.Table]()  # so that a second try reads no file twice

        def tables() -> list[pa.Table]:
            files = archives.chosen_files(self._archived(), kind, symbol, timeframe, wanted)
            for each in files:
                reference = each.reference
                if reference not in read:
                    content = self._verified(reference)
                    read[reference] = each.table(content, self._named(reference.name))
            return [read[each.reference] for each in files]

        table = archives.one_table(self._twice(tables), self._named("archive"))
        frame: pd.DataFrame = table.to_pandas()
        return frame

    def _frames(
        self, kind: str, symbol: str, timeframe: str, frames_of: Callable[[Document], T]
    ) -> T:
        """The file of one kind as frames, with a warning if its series is stale."""

        def read() -> tuple[Entry, T]:
            entry = self._servable(symbol, timeframe)
            reference = entry.files[kind]
            if reference is None:
                raise NotPublished(
                    f"{symbol} {timeframe} has no {kind} here ({self._source}). It may not have "
                    "been written yet, or the platform is of an earlier release."
                )
            content, name = self._verified(reference), self._named(reference.name)
            try:
                document = _document(kind, content, name)
                _require_identity(document, entry, reference)
                return entry, frames_of(document)
            except CONTENT_ERRORS as error:
                raise damaged(name, error) from error

        entry, frames = self._twice(read)
        if entry.status != FRESH:
            warnings.warn(f"{symbol} {timeframe}: {entry.warning}", StaleData, stacklevel=3)
        return frames

    def _servable(self, symbol: str, timeframe: str) -> Entry:
        """The entry of a series that may be served now.

        Raises:
            NotPublished: the manifest does not list it.
            NotServed: it must not be served; `TooOld` or `AheadOfClock` if that is why.
        """
        entries, unread = self._manifest().entries, self._manifest().unread
        listed = entries.get((symbol, timeframe))
        if listed is None and unread:
            raise Unreadable(
                f"{symbol} {timeframe} is in no manifest that can be read here. "
                f"{' '.join(map(str, unread.values()))}"
            )
        if listed is None:
            known = [" ".join(name) for name in entries]
            more = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
            raise NotPublished(
                f"{symbol} {timeframe} is not published here ({self._source}). Published are: "
                f"{', '.join(known[:_MOST_NAMED]) or 'none'}{more}."
            )
        entry = listed.at(self._clock())
        if not entry.serve_allowed:
            kind: type[NotServed] = NotServed
            if entry.status == HARD_STALE:
                kind = TooOld
            elif entry.status == CORRUPT != listed.status:  # so the clock alone says so
                kind = AheadOfClock
            raise kind(
                f"{symbol} {timeframe} must not be served: {entry.warning or 'no reason is given'} "
                f"(status {entry.status}). See that the platform runs, and that this machine's "
                "clock is right; then try again."
            )
        return entry

    def _manifest(self) -> Manifest:
        if time.monotonic() - self._read_at > _HELD_SECONDS:
            self.refresh()
        return self._newest

    def _archived(self) -> list[archives.ArchiveFile]:
        found = self._manifest().archives
        if not found:
            raise NotPublished(
                f"There is no archive here ({self._source}). The job publish_archive writes it; "
                "earlier releases have none."
            )
        return [
            file.below(folder) if folder else file
            for folder, index in found
            for file in archives.listed_files(self._verified(index), self._named(index.name))
        ]

    def _twice(self, read: Callable[[], T]) -> T:
        """What ``read`` returns, at once or by a newer manifest."""
        try:
            return read()
        except (Damaged, Unreadable):
            self.refresh()
            return read()

    def _verified(self, reference: FileReference) -> bytes:
        """The bytes that a reference lists."""
        content = self._source.read(reference.name, min(reference.size, _MOST_BYTES))
        digest = hashlib.sha256(content).hexdigest()
        if (len(content), digest) != (reference.size, reference.sha256):
            raise Damaged(
                f"{self._named(reference.name)} is not what the manifest lists: it has "
                f"{len(content)} bytes and SHA-256 {digest[:12]}..., not {reference.size} and "
                f"{reference.sha256[:12]}.... Try again: it may come from another moment than the "
                "manifest, as out of a cache or an unfinished copy. If it stays so, it is damaged: "
                "have the platform publish it again."
            )
        return content

    def _named(self, name: str) -> str:
        return f"{self._source}/{name}"


def _document(kind: str, content: bytes, name: str) -> Document:
    """The JSON object of a file; evaluations alone have a version."""
    if kind == "evaluation":
        return versioned(content, name, EVALUATION_VERSION)
    return document_of(content)


def _require_identity(document: Document, entry: Entry, reference: FileReference) -> None:
    """Check that a file is of the series and data time under which the manifest lists it."""
    expected = {"symbol": entry.symbol, "timeframe": entry.timeframe}
    for name, value in expected.items():
        if document[name] != value:
            raise ValueError(f"its {name} is {shown(document[name])}, not {value}")
    if parse_time(document["as_of"]) != reference.as_of:
        raise ValueError(f"its as_of is {shown(document['as_of'])}, not that of the manifest")
