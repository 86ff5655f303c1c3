"""A run builds the assets of its own symbols alone; its plan is that of all definitions."""

from collections.abc import Iterable

import dagster as dg
import pytest
from dagster._core.execution.api import create_execution_plan

from coin_assets.config.settings import Settings
from coin_assets.domain.layers import CANDLES, MODELS, PREDICTIONS, PUBLISHED, QUALITY
from coin_assets.orchestration.assets.specs import asset_key
from coin_assets.orchestration.build import build_definitions
from coin_assets.orchestration.partitions import RANGE_END_TAG, RANGE_START_TAG
from coin_assets.orchestration.run_symbols import symbols_in

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
MONTH = {RANGE_START_TAG: "2026-10-01", RANGE_END_TAG: "2026-11-01"}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("home")
    return Settings(home=home, symbols=",".join(SYMBOLS), derived_timeframes="4h,1d")


@pytest.mark.parametrize(
    ("job", "layers", "tags"),
    [
        ("update", (CANDLES, MODELS, PREDICTIONS, PUBLISHED), MONTH),
        ("evaluate", (QUALITY,), {}),
    ],
)
def test_a_run_of_one_symbol_has_the_same_plan(
    settings: Settings, job: str, layers: tuple[str, ...], tags: dict[str, str]
) -> None:
    """Steps, what each takes from which, and the checks that each records."""
    keys = [
        asset_key(series, layer)
        for series in settings.series_list
        if series.symbol == "ETH/USDT"
        for layer in layers
    ]
    whole = build_definitions(settings)
    own = build_definitions(settings, symbol_names={"ETH_USDT"})
    assert _plan(own, job, keys, tags) == _plan(whole, job, keys, tags)


def test_the_jobs_are_the_same(settings: Settings) -> None:
    """A run names its job; those that are no assets know all series."""
    own = build_definitions(settings, symbol_names={"ETH_USDT"})
    names = {job.name for job in build_definitions(settings).resolve_all_job_defs()}
    assert {job.name for job in own.resolve_all_job_defs()} == names


def test_only_the_symbols_of_the_run_are_built(settings: Settings) -> None:
    own = build_definitions(settings, symbol_names={"ETH_USDT"}).resolve_asset_graph()
    assert {key.path[0] for key in own.materializable_asset_keys} == {"ETH_USDT"}


def test_names_of_no_configured_symbol_limit_nothing(settings: Settings) -> None:
    """Such a run fails, and its error names what it wanted."""
    found = build_definitions(settings, symbol_names={"GONE_USDT"}).resolve_asset_graph()
    symbols = {symbol.replace("/", "_") for symbol in SYMBOLS}
    assert {key.path[0] for key in found.materializable_asset_keys} == symbols


def test_symbols_of_a_run() -> None:
    """Of its assets and of its checks; a run without a selection has none."""
    job, ether = "update", dg.AssetKey(["ETH_USDT", "ohlcv_1h"])
    check = dg.AssetCheckKey(dg.AssetKey(["SOL_USDT", "ohlcv_1h"]), "gap_free")
    selected = dg.DagsterRun(
        job, asset_selection=frozenset({ether}), asset_check_selection=frozenset({check})
    )
    assert symbols_in(selected) == frozenset({"ETH_USDT", "SOL_USDT"})
    assert symbols_in(dg.DagsterRun(job)) is None


def _plan(
    definitions: dg.Definitions, job: str, keys: Iterable[dg.AssetKey], tags: dict[str, str]
) -> dict[str, tuple[set[str], list[str]]]:
    """Of each step: the steps before it and its outputs."""
    subset = definitions.resolve_job_def(job).get_subset(asset_selection=set(keys))
    plan = create_execution_plan(subset, tags=tags)
    before = plan.get_all_step_deps()
    return {
        step.key: (before[step.key], sorted(output.name for output in step.step_outputs))
        for step in plan.steps
    }
