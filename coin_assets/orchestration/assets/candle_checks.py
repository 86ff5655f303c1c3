"""Checks of written candles: contract, source, gaps, anomalies.

Each asset reads its written candles back once. A failed blocking check stops the assets downstream.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import dagster as dg
import pandas as pd

from coin_assets.domain.candles.absences import OPEN_STATES, VERIFIED_ABSENT
from coin_assets.domain.candles.anomalies import find_anomalies
from coin_assets.domain.candles.comparison import (
    DIFFERING,
    FINDINGS,
    MARKET,
    STORED,
    compare_candles,
)
from coin_assets.domain.candles.frame import VALUES, between, empty_candles, merged, validated
from coin_assets.domain.candles.gap_ledger import Missing
from coin_assets.domain.candles.gaps import find_gaps
from coin_assets.domain.candles.resampling import Resampled, derive
from coin_assets.domain.layers import CANDLES
from coin_assets.domain.publishing.manifest_entries import GapCounts
from coin_assets.errors import CorruptArtefact, InvalidCandles
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.pipeline.completeness import history_of
from coin_assets.pipeline.derive import Derivation
from coin_assets.pipeline.month_report import newest_due
from coin_assets.pipeline.plausible_pages import caution_of
from coin_assets.store.base import Store

CONTRACT, MATCHES_SOURCE, GAPS, SUSPICIOUS_BARS = (
    "contract",
    "matches_source",
    "gaps",
    "suspicious_bars",
)
BLOCKING = (CONTRACT, MATCHES_SOURCE)
_SHOWN = 10
_CONTEXT_CANDLES = 100  # that a bar is compared with


def check_specs(spec: SeriesAssets) -> list[dg.AssetCheckSpec]:
    """Specs of the checks whose results `fetched_results` or `derived_results` returns."""
    asset = spec.asset_key(CANDLES)
    return [
        dg.AssetCheckSpec(name, asset=asset, description=text, blocking=name in BLOCKING)
        for name, text in _descriptions(spec).items()
    ]


def _descriptions(spec: SeriesAssets) -> dict[str, str]:
    """Description of each check: what a pass means."""
    contract = {CONTRACT: "The written months are readable and obey the candle contract."}
    bars = {SUSPICIOUS_BARS: "No written bar looks like an error of the exchange."}
    if spec.is_fetched:
        gaps = {GAPS: "No candle of the whole history is pending or failed."}
        return contract | gaps | bars
    source = {
        MATCHES_SOURCE: f"Each written bucket equals the one derived from {spec.source.timeframe}."
    }
    gaps = {GAPS: f"The market has no {spec.source.timeframe} candles that written buckets lack."}
    return contract | source | gaps | bars


def fetched_results(
    spec: SeriesAssets, store: Store, start: datetime, end: datetime, now: datetime
) -> list[dg.AssetCheckResult]:
    """Check results of a fetched series whose months ``[start, end)`` were written."""
    try:
        candles = _read_back(spec, store, start, end)
    except (CorruptArtefact, InvalidCandles) as error:
        return _broken(spec, error)
    return [
        _contract(spec, candles, (start, end)),
        _history_gaps(spec, store, now),
        _suspicious_bars(spec, store, candles, start),
    ]


def derived_results(
    spec: SeriesAssets, store: Store, derivation: Derivation
) -> list[dg.AssetCheckResult]:
    """Check results of a derived series whose months ``derivation`` wrote."""
    start = derivation.start
    try:
        candles = _read_back(spec, store, start, derivation.end)
    except (CorruptArtefact, InvalidCandles) as error:
        return _broken(spec, error)
    try:
        compared = _source_results(spec, store, derivation, candles)
    except CorruptArtefact as error:
        compared = [_unjudged(spec, name, str(error)) for name in (MATCHES_SOURCE, GAPS)]
    contract = _contract(spec, candles, (start, derivation.end))
    return [contract, *compared, _suspicious_bars(spec, store, candles, start)]


def _read_back(spec: SeriesAssets, store: Store, start: datetime, end: datetime) -> pd.DataFrame:
    stored = store.read_back_candles(spec.series, start, end)
    return validated(stored, spec.series.timeframe, f"{spec.series} candles in the store")


def _broken(
    spec: SeriesAssets, error: CorruptArtefact | InvalidCandles
) -> list[dg.AssetCheckResult]:
    """Results of a broken contract: the other checks fail as unjudged."""
    text = str(error)
    if isinstance(error, InvalidCandles):
        text = f"{error.reason} Remove the month's file and materialise it again."
    return [
        _result(spec, name, False, text, {"error": error.code})
        if name == CONTRACT
        else _unjudged(spec, name, "the contract is broken")
        for name in _descriptions(spec)
    ]


def _contract(
    spec: SeriesAssets, candles: pd.DataFrame, window: tuple[datetime, datetime]
) -> dg.AssetCheckResult:
    # As text: the UI plots numbers over time, and those of different windows do not compare.
    text = f"{len(candles)} in [{window[0]:%Y-%m-%d}, {window[1]:%Y-%m-%d})"
    facts = {"candles": dg.MetadataValue.text(text)}
    return _result(spec, CONTRACT, True, f"{len(candles)} candles", facts)


def _source_results(
    spec: SeriesAssets, store: Store, derivation: Derivation, stored: pd.DataFrame
) -> list[dg.AssetCheckResult]:
    """Results of `MATCHES_SOURCE` and `GAPS`, from one reading of the source."""
    target, source = derivation.series.timeframe, derivation.source
    first = target.ceil(max(derivation.start, derivation.first_source))
    due = newest_due(target, first, derivation.end, derivation.closed_by)
    close = first if due is None else target.close_of(due)
    candles = store.read_candles(source, first, close) if due is not None else empty_candles()
    wanted = derive(candles, source.timeframe, target, first, derivation.end, covered_until=close)
    ledger = store.read_ledger(source)
    begin = max(first, ledger.listed) if ledger.listed is not None else _first_open(candles, close)
    holes = find_gaps(candles["timestamp"], source.timeframe, begin, close)
    expected = target.count(target.floor(begin), close)
    return [
        _matches_source(spec, between(stored, first, derivation.end), wanted.candles),
        _bucket_gaps(spec, wanted, expected, ledger.explained(holes, source.timeframe)),
    ]


def _first_open(candles: pd.DataFrame, otherwise: datetime) -> datetime:
    return candles["timestamp"].iloc[0].to_pydatetime() if len(candles) else otherwise


def _matches_source(
    spec: SeriesAssets, stored: pd.DataFrame, wanted: pd.DataFrame
) -> dg.AssetCheckResult:
    if stored.equals(wanted):  # as a rule; to compare them by bucket takes longer
        text = f"{len(stored)} buckets as the source gives them"
        facts = {"compared": len(stored), **dict.fromkeys(FINDINGS, 0)}
        return _result(spec, MATCHES_SOURCE, True, text, facts)
    comparison = compare_candles(stored, wanted)
    counts = {finding: comparison.count(finding) for finding in FINDINGS}
    text = ", ".join(f"{count} {finding}" for finding, count in counts.items() if count)
    metadata: dict[str, Any] = {"compared": comparison.compared, **counts}
    if comparison.count():
        rows = comparison.differences.head(_SHOWN).to_dict("records")
        texts = [
            _difference_text({str(name): value for name, value in row.items()}) for row in rows
        ]
        metadata["buckets"] = _listed(texts, comparison.count())
        text += f" of {comparison.compared}; materialise the month again"
    text = text or f"{comparison.compared} buckets as the source gives them"
    return _result(spec, MATCHES_SOURCE, comparison.count() == 0, text, metadata)


def _difference_text(row: dict[str, Any]) -> str:
    text = f"{row['timestamp']:%Y-%m-%d %H:%M} {row['finding']}"
    if row["finding"] != DIFFERING:
        return text
    pairs = [(name, row[name + STORED], row[name + MARKET]) for name in VALUES]
    values = [f"{name} {is_:.12g}, source {be:.12g}" for name, is_, be in pairs if is_ != be]
    return f"{text}: {'; '.join(values)}"


def _bucket_gaps(
    spec: SeriesAssets, buckets: Resampled, expected: int, holes: list[Missing]
) -> dg.AssetCheckResult:
    absent = max(0, expected - len(buckets.candles))
    states: Counter[str] = Counter()
    for hole in holes:
        states[hole.state] += hole.count
    counts = GapCounts(**states)
    open_gaps = [hole for hole in holes if hole.state in OPEN_STATES]
    metadata: dict[str, Any] = {
        "partial": buckets.partial,
        "missing": absent,
        **counts.document(),
    }
    if open_gaps:
        metadata["open_gaps"] = _listed([_gap_text(gap) for gap in open_gaps])
    text = "no bucket lacks a source candle"
    if buckets.partial or absent:
        text = f"{buckets.partial} partial and {absent} missing buckets; of the source "
        text += _counts_text(counts)
    return _result(spec, GAPS, not open_gaps, text, metadata)


def _history_gaps(spec: SeriesAssets, store: Store, now: datetime) -> dg.AssetCheckResult:
    series = spec.series
    try:
        history = history_of(store, series, store.extent(series), spec.first_expected(now))
    except CorruptArtefact as error:  # of another month
        return _unjudged(spec, GAPS, str(error))
    counts, open_gaps = history.counts(), history.open_gaps
    metadata: dict[str, Any] = {
        **counts.document(),
        "never_asked": history.never_asked,
        "verified_gaps": sum(gap.state == VERIFIED_ABSENT for gap in history.missing),
    }
    if open_gaps:
        metadata["open_gaps"] = _listed([_gap_text(gap) for gap in open_gaps])
    passed = not counts.pending and not counts.failed
    return _result(spec, GAPS, passed, _counts_text(counts), metadata)


def _suspicious_bars(
    spec: SeriesAssets, store: Store, candles: pd.DataFrame, start: datetime
) -> dg.AssetCheckResult:
    timeframe = spec.series.timeframe
    try:
        before = store.read_candles(spec.series, timeframe.shift(start, -_CONTEXT_CANDLES), start)
    except CorruptArtefact as error:  # of another month
        return _unjudged(spec, SUSPICIOUS_BARS, str(error))
    found = [
        each for each in find_anomalies(merged(before, candles), timeframe) if each.end > start
    ]
    kinds = Counter(each.kind for each in found)
    text = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    metadata: dict[str, Any] = {"suspicious": len(found), **kinds}
    if found:
        texts = [f"{each.start:%Y-%m-%d %H:%M} {each.kind}: {each.detail}" for each in found]
        metadata["bars"] = _listed(texts)
    caution = caution_of(store, spec.source)
    text = "; ".join(each for each in (caution, text) if each)
    return _result(spec, SUSPICIOUS_BARS, not text, text or "none", metadata)


def _unjudged(spec: SeriesAssets, name: str, why: str) -> dg.AssetCheckResult:
    return _result(spec, name, False, f"cannot be checked: {why}", {})


def _result(
    spec: SeriesAssets, name: str, passed: bool, description: str, metadata: dict[str, Any]
) -> dg.AssetCheckResult:
    error = name in BLOCKING
    return dg.AssetCheckResult(
        passed=passed,
        asset_key=spec.asset_key(CANDLES),
        check_name=name,
        severity=dg.AssetCheckSeverity.ERROR if error else dg.AssetCheckSeverity.WARN,
        description=description,
        metadata=metadata,
    )


def _counts_text(counts: GapCounts) -> str:
    words = {state.replace("_", " "): count for state, count in counts.document().items() if count}
    return ", ".join(f"{count} {state}" for state, count in words.items()) or "no candle is missing"


def _gap_text(gap: Missing) -> str:
    error = f": {gap.error}" if gap.error else ""
    return (
        f"{gap.start:%Y-%m-%d %H:%M} to {gap.end:%Y-%m-%d %H:%M} ({gap.count}) {gap.state}{error}"
    )


def _listed(texts: Sequence[str], total: int | None = None) -> dg.MetadataValue:
    more = (total or len(texts)) - len(texts[:_SHOWN])
    lines = [*texts[:_SHOWN], *([f"and {more} more"] if more else [])]
    return dg.MetadataValue.md("\n".join(f"- {text}" for text in lines))
