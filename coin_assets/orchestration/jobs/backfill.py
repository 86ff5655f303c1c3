"""The job ``backfill``: the history of symbols, planned first, then brought in as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from pydantic import Field

from coin_assets.domain.layers import CANDLES
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import month_start, next_month
from coin_assets.errors import CoinAssetsError, ConfigurationError
from coin_assets.market.base import Market
from coin_assets.orchestration.assets.candles import month_metadata, window_metadata
from coin_assets.orchestration.assets.specs import SeriesAssets, failures_named
from coin_assets.orchestration.jobs.one_op import BACKGROUND, one_op_job, require_all_done
from coin_assets.orchestration.jobs.selection import chosen_specs
from coin_assets.orchestration.partitions import partition_of
from coin_assets.orchestration.resources import Clock, DiskResource, MarketResource, StoreResource
from coin_assets.pipeline.backfill_plan import SourcePlan, carry_out, plan_source, plan_table
from coin_assets.pipeline.derive import Derivation, derive_candles
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.pipeline.month_report import MonthReport, describe
from coin_assets.store.base import Store

POOL = "backfill"
_LONGEST_SECONDS = 7 * 24 * 3600  # the default of dagster.yaml is meant for live runs
Window = tuple[datetime, datetime]


class BackfillConfig(dg.Config):
    """What ``backfill`` brings in; everything is optional."""

    symbols: list[str] = Field(default=[], description="Symbols to bring in; empty is all.")
    start: str | None = Field(
        default=None, description="First month, for example 2024-01; default COIN_HISTORY_START."
    )
    end: str | None = Field(
        default=None, description="Last month, for example 2024-12; default is the running one."
    )
    dry_run: bool = Field(default=False, description="Only log the plan; nothing is stored.")


@dataclass(frozen=True)
class _Tools:
    context: dg.OpExecutionContext
    store: Store
    market: Market
    clock: Clock


def backfill_job(specs: tuple[SeriesAssets, ...]) -> dg.JobDefinition:
    """``backfill``: one op, symbol by symbol; one failing symbol leaves the others."""

    @dg.op(
        pool=POOL,
        description=(
            "Log what each symbol lacks and how long it takes, then fetch and derive its candles "
            "and report them on their assets. Ended at any moment, it goes on from there."
        ),
    )
    def bring_in(
        context: dg.OpExecutionContext,
        config: BackfillConfig,
        market: MarketResource,
        store: StoreResource,
        clock: Clock,
        disk: DiskResource,
    ) -> None:
        tools = _Tools(context, store.client(), market.client(), clock)
        with failures_named():
            chosen = chosen_specs("backfill", specs, config.symbols, [])
            window = _window(config, chosen[0].history_start, clock.now())
            plans = _plans(tools, chosen, window)
            context.log.info(f"plan of the backfill\n{plan_table(list(plans.values()))}")
            failed: dict[str, CoinAssetsError] = {}
            symbols = list(dict.fromkeys(spec.series.symbol for spec in chosen))
            for symbol in symbols:
                own = [spec for spec in chosen if spec.series.symbol == symbol]
                asked = [plans[spec.series] for spec in own if spec.series in plans]
                try:
                    for plan in asked:
                        if plan.error is not None:
                            raise plan.error
                    if config.dry_run:
                        continue
                    _require_space(tools, disk, asked)
                    _bring_in(tools, own, plans, window)
                except CoinAssetsError as error:
                    context.log.error(f"{symbol}: {error}")
                    failed[symbol] = error
            remedy = "What was fetched is stored; launch the job again to go on from there."
            require_all_done(context, "symbols", len(symbols), failed, remedy)

    return one_op_job(
        "backfill",
        bring_in,
        BackfillConfig,
        (
            "Bring in the history of symbols: log a plan, fetch what is missing, derive the other "
            "timeframes. All settings are optional: symbols, start, end, dry_run."
        ),
        {**BACKGROUND, "dagster/max_runtime": str(_LONGEST_SECONDS)},
    )


def _plans(
    tools: _Tools, specs: Sequence[SeriesAssets], window: Window
) -> dict[Series, SourcePlan]:
    """A plan for every fetched key that keeps candles of the window."""
    now, plans = tools.clock.now(), {}
    for spec in specs:
        start, end = _kept(spec, window, now)
        children = [each for each in specs if each.source == spec.series]
        if end <= now and any(each.series.timeframe.straddles_months for each in children):
            end = next_month(end)  # the last week of the window closes in the month after it
        if spec.is_fetched and start < end:
            first, closed_by = spec.first_expected(now), tools.clock.closed_by()
            request = FetchRequest(spec.series, start, end, first, closed_by, spec.reread_candles)
            plans[spec.series] = plan_source(tools.store, tools.market, request, now)
    return plans


def _bring_in(
    tools: _Tools,
    specs: Sequence[SeriesAssets],
    plans: dict[Series, SourcePlan],
    window: Window,
) -> None:
    """All candles of one symbol: the fetched ones first, then those derived from them."""
    reached: dict[Series, datetime] = {}
    for spec in specs:
        if spec.series in plans:
            reports, reached[spec.series] = carry_out(
                tools.store,
                tools.market,
                plans[spec.series],
                tools.clock.closed_by(),
                tools.clock.now,
                tools.context.log.info,
            )
            request = plans[spec.series].request
            _report(tools, spec, reports, "fetched", (request.start, request.end))
    for spec in specs:
        now = tools.clock.now()
        start, end = _kept(spec, window, now)
        if spec.is_fetched or start >= end:
            continue
        closed_by = reached.get(spec.source, tools.clock.closed_by())
        derivation = Derivation(
            spec.series,
            spec.source,
            start,
            end,
            max(spec.first_source_expected(now), spec.first_expected(now)),
            min(closed_by, tools.market.horizon(spec.source, closed_by)),
        )
        reports = derive_candles(tools.store, derivation)
        _report(tools, spec, reports, "derived", (start, end))


def _kept(spec: SeriesAssets, window: Window, now: datetime) -> Window:
    """The months of the window of which candles are kept."""
    return max(window[0], month_start(spec.first_expected(now))), window[1]


def _report(
    tools: _Tools, spec: SeriesAssets, reports: list[MonthReport], origin: str, window: Window
) -> None:
    """One INFO line, and a materialisation a month, as the asset itself reports them."""
    tools.context.log.info(f"{spec.series} {origin}: {describe(reports)}")
    now = tools.clock.now()
    for report in reports:
        tools.context.log_event(
            dg.AssetMaterialization(
                spec.asset_key(CANDLES),
                partition=partition_of(report.month),
                metadata={
                    **window_metadata(spec, origin, *window),
                    **month_metadata(spec, report, now),
                },
            )
        )


def _require_space(tools: _Tools, disk: DiskResource, plans: Sequence[SourcePlan]) -> None:
    """What is complete already needs no room."""
    starts = [start for plan in plans for start, _ in plan.ranges]
    if starts:
        disk.checked(min(starts), tools.clock.now(), tools.context.log.warning)


def _window(config: BackfillConfig, history_start: datetime, now: datetime) -> Window:
    """Whole months from ``start`` through ``end``."""
    first = history_start if config.start is None else _month("start", config.start)
    last = month_start(now) if config.end is None else _month("end", config.end)
    if not history_start <= first <= last <= now:
        raise ConfigurationError(
            f"backfill config: {first:%Y-%m} to {last:%Y-%m} is no range of months between "
            f"COIN_HISTORY_START ({history_start:%Y-%m}) and the running month ({now:%Y-%m}). "
            "Choose start and end between them, or set COIN_HISTORY_START."
        )
    return first, next_month(last)


def _month(name: str, text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError as error:
        raise ConfigurationError(
            f"backfill config: {name} {text!r} is no month. Write for example 2024-01."
        ) from error
