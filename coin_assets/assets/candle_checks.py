"""What is checked of fetched candles as they are written: gaps, and bars that look wrong."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from coin_assets.assets.specs import CANDLES, SeriesSpec
from coin_assets.domain.ledger import Missing
from coin_assets.domain.manifest_facts import GapCounts
from coin_assets.domain.suspicion import suspicious
from coin_assets.steps.health import history_of
from coin_assets.store.base import Store

GAPS, SUSPICIOUS_BARS = "gaps", "suspicious_bars"
_SHOWN = 10
_CONTEXT_CANDLES = 100  # what a bar is compared with


def check_specs(spec: SeriesSpec) -> list[dg.AssetCheckSpec]:
    """The checks that `check_results` gives results of."""
    asset = spec.asset_key(CANDLES)
    return [
        dg.AssetCheckSpec(
            GAPS,
            asset=asset,
            description="No candle of the whole history is pending or failed: each is stored, or "
            "the market said twice that it has none.",
        ),
        dg.AssetCheckSpec(
            SUSPICIOUS_BARS,
            asset=asset,
            description="No bar of the months just written looks like an error of the exchange.",
        ),
    ]


def check_results(
    spec: SeriesSpec, store: Store, start: datetime, end: datetime, now: datetime
) -> list[dg.AssetCheckResult]:
    """Results for a key whose months ``[start, end)`` were just written."""
    return [_gaps(spec, store, now), _suspicious_bars(spec, store, start, end)]


def _gaps(spec: SeriesSpec, store: Store, now: datetime) -> dg.AssetCheckResult:
    key = spec.key
    history = history_of(store, key, store.extent(key), spec.first_expected(now))
    counts, open_gaps = history.counts(), history.open_gaps
    metadata: dict[str, Any] = {
        **counts.document(),
        "never_asked": history.never_asked,
        "verified_gaps": len(history.missing) - len(open_gaps),
    }
    if open_gaps:
        metadata["open_gaps"] = _listed([_gap_text(gap) for gap in open_gaps])
    return _result(spec, GAPS, not counts.pending and not counts.failed, _said(counts), metadata)


def _suspicious_bars(
    spec: SeriesSpec, store: Store, start: datetime, end: datetime
) -> dg.AssetCheckResult:
    before = spec.key.timeframe.shift(start, -_CONTEXT_CANDLES)
    candles = store.read_candles(spec.key, before, end)
    found = [each for each in suspicious(candles, spec.key.timeframe) if each.end > start]
    kinds = Counter(each.kind for each in found)
    said = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    metadata: dict[str, Any] = {"suspicious": len(found), **kinds}
    if found:
        texts = [f"{each.start:%Y-%m-%d %H:%M} {each.kind}: {each.detail}" for each in found]
        metadata["bars"] = _listed(texts)
    return _result(spec, SUSPICIOUS_BARS, not found, said or "none", metadata)


def _result(
    spec: SeriesSpec, name: str, passed: bool, description: str, metadata: dict[str, Any]
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed,
        asset_key=spec.asset_key(CANDLES),
        check_name=name,
        severity=dg.AssetCheckSeverity.WARN,
        description=description,
        metadata=metadata,
    )


def _said(counts: GapCounts) -> str:
    words = {state.replace("_", " "): count for state, count in counts.document().items() if count}
    return ", ".join(f"{count} {state}" for state, count in words.items()) or "no candle is missing"


def _gap_text(gap: Missing) -> str:
    error = f": {gap.error}" if gap.error else ""
    return (
        f"{gap.start:%Y-%m-%d %H:%M} to {gap.end:%Y-%m-%d %H:%M} ({gap.count}) {gap.state}{error}"
    )


def _listed(texts: Sequence[str]) -> dg.MetadataValue:
    more = [f"and {len(texts) - _SHOWN} more"] if len(texts) > _SHOWN else []
    return dg.MetadataValue.md("\n".join(f"- {text}" for text in [*texts[:_SHOWN], *more]))
