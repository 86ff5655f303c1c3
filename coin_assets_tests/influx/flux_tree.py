"""The syntax tree of a Flux program."""

import re
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Time:
    """A point in time, in nanoseconds."""

    nanoseconds: int


@dataclass(frozen=True)
class Duration:
    nanoseconds: int


@dataclass(frozen=True)
class Literal:
    value: str | float | int | bool | Time | Duration


@dataclass(frozen=True)
class Name:
    name: str
    at: str


@dataclass(frozen=True)
class Member:
    """``of.name`` or ``of["name"]``."""

    of: "Expression"
    name: str


@dataclass(frozen=True)
class Array:
    items: tuple["Expression", ...]


@dataclass(frozen=True)
class Unary:
    """``-``, ``not`` or ``exists``."""

    operator: str
    operand: "Expression"


@dataclass(frozen=True)
class Binary:
    operator: str
    left: "Expression"
    right: "Expression"
    at: str


@dataclass(frozen=True)
class Function:
    parameters: tuple[str, ...]
    body: "Expression"


@dataclass(frozen=True)
class Call:
    function: "Expression"
    arguments: dict[str, "Expression"]
    at: str


@dataclass(frozen=True)
class Pipe:
    source: "Expression"
    call: Call


Expression = Literal | Name | Member | Array | Unary | Binary | Function | Call | Pipe


@dataclass(frozen=True)
class Assignment:
    name: str
    value: Expression


@dataclass(frozen=True)
class Program:
    imports: tuple[str, ...]
    statements: tuple[Expression | Assignment, ...]


def nanoseconds(text: str) -> int:
    """An RFC 3339 time, with a fraction of up to nine digits, since 1970."""
    whole, dot, rest = text.partition(".")
    digits = re.match(r"\d*", rest)
    assert digits is not None
    zone = rest[digits.end() :] if dot else ""
    moment = datetime.fromisoformat(whole + zone if "T" in whole else f"{whole}T00:00:00Z")
    since = moment - datetime.fromisoformat("1970-01-01T00:00:00Z")
    seconds = since.days * 86_400 + since.seconds
    return seconds * 10**9 + int(digits[0].ljust(9, "0"))
