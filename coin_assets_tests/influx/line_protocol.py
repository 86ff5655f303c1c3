"""Line protocol to points, with the escapes, limits and error messages of the real server.

Most lines have neither a backslash nor a quote and take the short way; whatever is unusual about
a line is left to the scanner, which also finds what to say about a malformed one.
"""

import re
from typing import NamedTuple

from coin_assets_tests.influx.field_values import NUMBER, Malformed, Value, unquoted
from coin_assets_tests.influx.refusal import Refusal

NANOSECONDS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
MIN_TIME, MAX_TIME = -(2**63) + 2, 2**63 - 2
MAX_KEY_LENGTH = 65_535

_INTEGER = re.compile(r"-?[0-9]+")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_AFTER_MEASUREMENT = re.compile(r"(?<!\\)[, ]")
_IN_TAGS = re.compile(r"(?<!\\)[,= ]")
_FIELD_KEY = re.compile(r"(?:[^\\,= ]|\\.)*", re.DOTALL)
_UNQUOTED = re.compile(r"[^, ]*")
_WHITESPACE = " \t\0"
Tags = tuple[tuple[str, str], ...]
Series = tuple[str, Tags]


class Point(NamedTuple):
    """One line.

    Attributes:
        series: measurement, and its tags sorted by key.
        time: nanoseconds.
    """

    series: Series
    fields: dict[str, Value]
    time: int


def parse(text: str, precision: str, now: int) -> list[Point]:
    """The points of a body. Lines without a time get ``now`` (ns), cut to the precision.

    Raises:
        Refusal: 400; a line is malformed. Then nothing of the body is to be stored.
    """
    unit = NANOSECONDS[precision]
    now -= now % unit
    heads: dict[str, Series] = {}
    points: list[Point] = []
    malformed: list[str] = []
    for line in _lines(text):
        try:
            points.append(_plain(line, unit, now, heads) or _scanned(line, unit, now))
        except Malformed as error:
            malformed.append(f"unable to parse '{line}': {error}")
    if malformed:
        raise Refusal("invalid", "\n".join(malformed))
    return points


def _lines(text: str) -> list[str]:
    """Lines without leading blanks, comments and empty lines; quoted strings may span lines."""
    lines = text.split("\n")
    if '"' in text or "\\" in text:
        lines = _joined(lines)
    stripped = [line.lstrip(_WHITESPACE) for line in lines]
    return [line for line in stripped if line and line[0] != "#"]


def _joined(pieces: list[str]) -> list[str]:
    lines: list[str] = []
    pending = ""
    for piece in pieces:
        line = pending + piece
        if not line.lstrip(_WHITESPACE).startswith("#") and _continues(line):
            pending = line + "\n"
        else:
            lines.append(line)
            pending = ""
    return [*lines, pending[:-1]] if pending else lines


def _continues(line: str) -> bool:
    """Whether a newline after it belongs to the line: in a string, or escaped."""
    if '"' not in line and not line.endswith("\\"):
        return False
    escaped = re.sub(r"\\.", "__", line, flags=re.DOTALL)
    _, _, fields = escaped.partition(" ")
    return re.sub(r'="[^"]*"', "", fields).count('="') > 0 or escaped.endswith("\\")


def _plain(line: str, unit: int, now: int, heads: dict[str, Series]) -> Point | None:
    """The point of a line without anything unusual, or nothing."""
    if '"' in line or "\\" in line:
        return None
    parts = line.split(" ")
    if len(parts) == 3 and _INTEGER.fullmatch(parts[2]):
        time = int(parts[2]) * unit
        if not MIN_TIME <= time <= MAX_TIME:
            return None
    elif len(parts) == 2:
        time = now
    else:
        return None
    series = heads.get(parts[0])
    if series is None:
        end, series = _head(line)
        if end != len(parts[0]):
            return None
        heads[parts[0]] = series
    fields: dict[str, Value] = {}
    number = NUMBER.fullmatch
    for item in parts[1].split(","):
        name, _, value = item.partition("=")
        if not name or not value:
            return None
        fields[name] = float(value) if number(value) else unquoted(value)
        if fields[name] in (float("inf"), float("-inf")):
            return None
    return Point(series, fields, time)


