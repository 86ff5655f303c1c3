"""The jobs ``promote_champion`` and ``rollback_champion``: another model makes the forecasts."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import dagster as dg
from pydantic import Field

from coin_assets.errors import CoinAssetsError, ConfigurationError
from coin_assets.models.registry import ModelRegistry
from coin_assets.orchestration.assets.specs import SeriesAssets, failures_named
from coin_assets.orchestration.jobs.one_op import one_op_job, require_all_done
from coin_assets.orchestration.jobs.selection import chosen_specs
from coin_assets.orchestration.resources import Clock, RegistryResource, StoreResource
from coin_assets.pipeline.evaluate import evaluate_series
from coin_assets.pipeline.promote import apply_verdict, promote, roll_back

_SYMBOLS: Any = Field(default=[], description="Symbols; empty is all.")
_TIMEFRAMES: Any = Field(default=[], description="Timeframes; empty is all.")


class PromoteConfig(dg.Config):
    """Whose challenger ``promote_champion`` looks at, and whether the gate is asked."""

    symbols: list[str] = _SYMBOLS
    timeframes: list[str] = _TIMEFRAMES
    override: bool = Field(
        default=False, description="Promote whatever the gate says; needs a reason."
    )
    version: int | None = Field(
        default=None,
        description="Version to promote, with override; default is the challenger.",
    )
    reason: str = Field(default="", description="Why, for the record; with override.")


class RollbackConfig(dg.Config):
    """Whose last promotion ``rollback_champion`` takes back."""

    symbols: list[str] = _SYMBOLS
    timeframes: list[str] = _TIMEFRAMES
    reason: str = Field(description="Why, for the record.")


def promote_job(specs: tuple[SeriesAssets, ...]) -> dg.JobDefinition:
    """``promote_champion``: one op, key by key; one that fails leaves the others."""

    @dg.op(name="promote", description="Evaluate the challengers anew and do what the gate says.")
    def promote_op(
        context: dg.OpExecutionContext,
        config: PromoteConfig,
        store: StoreResource,
        registry: RegistryResource,
        clock: Clock,
    ) -> None:
        models, now = registry.client(), clock.now()

        def one(spec: SeriesAssets) -> str:
            if config.override:
                name = None if config.version is None else str(config.version)
                return promote(
                    store.client(), models, spec.series, name, config.reason.strip(), now
                )
            report = evaluate_series(store.client(), models, registry.evaluations(), spec.series)
            return apply_verdict(store.client(), models, report, now)

        with failures_named():
            chosen = chosen_specs("promote_champion", specs, config.symbols, config.timeframes)
            _require_sound(config, len(chosen))
            _each(context, chosen, one)

    return one_op_job(
        "promote_champion",
        promote_op,
        PromoteConfig,
        (
            "Evaluate challengers anew; promote those that have earned it and retire those whose "
            "time is over. It runs by itself when an evaluation asks for it. With override and a "
            "reason it makes the challenger, or the version that is named, champion at once."
        ),
    )


def rollback_job(specs: tuple[SeriesAssets, ...]) -> dg.JobDefinition:
    """``rollback_champion``: the champion before makes the forecasts again."""

    @dg.op(description="Appoint the champion before the present one.")
    def rollback(
        context: dg.OpExecutionContext,
        config: RollbackConfig,
        store: StoreResource,
        registry: RegistryResource,
        clock: Clock,
    ) -> None:
        models: ModelRegistry = registry.client()
        now: datetime = clock.now()
        with failures_named():
            chosen = chosen_specs("rollback_champion", specs, config.symbols, config.timeframes)
            if not config.reason.strip():
                raise ConfigurationError(
                    "rollback_champion config: reason is empty. Say why, for the record."
                )
            _each(
                context,
                chosen,
                lambda spec: roll_back(
                    store.client(), models, spec.series, config.reason.strip(), now
                ),
            )

    return one_op_job(
        "rollback_champion",
        rollback,
        RollbackConfig,
        (
            "Take the last promotion back: the champion before makes the forecasts from now on. "
            "What was forecast meanwhile stays. Needs a reason; symbols and timeframes choose."
        ),
    )


def _require_sound(config: PromoteConfig, series_list: int) -> None:
    if config.override and not config.reason.strip():
        raise ConfigurationError(
            "promote_champion config: override needs a reason, for the record."
        )
    if not config.override and (config.version is not None or config.reason.strip()):
        raise ConfigurationError(
            "promote_champion config: version and reason are for override. Without it the gate "
            "judges the challenger and gives the reason."
        )
    if config.version is not None and series_list != 1:
        raise ConfigurationError(
            f"promote_champion config: version {config.version} is chosen for {series_list} keys; "
            "versions are counted per key. Name one symbol and one timeframe."
        )


def _each(
    context: dg.OpExecutionContext,
    specs: list[SeriesAssets],
    one: Callable[[SeriesAssets], str],
) -> None:
    """Do one key after the other and log what was done."""
    failed: dict[str, CoinAssetsError] = {}
    for spec in specs:
        try:
            context.log.info(one(spec))
        except CoinAssetsError as error:
            failed[str(spec.series)] = error
    require_all_done(context, "keys", len(specs), failed)
