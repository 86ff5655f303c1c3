"""Symbols of the run that this process executes.

The definitions of a thousand series take nine seconds; a run of 25 symbols needs a fraction of
them. `coin_assets.definitions` is imported by Dagster, which passes nothing, so the process of a
run records its symbols here first.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster import DagsterRun

_names: frozenset[str] | None = None


def limit_to(run: "DagsterRun") -> None:
    """Record the symbols of ``run``, before this process loads the definitions."""
    global _names
    _names = symbols_in(run)


def names_of_run() -> frozenset[str] | None:
    """Names of the symbols of this process's run; None for all symbols."""
    return _names


def symbols_in(run: "DagsterRun") -> frozenset[str] | None:
    """Names of the symbols whose assets or checks ``run`` selects; None if it selects none."""
    checks = run.asset_check_selection or frozenset()
    keys = {*(run.asset_selection or ()), *(check.asset_key for check in checks)}
    return frozenset(key.path[0] for key in keys) or None
