"""``make demo``: the main job once, with progress, and what came of it.

It asks Dagster for exactly what is missing: months of candles that are not complete yet, then
models and forecasts of the month of each key's newest origin, then the published files.
"""

import argparse
import contextlib
import logging
import shlex
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from coin_assets.assets.specs import SeriesSpec, failure_message
from coin_assets.build import build_definitions, configured_resources, series_specs
from coin_assets.dead_runs import end_dead_runs
from coin_assets.domain.documents import time_text
from coin_assets.domain.forecasting import STEPS
from coin_assets.domain.keys import Key
from coin_assets.domain.layers import CANDLES, MODELS, PREDICTIONS, PUBLISHED
from coin_assets.domain.manifest_facts import HIDDEN
from coin_assets.domain.timeframes import month_start, next_month
from coin_assets.errors import CoinAssetsError
from coin_assets.jobs.update import only
from coin_assets.market.base import Market
from coin_assets.partitions import RANGE_END_TAG, RANGE_START_TAG, partition_of
from coin_assets.settings import Settings, variable_of
from coin_assets.store.base import Store
from coin_assets.store.coverage import unanswered

SANDBOX_MONTHS = 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit code: 0, 1 if a step failed, 2 if settings are wrong."""
    parser = argparse.ArgumentParser(
        prog="make demo",
        description="Collect candles, train, forecast and publish once; settings come from the "
        "environment (see the README), for example COIN_MARKET=archive:<folder>.",
    )
    parser.parse_args(arguments)
    try:
        demo = Demo(demo_settings())
        succeeded = demo.run()
    except CoinAssetsError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    print(demo.summary())
    return 0 if succeeded else 1


def demo_settings() -> Settings:
    """The operator's settings; of the sandbox's endless past the last 30 months by default."""
    settings = Settings()
    if settings.market_kind != "sandbox" or "history_start" in settings.model_fields_set:
        return settings
    now = datetime.now(UTC)
    months = now.year * 12 + now.month - SANDBOX_MONTHS
    return Settings(history_start=f"{months // 12:04d}-{months % 12 + 1:02d}-01")


class Demo:
    """One pass over everything that is missing, in as few Dagster runs as months allow."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._specs = series_specs(settings)
        self._job = build_definitions(settings).resolve_job_def("update")  # checks the home first
        self._instance = dg.DagsterInstance.get()
        end_dead_runs(self._instance)  # of an earlier demo that was killed
        resources = configured_resources(settings)
        self._store: Store = resources.store.client()
        self._publisher = resources.publisher.client()
        self._limits = _limits(self._specs, resources.market.client(), resources.clock.closed_by())

    def run(self) -> bool:
        """Bring everything up to date; False if any step failed."""
        started = time.monotonic()
        print(
            f"Market {self._settings.market}, {len(self._settings.symbols)} symbols, home "
            f"{self._settings.home}",
            flush=True,
        )
        succeeded = [
            self._execute(months, [spec.asset_key(CANDLES) for spec in specs])
            for months, specs in self._candle_runs()
        ]
        for month, specs in self._forecast_runs():
            layers = (MODELS, PREDICTIONS, PUBLISHED)
            steps = [spec.asset_key(layer) for spec in specs for layer in layers]
            succeeded.append(self._execute((month, month), steps))
        print(f"Done in {time.monotonic() - started:.0f} s.\n", flush=True)
        return all(succeeded)

    def summary(self) -> str:
        """A table of what stands now, and how to look at it."""
        try:
            manifest = self._publisher.manifest()
        except FileNotFoundError:
            return "Nothing was published."
        rows = [
            ("symbol", "timeframe", "candles", "newest candle", "model", "forecast to", "status")
        ]
        public, ops = (
            {(entry["symbol"], entry["timeframe"]): entry for entry in manifest[part]["entries"]}
            for part in ("public", "ops")
        )
        for spec in self._specs:
            name = spec.key.symbol, spec.key.timeframe.name
            known = ops.get(name, {"champion": None, "visibility": HIDDEN})
            shown = public.get(name, {"prediction": None, "status": known["visibility"]})
            extent = self._store.extent(spec.key)
            horizon = "-"
            if shown["prediction"] is not None:
                origin = datetime.fromisoformat(shown["prediction"]["as_of"])
                horizon = time_text(spec.key.timeframe.shift(origin, STEPS))
            rows.append(
                (
                    *name,
                    str(extent.rows if extent else 0),
                    time_text(extent.last) if extent else "-",
                    known["champion"] or "-",
                    horizon,
                    shown["status"],
                )
            )
        return "\n".join(
            [
                _table(rows),
                "",
                f"Published files: {self._settings.publish_dir}",
                f"Look at it in the web UI: {self._command('make up')}{self._also_needed()}",
            ]
        )

    def _command(self, command: str) -> str:
        """``command`` with what makes this installation differ from the default in front of it."""
        settings = self._settings
        words = {
            "store": settings.store,
            "influxdb_v2_url": settings.influxdb_v2_url,
            "influxdb_v2_org": settings.influxdb_v2_org,
            "influxdb_bucket": settings.influxdb_bucket,
            "market": settings.market,
            "symbols": ",".join(settings.symbols),
            "source_timeframes": ",".join(map(str, settings.source_timeframes)),
            "derived_timeframes": ",".join(map(str, settings.derived_timeframes)),
        }
        shown = {name: text for name, text in words.items() if name in settings.model_fields_set}
        shown |= {"home": str(settings.home), "history_start": f"{settings.history_start:%Y-%m-%d}"}
        set_first = (f"{variable_of(name)}={shlex.quote(text)}" for name, text in shown.items())
        return " ".join([*set_first, command])

    def _also_needed(self) -> str:
        """What a command line must not show, but a shell has to have."""
        if self._settings.store == "parquet":
            return ""
        return " (INFLUXDB_V2_TOKEN must be set as well)"

    def _candle_runs(self) -> list[tuple[tuple[datetime, datetime], list[SeriesSpec]]]:
        """Ranges of months with the keys that need them; symbols that need the same share a run."""
        wanted: dict[tuple[datetime, datetime], list[SeriesSpec]] = defaultdict(list)
        for symbol in self._settings.symbols:
            specs = [spec for spec in self._specs if spec.key.symbol == symbol]
            last = month_start(self._limits[specs[0].key])
            first = min(self._first_incomplete_month(spec) for spec in specs)
            wanted[min(first, last), last].extend(specs)
        return list(wanted.items())

    def _forecast_runs(self) -> list[tuple[datetime, list[SeriesSpec]]]:
        """Months of newest origins, with the keys whose newest origin they hold."""
        wanted: dict[datetime, list[SeriesSpec]] = defaultdict(list)
        stored = self._store.newest_candles(spec.source for spec in self._specs)
        for spec in self._specs:
            if spec.source in stored:  # a symbol without any candle has failed above
                origin = spec.key.timeframe.floor(self._limits[spec.key])
                wanted[max(month_start(origin), spec.history_start)].append(spec)
        return sorted(wanted.items())

    def _first_incomplete_month(self, spec: SeriesSpec) -> datetime:
        """Month to go on with: of the first candle, or question to the market, that is missing."""
        key, now = spec.key, datetime.now(UTC)
        fetched = set(self._store.fetched_months(key))
        newest = self._store.newest_candles([key]).get(key)
        reached = self._limits[key] if newest is None else key.timeframe.next(newest)
        ledger = self._store.read_ledger(key)
        unknown = unanswered(self._store, key, spec.first_expected(now), reached)
        asking = unknown + ledger.due(spec.first_expected(now), reached, now)
        first = min([start for start, _ in asking], default=reached)
        month = month_start(spec.first_expected(now))
        while month in fetched and month < month_start(first):
            month = next_month(month)
        return month

    def _execute(self, months: tuple[datetime, datetime], steps: list[dg.AssetKey]) -> bool:
        first, last = (partition_of(month) for month in months)
        run_id = str(uuid.uuid4())
        progress = _Progress(len(steps))
        print(f"\nRun {run_id[:8]}: {len(steps)} assets, {first[:7]} to {last[:7]}", flush=True)
        self._instance.add_event_listener(run_id, progress)
        result = only(self._job, steps).execute_in_process(
            instance=self._instance,
            run_id=run_id,
            tags={RANGE_START_TAG: first, RANGE_END_TAG: last},
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            raise_on_error=False,
        )
        return result.success


