"""Header of a CSV candle file: its line and its separator.

Only commas are accepted. Any other separator is refused with the likely cause, because a guessed
separator would split decimal commas.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from coin_assets.domain.candles.frame import VALUES
from coin_assets.errors import InvalidCandles
from coin_assets.foreign_text import shortened

TIME_NAMES = ("timestamp", "open_time", "datetime")
_PRICES = set(VALUES[:-1])
_LINES = 5  # the header is searched in that many first lines
_HEAD_CHARACTERS = 1 << 16
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "blanks"}
_FIELDS = 5  # a line with fewer is no candle
_COMMA_NUMBER = re.compile(r"[+-]?\d+(?:[. ']?\d{3})*,\d+|[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")


def header_of(path: Path) -> list[str]:
    """Column names in the first line of a CSV file.

    Raises:
        InvalidCandles: rule ``banner`` if the header is a later line, ``columns`` if the separator
            is not a comma.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        head = file.read(_HEAD_CHARACTERS)
    lines = [row for _, row in zip(range(_LINES), _rows(head, ","), strict=False)]
    for number, row in enumerate(lines):
        if set(map(normal, row)) >= _PRICES:
            if any(lines[:number]):
                raise InvalidCandles(
                    "banner",
                    f"{path}: the first line is not a header but a banner; the header is line "
                    f"{number + 1}.",
                    tuple(",".join(line) for line in lines[:number] if line),
                    _banner_cause(path, number),
                )
            break
    else:
        _require_commas(path, [line for line in head.splitlines()[:_LINES] if line.strip()])
    return next((row for row in lines if row), [])


def normal(name: str) -> str:
    """Normalised column name for comparison."""
    return name.strip().lower().replace(" ", "_")


def _rows(text: str, separator: str) -> Sequence[list[str]]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    return [row for _, row in zip(range(_LINES), rows, strict=False)]


def _require_commas(path: Path, lines: list[str]) -> None:
    """Refuse lines with another separator, and lines that are one quoted value."""
    if not lines:
        return
    cause = None
    for separator, name in _SEPARATORS.items():
        rows = _rows("\n".join(lines), separator)
        header = next((row for row in rows if {_bare(each) for each in row} >= _PRICES), None)
        counts = {len(row) for row in rows}
        if header is None and (separator == " " or min(counts) < _FIELDS or len(counts) > 1):
            continue
        cause = _separator_cause(name, header, [each for row in rows for each in row])
        break
    first = next(iter(_rows(lines[0], ",")), [])
    if cause is None and len(first) == 1 and first[0].count(",") >= _FIELDS - 1:
        cause = "each line stands in quotes, as if it were one value; remove these quotes"
    if cause is not None:
        raise InvalidCandles(
            "columns",
            f"{path}: commas do not separate the columns, so {VALUES} are missing.",
            (shortened(lines[0], 100),),
            cause,
        )


def _bare(name: str) -> str:
    return normal(name.strip().strip("<>"))  # <OPEN>, as MetaTrader exports it


def _separator_cause(name: str, header: list[str] | None, values: list[str]) -> str:
    found = [f"the columns are separated by {name}; write commas"]
    if any(_COMMA_NUMBER.fullmatch(value.strip()) for value in values):
        found.append("numbers have decimal or thousands commas; write 1234.5")
    if header is None:
        found.append("there is no header row; add one")
        return "; ".join(found)
    names = {_bare(each) for each in header}
    absent = [each for each in VALUES if each not in names]
    absent += [] if names & set(TIME_NAMES) else [TIME_NAMES[0]]
    if absent:
        found.append(f"column {', '.join(absent)} is missing (it has {_shown(header)})")
    return "; ".join(found)


def _banner_cause(path: Path, lines: int) -> str:
    """Likely cause of a banner, with all further problems of the rows below it."""
    found = ["the download site put a line of its own first"]
    below = pd.read_csv(path, skiprows=lines, dtype=str)
    names = {normal(str(name)): name for name in below.columns}
    times = next((names[name] for name in (*TIME_NAMES, "date") if name in names), None)
    if times is not None and below[times].notna().any():
        texts = below[times].dropna()
        days = pd.to_datetime(texts.str[:10], format="%Y-%m-%d", errors="coerce")
        if days.iloc[0] > days.iloc[-1]:
            found.append("the rows stand newest first (order)")
        if pd.to_datetime(texts, format="ISO8601", errors="coerce").isna().any():
            example = shortened(texts.iloc[0], 40)
            found.append(f"times such as {example!r} are in an unknown time format")
    absent = [name for name in VALUES if name not in names]
    if absent:
        found.append(f"column {', '.join(absent)} is missing (it has {_shown(below.columns)})")
    return "; ".join(found) + "; take the candles from the exchange or its archive instead"


def _shown(names: Iterable[object]) -> str:
    return ", ".join(shortened(str(name), 30) for name in list(names)[:12])
