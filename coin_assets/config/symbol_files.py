"""``COIN_SYMBOLS``: a comma list, or ``@`` and a file with one symbol a line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coin_assets.config import notation
from coin_assets.domain.symbols import symbol_problem
from coin_assets.errors import ConfigurationError

_MARK = "@"
_MOST_BYTES = 1 << 20  # some ten thousand symbols
_OF_LISTS = ", symbols separated by commas"


def symbols(value: Any) -> tuple[str, ...]:
    """Symbols of a comma list, of a list, or of the file that ``@symbols.txt`` names.

    Raises:
        ConfigurationError: with a line for each problem; of a file, it names file and line.
        OSError: the file cannot be read.
    """
    if isinstance(value, str) and value.strip().startswith(_MARK):
        return _of_file(Path(value.strip().removeprefix(_MARK)).absolute())
    return notation.symbols(value)


def _of_file(path: Path) -> tuple[str, ...]:
    """Symbols in the order of the file; ``#`` begins a comment at the start or after a blank."""
    if not path.is_file():
        raise ConfigurationError(
            f"{str(path)!r} is no file; write {_MARK} and the path of a file with one symbol a "
            "line, or a comma list."
        )
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise ConfigurationError(
            f"{str(path)!r} has more than {_MOST_BYTES >> 20} MB; name a file with one symbol a "
            "line."
        )
    lines: dict[str, int] = {}
    problems = []
    for number, text in _lines(content):
        if text in lines:
            problems.append(
                f"{path}, line {number}: {text!r} is in line {lines[text]} too; write it once."
            )
        elif problem := symbol_problem(text):
            remedy = problem.replace(_OF_LISTS, ", one symbol a line")
            problems.append(f"{path}, line {number}: {remedy}")
        lines.setdefault(text, number)
    if problems:
        raise ConfigurationError("\n".join(problems))
    if not lines:
        raise ConfigurationError(f"{path} names no symbol; write one a line, as in BTC/USDT.")
    try:
        return notation.symbols(list(lines))
    except ConfigurationError as error:  # two symbols that share a name
        raise ConfigurationError(
            "\n".join(f"{path}: {line}" for line in str(error).splitlines())
        ) from None


def _lines(content: bytes) -> Iterator[tuple[int, str]]:
    """Numbers and symbols of the lines that have one; what is not UTF-8 stays visible."""
    text = content.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape")
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.strip()
        for blank in " \t":
            words = words.partition(f"{blank}#")[0].rstrip()
        if words and not words.startswith("#"):
            yield number, words
