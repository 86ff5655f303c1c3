"""Forecasts: at every origin the leak rule allows, made once, from the past alone.

- A forecast for an origin is the same to the bit whether or not later candles exist.
- A forecast that exists is never changed, whatever model is trained later.
- Origins without an eligible model have no forecast; that is an error only where one could exist.
- The challenger's forecasts are stored beside the champion's and never published; its errors are
  reported and hold up nothing. An error of the champion leaves the last good files.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from coin_assets.domain.forecasting.frame import STEPS
from coin_assets.models.registry import ModelVersion
from coin_assets.store.base import Store
from coin_assets_tests.contested import (
    HOUR as SERIES,
)
from coin_assets_tests.contested import (
    MONTH,
    NEXT,
    PREDICTION,
    SECOND,
    contested,
    opened,
    proceed,
    version,
)
from coin_assets_tests.platform import Platform, failures, files_of, series, utc

CANDLES = ["BTC_USDT/ohlcv_1h", "BTC_USDT/ohlcv_1d", "BTC_USDT/ohlcv_1w"]
HOUR, DAY, WEEK = (f"BTC_USDT/prediction_{name}" for name in ("1h", "1d", "1w"))
MODELS = [name.replace("prediction", "model") for name in (HOUR, DAY, WEEK)]
PREDICTIONS = [HOUR, DAY, WEEK]


def forecasts(store: Store, timeframe: str = "1h") -> pd.DataFrame:
    return store.read_forecasts(series(timeframe), utc("2000-01-01"), utc("2100-01-01"))


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    platform = Platform(tmp_path / "home", now="2024-07-10T12:30")
    assert platform.materialise(CANDLES, "2024-01-01", "2024-07-01").success
    return platform


def test_the_running_month_has_a_forecast_at_every_origin(platform: Platform) -> None:
    assert platform.materialise([*MODELS, *PREDICTIONS], "2024-07-01").success
    made = forecasts(platform.store)
    origins = made["as_of"].unique()
    assert list(origins) == list(
        pd.date_range("2024-07-01", "2024-07-10 12:00", freq="h", tz="UTC")
    )
    assert len(made) == len(origins) * STEPS
    days = forecasts(platform.store, "1d")["as_of"].unique()
    assert list(days) == list(pd.date_range("2024-07-01", "2024-07-10", freq="D", tz="UTC"))
    weeks = forecasts(platform.store, "1w")["as_of"].unique()
    assert list(weeks) == []  # 27 weeks are fewer than 52
    facts = platform.metadata(HOUR, "2024-07-01")
    assert (facts["origins"], facts["forecasts_added"]) == (len(origins), len(origins))
    assert facts["as_of"] == utc("2024-07-10T12:00").timestamp()
    assert facts["forecast"].startswith("![BTC/USDT 1h forecast](data:image/png;base64,")


def test_only_the_newest_origin_is_live(platform: Platform) -> None:
    platform.materialise([*MODELS, HOUR], "2024-07-01")
    kinds = forecasts(platform.store).groupby("as_of")["kind"].first()
    assert kinds.iloc[-1] == "live"
    assert set(kinds.iloc[:-1]) == {"backtest"}


def test_the_running_month_grows_by_the_new_origins_alone(platform: Platform) -> None:
    platform.materialise([*MODELS, HOUR], "2024-07-01")
    before = forecasts(platform.store)
    platform.now = "2024-07-10T14:30"
    assert platform.materialise([CANDLES[0], HOUR], "2024-07-01").success
    assert platform.metadata(HOUR)["forecasts_added"] == 2
    after = forecasts(platform.store)
    pd.testing.assert_frame_equal(after.iloc[: len(before)], before)
    assert list(after["as_of"].unique()[-2:]) == [utc("2024-07-10T13:00"), utc("2024-07-10T14:00")]


def test_doing_it_again_changes_no_byte(platform: Platform) -> None:
    platform.materialise([*MODELS, *PREDICTIONS], "2024-06-01", "2024-07-01")
    once = files_of(platform.settings.home / "forecasts") | files_of(
        platform.settings.home / "models"
    )
    assert platform.materialise([*MODELS, *PREDICTIONS], "2024-06-01", "2024-07-01").success
    assert once == files_of(platform.settings.home / "forecasts") | files_of(
        platform.settings.home / "models"
    )


def test_later_candles_change_no_forecast(platform: Platform, tmp_path: Path) -> None:
    """The truncation test: the same origins, with and without a future in the store."""
    early = Platform(tmp_path / "early", now="2024-06-20T08:30")
    assert early.materialise(CANDLES, "2024-01-01", "2024-06-01").success
    for each in (early, platform):
        assert each.materialise([*MODELS, *PREDICTIONS], "2024-06-01").success
    for timeframe in ("1h", "1d"):
        truncated, whole = forecasts(early.store, timeframe), forecasts(platform.store, timeframe)
        same_origins = whole[whole["as_of"].isin(truncated["as_of"])].reset_index(drop=True)
        # The last origin was live then and is a backtest with hindsight; its numbers are the same.
        pd.testing.assert_frame_equal(
            truncated.drop(columns="kind"), same_origins.drop(columns="kind"), check_exact=True
        )
        assert len(whole) > len(truncated) > 0


def test_an_old_month_is_filled_by_the_model_of_that_month(platform: Platform) -> None:
    platform.materialise([MODELS[0]], "2024-05-01", "2024-07-01")
    assert platform.materialise([HOUR], "2024-05-01", "2024-06-01").success
    made = forecasts(platform.store)
    versions = made.groupby(made["as_of"].dt.month)["model_version"].unique()
    assert [list(names) for names in versions] == [["1"], ["2"]]
    assert set(made["kind"]) == {"backtest"}
    assert made["as_of"].min() == utc("2024-05-01")
    assert made["as_of"].max() == utc("2024-06-30T23:00")


def test_a_later_model_forecasts_later_origins_in_the_shadow_and_rewrites_nothing(
    platform: Platform,
) -> None:
    platform.materialise([MODELS[0], HOUR], "2024-07-01")
    before = forecasts(platform.store)
    assert platform.train(symbols=["BTC/USDT"], timeframes=["1h"]).success
    platform.now = "2024-07-10T13:30"
    assert platform.materialise([CANDLES[0], HOUR], "2024-07-01").success
    after = forecasts(platform.store)
    champion = after[after["role"] == "champion"].reset_index(drop=True)
    pd.testing.assert_frame_equal(champion.iloc[: len(before)], before)
    assert set(champion["model_version"]) == {"1"}
    shadow = after[after["role"] == "challenger"]
    assert set(shadow["model_version"]) == {"2"}
    # It has seen nothing after 12:00, which has become an origin of the past.
    kinds = shadow.groupby("as_of")["kind"].first()
    hours = pd.DatetimeIndex(kinds.index).hour
    assert dict(zip(hours, kinds, strict=True)) == {12: "backtest", 13: "live"}


def test_a_model_never_forecasts_before_its_cutoff(platform: Platform) -> None:
    assert platform.train(timeframes=["1h"], cutoff="2024-06-10T00:00:00Z").success
    platform.now = "2024-06-20T00:30"
    result = platform.materialise([HOUR], "2024-06-01")
    assert result.success
    made = forecasts(platform.store)
    assert made["as_of"].min() == utc("2024-06-10")
    assert platform.metadata(HOUR)["origins_without_model"] == 9 * 24


def test_a_missing_model_that_could_exist_is_an_error_with_the_remedy(platform: Platform) -> None:
    refused = platform.materialise([HOUR], "2024-07-01")
    message = failures(refused)["BTC_USDT__prediction_1h"]
    assert "BTC_USDT/model_1h for 2024-07-01" in message


def test_a_young_symbol_has_no_forecast_and_no_error(platform: Platform) -> None:
    assert platform.materialise([MODELS[0], HOUR], "2024-01-01").success
    assert forecasts(platform.store).empty
    assert platform.metadata(HOUR)["origins_without_model"] == 31 * 24 - 1
    assert "too few" in platform.metadata(MODELS[0])["insufficient_data"]


def test_months_that_a_model_needs_are_named(tmp_path: Path) -> None:
    platform = Platform(tmp_path, now="2024-07-10T12:30")
    platform.materialise(CANDLES[:1], "2024-05-01", "2024-07-01")
    refused = platform.materialise([MODELS[0]], "2024-07-01")
    assert "2024-01 to 2024-04" in failures(refused)["BTC_USDT__model_1h"]


def test_a_prediction_without_its_newest_candle_fails(platform: Platform) -> None:
    platform.materialise([MODELS[0]], "2024-07-01")
    platform.now = "2024-07-10T15:30"
    late = platform.materialise([HOUR], "2024-07-01")
    assert "2024-07-10 14:00" in failures(late)["BTC_USDT__prediction_1h"]


def test_a_damaged_model_is_refused_and_the_forecasts_stand(platform: Platform) -> None:
    platform.materialise([MODELS[0], HOUR], "2024-07-01")
    before = forecasts(platform.store)
    artefact = next((platform.settings.home / "models").rglob("model.json"))
    artefact.write_text(artefact.read_text().replace("quantiles", "quantilez"))
    platform.now = "2024-07-10T13:30"
    refused = platform.materialise([CANDLES[0], HOUR], "2024-07-01")
    assert str(artefact) in failures(refused)["BTC_USDT__prediction_1h"]
    pd.testing.assert_frame_equal(forecasts(platform.store), before)


# ------------------------------------------------------------------------- champion and challenger


@pytest.fixture(scope="module")
def contested_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return contested(tmp_path_factory.mktemp("contested") / "home")


@pytest.fixture
def rivals(contested_home: Path, tmp_path: Path) -> Platform:
    """Version 1 is champion, 2 its challenger, and the next candle is about to come."""
    return opened(Path(shutil.copytree(contested_home, tmp_path / "home")))


def tampered(model: ModelVersion) -> None:
    artefact = model.folder / "model.json"
    artefact.write_text(artefact.read_text().replace("1", "2", 1))


def truncated(model: ModelVersion) -> None:
    artefact = model.folder / "model.json"
    artefact.write_bytes(artefact.read_bytes()[:-100])


def foreign(model: ModelVersion) -> None:
    """Both files are sound, and another version's."""
    (other,) = (each for each in model.folder.parent.glob("0*_*") if each != model.folder)
    for name in ("model.json", "metadata.json"):
        shutil.copy(other / name, model.folder / name)


