"""Detection of files that are neither CSV nor Parquet, by their bytes."""

import mmap
import re
from pathlib import Path

_HEAD_BYTES = 1024

# First bytes -> kind of the file, and the remedy.
_MAGIC = (
    (b"\x1f\x8b", "is compressed with gzip; unpack it"),
    (b"BZh", "is compressed with bzip2; unpack it"),
    (b"\xfd7zXZ\x00", "is compressed with xz; unpack it"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd; unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive; unpack it"),
    (b"PK\x03\x04", "is a zip archive or an Excel workbook; unpack it, or export it as CSV"),
    (b"\xd0\xcf\x11\xe0", "is an Excel workbook; export it as CSV"),
    (b"%PDF", "is a PDF document; get the candles themselves"),
    (b"SQLite format 3\x00", "is an SQLite database; export the candles as CSV"),
    (b"\xff\xfe", "is UTF-16 text; save it as UTF-8"),
    (b"\xfe\xff", "is UTF-16 text; save it as UTF-8"),
    (b"version https://git-lfs.github.com/spec/", "is a Git LFS pointer; run git lfs pull"),
)
_TEXTS = (
    (rb"(?:\.\./)*(?:\.git|/)?/?annex/objects/", "is a git-annex pointer; run git annex get"),
    (
        rb"(?i)<(?:!doctype|html|head|body|\?xml|error)\b",
        "is a web page or an error message of a server; download the file again",
    ),
    (rb"[\[{]", "is JSON; write its rows as CSV with a header row"),
)
_PARQUET = b"PAR1"


def other_kind(path: Path) -> str | None:
    """Likely cause why a file cannot be read: its actual kind, with a remedy.

    None if the content matches the name (Parquet or UTF-8 text), or if the kind is unknown.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        kind = next((what for start, what in _MAGIC if head.startswith(start)), None)
        text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        kind = kind or next((what for start, what in _TEXTS if re.match(start, text)), None)
        if kind is None and path.suffix == ".parquet":
            is_text = bool(head) and head.isascii() and b"\0" not in head
            kind = "is text; name it .csv" if is_text else None
        elif kind is None and head.startswith(_PARQUET):
            kind = "is a Parquet file; name it .parquet"
        elif kind is None and head:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                kind = _nul_bytes(content)
    return f"the file {kind}" if kind else None


def _nul_bytes(content: mmap.mmap) -> str | None:
    """Likely cause of NUL bytes, which no text contains; None without any."""
    first, size = content.find(b"\0"), len(content)
    if first < 0:
        return None
    head = content[:_HEAD_BYTES]
    if any(head[start::2].count(0) > 0.4 * len(head) for start in (0, 1)) and head.strip(b"\0"):
        return "is UTF-16 text; save it as UTF-8"
    last = size
    while last > first and not content[max(first, last - _HEAD_BYTES) : last].strip(b"\0"):
        last = max(first, last - _HEAD_BYTES)
    if last == first:
        return (
            f"ends in {size - first:,} NUL bytes, as after a crash or on a full disk; get it "
            "again, or cut them off if all rows before them are whole"
        )
    return f"has NUL bytes, the first at byte {first:,}, so it is no text or damaged; get it again"
