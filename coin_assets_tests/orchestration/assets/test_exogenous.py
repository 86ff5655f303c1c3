"""Exogenous series on a platform (`COIN_EXOGENOUS`): fetched when due, on nobody else's path.

- Without the setting there is nothing of them: no asset, job, sensor, resource or dependency.
- A source that fails is reported under its own name; candles, models and files go on.
"""

from pathlib import Path

import pytest

from coin_assets.domain.methods import CHALLENGER_EXOGENOUS, CHAMPION, FUNDING, IMPLIED
from coin_assets.models.registry import ModelRegistry
from coin_assets.orchestration.assets import exogenous
from coin_assets.store.exogenous import ExogenousTables
from coin_assets_tests.orchestration.informed import NAMES, Informed
from coin_assets_tests.platform import Platform, files_of, series, utc

HOUR, START = series("1h"), "2024-02-01"
MODEL, PREDICTION = "BTC_USDT/model_1h", "BTC_USDT/prediction_1h"
VALUES = {name: f"BTC_USDT/{name}" for name in NAMES}


@pytest.fixture
def platform(tmp_path: Path) -> Informed:
    return Informed(tmp_path / "home", "2024-03-02T02:01:30")


def graph(platform: Platform) -> dict[str, set[str]]:
    found = platform.definitions.resolve_asset_graph()
    return {
        key.to_user_string(): {each.to_user_string() for each in found.get(key).parent_keys}
        for key in found.get_all_asset_keys()
    }


def test_without_the_setting_there_is_nothing_of_them(tmp_path: Path) -> None:
    platform = Platform(tmp_path / "home", "2024-03-02T02:01:30", derived_timeframes="")
    assert set(graph(platform)) == {
        "manifest",
        *(f"BTC_USDT/{name}_1h" for name in ("ohlcv", "model", "prediction", "published")),
        "BTC_USDT/evaluation_1h",
    }
    assert graph(platform)[MODEL] == {"BTC_USDT/ohlcv_1h"}
    definitions = platform.definitions
    assert definitions.resources is not None
    assert "exogenous" not in definitions.resources
    names = [each.name for each in definitions.resolve_all_job_defs()]
    assert exogenous.FETCH_JOB not in names
    platform.settle("candles_due")
    assert not list(platform.settings.home.glob("exogenous*"))


def test_models_and_forecasts_depend_on_them_where_a_method_reads_them(tmp_path: Path) -> None:
    on = graph(Informed(tmp_path / "on", "2024-03-02T02:01:30"))
    assert on[MODEL] == {"BTC_USDT/ohlcv_1h", *VALUES.values()}
    assert on[PREDICTION] == {MODEL, "BTC_USDT/ohlcv_1h", *VALUES.values()}
    assert on[VALUES[IMPLIED]] == set()
    kept = graph(Informed(tmp_path / "kept", "2024-03-02T02:01:30", methods="har"))
    assert set(VALUES.values()) <= set(kept)
    assert kept[MODEL] == {"BTC_USDT/ohlcv_1h"}


def test_they_are_fetched_when_an_hour_is_due(platform: Informed) -> None:
    requests = platform.tick("exogenous_due").run_requests or []
    selected = [key for request in requests for key in request.asset_selection or ()]
    assert {each.to_user_string() for each in selected} == {*VALUES.values()}
    assert [platform.launch(each).is_success for each in requests] == [True, True]
    facts = platform.metadata(VALUES[IMPLIED])
    assert facts["rows_changed"] == facts["dagster/row_count"] == 30 * 24 + 3
    assert facts["lag_seconds"] == 90.0
    assert not platform.tick("exogenous_due").run_requests
    platform.now = "2024-03-02T03:00:30"
    assert not platform.tick("exogenous_due").run_requests
    platform.now = "2024-03-02T03:01:30"
    assert len(platform.settle("exogenous_due")) == 2
    assert platform.metadata(VALUES[FUNDING])["rows_changed"] == 1.0


def test_the_method_is_trained_once_its_history_is_there_and_becomes_challenger(
    platform: Informed,
) -> None:
    platform.settle("candles_due")
    assert platform.methods() == {"har"}
    published = files_of(platform.published)
    assert platform.origins(CHAMPION)
    platform.settle("exogenous_due")
    platform.ahead = 3600.0  # trainings rest after each run
    platform.settle("candles_due")
    assert platform.methods() == {"har", "har_exogenous"}
    assert files_of(platform.published) == published
    roles = ModelRegistry(platform.settings.home).roles(HOUR)
    assert roles.holder(CHALLENGER_EXOGENOUS) is not None
    platform.now = "2024-03-02T03:01:30"
    platform.settle("exogenous_due")
    platform.settle("candles_due")
    assert platform.origins(CHALLENGER_EXOGENOUS)[-1] == "03-02T03"
    assert platform.origins(CHAMPION)[-1] == "03-02T03"
    assert not platform.tick("candles_due").run_requests


def test_a_source_that_is_away_stops_nothing_but_itself_and_is_reported(
    platform: Informed,
) -> None:
    platform.worlds[IMPLIED].is_away = True
    requests = platform.tick("exogenous_due").run_requests or []
    assert [platform.launch(each).is_success for each in requests] == [False, True]
    assert platform.metadata(VALUES[FUNDING])["rows_changed"] == 30 * 24 + 3
    platform.settle("candles_due")
    assert platform.origins(CHAMPION)[-1] == "03-02T02"
    assert platform.methods() == {"har", "har_exogenous"}
    newest = ModelRegistry(platform.settings.home).versions(HOUR)[-1]
    assert newest.metadata()["features"][-1] == FUNDING
    assert IMPLIED not in newest.metadata()["features"]
    assert "job fetch_exogenous run failed" in str(platform.tick("health_alerts").skip_message)
    platform.ahead = -3600.0  # whatever the time that the runs took
    assert "next try" in str(platform.tick("exogenous_due").skip_message)
    platform.worlds[IMPLIED].is_away, platform.ahead = False, 3600.0
    (request,) = platform.tick("exogenous_due").run_requests or []
    assert [each.to_user_string() for each in request.asset_selection or ()] == [VALUES[IMPLIED]]
    assert platform.launch(request).is_success
    assert "fetch_exogenous" not in str(platform.tick("health_alerts").skip_message)


@pytest.mark.parametrize("file", ["exogenous_ledger/*/*/*.json", "exogenous/*/*/*/*.parquet"])
def test_damaged_values_stop_no_candles_and_no_champion(platform: Informed, file: str) -> None:
    platform.settle("exogenous_due")
    platform.settle("candles_due")
    for path in platform.settings.home.glob(file):
        path.write_bytes(b"{")
    platform.now = "2024-03-02T03:01:30"
    requests = platform.tick("exogenous_due").run_requests or []
    assert [platform.launch(each).is_success for each in requests] == [False, False]
    platform.settle("candles_due")
    assert platform.origins(CHAMPION)[-1] == "03-02T03"


def test_values_in_the_home_are_found_by_symbol_and_name(platform: Informed) -> None:
    platform.settle("exogenous_due")
    tables = ExogenousTables(platform.settings.home)
    for name in VALUES:
        extent = tables.extent("BTC/USDT", name)
        assert extent is not None
        assert extent.first == utc(START)