HARMS = pytest.mark.parametrize(
    "harm", [tampered, truncated, foreign], ids=lambda each: str(each.__name__)
)


def test_the_shadow_forecasts_the_same_origins_and_is_never_published(rivals: Platform) -> None:
    proceed(rivals, f"{NEXT}:30")
    facts = rivals.metadata(PREDICTION)
    assert (facts["forecasts_added"], facts["challenger_forecasts_added"]) == (1, 1)
    assert (facts["model_version"], facts["challenger_error"]) == ("1", "")
    made = everything(rivals)
    shown = made.drop_duplicates(["role", "as_of"])
    assert set(shown["kind"]) == {"live"}
    assert [f"{row.role} {row.model_version} {row.as_of:%H}" for row in shown.itertuples()] == [
        "challenger 2 12",
        "challenger 2 13",
        "champion 1 11",
        "champion 1 12",
        "champion 1 13",
    ]
    newest = made[made["as_of"] == utc(f"{NEXT}:00")]
    served = [step["quantiles"]["0.05"] for step in published(rivals)["forecast"]]
    assert served == newest.loc[newest["role"] == "champion", "q05"].tolist()
    assert served != newest.loc[newest["role"] == "challenger", "q05"].tolist()


@HARMS
def test_what_is_wrong_with_the_challenger_is_reported_and_holds_up_nothing(
    rivals: Platform, harm: Callable[[ModelVersion], None]
) -> None:
    harm(version(rivals, 2))
    rivals.now = f"{NEXT}:30"
    result = rivals.materialise(["BTC_USDT/ohlcv_1h", PREDICTION, "BTC_USDT/published_1h"], MONTH)
    assert result.success
    facts = rivals.metadata(PREDICTION)
    assert (facts["forecasts_added"], facts["challenger_forecasts_added"]) == (1, 0)
    folder = str(version(rivals, 2).folder)
    assert folder in facts["challenger_error"]
    errors = [
        entry.user_message
        for entry in rivals.instance.all_logs(result.run_id)
        if entry.level == 40 and "no forecasts of the challenger" in entry.user_message
    ]
    assert len(errors) == 1
    assert folder in errors[0]
    entry = rivals.entry("1h")
    assert (entry["status"], entry["degraded"], entry["champion"]) == ("fresh", False, "1")
    assert entry["prediction"]["as_of"] == f"{NEXT}:00:00Z"


