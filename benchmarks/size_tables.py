"""The section of ``docs/benchmarks.md`` about the size of an installation."""

from collections.abc import Mapping
from typing import Any

from benchmarks.harness import number_text
from benchmarks.installation_plan import EXTRAPOLATED, HOURS, MINUTES, SETTINGS, Row
from benchmarks.installation_size import INPUTS, rows

_MISSING = "not measured yet"
_HEAD = """## Size of an installation

2,000 symbols x 6 timeframes, in shards of 250 symbols with 25 slots of workers. *Hours* fetches
`1h` and derives `4h`, `12h`, `1d`, `1w`, `1M`. *Minutes* fetches `1m` and derives `5m`, `15m`,
`1h`, `4h`, `1d`. Nobody has run an installation of this size: the first table is exact, the second
one takes the figures of the third one to this size. The arithmetic is in
`benchmarks/installation_plan.py` and `benchmarks/installation_size.py`.
"""


def size_tables(results: Mapping[str, Any]) -> str:
    """What follows from the settings, what is extrapolated, and what was measured for it.

    Args:
        results: of all groups, as in ``benchmarks/results.json``.
    """
    found = {
        (group, figure["name"]): figure
        for group, result in results.items()
        for figure in result["figures"]
    }
    values = {name: figure["value"] for name, figure in found.items()}
    both = list(zip(rows(HOURS, values), rows(MINUTES, values), strict=True))
    measured = "\n".join(
        f"| {group} | {name} | {_text(found.get((group, name)))} |" for group, name in INPUTS
    )
    return "\n".join(
        [
            _HEAD,
            f"### Counted from the settings\n\n{_table(both, SETTINGS)}\n",
            f"### Extrapolated\n\n{_table(both, EXTRAPOLATED)}\n",
            f"### Measured for it\n\n| group | figure | value |\n|---|---|---:|\n{measured}\n",
        ]
    )


def _table(both: list[tuple[Row, Row]], basis: str) -> str:
    lines = [
        f"| {hours.name} | {_value(hours)} | {_value(minutes)} | {hours.formula} |"
        for hours, minutes in both
        if hours.basis == basis
    ]
    return "\n".join(["| | hours | minutes | formula |", "|---|---:|---:|---|", *lines])


def _value(row: Row) -> str:
    return _MISSING if row.value is None else f"{number_text(row.value)} {row.unit}".strip()


def _text(figure: Mapping[str, Any] | None) -> str:
    if figure is None:
        return _MISSING
    return f"{number_text(figure['value'])} {figure['unit']}"
