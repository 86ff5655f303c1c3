"""The job ``backfill``: plans the history of symbols, then fetches and derives it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from coin_assets.domain.layers import CANDLES
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import month_start, next_month
from coin_assets.errors import ConfigurationError
from coin_assets.orchestration.assets.candles import month_metadata, window_metadata
from coin_assets.orchestration.assets.specs import SeriesAssets, failures_named
from coin_assets.orchestration.jobs.one_op import BACKGROUND, one_op_job
from coin_assets.orchestration.jobs.parts import run_parts
from coin_assets.orchestration.jobs.selection import chosen_specs
from coin_assets.orchestration.partitions import partition_of
from coin_assets.orchestration.resources import PIPELINE, DiskResource, pipeline_of
from coin_assets.pipeline.backfill_plan import SourcePlan, carry_out, plan_source, plan_table
from coin_assets.pipeline.context import Pipeline
from coin_assets.pipeline.derive import Derivation, derive_candles
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.pipeline.month_report import MonthReport, describe

POOL = "backfill"
_LONGEST_SECONDS = 7 * 24 * 3600  # the default of dagster.yaml is for live runs
Window = tuple[datetime, datetime]


class BackfillConfig(dg.Config):
    """Settings of ``backfill``; each is optional."""

    symbols: list[str] = Field(default=[], description="Symbols to backfill; empty is all.")
    start: str | None = Field(
        default=None, description="First month, for example 2024-01; default COIN_HISTORY_START."
    )
    end: str | None = Field(
        default=None, description="Last month, for example 2024-12; default is the running one."
    )
    accept_implausible: bool = Field(
        default=False,
        description="Store implausible candles that were held back, as the market sends them now.",
    )
    dry_run: bool = Field(default=False, description="Only log the plan; nothing is stored.")


@dataclass(frozen=True)
class _Backfill:
    """One run of the job.

    Attributes:
        window: months to backfill, half-open.
        plans: what to fetch, by fetched series.
    """

    context: dg.OpExecutionContext
    pipeline: Pipeline
    disk: DiskResource
    window: Window
    plans: Mapping[Series, SourcePlan]

    def run(self, specs: Sequence[SeriesAssets], *, dry_run: bool) -> None:
        """Fetch and derive the candles of one symbol."""
        plans = [self.plans[spec.series] for spec in specs if spec.series in self.plans]
        for plan in plans:
            if plan.error is not None:
                raise plan.error
        if dry_run:
            return
        self._require_space(plans)
        reached = {spec.series: self._fetch(spec) for spec in specs if spec.series in self.plans}
        for spec in specs:
            if not spec.is_fetched:
                self._derive(spec, reached.get(spec.source))

    def _fetch(self, spec: SeriesAssets) -> datetime:
        """Fetch one series; returns the time up to which its candles reach."""
        plan = self.plans[spec.series]
        reports, reached = carry_out(self.pipeline, plan, self.context.log.info)
        self._report(spec, reports, "fetched", (plan.request.start, plan.request.end))
        return reached

    def _derive(self, spec: SeriesAssets, reached: datetime | None) -> None:
        """Derive one series from its source, whose candles reach up to ``reached``."""
        now = self.pipeline.clock.now()
        start, end = _kept(spec, self.window, now)
        if start >= end:
            return
        closed_by = reached or self.pipeline.clock.closed_by()
        derivation = Derivation(
            spec.series,
            spec.source,
            start,
            end,
            max(spec.first_source_expected(now), spec.first_expected(now)),
            min(closed_by, self.pipeline.market.horizon(spec.source, closed_by)),
        )
        reports = derive_candles(self.pipeline.store, derivation)
        self._report(spec, reports, "derived", (start, end))

    def _require_space(self, plans: Sequence[SourcePlan]) -> None:
        """Check the disk, unless nothing is to be fetched."""
        starts = [start for plan in plans for start, _ in plan.ranges]
        if starts:
            now = self.pipeline.clock.now()
            self.disk.checked(min(starts), now, self.context.log.warning)

    def _report(
        self, spec: SeriesAssets, reports: list[MonthReport], origin: str, window: Window
    ) -> None:
        """Log one line and a materialization a month, as the asset itself does."""
        self.context.log.info(f"{spec.series} {origin}: {describe(reports)}")
        now = self.pipeline.clock.now()
        for report in reports:
            self.context.log_event(
                dg.AssetMaterialization(
                    spec.asset_key(CANDLES),
                    partition=partition_of(report.month),
                    metadata={
                        **window_metadata(spec, origin, *window),
                        **month_metadata(spec, report, now),
                    },
                )
            )


def backfill_job(specs: tuple[SeriesAssets, ...]) -> dg.JobDefinition:
    """The job ``backfill``: one op, one symbol after the other."""

    @dg.op(
        pool=POOL,
        required_resource_keys={*PIPELINE, "disk"},
        description=(
            "Log the missing candles of each symbol and the least time to fetch them, then fetch "
            "and derive them and report them on their assets. A run that was killed is resumed by "
            "the next one."
        ),
    )
    def bring_in(context: dg.OpExecutionContext, config: BackfillConfig) -> None:
        with failures_named():
            pipeline = pipeline_of(context)
            chosen = chosen_specs("backfill", specs, config.symbols, [])
            window = _window(config, chosen[0].history_start, pipeline.clock.now())
            plans = _plans(pipeline, chosen, window, accept_implausible=config.accept_implausible)
            context.log.info(f"plan of the backfill\n{plan_table(list(plans.values()))}")
            backfill = _Backfill(context, pipeline, context.resources.disk, window, plans)
            symbols = dict.fromkeys(spec.series.symbol for spec in chosen)
            run_parts(
                context,
                symbols,
                lambda symbol: backfill.run(
                    [spec for spec in chosen if spec.series.symbol == symbol],
                    dry_run=config.dry_run,
                ),
            ).require_all_done("symbols", "Fetched candles are stored; launch the job again.")

    return one_op_job(
        "backfill",
        bring_in,
        BackfillConfig,
        (
            "Backfill the history of symbols: log a plan, fetch missing candles, derive the other "
            "timeframes. All settings are optional: symbols, start, end, accept_implausible, "
            "dry_run."
        ),
        {**BACKGROUND, "dagster/max_runtime": str(_LONGEST_SECONDS)},
    )


def _plans(
    pipeline: Pipeline,
    specs: Sequence[SeriesAssets],
    window: Window,
    *,
    accept_implausible: bool,
) -> dict[Series, SourcePlan]:
    """A plan for each fetched series that keeps candles of the window."""
    now, plans = pipeline.clock.now(), {}
    for spec in specs:
        start, end = _kept(spec, window, now)
        children = [each for each in specs if each.source == spec.series]
        if end <= now and any(each.series.timeframe.straddles_months for each in children):
            end = next_month(end)  # the last week of the window closes in the month after it
        if spec.is_fetched and start < end:
            first, closed_by = spec.first_expected(now), pipeline.clock.closed_by()
            request = FetchRequest(
                spec.series,
                start,
                end,
                first,
                closed_by,
                spec.reread_candles,
                accepts_implausible=accept_implausible,
            )
            plans[spec.series] = plan_source(pipeline.store, pipeline.market, request, now)
    return plans


def _kept(spec: SeriesAssets, window: Window, now: datetime) -> Window:
    """The months of the window that retention keeps."""
    return max(window[0], month_start(spec.first_expected(now))), window[1]


def _window(config: BackfillConfig, history_start: datetime, now: datetime) -> Window:
    """Whole months from ``start`` through ``end``."""
    first = history_start if config.start is None else _month("start", config.start)
    last = month_start(now) if config.end is None else _month("end", config.end)
    if not history_start <= first <= last <= now:
        raise ConfigurationError(
            f"backfill config: {first:%Y-%m} to {last:%Y-%m} is not a range of months between "
            f"COIN_HISTORY_START ({history_start:%Y-%m}) and the running month ({now:%Y-%m}). "
            "Choose start and end between them, or set COIN_HISTORY_START."
        )
    return first, next_month(last)


def _month(name: str, text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError as error:
        raise ConfigurationError(
            f"backfill config: {name} {text!r} is not a month. Write for example 2024-01."
        ) from error
