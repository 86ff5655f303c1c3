"""JSON files, read strictly: the content is one JSON object, or the file is corrupt.

``json.loads`` accepts more than JSON: it keeps the last of duplicate names, reads NaN, Infinity and
1e400, and nests until the stack ends. Two readers could then read one file differently.
"""

import json
import math
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from coin_assets.errors import CorruptArtefact
from coin_assets.files.faults import machine_faults_named
from coin_assets.foreign_text import shortened

# Errors of code that meets JSON values of another shape than it expects.
CONTENT_ERRORS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_MOST_LEVELS = 32  # so that comparing, printing and writing a document never end the stack
_MOST_INTEGER = 2**63
_MOST_BYTES = 2**30  # a history file of all minutes of five years takes a third
_MOST_TEXT = 200


@contextmanager
def read_errors_named(path: Path, remedy: str) -> Iterator[None]:
    """Raise typed errors in place of the operating system's errors at ``path``.

    Args:
        remedy: last sentence of the message, if something else is in the place of the file.

    Raises:
        FileNotFoundError: there is no such file.
        MachineFault: the machine failed; the file may be intact.
        CorruptArtefact: for example a folder or a loop of links is in its place.
    """
    try:
        with machine_faults_named(path):
            yield
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = (error.strerror or repr(error)).lower()
        raise CorruptArtefact(f"{path} cannot be read ({reason}). {remedy}") from error


def content_of(path: Path, remedy: str) -> bytes:
    """Content of a file.

    Raises:
        FileNotFoundError, MachineFault: as `read_errors_named`.
        CorruptArtefact: something that is no file is in its place, or it is far too large.
    """
    with read_errors_named(path, remedy):
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
            raise CorruptArtefact(f"{path} is no file but a folder or a device. {remedy}")
        if status.st_size > _MOST_BYTES:
            raise CorruptArtefact(f"{path} has {status.st_size} bytes, far too many. {remedy}")
        return path.read_bytes()


def document_of(content: bytes) -> dict[str, Any]:
    """The JSON object in ``content``.

    Raises:
        ValueError: it is no JSON object in UTF-8, has duplicate names or numbers out of range, or
            is nested too deeply.
    """
    try:
        value = json.loads(
            content.decode(),
            object_pairs_hook=_unique,
            parse_constant=_refused,
            parse_int=_integer,
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError(f"it is no JSON object but {shown(value)}")  # noqa: TRY004 (of content)
    _require_plain(value, _MOST_LEVELS)
    return value


def shown(value: object) -> str:
    """A JSON value, or the text of an error, in few characters for a message."""
    text = str(value) if isinstance(value, BaseException) else repr(value)
    return shortened(text, _MOST_TEXT)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {shown(twice)} occurs twice")
    return found


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _integer(text: str) -> int:
    value = int(text)
    if abs(value) > _MOST_INTEGER:
        raise ValueError(f"the number {shown(text)} is out of range")
    return value


def _require_plain(value: object, levels: int) -> None:
    """Refuse values nested deeper than ``levels``, text that is no Unicode, and 1e400."""
    if isinstance(value, float):
        if not math.isfinite(value):  # here, because a `parse_float` takes far longer
            raise ValueError("a number is out of range: no float is that large")
    elif isinstance(value, str):
        value.encode()  # fails for half a surrogate pair, which no file and no terminal takes
    elif isinstance(value, dict | list):
        if not levels:
            raise ValueError(f"it is nested more than {_MOST_LEVELS} levels deep")
        for name in value if isinstance(value, dict) else ():
            _require_plain(name, levels)
        for each in value.values() if isinstance(value, dict) else value:
            if type(each) is not float or not math.isfinite(each):  # most are sound numbers
                _require_plain(each, levels - 1)
