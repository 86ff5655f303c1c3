"""The job ``reconcile``: compares stored candles with the market, as check results."""

import dagster as dg
from pydantic import Field

from coin_assets.errors import ConfigurationError, SymbolUnavailable
from coin_assets.orchestration.assets.specs import SeriesAssets, failures_named
from coin_assets.orchestration.checks.reconciled import comparison_window, evaluation, summary
from coin_assets.orchestration.jobs.one_op import BACKGROUND, one_op_job
from coin_assets.orchestration.jobs.parts import run_series
from coin_assets.orchestration.jobs.selection import chosen_specs
from coin_assets.orchestration.resources import PIPELINE, pipeline_of
from coin_assets.pipeline.reconcile import DEPTHS, QUICK, Reconciled, reconcile


class ReconcileConfig(dg.Config):
    """Settings of ``reconcile``; each is optional."""

    symbols: list[str] = Field(default=[], description="Symbols to compare; empty is all.")
    timeframes: list[str] = Field(default=[], description="Timeframes to compare; empty is all.")
    depth: str = Field(default=QUICK, description="quick: the last 24 hours; deep: 90 days.")


def reconcile_job(specs: tuple[SeriesAssets, ...]) -> dg.JobDefinition:
    """The job ``reconcile``: one op; differences are results, not failures."""

    @dg.op(
        name="reconcile_candles",
        required_resource_keys=PIPELINE,
        description="Compare stored candles with the market's; one check result a series.",
    )
    def compare(context: dg.OpExecutionContext, config: ReconcileConfig) -> None:
        with failures_named():
            _require_known(config.depth)
            pipeline = pipeline_of(context)
            chosen = chosen_specs("reconcile", specs, config.symbols, config.timeframes)
            found: list[Reconciled] = []
            not_offered: list[SeriesAssets] = []

            def run(spec: SeriesAssets) -> None:
                clock = pipeline.clock
                window = comparison_window(spec, config.depth, clock.now(), clock.closed_by())
                try:
                    result = reconcile(
                        pipeline.store, pipeline.market, spec.series, spec.source, window
                    )
                except SymbolUnavailable as error:
                    not_offered.append(spec)
                    context.log.info(f"{spec.series}: not offered by the market ({error})")
                    return
                found.extend(_reported(context, spec, result))
                if result is not None and result.error is not None:
                    raise result.error  # of a part of the range; the rest is reported

            parts = run_series(context, chosen, run)
            differing = sum(result.comparison.count() > 0 for result in found)
            context.log.info(
                f"{len(found)} of {len(chosen)} series compared, {differing} with differences, "
                f"{len(not_offered)} not offered, {len(parts.failed)} failed"
            )
            parts.require_all_done("series")

    return one_op_job(
        "reconcile",
        compare,
        ReconcileConfig,
        (
            "Compare stored candles, fetched and derived, with the market's candles of the "
            "same timeframe. Optional settings: symbols, timeframes, depth (quick or deep)."
        ),
        BACKGROUND,
    )


def _require_known(depth: str) -> None:
    if depth not in DEPTHS:
        raise ConfigurationError(
            f"reconcile config: depth {depth!r} is unknown. Use one of {list(DEPTHS)}."
        )


def _reported(
    context: dg.OpExecutionContext, spec: SeriesAssets, result: Reconciled | None
) -> list[Reconciled]:
    """Record the check result of a series, if any candles were compared."""
    if result is None:
        context.log.info(f"{spec.series}: no stored candles to compare")
        return []
    context.log.info(summary(result))
    # Dagster accepts check results here; its annotation is too narrow.
    context.log_event(evaluation(spec, result))  # type: ignore[arg-type]
    return [result]
