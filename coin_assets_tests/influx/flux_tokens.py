"""Flux to tokens, each with its place."""

import re
from typing import NamedTuple

from coin_assets_tests.influx.refusal import Refusal

_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
  | (?P<time>\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d))?)
  | (?P<duration>(?:\d+(?:ns|us|µs|ms|mo|s|m|h|d|w|y))+(?![A-Za-z0-9_]))
  | (?P<float>\d+\.\d*|\.\d+)
  | (?P<int>\d+)
  | (?P<string>"(?:[^"\\]|\\.)*")
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<operator>\|>|=>|==|!=|<=|>=|=~|!~|[-+*/%^=<>(){}\[\],:.])
  | (?P<illegal>.)""",
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    kind: str
    text: str
    at: str  # as the real server writes a place: @line:column-line:column


def tokens(text: str) -> list[Token]:
    found_tokens: list[Token] = []
    line, line_start = 1, 0
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup
        assert kind is not None
        column = found.start() - line_start + 1
        at = f"@{line}:{column}-{line}:{column + len(found[0])}"
        if kind == "illegal":
            raise bad(at, f"invalid statement: {found[0]}")
        if kind != "space":
            found_tokens.append(Token(kind, found[0], at))
        if "\n" in found[0]:
            line += found[0].count("\n")
            line_start = found.start() + found[0].rindex("\n") + 1
    return found_tokens


def bad(at: str, message: str) -> Refusal:
    return Refusal("invalid", f"compilation failed: error {at}: {message}")
