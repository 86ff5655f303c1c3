"""JSON of exchanges, parsed within bounds."""

import json
from typing import Any, NoReturn

# Each takes up to 100 bytes of memory; the longest lists of markets have half a million.
_MOST_VALUES = 1_500_000


def parsed_json(text: str) -> Any:
    """Value of ``text``; as fast as the parsers that ccxt uses.

    A number beyond a float is infinite; the checks of candles refuse that candle alone.

    Raises:
        ValueError: it is no JSON, which has no NaN, or has a name twice with two values, an integer
            of thousands of digits, too many values, or is nested too deeply.
    """
    if sum(map(text.count, ",[{")) > _MOST_VALUES:
        raise ValueError(f"more than {_MOST_VALUES} values")
    try:
        return json.loads(text, object_pairs_hook=_unambiguous, parse_constant=_refused)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs) and any(found[name] != value for name, value in pairs):
        raise ValueError("a name stands twice, with two values")
    return found


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")
