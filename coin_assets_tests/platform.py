"""A small platform in a temporary home, materialised the way code, CLI and UI do it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.execution.api import create_execution_plan, execute_run
from dagster_shared.record import copy

from coin_assets.config.settings import Settings
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.market.base import Market
from coin_assets.orchestration.assets import candles
from coin_assets.orchestration.assets.specs import RETRIES
from coin_assets.orchestration.build import build_definitions, configured_resources
from coin_assets.orchestration.empty_months import REASON
from coin_assets.orchestration.jobs.update import only
from coin_assets.orchestration.partitions import RANGE_END_TAG, RANGE_START_TAG
from coin_assets.orchestration.resources import Clock, DiskResource, MarketResource
from coin_assets.store.base import Store

BTC, ETH = "BTC/USDT", "ETH/USDT"


def utc(text: str) -> datetime:
    """``2024-03-01`` or ``2024-03-01T12:00``."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def series(timeframe: str, symbol: str = BTC) -> Series:
    return Series(symbol, Timeframe.parse(timeframe))


class StoppedClock(Clock):
    """A clock that stands still; Dagster's one runs on, ``ahead`` of the true time (seconds)."""

    at: str
    ahead: float = 0.0

    def now(self) -> datetime:
        return utc(self.at)

    def machine_time(self) -> datetime:
        return super().machine_time() + timedelta(seconds=self.ahead)


@dataclass
class Times:
    """What a `SetClock` shows: the platform's time, and seconds ahead of the machine's."""

    now: str
    ahead: float = 0.0


class SetClock(Clock):
    """A clock that stands still until a test sets it, without definitions being built anew."""

    name: str

    def now(self) -> datetime:
        return utc(_TIMES[self.name].now)

    def machine_time(self) -> datetime:
        return super().machine_time() + timedelta(seconds=_TIMES[self.name].ahead)


_TIMES: dict[str, Times] = {}


class GivenMarket(MarketResource):
    """A market resource over a market made by the test.

    Dagster copies resources, so the market itself is kept beside them.
    """

    kind: str = "given"

    def client(self) -> Market:
        return _GIVEN[self.argument]


_GIVEN: dict[str, Market] = {}


def given(market: Market, instead_of: GivenMarket | None = None) -> GivenMarket:
    """A resource that serves exactly this market object (from now on)."""
    resource = instead_of or GivenMarket(argument=f"given-{len(_GIVEN)}")
    _GIVEN[resource.argument] = market
    return resource


