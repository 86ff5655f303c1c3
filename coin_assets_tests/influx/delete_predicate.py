"""The predicate of a delete: equalities of tags and measurement, joined with AND.

As in the real server, strings stand in double quotes, ``OR`` and other operators are refused, and
times, fields and values cannot be chosen by.
"""

import re
from collections.abc import Callable

from coin_assets_tests.influx.line_protocol import Series
from coin_assets_tests.influx.refusal import Refusal

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<quoted>"(?:[^"\\\n]|\\.)*")
  | (?P<string>'(?:[^'\\\n]|\\.)*')
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<number>[0-9]+(?:\.[0-9]+)?(?![A-Za-z0-9_.]))
  | (?P<duration>[0-9]+[A-Za-z0-9.µ]*)
  | (?P<operator>=~|!~|!=|<>|<=|>=|=|<|>|\(|\)|.)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {r"\"": '"', r"\\": "\\", r"\n": "\n", r"\'": "'"}
_UNSUPPORTED = ("_time", "_field", "_value")
Token = tuple[str, str, int]


def parse(text: str) -> Callable[[Series], bool]:
    """What tells whether a series is meant.

    Raises:
        Refusal: 400; the predicate is malformed or not supported.
    """
    tokens = _tokens(text)
    pairs = _conjunction(tokens) if tokens else []
    if tokens:
        raise _bad(f"bad logical expression, at position {tokens[0][2]}")

    def chosen(series: Series) -> bool:
        tags = dict(series[1]) | {"_measurement": series[0]}
        return all(tags.get(series, "") == value for series, value in pairs)

    return chosen


def _conjunction(tokens: list[Token]) -> list[tuple[str, str]]:
    pairs = _term(tokens)
    while tokens and tokens[0][1].upper() in ("AND", "OR") and tokens[0][0] == "name":
        if tokens.pop(0)[1].upper() == "OR":
            raise _bad("Operator OR is not supported for delete predicate yet")
        pairs += _term(tokens)
    return pairs


def _term(tokens: list[Token]) -> list[tuple[str, str]]:
    kind, text, position = tokens.pop(0) if tokens else ("end", "", 0)
    if text == "(" and kind == "operator":
        pairs = _conjunction(tokens)
        if not tokens or tokens.pop(0)[1] != ")":
            raise _bad("extra ( seen")
        return pairs
    if kind not in ("quoted", "name"):
        raise _bad(f"bad tag key, at position {position}")
    series = _unquoted(text) if kind == "quoted" else text
    if series in _UNSUPPORTED:
        raise _bad(f"delete predicate on {series} is not supported")
    _, operator, place = tokens.pop(0) if tokens else ("end", "", position)
    if operator in ("!=", "<>", "=~", "!~"):
        raise _bad(f"Operator {operator} is not supported for delete predicate yet")
    if operator != "=":
        raise _bad(f'invalid operator "{operator}" at position {place}')
    kind, value, place = tokens.pop(0) if tokens else ("end", "", place)
    if kind not in ("quoted", "name", "number") or value.upper() in ("AND", "OR"):
        raise _bad(f'bad tag value: "{value}", at position {place}')
    if kind == "name" and value.lower() in ("true", "false"):
        value = value.lower()
    return [(series, _unquoted(value) if kind == "quoted" else value)]


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    position = 0
    while text[position:].strip():
        found = _TOKEN.match(text, position)
        assert found is not None
        kind = found.lastgroup
        assert kind is not None
        tokens.append((kind, found[kind], found.start(kind)))
        position = found.end()
    return tokens


def _unquoted(text: str) -> str:
    def plain(escape: re.Match[str]) -> str:
        if escape[0] not in _ESCAPES:
            raise _bad(f"bad escape {escape[0]}")
        return _ESCAPES[escape[0]]

    return re.sub(r"\\.", plain, text[1:-1], flags=re.DOTALL)


def _bad(message: str) -> Refusal:
    return Refusal("invalid", f"invalid request; error parsing request json: {message}")
