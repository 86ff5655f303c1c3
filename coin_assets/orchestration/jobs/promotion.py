"""The jobs ``promote_champion`` and ``rollback_champion``: change the champion of a series."""

from typing import Any

import dagster as dg
from pydantic import Field

from coin_assets.errors import ConfigurationError
from coin_assets.orchestration.assets.specs import SeriesAssets, failures_named
from coin_assets.orchestration.jobs.one_op import one_op_job
from coin_assets.orchestration.jobs.parts import run_series
from coin_assets.orchestration.jobs.selection import chosen_specs
from coin_assets.orchestration.resources import PIPELINE, pipeline_of
from coin_assets.pipeline.evaluate import evaluate_series
from coin_assets.pipeline.promote import apply_verdict, promote, roll_back

_SYMBOLS: Any = Field(default=[], description="Symbols; empty is all.")
_TIMEFRAMES: Any = Field(default=[], description="Timeframes; empty is all.")


class PromoteConfig(dg.Config):
    """Settings of ``promote_champion``; each is optional."""

    symbols: list[str] = _SYMBOLS
    timeframes: list[str] = _TIMEFRAMES
    override: bool = Field(default=False, description="Promote without the gate; needs a reason.")
    version: int | None = Field(
        default=None,
        description="Version to promote, with override; default is the only challenger.",
    )
    reason: str = Field(default="", description="Why, for the record; with override.")


class RollbackConfig(dg.Config):
    """Settings of ``rollback_champion``."""

    symbols: list[str] = _SYMBOLS
    timeframes: list[str] = _TIMEFRAMES
    reason: str = Field(description="Why, for the record.")


def promote_job(specs: tuple[SeriesAssets, ...]) -> dg.JobDefinition:
    """The job ``promote_champion``: one op, one series after the other."""

    @dg.op(
        name="promote",
        required_resource_keys=PIPELINE,
        description="Evaluate the challengers again and apply the gate's verdict.",
    )
    def promote_op(context: dg.OpExecutionContext, config: PromoteConfig) -> None:
        with failures_named():
            pipeline = pipeline_of(context)
            store, registry, now = pipeline.store, pipeline.registry, pipeline.clock.now()
            chosen = chosen_specs("promote_champion", specs, config.symbols, config.timeframes)
            _require_valid(config, len(chosen))

            def run(spec: SeriesAssets) -> None:
                if config.override:
                    name = None if config.version is None else str(config.version)
                    reason = config.reason.strip()
                    outcome = promote(store, registry, spec.series, name, reason, now)
                else:
                    report = evaluate_series(store, registry, pipeline.evaluations, spec.series)
                    outcome = apply_verdict(store, registry, report, now)
                context.log.info(outcome)

            run_series(context, chosen, run).require_all_done("series")

    return one_op_job(
        "promote_champion",
        promote_op,
        PromoteConfig,
        (
            "Evaluate challengers again; promote those that pass the gate and retire those whose "
            "trial period is over. A sensor launches it when an evaluation requires it. With "
            "override and a reason, the challenger or the named version becomes champion at once."
        ),
    )


def rollback_job(specs: tuple[SeriesAssets, ...]) -> dg.JobDefinition:
    """The job ``rollback_champion``: reappoints the previous champion."""

    @dg.op(required_resource_keys=PIPELINE, description="Appoint the previous champion.")
    def rollback(context: dg.OpExecutionContext, config: RollbackConfig) -> None:
        with failures_named():
            pipeline = pipeline_of(context)
            store, registry, now = pipeline.store, pipeline.registry, pipeline.clock.now()
            chosen = chosen_specs("rollback_champion", specs, config.symbols, config.timeframes)
            if not config.reason.strip():
                raise ConfigurationError(
                    "rollback_champion config: reason is empty. State one, for the record."
                )
            reason = config.reason.strip()
            run_series(
                context,
                chosen,
                lambda spec: context.log.info(roll_back(store, registry, spec.series, reason, now)),
            ).require_all_done("series")

    return one_op_job(
        "rollback_champion",
        rollback,
        RollbackConfig,
        (
            "Revert the last promotion: the previous champion makes the forecasts from now on. "
            "Stored forecasts stay. Needs a reason; symbols and timeframes select series."
        ),
    )


def _require_valid(config: PromoteConfig, chosen: int) -> None:
    if config.override and not config.reason.strip():
        raise ConfigurationError(
            "promote_champion config: override needs a reason, for the record."
        )
    if not config.override and (config.version is not None or config.reason.strip()):
        raise ConfigurationError(
            "promote_champion config: version and reason need override. Without it the gate "
            "judges the challenger and records the reason."
        )
    if config.version is not None and chosen != 1:
        raise ConfigurationError(
            f"promote_champion config: version {config.version} is set for {chosen} series, but "
            "each series counts its own versions. Name one symbol and one timeframe."
        )