class Platform:
    """Definitions over one home, an own Dagster instance, and a clock that tests set.

    Attributes:
        now: what the platform's clock shows.
        ahead: seconds by which sensors see Dagster's records age faster than they do.
        retries: how often a failing step is tried in its run; as configured, without the waits.
    """

    def __init__(self, home: Path, now: str, **settings: Any) -> None:
        defaults = {"symbols": BTC, "history_start": "2024-01-01", "derived_timeframes": "1d,1w"}
        self.settings = Settings(home=home, **(defaults | settings))
        self.instance = dg.DagsterInstance.ephemeral()
        self._times = Times(now)
        self._clock = f"clock-{len(_TIMES)}"
        _TIMES[self._clock] = self._times
        self.market: GivenMarket | None = None
        self.disk: DiskResource | None = None
        self.retries = RETRIES.max_retries
        self._built: tuple[object, dg.Definitions] | None = None

    @property
    def now(self) -> str:
        return self._times.now

    @now.setter
    def now(self, now: str) -> None:
        self._times.now = now

    @property
    def ahead(self) -> float:
        return self._times.ahead

    @ahead.setter
    def ahead(self, seconds: float) -> None:
        self._times.ahead = seconds

    @property
    def overrides(self) -> dict[str, Any]:
        """The resources of the test."""
        clock = SetClock(settle_seconds=self.settings.settle_seconds, name=self._clock)
        given = {"market": self.market, "disk": self.disk}
        return {"clock": clock} | {name: each for name, each in given.items() if each is not None}

    @property
    def definitions(self) -> dg.Definitions:
        """Built once; anew when a part of the test but the time was changed."""
        parts = (self.settings, self.market, self.disk, self.retries)
        if self._built is None or self._built[0] != parts:
            policy = dg.RetryPolicy(max_retries=self.retries)
            with patch.object(candles, "RETRIES", policy):
                self._built = parts, build_definitions(self.settings, **self.overrides)
        return self._built[1]

    @property
    def store(self) -> Store:
        return configured_resources(self.settings).store.client()

    @property
    def published(self) -> Path:
        return self.settings.publish_dir

    def materialise(
        self, assets: Sequence[str], first: str, last: str | None = None
    ) -> dg.ExecuteInProcessResult:
        """Run steps such as ``BTC_USDT/ohlcv_1h`` for one month or a range of months."""
        selection = [dg.AssetKey(asset.split("/")) for asset in assets]
        return self._run(first, last, selection)

    def update(self, first: str, last: str | None = None) -> dg.ExecuteInProcessResult:
        """Run the whole ``update`` job."""
        return self._run(first, last, None)

    def train(self, **config: Any) -> dg.ExecuteInProcessResult:
        """Run the ``train_models`` job."""
        job = self.definitions.resolve_job_def("train_models")
        return job.execute_in_process(
            run_config=config, instance=self.instance, raise_on_error=False
        )

    def run(self, job: str, **config: Any) -> dg.ExecuteInProcessResult:
        """Run a job of one op."""
        return self.definitions.resolve_job_def(job).execute_in_process(
            run_config=config, instance=self.instance, raise_on_error=False
        )

    def tick(self, sensor: str) -> SensorExecutionData:
        """Evaluate a sensor as the daemon does, and record the asset events that it returns."""
        definitions = self.definitions
        found = definitions.resolve_sensor_def(sensor)
        resources = configured_resources(self.settings)._asdict() | self.overrides
        with dg.build_sensor_context(
            instance=self.instance,
            definitions=definitions,
            resources={name: resources[name] for name in found.required_resource_keys},
        ) as context:
            data = found.evaluate_tick(context)
        for event in data.asset_events:
            self.instance.report_runless_asset_event(event)
        return data

    def launch(self, request: dg.RunRequest) -> dg.DagsterRun:
        """Run what a sensor or schedule requested, recorded as the daemon records it."""
        job, run = self._created(request)
        execute_run(InMemoryJob(job), run, self.instance)
        done = self.instance.get_run_by_id(run.run_id)
        assert done is not None
        return done

    def begin(self, request: dg.RunRequest) -> dg.DagsterRun:
        """A run of what was requested that has started and does nothing."""
        _, run = self._created(request)
        self.instance.report_dagster_event(
            dg.DagsterEvent(
                event_type_value=dg.DagsterEventType.RUN_START.value, job_name=run.job_name
            ),
            run_id=run.run_id,
        )
        return run

    def _created(self, request: dg.RunRequest) -> tuple[dg.JobDefinition, dg.DagsterRun]:
        job = self.definitions.resolve_job_def(request.job_name or "")
        assets, checks = request.asset_selection, frozenset(request.asset_check_keys or ())
        selected = None if assets is None else frozenset(assets)
        if selected is not None:
            job = job.get_subset(asset_selection=selected, asset_check_selection=checks)
        where = {"dagster/partition": request.partition_key} if request.partition_key else {}
        tags = {**request.tags, **where}
        run = self.instance.create_run_for_job(
            job,
            create_execution_plan(job, run_config=request.run_config, tags=tags),
            run_config=request.run_config,
            tags=tags,
            asset_selection=selected,
        )
        if selected is not None:
            run = copy(run, asset_check_selection=checks)
        return job, run

    def settle(self, sensor: str, most: int = 20) -> list[dg.RunRequest]:
        """Tick and launch until the sensor requests nothing more; returns what it requested."""
        requested: list[dg.RunRequest] = []
        for _ in range(most):
            found = self.tick(sensor).run_requests or []
            if not found:
                return requested
            requested += found
            for request in found:
                self.launch(request)
        raise AssertionError(f"{sensor} does not come to rest: {requested[-3:]}")

    def cycle(self) -> list[dg.RunRequest]:
        """Tick `candles_due`, then `publish_due`; each time run what it requests."""
        requested: list[dg.RunRequest] = []
        for sensor in ("candles_due", "publish_due"):
            found = self.tick(sensor).run_requests or []
            requested += found
            for request in found:
                self.launch(request)
        return requested

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest as it stands."""
        found: dict[str, Any] = json.loads((self.published / "manifest.json").read_bytes())
        return found

    def entry(self, timeframe: str, symbol: str = BTC) -> dict[str, Any]:
        """What the manifest says of one key, to readers and to operators."""
        found: dict[str, Any] = {}
        for part in (self.manifest["ops"], self.manifest["public"]):
            for entry in part["entries"]:
                if (entry["symbol"], entry["timeframe"]) == (symbol, timeframe):
                    found |= entry
        return found

    def metadata(self, asset: str, partition: str | None = None) -> dict[str, Any]:
        """Metadata of the newest materialisation (of one partition)."""
        records = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(
                dg.AssetKey(asset.split("/")),
                asset_partitions=None if partition is None else [partition],
            ),
            limit=1,
        ).records
        found = records[0].asset_materialization
        assert found is not None
        return {name: value.value for name, value in found.metadata.items()}

    def materialisations(self, asset: str) -> list[str | None]:
        """Partitions of all materialisations, newest first, but for months without rows."""
        records = self.instance.fetch_materializations(
            dg.AssetKey(asset.split("/")), limit=1000
        ).records
        return [
            record.partition_key
            for record in records
            if record.asset_materialization and REASON not in record.asset_materialization.metadata
        ]

    def _run(
        self, first: str, last: str | None, selection: list[dg.AssetKey] | None
    ) -> dg.ExecuteInProcessResult:
        job = self.definitions.resolve_job_def("update")
        if selection is not None:
            job = only(job, selection)
        where: dict[str, Any] = (
            {"partition_key": first}
            if last is None
            else {"tags": {RANGE_START_TAG: first, RANGE_END_TAG: last}}
        )
        return job.execute_in_process(instance=self.instance, raise_on_error=False, **where)


def failures(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Messages of failed steps by step name, causes included."""
    found = {}
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            texts = [data.user_failure_data.description or ""] if data.user_failure_data else []
            error = data.error
            while error is not None:
                texts.append(error.message)
                error = error.cause
            found[event.step_key or ""] = " ".join(texts)
    return found


def files_of(folder: Path) -> dict[str, bytes]:
    """Every data file below ``folder`` with its bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }
