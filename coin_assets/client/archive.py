"""The archive: its index, and its Parquet files as tables."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from coin_assets.client.errors import NotPublished
from coin_assets.client.manifest import FileReference, count_of, damaged, text_of, versioned
from coin_assets.domain.json_format import Document
from coin_assets.files.strict_json import CONTENT_ERRORS

VERSION = 1
KINDS = ("forecasts", "candles", "paths")
_PARSE_ERRORS = (*CONTENT_ERRORS, OSError, pa.ArrowException)


@dataclass(frozen=True)
class ArchiveFile:
    """A Parquet file of one kind, series and month."""

    kind: str
    symbol: str
    timeframe: str
    month: str
    rows: int
    reference: FileReference

    def below(self, folder: str) -> Self:
        """The same file, seen from above ``folder``."""
        return replace(self, reference=self.reference.below(folder))

    @classmethod
    def parse(cls, document: Document) -> Self:
        """The file that the index lists; raises one of `CONTENT_ERRORS`."""
        return cls(
            kind=text_of(document, "kind"),
            symbol=text_of(document, "symbol"),
            timeframe=text_of(document, "timeframe"),
            month=text_of(document, "month"),
            rows=count_of(document, "rows"),
            reference=FileReference.parse(document),
        )

    def table(self, content: bytes, name: str) -> pa.Table:
        """The rows of ``content``, with symbol and timeframe.

        Raises:
            Damaged: it is no Parquet file of so many rows.
        """
        try:
            table = pq.read_table(BytesIO(content), partitioning=None)
            table = table.replace_schema_metadata(None)  # of the store: the month of this file
            if table.num_rows != self.rows:
                raise ValueError(f"it has {table.num_rows} rows, not {self.rows}")
        except _PARSE_ERRORS as error:
            raise damaged(name, error) from error
        for column in ("timeframe", "symbol"):  # files of candles lack them
            if column not in table.column_names:
                values = pa.array([getattr(self, column)] * len(table), pa.string())
                table = table.add_column(0, column, values)
        return table


def listed_files(content: bytes, name: str) -> list[ArchiveFile]:
    """The files that the index in ``content`` lists.

    Raises:
        UnknownVersion, Damaged: see `versioned`.
    """
    document = versioned(content, name, VERSION)
    try:
        return [ArchiveFile.parse(each) for each in document["files"]]
    except CONTENT_ERRORS as error:
        raise damaged(name, error) from error


def chosen_files(
    files: Collection[ArchiveFile],
    kind: str,
    symbol: str | None,
    timeframe: str | None,
    months: Collection[str] | None,
) -> list[ArchiveFile]:
    """The files of these, by series and month; None stands for all.

    Raises:
        NotPublished: there are none.
    """
    found = [
        each
        for each in files
        if each.kind == kind
        and symbol in (None, each.symbol)
        and timeframe in (None, each.timeframe)
        and (months is None or each.month in months)
    ]
    if not found:
        kinds = ", ".join(sorted({each.kind for each in files})) or "nothing"
        wanted = f"symbol {symbol}, timeframe {timeframe}, months {months}"
        raise NotPublished(
            f"The archive has no {kind} of {wanted}; it has {kinds}, of "
            f"{len({(each.symbol, each.timeframe) for each in files})} series. Leave arguments out "
            "to see what it has; publish_archive adds new months."
        )
    return sorted(found, key=lambda each: (each.symbol, each.timeframe, each.month))


def one_table(tables: Collection[pa.Table], name: str) -> pa.Table:
    """All rows in one table; columns that a file lacks are null there.

    Raises:
        Damaged: the types of a column differ.
    """
    try:
        return pa.concat_tables(tables, promote_options="default")
    except pa.ArrowException as error:
        raise damaged(name, error) from error
