"""Fetches of exogenous series in Dagster's records: those in flight, and failures by series.

A series that fails backs off alone, as a task of candles does; a success of the series ends that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import dagster as dg

from coin_assets.domain.failures import FailureRecord
from coin_assets.orchestration.assets.exogenous import FETCH_JOB
from coin_assets.orchestration.assets.specs import SeriesAssets, exogenous_key
from coin_assets.orchestration.failures import OF_RUN
from coin_assets.orchestration.locations import labelled
from coin_assets.orchestration.sensors.failed_steps import failed_steps, killed_run
from coin_assets.orchestration.sensors.job_runs import IN_FLIGHT, time_of
from coin_assets.planning.facts import Failures, failures_look_back

Collected = tuple[str, str]  # symbol, and name of an exogenous series
_MOST_RUNS = 200


class ExogenousRuns(NamedTuple):
    """Series that are being fetched, and those that failed since their last success."""

    in_flight: frozenset[Collected]
    failures: Mapping[Collected, Failures]


def collected_of(specs: Sequence[SeriesAssets]) -> list[Collected]:
    """Symbols, each with the name of each exogenous series that is collected of it."""
    wanted = ((spec.series.symbol, name) for spec in specs for name in spec.exogenous)
    return list(dict.fromkeys(wanted))


def exogenous_runs(
    instance: dg.DagsterInstance,
    wanted: Sequence[Collected],
    now: datetime,
    label: str | None = None,
) -> ExogenousRuns:
    """Runs of ``fetch_exogenous`` by the series that they fetch.

    Args:
        wanted: all series that are collected.
        now: machine time, as in Dagster's records.
        label: of this location's runs among those of several shards.
    """
    keys = {exogenous_key(*each): each for each in wanted}
    if not keys:
        return ExogenousRuns(frozenset(), {})
    tags = labelled(label)
    running = instance.get_runs(dg.RunsFilter(job_name=FETCH_JOB, statuses=IN_FLIGHT, tags=tags))
    in_flight = {each for run in running for each in _fetched_by(run, keys).values()}
    failed = instance.get_run_records(
        dg.RunsFilter(
            job_name=FETCH_JOB,
            statuses=[dg.DagsterRunStatus.FAILURE],
            tags=tags,
            updated_after=now - failures_look_back(),
        ),
        limit=_MOST_RUNS,
    )
    found: dict[Collected, list[tuple[datetime, FailureRecord]]] = {}
    for record in failed:
        ended = time_of(record.end_time or record.update_timestamp.timestamp())
        for each, failure in _failed_in(instance, record.dagster_run, keys, ended).items():
            found.setdefault(each, []).append((ended, failure))
    succeeded = _last_successes(instance, list(found)) if found else {}
    failures = {}
    for each, all_known in found.items():
        since = succeeded.get(each)
        row = [known for known in all_known if since is None or known[0] > since]
        if row:
            last, newest = max(row, key=lambda known: known[0])
            failures[each] = Failures(len(row), last, newest)
    return ExogenousRuns(frozenset(in_flight), failures)


def fetch_failures(failures: Mapping[Collected, Failures]) -> Failures | None:
    """Failures of the job ``fetch_exogenous``, with every failed series named; None without any.

    Series that fail in the same words share them.
    """
    if not failures:
        return None
    by_message: dict[str, list[str]] = {}
    for symbol, name in sorted(failures):
        known = failures[symbol, name]
        by_message.setdefault(known.message, []).append(f"{symbol} {name}")
    newest = max(failures.values(), key=lambda each: each.last)
    parts = tuple(name for names in by_message.values() for name in names)
    texts = (f"{', '.join(names)}: {text}" for text, names in by_message.items())
    record = newest.record and replace(
        newest.record, task=FETCH_JOB, message=" ".join(texts), parts=parts
    )
    return Failures(max(each.count for each in failures.values()), newest.last, record)


def last_fetch_failures(
    instance: dg.DagsterInstance, wanted: Sequence[Collected]
) -> Failures | None:
    """`fetch_failures` at the end of the newest run, however long ago that was.

    Args:
        wanted: as in `exogenous_runs`.
    """
    finished = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    newest = instance.get_run_records(dg.RunsFilter(job_name=FETCH_JOB, statuses=finished), limit=1)
    if not newest:
        return None
    ended = time_of(newest[0].update_timestamp.timestamp())
    return fetch_failures(exogenous_runs(instance, wanted, ended).failures)


def _fetched_by(
    run: dg.DagsterRun, keys: Mapping[dg.AssetKey, Collected]
) -> dict[dg.AssetKey, Collected]:
    """Series that a run fetches: all if nothing was selected."""
    selected = run.asset_selection or keys.keys()
    return {key: each for key, each in keys.items() if key in selected}


def _failed_in(
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    keys: Mapping[dg.AssetKey, Collected],
    ended: datetime,
) -> dict[Collected, FailureRecord]:
    """Failed series of a run; all of its series if it ended as a whole."""
    chosen, failed = _fetched_by(run, keys), failed_steps(instance, run.run_id)
    found = {}
    if not failed or OF_RUN in failed:
        whole = failed.get(OF_RUN) or killed_run(FETCH_JOB, ended)
        found = dict.fromkeys(chosen.values(), whole)
    by_step = {"__".join(key.path): each for key, each in chosen.items()}
    return found | {by_step[step]: record for step, record in failed.items() if step in by_step}


def _last_successes(
    instance: dg.DagsterInstance, series: Sequence[Collected]
) -> dict[Collected, datetime]:
    keys = {exogenous_key(*each): each for each in series}
    found = {}
    for record in instance.get_asset_records(list(keys)):
        entry = record.asset_entry.last_materialization
        if entry is not None:
            found[keys[record.asset_entry.asset_key]] = time_of(entry.timestamp)
    return found
