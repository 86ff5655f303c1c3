"""``make demo``: runs the pipeline once and prints a summary.

It materialises exactly what is missing: incomplete months of candles, then models, forecasts and
published files of the month of each series' newest origin. Then it retrains series whose newest
model is stale, and scores the forecasts that have matured.
"""

import argparse
import contextlib
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import dagster as dg

from coin_assets.config.settings import Settings
from coin_assets.demo_summary import demo_summary
from coin_assets.domain.layers import CANDLES, MODELS, PREDICTIONS, PUBLISHED
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe, month_start, next_month
from coin_assets.errors import CoinAssetsError
from coin_assets.market.base import Market, RemoteMarket
from coin_assets.orchestration.assets.evaluations import evaluation_line, scored_without_run
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.build import build_definitions, configured_resources, series_specs
from coin_assets.orchestration.dead_runs import end_dead_runs
from coin_assets.orchestration.jobs.update import only
from coin_assets.orchestration.manifest import manifest_materialization
from coin_assets.orchestration.partitions import RANGE_END_TAG, RANGE_START_TAG, partition_of
from coin_assets.orchestration.progress import RunProgress, print_anything
from coin_assets.orchestration.records.damage import set_aside_and_report
from coin_assets.orchestration.resources import Clock, pipeline_from
from coin_assets.orchestration.run_here import run_here
from coin_assets.pipeline.evaluate import evaluate_series, is_outdated
from coin_assets.pipeline.publish import publish_evaluations
from coin_assets.store.coverage import unanswered


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit code: 0, 1 if a step failed, 2 if it cannot begin."""
    parser = argparse.ArgumentParser(
        prog="make demo",
        description="Collect candles, train, forecast and publish once; settings come from the "
        "environment (see docs/settings.md), for example COIN_MARKET=archive:<folder>.",
    )
    parser.parse_args(arguments)
    print_anything()
    try:
        demo = Demo(Settings())
        succeeded = demo.run()
    except CoinAssetsError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    print(demo.summary())
    return 0 if succeeded else 1


class SharedClock(Clock):
    """A clock whose runs all begin with the command.

    A candle that closes between two of them would be expected by the second and fetched by neither.
    """

    begun: str

    def closed_by(self) -> datetime:
        """As `settled`, at the start of the command."""
        return datetime.fromisoformat(self.begun) - timedelta(seconds=self.settle_seconds)


class Demo:
    """One pass over everything that is missing, in as few Dagster runs as possible."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._specs = series_specs(settings)
        resources = configured_resources(settings)
        clock = SharedClock(
            settle_seconds=settings.settle_seconds, begun=resources.clock.now().isoformat()
        )
        definitions = build_definitions(settings, clock=clock)  # checks the home first
        market = resources.market.client()
        if isinstance(market, RemoteMarket):
            market.probe(self._specs[0].source)  # an outage ends the demo here
        self._update = definitions.resolve_job_def("update")
        train = definitions.resolve_job_def("train_models")
        # Without its config mapping, which does not accept the config of the console logger.
        self._train = train.graph.to_job(train.name, resource_defs=train.resource_defs)
        set_aside_and_report(settings.home, "make demo")
        self._instance = dg.DagsterInstance.get()
        end_dead_runs(self._instance)  # of an earlier demo that was killed
        self._pipeline = pipeline_from(resources._replace(clock=clock))
        self._store = self._pipeline.store
        self._limits = _limits(self._specs, market, clock.closed_by())

    def run(self) -> bool:
        """Materialise everything that is missing; False if any step failed."""
        started = time.monotonic()
        print(
            f"Market {self._settings.market}, {len(self._settings.symbols)} symbols, home "
            f"{self._settings.home}",
            flush=True,
        )
        succeeded = [
            self._materialise(months, [spec.asset_key(CANDLES) for spec in specs])
            for months, specs in self._candle_runs()
        ]
        for month, specs in self._forecast_runs():
            layers = (MODELS, PREDICTIONS, PUBLISHED)
            steps = [spec.asset_key(layer) for spec in specs for layer in layers]
            succeeded.append(self._materialise((month, month), steps))
        outdated = self._outdated()
        if outdated:
            succeeded.append(self._retrain(outdated))
        succeeded.append(self._score())
        print(f"Done in {time.monotonic() - started:.0f} s.\n", flush=True)
        return all(succeeded)

    def summary(self) -> str:
        """A table of the stored series, and the command of the web UI."""
        return demo_summary(self._settings, self._pipeline, self._specs)

    def _candle_runs(self) -> list[tuple[tuple[datetime, datetime], list[SeriesAssets]]]:
        """Series by range of months to fetch; symbols with the same range share a run."""
        wanted: dict[tuple[datetime, datetime], list[SeriesAssets]] = defaultdict(list)
        for symbol in self._settings.symbols:
            specs = [spec for spec in self._specs if spec.series.symbol == symbol]
            last = month_start(self._limits[specs[0].series])
            first = min(self._first_incomplete_month(spec) for spec in specs)
            wanted[min(first, last), last].extend(specs)
        return list(wanted.items())

    def _forecast_runs(self) -> list[tuple[datetime, list[SeriesAssets]]]:
        """Series by the month of their newest origin."""
        wanted: dict[datetime, list[SeriesAssets]] = defaultdict(list)
        stored = self._store.newest_candles(spec.source for spec in self._specs)
        for spec in self._specs:
            if spec.source in stored:  # a symbol without candles failed before
                origin = spec.series.timeframe.floor(self._limits[spec.series])
                wanted[max(month_start(origin), spec.history_start)].append(spec)
        return sorted(wanted.items())

    def _first_incomplete_month(self, spec: SeriesAssets) -> datetime:
        """Month of the first candle that is missing and to be requested."""
        series, now = spec.series, datetime.now(UTC)
        fetched = set(self._store.fetched_months(series))
        newest = self._store.newest_candles([series]).get(series)
        reached = self._limits[series] if newest is None else series.timeframe.next(newest)
        ledger = self._store.read_ledger(series)
        unknown = unanswered(self._store, series, spec.first_expected(now), reached)
        to_request = unknown + ledger.due(spec.first_expected(now), reached, now)
        first = min([start for start, _ in to_request], default=reached)
        month = month_start(spec.first_expected(now))
        while month in fetched and month < month_start(first):
            month = next_month(month)
        return month

    def _outdated(self) -> list[Timeframe]:
        """Timeframes with a series whose newest model is stale."""
        return [
            timeframe
            for timeframe in dict.fromkeys(spec.series.timeframe for spec in self._specs)
            if any(
                versions[-1].cutoff + spec.training_limits.soft < self._limits[spec.series]
                for spec in self._specs
                if spec.series.timeframe == timeframe
                and (versions := self._pipeline.registry.versions(spec.series))
            )
        ]

    def _materialise(self, months: tuple[datetime, datetime], steps: list[dg.AssetKey]) -> bool:
        first, last = (partition_of(month) for month in months)
        return self._execute(
            only(self._update, steps),
            len(steps),
            f"{len(steps)} assets, {first[:7]} to {last[:7]}",
            tags={RANGE_START_TAG: first, RANGE_END_TAG: last},
        )

    def _retrain(self, timeframes: list[Timeframe]) -> bool:
        names = [timeframe.name for timeframe in timeframes]
        return self._execute(
            self._train,
            1,
            f"train_models, {', '.join(names)} on all candles there are",
            config={"ops": {"train": {"config": {"timeframes": names}}}},
        )

    def _score(self) -> bool:
        """Score series whose evaluation is outdated, and publish the scores.

        It is no run of ``evaluate``, whose plots take longer than all else. False if one failed.
        """
        pipeline, failed = self._pipeline, 0
        stored = pipeline.store, pipeline.registry, pipeline.evaluations
        due = [spec for spec in self._specs if is_outdated(*stored, spec.series)]
        if due:
            print(f"\nScores of {len(due)} series:", flush=True)
        for spec in due:
            try:
                report = evaluate_series(*stored, spec.series)
            except CoinAssetsError as error:
                print(f"FAILED {spec.series}: {error}", flush=True)
                failed += 1
                continue
            print(evaluation_line(spec, report), flush=True)
            self._instance.report_runless_asset_event(scored_without_run(spec, report))
        manifest = publish_evaluations(pipeline, self._specs)
        if manifest is not None:
            event = manifest_materialization(manifest, "scores were published")
            self._instance.report_runless_asset_event(event)
        return not failed

    def _execute(
        self,
        job: dg.JobDefinition,
        steps: int,
        what: str,
        tags: Mapping[str, str] = MappingProxyType({}),
        config: Mapping[str, Any] = MappingProxyType({}),
    ) -> bool:
        run_id = str(uuid.uuid4())
        print(f"\nRun {run_id[:8]}: {what}", flush=True)
        self._instance.add_event_listener(run_id, RunProgress(steps))
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}, **config}
        return run_here(self._instance, job, run_id, tags, quiet)


def _limits(
    specs: Sequence[SeriesAssets], market: Market, closed_by: datetime
) -> dict[Series, datetime]:
    """Time up to which candles of each series are expected.

    A symbol that the market does not answer for uses the limit of the others; its step then fails.
    """
    limits: dict[Series, datetime] = {}
    for spec in specs:
        with contextlib.suppress(CoinAssetsError):
            horizon = min(closed_by, market.horizon(spec.source, closed_by))
            limits[spec.series] = max(horizon, spec.history_start)  # partitions begin there
    others = max(limits.values(), default=closed_by)
    return {spec.series: limits.get(spec.series, others) for spec in specs}


if __name__ == "__main__":
    sys.exit(main())
