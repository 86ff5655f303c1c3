"""What tools outside rely on: asset keys, groups, tags, policies, jobs; and a load that is quiet.

- Names are those of the design, typed out here once by rule.
- Loading contacts nobody, imports no heavy library it does not need, and warns of nothing.
"""

import subprocess
import sys
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from coin_assets.config.settings import Settings
from coin_assets.errors import ConfigurationError
from coin_assets.orchestration.build import build_definitions, configured_resources

SYMBOLS = ("BTC_USDT", "ETH_USDT", "XRP_USDT", "SOL_USDT", "DOGE_USDT")
TIMEFRAMES = ("1h", "4h", "1d", "1w", "1M")
LAYERS = {
    "ohlcv": "candles",
    "model": "models",
    "prediction": "predictions",
    "published": "published",
    "evaluation": "quality",
}
UNPARTITIONED = ("published", "quality")
STEPS = {
    dg.AssetKey([symbol, f"{name}_{timeframe}"]): (symbol, timeframe, layer)
    for symbol in SYMBOLS
    for timeframe in TIMEFRAMES
    for name, layer in LAYERS.items()
}


@pytest.fixture
def definitions(tmp_path: Path) -> dg.Definitions:
    return build_definitions(Settings(home=tmp_path))


def specs_of(definitions: dg.Definitions) -> dict[dg.AssetKey, dg.AssetSpec]:
    return {spec.key: spec for spec in definitions.resolve_all_asset_specs()}


def test_there_are_exactly_the_designed_assets(definitions: dg.Definitions) -> None:
    assert set(specs_of(definitions)) == {*STEPS, dg.AssetKey(["manifest"])}


def test_every_step_has_a_description(definitions: dg.Definitions) -> None:
    specs = specs_of(definitions)
    for series, (symbol, timeframe, layer) in STEPS.items():
        spec = specs[series]
        assert spec.group_name == symbol
        assert {name: spec.tags[name] for name in ("timeframe", "layer")} == {
            "timeframe": timeframe,
            "layer": layer,
        }
        assert spec.owners == ["team:coin_assets"]
        assert spec.kinds
        assert spec.description
        assert spec.metadata["symbol"] == symbol.replace("_", "/")


def test_candles_predictions_and_files_carry_the_limits_of_the_settings(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, freshness="1d:100/200")
    specs = specs_of(build_definitions(settings))
    for name in ("ohlcv", "prediction", "published"):
        assert specs[dg.AssetKey(["BTC_USDT", f"{name}_1d"])].freshness_policy == (
            dg.FreshnessPolicy.time_window(
                warn_window=timedelta(minutes=100), fail_window=timedelta(minutes=200)
            )
        )


@pytest.mark.parametrize(
    ("timeframe", "warn", "fail"),
    [
        ("1h", timedelta(hours=36), timedelta(hours=72)),
        ("4h", timedelta(hours=36), timedelta(hours=72)),
        ("1d", timedelta(hours=36), timedelta(hours=72)),
        ("1w", timedelta(days=9), timedelta(days=16)),
        ("1M", timedelta(days=35), timedelta(days=70)),
    ],
)
def test_models_may_be_as_old_as_their_retraining(
    definitions: dg.Definitions, timeframe: str, warn: timedelta, fail: timedelta
) -> None:
    policy = specs_of(definitions)[dg.AssetKey(["BTC_USDT", f"model_{timeframe}"])].freshness_policy
    assert policy == dg.FreshnessPolicy.time_window(warn_window=warn, fail_window=fail)


def test_a_partition_is_a_month_up_to_the_running_one(definitions: dg.Definitions) -> None:
    specs = specs_of(definitions)
    for series, (_, _, layer) in STEPS.items():
        partitions = specs[series].partitions_def
        if layer in UNPARTITIONED:
            assert partitions is None
        else:
            assert partitions == dg.MonthlyPartitionsDefinition(
                start_date="2017-08-01", end_offset=1
            )


