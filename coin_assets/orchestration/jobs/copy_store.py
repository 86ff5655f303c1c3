"""The job ``copy_store``: copies history from one kind of store to another."""

from collections.abc import Callable, Mapping
from contextlib import closing
from time import perf_counter
from typing import Any

import dagster as dg
from pydantic import Field

from coin_assets.errors import ConfigurationError
from coin_assets.orchestration.assets.specs import SeriesAssets, failures_named
from coin_assets.orchestration.jobs.backfill import POOL
from coin_assets.orchestration.jobs.one_op import BACKGROUND, one_op_job
from coin_assets.orchestration.jobs.parts import run_series
from coin_assets.orchestration.jobs.selection import chosen_specs
from coin_assets.pipeline.copy_store import MonthCopied, SeriesCopied, StoreCopy
from coin_assets.pipeline.copy_tables import TABLES
from coin_assets.store.base import Store

# Name of a kind of store -> how to open the one of this installation.
Openers = Mapping[str, Callable[[], Store]]
_LONGEST_SECONDS = 7 * 24 * 3600  # the default of dagster.yaml is for live runs


class CopyConfig(dg.Config):
    """Settings of ``copy_store``; each is optional."""

    source: str | None = Field(
        default=None, description="parquet or influxdb; default is the one in use (COIN_STORE)."
    )
    target: str | None = Field(default=None, description="The other one by default.")
    symbols: list[str] = Field(default=[], description="Symbols to copy; empty is all.")
    timeframes: list[str] = Field(default=[], description="Timeframes to copy; empty is all.")
    overwrite: bool = Field(
        default=False,
        description="Remove rows that only the target has; otherwise such a series fails.",
    )
    dry_run: bool = Field(default=False, description="Only log what would be copied.")


def copy_store_job(
    specs: tuple[SeriesAssets, ...], openers: Openers, in_use: str
) -> dg.JobDefinition:
    """The job ``copy_store``: one op, one series after the other.

    Args:
        openers: open each kind of store when the job runs.
        in_use: kind of store that the platform uses.
    """

    @dg.op(
        name="copy_series",
        pool=POOL,  # a backfill and a copy never run at the same time
        description=(
            "Make the target equal to the source, month by month: candles, forecasts, revisions, "
            "gap ledgers. Written rows are read back and compared. A run that was killed is "
            "resumed by the next one."
        ),
    )
    def copy_series(context: dg.OpExecutionContext, config: CopyConfig) -> None:
        with failures_named():
            chosen = chosen_specs("copy_store", specs, config.symbols, config.timeframes)
            source, target = _direction(config, openers, in_use)
            verb = "would copy" if config.dry_run else "copying"
            context.log.info(f"{verb} {len(chosen)} series from {source} to {target}")
            with closing(openers[source]()) as ours, closing(openers[target]()) as theirs:
                progress = _Progress(context)
                copy = StoreCopy(ours, theirs, config.overwrite, config.dry_run, progress)
                _copy_all(context, copy, chosen)

    return one_op_job(
        "copy_store",
        copy_series,
        CopyConfig,
        (
            "Copy history between Parquet and InfluxDB, verified month by month. All settings are "
            "optional: source (default: the store in use), target (the other one), symbols, "
            "timeframes, overwrite, dry_run."
        ),
        {**BACKGROUND, "dagster/max_runtime": str(_LONGEST_SECONDS)},
    )


class _Progress:
    """Logs each month that differed, with the mean rate."""

    def __init__(self, context: dg.OpExecutionContext) -> None:
        self._context, self._began, self._rows = context, perf_counter(), 0

    def __call__(self, month: MonthCopied) -> None:
        self._rows += month.rows
        parts = ", ".join(f"{change.rows} {name}" for name, change in month.changes.items())
        rate = self._rows / max(perf_counter() - self._began, 1e-9)
        self._context.log.info(f"{month.series} {month.label}: {parts} ({rate:.0f} rows/s)")


def _copy_all(context: dg.OpExecutionContext, copy: StoreCopy, specs: list[SeriesAssets]) -> None:
    """Copy one series after the other; attach the row counts to the op's output."""

    def run(spec: SeriesAssets) -> SeriesCopied:
        copied = copy.copy(spec.series)
        context.log.info(_line(copied, copy.dry_run))
        return copied

    parts = run_series(context, specs, run)
    metadata = _metadata(parts.results)
    context.log.info(metadata["series"].value)
    parts.require_all_done("series", "Copied rows stay; launch the job again to copy the rest.")
    context.add_output_metadata(metadata)


def _direction(config: CopyConfig, openers: Openers, in_use: str) -> tuple[str, str]:
    source = config.source or in_use
    others = [name for name in openers if name != source]
    target = config.target or others[0]
    for name in (source, target):
        if name not in openers:
            raise ConfigurationError(
                f"copy_store config: {name!r} is not a kind of store. Use one of {sorted(openers)}."
            )
    if source == target:
        raise ConfigurationError(
            f"copy_store config: source and target are both {source!r}. Name two of "
            f"{sorted(openers)}."
        )
    return source, target


def _line(copied: SeriesCopied, dry_run: bool) -> str:
    held = ", ".join(f"{rows} {name}" for name, rows in copied.rows.items())
    if not (copied.months or copied.ledger_changed):
        return f"{copied.series}: equal already ({held})"
    ledger = ", and its ledger" if copied.ledger_changed else ""
    counts = ", ".join(f"{copied.total(kind)} {kind}" for kind in ("added", "replaced", "surplus"))
    verb = "would be" if dry_run else "are now"
    return f"{copied.series}: {len(copied.months)} months{ledger} {verb} equal ({held}; {counts})"


def _metadata(done: list[SeriesCopied]) -> dict[str, Any]:
    names = [table.name for table in TABLES]
    head = ["series", *names, "months changed", "added", "replaced", "surplus"]
    rows = [
        [
            str(each.series),
            *(str(each.rows[name]) for name in names),
            str(len(each.months)),
            *(str(each.total(kind)) for kind in head[-3:]),
        ]
        for each in done
    ]
    lines = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]
    return {
        **{name: sum(each.rows[name] for each in done) for name in names},
        "months_changed": sum(len(each.months) for each in done),
        "series": dg.MetadataValue.md("\n".join(lines)),
    }
