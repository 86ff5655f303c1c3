"""Prepares the publication of a series from the store, and what the manifest needs besides."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import pandas as pd

from coin_assets.domain.candles.frame import empty_candles
from coin_assets.domain.evaluation.report import quality_of
from coin_assets.domain.json_format import Document, parse_time
from coin_assets.domain.publishing.manifest_entries import GapReason, ManifestEntry
from coin_assets.domain.series import Series
from coin_assets.domain.series_policy import SeriesPolicy
from coin_assets.domain.timeframes import just_after, months_between
from coin_assets.errors import CorruptArtefact
from coin_assets.files.faults import faults_of_one_file
from coin_assets.models.evaluations import PUBLISHED_SHA256, EvaluationBook
from coin_assets.models.trainability import why_none
from coin_assets.pipeline.completeness import history_of, known_outages
from coin_assets.pipeline.context import Pipeline
from coin_assets.pipeline.missing import why_missing
from coin_assets.pipeline.plausible_pages import caution_of
from coin_assets.publish.fitness import require_fit, require_valid
from coin_assets.publish.publication import (
    EvaluationFile,
    ManifestInputs,
    Publication,
    PublishFailure,
    publication_of,
)
from coin_assets.store.base import Store
from coin_assets.store.forecasts import newest_forecast


def prepare_publication(pipeline: Pipeline, policy: SeriesPolicy, now: datetime) -> Publication:
    """Files and manifest entry of a series, from the newest stored candles and forecast.

    Raises:
        ForecastRefused: the forecast would mislead its readers.
        InvalidCandles: stored candles break the candle contract.
        CorruptArtefact: stored candles or forecasts are damaged.
    """
    store, series = pipeline.store, policy.series
    entry, history = _stored_facts(store, policy, now)
    require_valid(series, history)
    entry = replace(
        entry,
        quality=quality(pipeline.evaluations, series),
        caution=caution_of(store, policy.source),
    )
    forecast = newest_forecast(store, series)
    if not forecast.empty:  # a model exists, even if the price hardly moved since
        entry = replace(entry, enough_candles=True, insufficient=None)
    require_fit(store, series, forecast)
    is_current = forecast.empty or entry.coverage_end == forecast["as_of"].iloc[0]
    return publication_of(entry, history, forecast, now, is_current=is_current)


def manifest_inputs(
    pipeline: Pipeline,
    policies: Sequence[SeriesPolicy],
    failures: Mapping[Series, PublishFailure],
) -> ManifestInputs:
    """Inputs of a manifest that is written now.

    Args:
        policies: of all series; needed to rebuild a lost manifest.
        failures: series whose tasks failed earlier in this run.
    """
    store, now, series_list = pipeline.store, pipeline.clock.now(), pipeline.publisher.series_list
    stored = store.snapshot(series_list)
    return ManifestInputs(
        now,
        completeness(store, policies, now),
        failures,
        known_outages(stored, series_list),
        why_missing(stored, pipeline.registry, policies, now),
    )


def quality(evaluations: EvaluationBook, series: Series) -> Document | None:
    """Scores of past forecasts, for the manifest; None if the evaluation is missing or corrupt."""
    try:
        document = evaluations.read(series)
    except CorruptArtefact:
        return None  # the evaluation is due again
    return None if document is None else quality_of(document)


def evaluation_file(evaluations: EvaluationBook, series: Series) -> EvaluationFile | None:
    """The newest evaluation as readers get it; None if there is none, or it is corrupt."""
    try:
        document = evaluations.read(series)
    except CorruptArtefact:
        return None  # the evaluation is due again
    digest = None if document is None else document.get(PUBLISHED_SHA256)
    if document is None or not isinstance(digest, str):
        return None
    as_of = parse_time(document["as_of"])
    return EvaluationFile(digest, as_of, lambda: evaluations.published(series, digest))


def publish_evaluations(pipeline: Pipeline, policies: Sequence[SeriesPolicy]) -> Document | None:
    """Publish the newest evaluation of each series; the manifest, if it changed.

    Args:
        policies: of all series.

    Raises:
        MachineFault: the machine failed; files that were not written stay as they are.
    """
    evaluations = pipeline.evaluations
    return pipeline.publisher.refresh(
        manifest_inputs(pipeline, policies, {}),
        qualities={each.series: quality(evaluations, each.series) for each in policies},
        evaluations={each.series: evaluation_file(evaluations, each.series) for each in policies},
    )


def completeness(
    store: Store, policies: Sequence[SeriesPolicy], now: datetime
) -> Callable[[Series], bool]:
    """Function that returns whether the history of a series and of its source is complete.

    A derived history is complete when every month was derived. A series without a policy counts as
    complete, one with a damaged or unreadable file does not.
    """
    by_series = {policy.series: policy for policy in policies}

    def is_complete(series: Series) -> bool:
        policy = by_series.get(series)
        if policy is None:
            return True
        with faults_of_one_file([]), suppress(CorruptArtefact):
            return _is_complete(store, policy, now)
        return False

    return is_complete


def _is_complete(store: Store, policy: SeriesPolicy, now: datetime) -> bool:
    extent, first = store.extent(policy.source), policy.first_source_expected(now)
    if not history_of(store, policy.source, extent, first).is_complete:
        return False
    return policy.is_fetched or _is_derived_whole(store, policy, now)


def _is_derived_whole(store: Store, policy: SeriesPolicy, now: datetime) -> bool:
    """Whether every month of a derived series up to its newest candle was derived."""
    newest = store.newest_candles([policy.series]).get(policy.series)
    if newest is None:
        return False
    first = max(policy.first_source_expected(now), policy.first_expected(now))
    expected = months_between(policy.series.timeframe.ceil(first), just_after(newest))
    return set(expected) <= set(store.fetched_months(policy.series))


def _stored_facts(
    store: Store, policy: SeriesPolicy, now: datetime
) -> tuple[ManifestEntry, pd.DataFrame]:
    """Manifest entry of a series from the store, and the candles of its history file."""
    extent = store.extent(policy.series)
    gaps, edge = None, None
    reasons: tuple[GapReason, ...] = ()
    if policy.is_fetched:
        known = history_of(store, policy.series, extent, policy.first_expected(now))
        gaps, edge = known.counts(until=known.reached), known.unavailable_before
        reasons = known.reasons(until=known.reached)
    if extent is None:
        nothing = ManifestEntry(
            policy.series, gaps=gaps, gap_reasons=reasons, unavailable_before=edge
        )
        return nothing, empty_candles()
    timeframe = policy.series.timeframe
    end = timeframe.close_of(extent.last)
    reason = why_none(store, policy.series, policy.first_usable(now, extent.first), end)
    facts = ManifestEntry(
        policy.series,
        enough_candles=reason is None,
        insufficient=reason,
        coverage_start=extent.first,
        coverage_end=end,
        missing_candles=timeframe.count(extent.first, end) - extent.rows,
        gaps=gaps,
        gap_reasons=reasons,
        unavailable_before=edge,
    )
    return facts, history_candles(store, policy, end)


def history_candles(store: Store, policy: SeriesPolicy, end: datetime) -> pd.DataFrame:
    """Candles of the history file, of which the newest closes at ``end``."""
    start = policy.history_start if policy.history_window is None else end - policy.history_window
    return store.read_candles(policy.series, start, end)