def test_ranges_of_months_are_one_run(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for series, (_, _, layer) in STEPS.items():
        if layer not in UNPARTITIONED:
            assert graph.get(series).backfill_policy == dg.BackfillPolicy.single_run()


@pytest.mark.parametrize(
    ("child", "parent", "month", "needed"),
    [
        ("ohlcv_1d", "ohlcv_1h", "2024-03-01", ["2024-03-01"]),
        ("ohlcv_1M", "ohlcv_1h", "2024-03-01", ["2024-03-01"]),
        ("ohlcv_1w", "ohlcv_1h", "2024-03-01", ["2024-03-01", "2024-04-01"]),
        ("model_1h", "ohlcv_1h", "2017-10-01", ["2017-08-01", "2017-09-01", "2017-10-01"]),
        ("prediction_1d", "ohlcv_1d", "2017-09-01", ["2017-08-01", "2017-09-01"]),
        ("prediction_1d", "model_1d", "2017-09-01", ["2017-08-01", "2017-09-01"]),
        # Hours measure the variance of weeks and months.
        ("model_1w", "ohlcv_1h", "2017-09-01", ["2017-08-01", "2017-09-01"]),
        ("prediction_1w", "ohlcv_1h", "2017-09-01", ["2017-08-01", "2017-09-01"]),
        ("prediction_1M", "ohlcv_1h", "2017-09-01", ["2017-08-01", "2017-09-01"]),
    ],
)
def test_months_depend_on_the_months_they_need(
    definitions: dg.Definitions, child: str, parent: str, month: str, needed: list[str]
) -> None:
    node = definitions.resolve_asset_graph().get(dg.AssetKey(["BTC_USDT", child]))
    mapping = node.partition_mappings.get(dg.AssetKey(["BTC_USDT", parent]))
    partitions = node.partitions_def
    assert partitions is not None
    if mapping is None:
        assert needed == [month]
        return
    found = mapping.get_upstream_mapped_partitions_result_for_partitions(
        partitions.subset_with_partition_keys([month]), partitions, partitions
    )
    assert list(found.partitions_subset.get_partition_keys()) == needed


def test_models_depend_on_the_source_only_where_it_measures_their_variance(
    definitions: dg.Definitions,
) -> None:
    graph = definitions.resolve_asset_graph()
    for timeframe, depends in {"4h": False, "1d": False, "1w": True, "1M": True}.items():
        for layer in ("model", "prediction"):
            parents = graph.get(dg.AssetKey(["BTC_USDT", f"{layer}_{timeframe}"])).parent_keys
            assert (dg.AssetKey(["BTC_USDT", "ohlcv_1h"]) in parents) == depends


def test_weeks_that_are_fetched_themselves_are_measured_by_their_own_range(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, source_timeframes="1h,1w", derived_timeframes="1M")
    graph = build_definitions(settings).resolve_asset_graph()
    for timeframe, expected in {"1w": {"1w"}, "1M": {"1M", "1h"}}.items():
        parents = graph.get(dg.AssetKey(["BTC_USDT", f"model_{timeframe}"])).parent_keys
        assert {key.path[-1].removeprefix("ohlcv_") for key in parents} == expected


def test_the_jobs_are_the_designed_ones(definitions: dg.Definitions) -> None:
    jobs = {job.name for job in definitions.get_repository_def().get_all_jobs()}
    assert {"update", "train_models", "promote_champion", "rollback_champion"} <= jobs
    for job, layers in (("update", {*LAYERS.values()} - {"quality"}), ("evaluate", {"quality"})):
        steps = definitions.resolve_job_def(job).asset_layer.executable_asset_keys
        assert set(steps) == {series for series, (_, _, layer) in STEPS.items() if layer in layers}


def test_jobs_for_the_data_itself_take_their_settings_flat(definitions: dg.Definitions) -> None:
    for name in ("backfill", "enforce_retention", "copy_store"):
        job = definitions.resolve_job_def(name)
        assert job.description
        assert len(job.graph.nodes) == 1
        assert dg.validate_run_config(job, {"dry_run": True})


def test_retention_is_enforced_by_a_schedule_that_runs(definitions: dg.Definitions) -> None:
    schedule = definitions.resolve_schedule_def("retention")
    assert schedule.job_name == "enforce_retention"
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


def test_an_exchange_is_given_its_archive(tmp_path: Path) -> None:
    bulk = tmp_path / "bulk"
    bulk.mkdir()
    settings = Settings(home=tmp_path, market="ccxt:binance", archive=str(bulk))
    market = configured_resources(settings).market
    assert market.archive == str(bulk)
    assert market.downloads == str(tmp_path / "downloads")
    assert type(market.client()).__name__ == "CombinedMarket"
    plain = configured_resources(Settings(home=tmp_path, market="ccxt:binance")).market
    assert type(plain.client()).__name__ == "CcxtMarket"


def test_only_trainings_share_a_pool(definitions: dg.Definitions) -> None:
    pools = {
        node.name: node.definition.pools
        for name in ("update", "train_models")
        for node in definitions.resolve_job_def(name).graph.nodes
    }
    assert pools.pop("train") == {"training"}
    for name, found in pools.items():
        assert found == ({"training"} if "__model_" in name else set()), name


def test_loading_warns_of_nothing(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        build_definitions(Settings(home=tmp_path)).get_repository_def().load_all_definitions()
    ours = [w for w in caught if not issubclass(w.category, ResourceWarning)]
    assert [str(warning.message) for warning in ours] == []


def test_loading_opens_no_socket_and_no_heavy_library(tmp_path: Path) -> None:
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('a socket was opened')\n"
        "socket.socket.connect = socket.socket.bind = socket.create_connection = refuse\n"
        "import coin_assets.definitions\n"
        "print(sorted({'sklearn', 'ccxt', 'matplotlib', 'influxdb_client'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        env={"COIN_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")


@pytest.mark.parametrize(
    ("given", "variable", "value"),
    [
        ({"source_timeframes": "1x"}, "COIN_SOURCE_TIMEFRAMES", "1x"),
        ({"symbols": "BTCUSDT"}, "COIN_SYMBOLS", "BTCUSDT"),
        ({"source_timeframes": "1h", "derived_timeframes": "5m"}, "COIN_DERIVED_TIMEFRAMES", "5m"),
        ({"market": "nasdaq"}, "COIN_MARKET", "nasdaq"),
        ({"market": "ccxt:binnance"}, "COIN_MARKET", "binnance"),
        ({"home": "/proc/nowhere"}, "COIN_HOME", "/proc/nowhere"),
    ],
)
def test_bad_settings_stop_the_load_and_say_which(
    tmp_path: Path, given: dict[str, Any], variable: str, value: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_definitions(Settings(**({"home": tmp_path} | given)))
    message = str(caught.value)
    assert variable in message
    assert value in message


def test_two_markets_never_share_a_home(tmp_path: Path) -> None:
    archive = tmp_path / "candles"
    archive.mkdir()
    home = tmp_path / "home"
    build_definitions(Settings(home=home))
    with pytest.raises(ConfigurationError, match="sandbox") as caught:
        build_definitions(Settings(home=home, market=f"archive:{archive}"))
    assert str(archive) in str(caught.value)
    assert "COIN_HOME" in str(caught.value)
