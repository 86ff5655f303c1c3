"""The published archive: its files, one a kind, series and month, and the list of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, Self

from coin_assets.domain.json_format import Document, parse_time, time_text
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe, month_label

VERSION = 1
FOLDER = "archive"
INDEX = f"{FOLDER}/index.json"
FORECASTS, CANDLES, PATHS = KINDS = ("forecasts", "candles", "paths")


class ArchivePlace(NamedTuple):
    """Which file of the archive."""

    kind: str
    series: Series
    month: datetime

    @property
    def name(self) -> str:
        """Its path in the published folder."""
        folder = folder_of(self.kind, self.series)
        return f"{folder}/month={month_label(self.month)}/{self.kind}.parquet"


def folder_of(kind: str, series: Series) -> str:
    """Path of the months of a series in the published folder."""
    return f"{FOLDER}/{kind}/symbol={series.symbol_name}/timeframe={series.timeframe}"


@dataclass(frozen=True)
class ArchivedFile:
    """A file as the list names it.

    Attributes:
        size: in bytes.
        as_of: data time: close of the newest candle, or newest origin.
        source: digest of the rows that it was made of; another one means that the file is due.
    """

    place: ArchivePlace
    sha256: str
    size: int
    rows: int
    as_of: datetime
    source: str

    def document(self) -> Document:
        """The file as JSON values."""
        kind, series, month = self.place
        return {
            "file": self.place.name,
            "kind": kind,
            "symbol": series.symbol,
            "timeframe": series.timeframe.name,
            "month": month_label(month),
            "sha256": self.sha256,
            "bytes": self.size,
            "rows": self.rows,
            "as_of": time_text(self.as_of),
            "source": self.source,
        }

    @classmethod
    def parse(cls, document: Document) -> Self:
        """The file of which ``document`` is the JSON.

        Raises:
            ConfigurationError, LookupError, TypeError, ValueError: it is none.
        """
        series = Series(str(document["symbol"]), Timeframe.parse(document["timeframe"]))
        month = datetime.strptime(document["month"], "%Y-%m").replace(tzinfo=UTC)
        return cls(
            ArchivePlace(document["kind"], series, month),
            str(document["sha256"]),
            int(document["bytes"]),
            int(document["rows"]),
            parse_time(document["as_of"]),
            str(document["source"]),
        )


def index_document(files: Iterable[ArchivedFile], now: datetime) -> Document:
    """The list of the archive; ``as_of`` is null without files."""
    listed = sorted(files, key=lambda file: file.place.name)
    newest = max((file.as_of for file in listed), default=None)
    return {
        "version": VERSION,
        "generated_at": time_text(now),
        "as_of": None if newest is None else time_text(newest),
        "files": [file.document() for file in listed],
    }


def files_of_index(document: Document) -> list[ArchivedFile]:
    """The files that a list names.

    Raises:
        ConfigurationError, LookupError, TypeError, ValueError: it is no list of this version.
    """
    if document["version"] != VERSION:
        raise ValueError(f"version {document['version']}")
    return [ArchivedFile.parse(each) for each in document["files"]]
