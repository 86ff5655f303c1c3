"""The manifest as a reader sees it: entries, and what the reader's clock makes of them."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from coin_assets.client.errors import Damaged, PublishedError, UnknownVersion
from coin_assets.domain.future_data import CLOCK_TOLERANCE
from coin_assets.domain.json_format import Document, parse_time, time_text
from coin_assets.files.strict_json import CONTENT_ERRORS, document_of, shown

VERSION = 2
FRESH, STALE, HARD_STALE = AGES = ("fresh", "stale", "hard_stale")
CORRUPT = "corrupt"
KINDS = ("history", "prediction", "evaluation")
# Relative, downwards, and nothing hidden.
_PATH = re.compile(r"(?:[A-Za-z0-9_=-][A-Za-z0-9_=.-]*/)*[A-Za-z0-9_=-][A-Za-z0-9_=.-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REMEDY = "Have the platform publish it again (publish_due does)."


@dataclass(frozen=True)
class FileReference:
    """A published file.

    Attributes:
        name: its immutable name if it has one, else its fixed name.
        size: in bytes.
        as_of: data time; None for files of the archive.
    """

    name: str
    sha256: str
    size: int
    as_of: datetime | None

    def below(self, folder: str) -> Self:
        """The same file, seen from above ``folder``."""
        return replace(self, name=f"{folder}/{self.name}")

    @classmethod
    def parse(cls, document: Document) -> Self:
        """The file that a reference lists; raises one of `CONTENT_ERRORS`."""
        name = document.get("object") or document["file"]
        if not _PATH.fullmatch(name):
            raise ValueError(f"{shown(name)} is no path below the folder")
        if not _SHA256.fullmatch(document["sha256"]):
            raise ValueError(f"{shown(document['sha256'])} is no SHA-256")
        return cls(
            name,
            document["sha256"],
            count_of(document, "bytes"),
            _optional_time(document.get("as_of")),
        )


@dataclass(frozen=True)
class Entry:
    """One public series; `at` says what a clock makes of it."""

    symbol: str
    timeframe: str
    status: str
    serve_allowed: bool
    warning: str | None
    caution: str | None
    as_of: datetime | None
    stale_at: datetime | None
    hard_stale_at: datetime | None
    files: Mapping[str, FileReference | None]

    @classmethod
    def parse(cls, document: Document) -> Self:
        """The entry of a manifest; raises one of `CONTENT_ERRORS`."""
        entry = cls(
            symbol=text_of(document, "symbol"),
            timeframe=text_of(document, "timeframe"),
            status=text_of(document, "status"),
            serve_allowed=document["serve_allowed"] is True,
            warning=_optional_text(document, "warning"),
            caution=_optional_text(document, "caution"),
            as_of=_optional_time(document["as_of"]),
            stale_at=_optional_time(document["stale_at"]),
            hard_stale_at=_optional_time(document["hard_stale_at"]),
            files={kind: _reference(document.get(kind)) for kind in KINDS},
        )
        if entry.status in AGES and None in (entry.as_of, entry.stale_at, entry.hard_stale_at):
            raise ValueError(f"{entry.symbol} {entry.timeframe} is {entry.status} without times")
        return entry

    def at(self, now: datetime) -> Self:
        """The entry with status, ``serve_allowed`` and warning by the clock ``now``.

        The older word counts, that of the manifest or that of the clock.
        """
        if self.status not in AGES or not (self.as_of and self.stale_at and self.hard_stale_at):
            return replace(self, serve_allowed=False)
        times = [file.as_of for file in self.files.values() if file and file.as_of]
        newest = max([self.as_of, *times])
        if newest - now > CLOCK_TOLERANCE:
            why = f"data ends {time_text(newest)}, in the future by this machine's clock"
            return replace(self, status=CORRUPT, serve_allowed=False, warning=why)
        by_clock = (
            HARD_STALE if now > self.hard_stale_at else STALE if now > self.stale_at else FRESH
        )
        if AGES.index(by_clock) <= AGES.index(self.status):
            return replace(self, serve_allowed=self.serve_allowed and self.status != HARD_STALE)
        limit = self.hard_stale_at if by_clock == HARD_STALE else self.stale_at
        return replace(
            self,
            status=by_clock,
            serve_allowed=self.serve_allowed and by_clock != HARD_STALE,
            warning=f"data ends {time_text(self.as_of)}; {by_clock} since {time_text(limit)}",
        )


@dataclass(frozen=True)
class Manifest:
    """What one manifest lists, or those of all shards.

    Attributes:
        entries: by symbol and timeframe, in the manifest's order.
        archives: folder and index of each archive; the folder is empty for the published one.
        generated_at: when it was written, as text; the newer of two manifests counts.
        unread: why the manifest of a shard could not be read, by the folder of the shard.
    """

    entries: Mapping[tuple[str, str], Entry]
    archives: tuple[tuple[str, FileReference], ...]
    generated_at: str = ""
    unread: Mapping[str, PublishedError] = field(default_factory=dict)

    @classmethod
    def parse(cls, content: bytes, name: str) -> Self:
        """The manifest in ``content``.

        Raises:
            UnknownVersion, Damaged: see `versioned`.
        """
        document = versioned(content, name, VERSION)
        try:
            entries = [Entry.parse(each) for each in document["public"]["entries"]]
            archive = _reference(document.get("archive"))
            generated_at = text_of(document, "generated_at")
        except CONTENT_ERRORS as error:
            raise damaged(name, error) from error
        listed = {(each.symbol, each.timeframe): each for each in entries}
        return cls(listed, () if archive is None else (("", archive),), generated_at)

    def below(self, folder: str) -> Self:
        """The same manifest, seen from above ``folder``."""
        entries = {
            name: replace(
                entry,
                files={kind: file and file.below(folder) for kind, file in entry.files.items()},
            )
            for name, entry in self.entries.items()
        }
        archives = tuple((folder, index.below(folder)) for _, index in self.archives)
        return replace(self, entries=entries, archives=archives)

    @classmethod
    def merged(cls, shards: Collection[Self], unread: Mapping[str, PublishedError]) -> Self:
        """All shards in one; a series that moves may be in two, and the newer one counts."""
        ordered = sorted(shards, key=lambda each: each.generated_at)
        return cls(
            {name: entry for each in ordered for name, entry in each.entries.items()},
            tuple(archive for each in shards for archive in each.archives),
            ordered[0].generated_at if ordered else "",
            unread,
        )


def versioned(content: bytes, name: str, version: int) -> Document:
    """The JSON object in ``content``.

    Raises:
        UnknownVersion: its ``version`` is another.
        Damaged: it is no JSON object.
    """
    try:
        document = document_of(content)
    except ValueError as error:
        raise damaged(name, error) from error
    found = document.get("version")
    if type(found) is not int or found != version:
        raise UnknownVersion(
            f"{name} has version {shown(found)}; this reader knows version {version}. Install the "
            "coin_assets of the platform that publishes it."
        )
    return document


def damaged(name: str, error: object) -> Damaged:
    """The error for content of ``name`` that breaks the contract."""
    return Damaged(f"{name} breaks the contract ({shown(error)}). {_REMEDY}")


def count_of(document: Document, name: str) -> int:
    """A member that is a number of things; raises TypeError or ValueError."""
    value = document[name]
    if type(value) is not int or value < 0:
        raise ValueError(f"{name} is {shown(value)}")
    return value


def text_of(document: Document, name: str) -> str:
    """A member that is text; raises TypeError."""
    value = document[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is no text but {shown(value)}")
    return value


def _optional_text(document: Document, name: str) -> str | None:
    return None if document.get(name) is None else text_of(document, name)


def _optional_time(text: str | None) -> datetime | None:
    return None if text is None else parse_time(text)


def _reference(document: Any) -> FileReference | None:
    return None if document is None else FileReference.parse(document)
