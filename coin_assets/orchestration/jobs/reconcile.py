"""The job ``reconcile``: many keys compared with the market, reported as check results."""

import dagster as dg
from pydantic import Field

from coin_assets.errors import CoinAssetsError, ConfigurationError, SymbolUnavailable
from coin_assets.orchestration.assets.specs import SeriesAssets, failures_named
from coin_assets.orchestration.checks.reconciled import comparison_window, evaluation, summary
from coin_assets.orchestration.jobs.one_op import BACKGROUND, one_op_job, require_all_done
from coin_assets.orchestration.jobs.selection import chosen_specs
from coin_assets.orchestration.resources import Clock, MarketResource, StoreResource
from coin_assets.pipeline.reconcile import DEPTHS, QUICK, Reconciled, reconcile


class ReconcileConfig(dg.Config):
    """What ``reconcile`` compares; everything is optional."""

    symbols: list[str] = Field(default=[], description="Symbols to compare; empty is all.")
    timeframes: list[str] = Field(default=[], description="Timeframes to compare; empty is all.")
    depth: str = Field(default=QUICK, description="quick: the last 24 hours; deep: 90 days.")


def reconcile_job(specs: tuple[SeriesAssets, ...]) -> dg.JobDefinition:
    """``reconcile``: one op, key by key; differences are results, not failures."""

    @dg.op(
        name="reconcile_candles",
        description="Compare stored candles with the market's own; one check result a key.",
    )
    def compare(
        context: dg.OpExecutionContext,
        config: ReconcileConfig,
        market: MarketResource,
        store: StoreResource,
        clock: Clock,
    ) -> None:
        with failures_named():
            _require_known(config.depth)
            chosen = chosen_specs("reconcile", specs, config.symbols, config.timeframes)
            failed: dict[str, CoinAssetsError] = {}
            found: list[Reconciled] = []
            not_offered = 0
            for spec in chosen:
                window = comparison_window(spec, config.depth, clock.now(), clock.closed_by())
                try:
                    result = reconcile(
                        store.client(), market.client(), spec.series, spec.source, window
                    )
                except SymbolUnavailable as error:
                    not_offered += 1
                    context.log.info(f"{spec.series}: not offered by the market ({error})")
                except CoinAssetsError as error:
                    failed[str(spec.series)] = error
                else:
                    found += _reported(context, spec, result)
                    if result is not None and result.error is not None:
                        failed[str(spec.series)] = result.error
            differing = sum(result.comparison.count() > 0 for result in found)
            context.log.info(
                f"{len(found)} of {len(chosen)} keys compared, {differing} with differences, "
                f"{not_offered} not offered, {len(failed)} failed"
            )
            require_all_done(context, "keys", len(chosen), failed)

    return one_op_job(
        "reconcile",
        compare,
        ReconcileConfig,
        (
            "Compare stored candles, fetched and derived, with the market's own of the same "
            "timeframe. Optional settings: symbols, timeframes, depth (quick or deep)."
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
    """Record the check result of a key, if there was something to compare."""
    if result is None:
        context.log.info(f"{spec.series}: nothing is stored that could be compared")
        return []
    context.log.info(summary(result))
    # Dagster takes check results here, although the annotation does not say so.
    context.log_event(evaluation(spec, result))  # type: ignore[arg-type]
    return [result]