def _scanned(line: str, unit: int, now: int) -> Point:
    end, series = _head(line)
    end, fields = _fields(line, end)
    return Point(series, fields, _time(line[end:].lstrip(_WHITESPACE), unit, now))


def _head(line: str) -> tuple[int, Series]:
    """Where measurement and tags end, and what they are."""
    if line[0] == ",":
        raise Malformed("missing measurement")
    found = _AFTER_MEASUREMENT.search(line, 1)
    if found is None:
        raise Malformed("missing fields")
    measurement = line[: found.start()].replace(r"\,", ",").replace(r"\ ", " ")
    end, tags = found.start(), {}
    while line[end] == ",":
        end, series, value = _tag(line, end + 1)
        if series in tags:
            raise Malformed("duplicate tags")
        tags[series] = value
    if end > MAX_KEY_LENGTH:
        raise Malformed(f"max key length exceeded: {end} > {MAX_KEY_LENGTH}")
    return end, (measurement, tuple(sorted(tags.items())))


def _tag(line: str, start: int) -> tuple[int, str, str]:
    if line[start : start + 1] in ("", " ", ",", "="):
        raise Malformed("missing tag key")
    equals = _IN_TAGS.search(line, start + 1)
    if equals is None or equals[0] != "=":
        raise Malformed("missing tag value")
    if line[equals.end() : equals.end() + 1] in ("", " ", ","):
        raise Malformed("missing tag value")
    found = _IN_TAGS.search(line, equals.end() + 1)
    if found is None:
        raise Malformed("missing fields")
    if found[0] == "=":
        raise Malformed("invalid tag format")
    series, value = line[start : equals.start()], line[equals.end() : found.start()]
    return found.start(), _unescaped(series), _unescaped(value)


def _unescaped(text: str) -> str:
    return text.replace(r"\,", ",").replace(r"\ ", " ").replace(r"\=", "=")


def _fields(line: str, start: int) -> tuple[int, dict[str, Value]]:
    """Where the fields end, and what they are."""
    end = start + len(line[start:]) - len(line[start:].lstrip(_WHITESPACE))
    fields: dict[str, Value] = {}
    while True:
        name = _FIELD_KEY.match(line, end)
        assert name is not None
        if line[name.end() : name.end() + 1] != "=":
            raise Malformed("invalid field format")
        if not name[0]:
            raise Malformed("missing field key")
        begin = name.end() + 1
        if line[begin : begin + 1] in ("", ",", " "):
            raise Malformed("missing field value")
        end, fields[_unescaped(name[0]).replace(r"\"", '"')] = _value(line, begin)
        after = line[end : end + 1]
        if after in ("", " "):
            return end, fields
        if after != ",":
            raise Malformed("invalid field format")
        end += 1


def _value(line: str, start: int) -> tuple[int, Value]:
    if line[start] == '"':
        quoted = _QUOTED.match(line, start)
        if quoted is None:
            raise Malformed("unbalanced quotes")
        text = re.sub(r'\\(["\\])', r"\1", quoted[0][1:-1])
        return quoted.end(), text
    token = _UNQUOTED.match(line, start)
    assert token is not None
    return token.end(), unquoted(token[0])


def _time(text: str, unit: int, now: int) -> int:
    if not text:
        return now
    digits = re.match(r"-?[0-9]*", text)
    assert digits is not None
    after = text[digits.end() :]
    if after[:1] not in ("", " ") or digits[0] in ("", "-"):
        raise Malformed("bad timestamp")
    if after.strip(" "):
        raise Malformed("point is invalid")
    time = int(digits[0]) * unit
    if not MIN_TIME <= time <= MAX_TIME:
        raise Malformed(f"time outside range {MIN_TIME} - {MAX_TIME}")
    return time
