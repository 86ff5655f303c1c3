"""The check ``reconciled`` on candle assets: stored candles equal those of the market."""

from datetime import datetime

import dagster as dg

from coin_assets.domain.candles.comparison import DIFFERING, EXTRA, MISSING, markdown
from coin_assets.domain.layers import CANDLES
from coin_assets.errors import SymbolUnavailable
from coin_assets.orchestration.assets.specs import SeriesAssets, failures_named
from coin_assets.orchestration.resources import Clock, MarketResource, StoreResource
from coin_assets.pipeline.reconcile import DEPTHS, QUICK, Reconciled, ReconcileWindow, reconcile

RECONCILED = "reconciled"
_SHOWN = 20


def reconciled_check(spec: SeriesAssets) -> dg.AssetChecksDefinition:
    """Quick comparison of one series. The job ``reconcile`` records results of this check, too."""

    @dg.asset_check(
        asset=spec.asset_key(CANDLES),
        name=RECONCILED,
        description="The newest stored candles equal those of the market. See the job reconcile.",
    )
    def check(market: MarketResource, store: StoreResource, clock: Clock) -> dg.AssetCheckResult:
        with failures_named():
            window = comparison_window(spec, QUICK, clock.now(), clock.closed_by())
            try:
                found = reconcile(store.client(), market.client(), spec.series, spec.source, window)
            except SymbolUnavailable as error:
                return dg.AssetCheckResult(passed=True, description=f"Not offered: {error}")
        if found is None:
            return dg.AssetCheckResult(passed=True, description="Nothing is stored yet.")
        event = evaluation(spec, found)
        return dg.AssetCheckResult(
            passed=event.passed,
            severity=event.severity,
            description=event.description,
            metadata=event.metadata,
        )

    return check


def comparison_window(
    spec: SeriesAssets, depth: str, now: datetime, closed_by: datetime
) -> ReconcileWindow:
    """The window to compare of a series at ``now``."""
    return ReconcileWindow(
        spec.first_expected(now), spec.first_source_expected(now), DEPTHS[depth], closed_by
    )


def evaluation(spec: SeriesAssets, found: Reconciled) -> dg.AssetCheckEvaluation:
    """Check result of one series.

    An error if values differ; a warning if candles are missing or extra, or if a part of the range
    could not be read.
    """
    comparison = found.comparison
    metadata: dict[str, dg.MetadataValue | int | str] = {
        "compared": comparison.compared,
        "missing": comparison.count(MISSING),
        "extra": comparison.count(EXTRA),
        "differing": comparison.count(DIFFERING),
        "explained": found.explained,
        "uncompared": found.uncompared,
        "start": dg.MetadataValue.timestamp(found.start),
        "end": dg.MetadataValue.timestamp(found.end),
    }
    if comparison.count():
        metadata["differences"] = dg.MetadataValue.md(markdown(comparison, _SHOWN))
    if found.error is not None:
        metadata["error"] = str(found.error)
    wrong = comparison.count(DIFFERING) > 0
    return dg.AssetCheckEvaluation(
        asset_key=spec.asset_key(CANDLES),
        check_name=RECONCILED,
        passed=comparison.count() == 0 and found.error is None,
        severity=dg.AssetCheckSeverity.ERROR if wrong else dg.AssetCheckSeverity.WARN,
        description=summary(found),
        metadata=metadata,
    )


def summary(found: Reconciled) -> str:
    """One line for the log and the UI."""
    comparison = found.comparison
    uncompared = f", {found.uncompared} not compared" if found.uncompared else ""
    unread = "" if found.error is None else f". A part could not be read: {found.error}"
    return (
        f"{found.series}: {comparison.compared} candles compared in [{found.start:%Y-%m-%d %H:%M}, "
        f"{found.end:%Y-%m-%d %H:%M}): {comparison.count(MISSING)} missing, "
        f"{comparison.count(EXTRA)} extra, {comparison.count(DIFFERING)} differing"
        f"{uncompared}{unread}"
    )