@HARMS
def test_what_is_wrong_with_the_champion_leaves_the_last_good_forecast_and_is_reported(
    rivals: Platform, harm: Callable[[ModelVersion], None]
) -> None:
    before, stored = published(rivals), everything(rivals)
    folder = version(rivals, 1).folder
    sound = files_of(folder)
    harm(version(rivals, 1))
    rivals.now = f"{NEXT}:00:05"
    for _ in range(2):
        rivals.cycle()
    pd.testing.assert_frame_equal(everything(rivals), stored)
    assert published(rivals) == before
    entry = rivals.entry("1h")
    assert (entry["degraded"], entry["serve_allowed"]) == (True, True)
    assert entry["prediction"]["as_of"] == f"{SECOND}:00:00Z"
    assert str(folder) in entry["last_error"]

    for name, content in sound.items():
        (folder / name).write_bytes(content)
    rivals.ahead = 3600.0  # the next try is due
    for _ in range(2):
        rivals.cycle()
    entry = rivals.entry("1h")
    assert (entry["degraded"], entry["champion"]) == (False, "1")
    assert entry["prediction"]["as_of"] == f"{NEXT}:00:00Z"


def published(platform: Platform) -> dict[str, Any]:
    """The prediction file, but for the time at which it was written."""
    path = platform.published / "prediction_BTC_USDT_1h.json"
    found: dict[str, Any] = json.loads(path.read_bytes())
    del found["updated_at"]
    return found


def everything(platform: Platform) -> pd.DataFrame:
    return platform.store.read_forecasts(SERIES, utc("2024-01-01"), utc("2025-01-01"))