class _Progress:
    """Prints one line for each finished step: what it says of itself, or why it failed."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0
        self._started: dict[str, float] = {}
        self._said: dict[str, str] = {}

    def __call__(self, entry: dg.EventLogEntry) -> None:
        step = entry.step_key
        if step is None:
            if entry.is_dagster_event and entry.get_dagster_event().is_run_failure:
                failure = entry.get_dagster_event().job_failure_data
                print(f"Run failed: {failure.error or 'see the steps above'}", flush=True)
            return
        if not entry.is_dagster_event:
            if int(entry.level) >= logging.INFO:
                self._said[step] = entry.user_message
            return
        kind = entry.get_dagster_event().event_type
        if kind is dg.DagsterEventType.STEP_START:
            self._started[step] = entry.timestamp
        elif kind is dg.DagsterEventType.STEP_SUCCESS:
            self._line(entry, self._said.get(step, step))
        elif kind is dg.DagsterEventType.STEP_FAILURE:
            self._line(entry, f"FAILED {step}: {failure_message(entry)}")
        elif kind is dg.DagsterEventType.STEP_SKIPPED:
            self._line(entry, f"not run {step}, because a step above it failed")

    def _line(self, entry: dg.EventLogEntry, text: str) -> None:
        self._done += 1
        seconds = entry.timestamp - self._started.get(entry.step_key or "", entry.timestamp)
        print(f"[{self._done:3d}/{self._steps}] {seconds:5.1f} s  {text}", flush=True)


def _limits(
    specs: Sequence[SeriesSpec], market: Market, closed_by: datetime
) -> dict[Key, datetime]:
    """Time up to which candles of each key are expected.

    A symbol of which the market cannot tell goes with the others, and fails in its own step.
    """
    told: dict[Key, datetime] = {}
    for spec in specs:
        with contextlib.suppress(CoinAssetsError):
            told[spec.key] = min(closed_by, market.horizon(spec.source, closed_by))
    others = max(told.values(), default=closed_by)
    return {spec.key: told.get(spec.key, others) for spec in specs}


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


if __name__ == "__main__":
    sys.exit(main())
