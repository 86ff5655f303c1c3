"""``redo_touched``: candles that changed after the fact reach exactly what they touch.

- The store ends as if the changed candle had been there from the start, and models stay.
- What is touched is materialised, and nothing else; without a revision nothing is.
- Killed anywhere and run again, the result is the same.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from coin_assets.domain.candles.frame import VALUES
from coin_assets.domain.series import Series
from coin_assets.errors import CorruptArtefact
from coin_assets.market.base import Market, Page
from coin_assets.models.forecasters import new_forecaster
from coin_assets.models.registry import ModelRegistry
from coin_assets.publish.publisher import Publisher
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.platform import BTC, ETH, Platform, failures, files_of, given, series, utc

NOW = "2024-07-10T12:30"
CHANGED = "2024-06-28T23:00"
LAYERS = ("ohlcv", "prediction", "published")
ASSETS = [f"BTC_USDT/{layer}_{name}" for name in ("1h", "1d", "1w") for layer in LAYERS]


class AlteredMarket(PatchyMarket):
    """The sandbox, in which ``values`` replace those of one 1h candle."""

    def __init__(self, opened: str, **values: float) -> None:
        super().__init__()
        self.opened, self.values = utc(opened), values

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        for page in super().pages(series, start, end, now):
            candles = page.candles.copy()
            if series.timeframe.name == "1h" and series.symbol == BTC:
                candles.loc[candles["timestamp"] == self.opened, list(self.values)] = list(
                    self.values.values()
                )
            yield replace(page, candles=candles)


def spike(opened: str = CHANGED) -> AlteredMarket:
    """A market whose candle rose by half: price, high and volume differ."""
    (page,) = PatchyMarket().pages(
        series("1h"), utc(opened), utc(opened) + timedelta(hours=1), utc("2030-01-01")
    )
    high = float(page.candles["high"].iloc[0]) * 1.5
    return AlteredMarket(opened, high=high, close=high, volume=123.0)


def built(home: Path, market: Market, names: tuple[str, ...] = ("BTC_USDT",)) -> Path:
    """A home with history from January, models of June, forecasts and files of June and July."""
    platform = opened(home)
    platform.market = given(market)
    for name in names:
        candles = [f"{name}/ohlcv_{timeframe}" for timeframe in ("1h", "1d", "1w")]
        assert platform.materialise(candles, "2024-01-01", "2024-07-01").success
        models, predictions, files = (
            [f"{name}/{layer}_{timeframe}" for timeframe in ("1h", "1d")]
            for layer in ("model", "prediction", "published")
        )
        assert platform.materialise(models, "2024-06-01").success
        assert platform.materialise(predictions, "2024-06-01", "2024-07-01").success
        assert platform.materialise(files, "2024-07-01").success
    return home


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("unchanged"), PatchyMarket(), ("ETH_USDT", "BTC_USDT"))


@pytest.fixture(scope="module")
def always(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What is stored if the spike was there from the start."""
    return stored(opened(built(tmp_path_factory.mktemp("always"), spike())))


@pytest.fixture
def platform(unchanged: Path, tmp_path: Path) -> Platform:
    return opened(Path(shutil.copytree(unchanged, tmp_path / "home")))


def opened(home: Path) -> Platform:
    return Platform(home, now=NOW, symbols=f"{ETH},{BTC}", site_url="https://page.example")


def repulled(platform: Platform, market: Market, month: str = "2024-06-01") -> dict[str, list[str]]:
    """Read a month of 1h again from a changed market; returns what was materialised until then."""
    platform.market = given(market)
    if month == "2024-07-01":
        platform.now = "2024-08-01T00:30"  # a running month is not read again whole
    assert platform.materialise(["BTC_USDT/ohlcv_1h"], month).success
    return recorded(platform)


def recorded(platform: Platform) -> dict[str, list[str]]:
    return {asset: list(map(str, platform.materialisations(asset))) for asset in ASSETS}


def added(platform: Platform, before: dict[str, list[str]]) -> dict[str, list[str]]:
    """What was materialised since."""
    found = {}
    for asset, partitions in recorded(platform).items():
        new = partitions[: len(partitions) - len(before[asset])]
        if new:
            found[asset] = sorted(new)
    return found


def stored(platform: Platform) -> dict[str, bytes]:
    home = platform.settings.home
    return {
        f"{folder}/{name}": content
        for folder in ("candles", "forecasts")
        for name, content in files_of(home / folder).items()
        if "BTC_USDT" in name
    }


def open_revisions(platform: Platform) -> pd.DataFrame:
    revisions = platform.store.read_revisions(series("1h"), utc("2024-01-01"), utc("2025-01-01"))
    return revisions[revisions["redone_at"].isna()]


def test_a_changed_candle_reaches_exactly_what_it_touches(
    platform: Platform, always: dict[str, bytes]
) -> None:
    before = repulled(platform, spike())
    models = files_of(platform.settings.home / "models")
    assert len(open_revisions(platform)) == 1
    assert platform.run("redo_touched").success
    assert len(platform.materialisations("manifest")) == 1  # of three published series
    assert added(platform, before) == {
        "BTC_USDT/prediction_1h": ["2024-06-01", "2024-07-01"],
        "BTC_USDT/published_1h": ["None"],
        "BTC_USDT/ohlcv_1d": ["2024-06-01"],
        "BTC_USDT/prediction_1d": ["2024-06-01", "2024-07-01"],
        "BTC_USDT/published_1d": ["None"],
        "BTC_USDT/ohlcv_1w": ["2024-06-01"],
        "BTC_USDT/published_1w": ["None"],
    }
    assert stored(platform) == always
    assert files_of(platform.settings.home / "models") == models
    assert open_revisions(platform).empty
    assert platform.metadata("BTC_USDT/prediction_1h", "2024-06-01")["origins_recomputed"] == 48
    candles = platform.metadata("BTC_USDT/ohlcv_1d", "2024-06-01")
    assert (candles["rows_changed"], candles["missing"], candles["origin"]) == (1, 0, "recomputed")
    page = platform.metadata("BTC_USDT/published_1d")["page"]
    assert page == "https://page.example/#/series/BTC_USDT/1d"


def test_nothing_pending_changes_and_materialises_nothing(platform: Platform) -> None:
    files = files_of(platform.settings.home)
    assert platform.materialise(["BTC_USDT/ohlcv_1h"], "2024-03-01").success
    assert open_revisions(platform).empty
    before = recorded(platform)
    assert platform.run("redo_touched").success
    assert added(platform, before) == {}
    assert files_of(platform.settings.home) == files


def test_a_second_run_does_nothing(platform: Platform) -> None:
    repulled(platform, spike())
    assert platform.run("redo_touched").success
    before, files = recorded(platform), files_of(platform.settings.home)
    assert platform.run("redo_touched").success
    assert (added(platform, before), files_of(platform.settings.home)) == ({}, files)


def test_an_old_candle_outside_every_window_publishes_only_files_that_show_it(
    platform: Platform,
) -> None:
    before = repulled(platform, spike("2024-04-10T10:00"), "2024-04-01")
    assert platform.run("redo_touched").success
    assert added(platform, before) == {
        "BTC_USDT/ohlcv_1d": ["2024-04-01"],
        # The day lies within the context (192 days) of all forecasts of days.
        "BTC_USDT/prediction_1d": ["2024-06-01", "2024-07-01"],
        "BTC_USDT/ohlcv_1w": ["2024-04-01"],
        # The files of 1d and 1w hold the whole range, that of 1h 90 days.
        "BTC_USDT/published_1d": ["None"],
        "BTC_USDT/published_1w": ["None"],
    }


def test_a_candle_that_comes_late_brings_its_forecasts_with_it(
    platform: Platform, tmp_path: Path
) -> None:
    whole = stored(platform)
    hole = [("2024-06-28T00:00", "2024-06-29T00:00")]
    platform = opened(built(tmp_path / "late", PatchyMarket(hole)))
    late = series("1d"), utc("2024-06-29"), utc("2024-06-29T01:00")
    assert platform.store.count_candles(series("1d"), utc("2024-06-28"), utc("2024-06-29")) == 0
    assert platform.store.read_forecasts(*late).empty
    repulled(platform, PatchyMarket())
    assert len(open_revisions(platform)) == 24
    assert platform.run("redo_touched").success
    assert not platform.store.read_forecasts(*late).empty
    assert stored(platform) == whole


@pytest.mark.parametrize("where", ["registry", "publish"])
def test_killed_midway_it_is_done_by_the_next_run(
    platform: Platform,
    always: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    repulled(platform, spike())
    target: tuple[Any, str] = (
        (Publisher, "publish") if where == "publish" else (ModelRegistry, "load")
    )
    original, calls = getattr(*target), []

    def second_call_fails(*args: object) -> object:
        calls.append(args)
        if len(calls) != 2:
            return original(*args)
        raise KeyboardInterrupt if where == "publish" else CorruptArtefact("not today")

    with monkeypatch.context() as patch:
        patch.setattr(*target, second_call_fails)
        assert not platform.run("redo_touched").success
    assert len(open_revisions(platform)) == 1
    before = recorded(platform)
    assert platform.run("redo_touched").success
    assert "BTC_USDT/published_1w" in added(platform, before)
    assert stored(platform) == always
    assert open_revisions(platform).empty


def test_a_dry_run_only_logs_what_it_would_do(platform: Platform) -> None:
    before = repulled(platform, spike("2024-06-10T05:00"))
    files = files_of(platform.settings.home)
    result = platform.run("redo_touched", dry_run=True)
    assert (added(platform, before), files_of(platform.settings.home)) == ({}, files)
    lines = [entry.user_message for entry in platform.instance.all_logs(result.run_id)]
    candle = "1 candles from 2024-06-10 05:00 to 2024-06-10 05:00"
    context = new_forecaster(series("1h")).context  # forecasts after them look back less far
    assert f"would recompute BTC/USDT 1h: {candle}, {context} forecasts" in lines
    assert len(open_revisions(platform)) == 1


def test_one_failing_symbol_leaves_the_others(platform: Platform) -> None:
    before = repulled(platform, spike())
    revisions = platform.store.read_revisions(series("1h"), utc("2024-06-01"), utc("2024-07-01"))
    candles = platform.store.read_candles(series("1h", ETH), utc(CHANGED), utc("2024-07-01"))
    values = {f"new_{name}": candles[name].iloc[0] for name in VALUES}
    platform.store.record_revisions(series("1h", ETH), revisions.assign(**values))
    model = next(platform.settings.home.glob("models/symbol=ETH_USDT/**/model.json"))
    model.write_text("{}")
    result = platform.run("redo_touched")
    message = failures(result)["recompute"]
    assert "ETH/USDT 1h" in message
    assert "BTC/USDT" not in message
    assert "BTC_USDT/published_1w" in added(platform, before)
    assert open_revisions(platform).empty


def test_an_unknown_symbol_is_refused(platform: Platform) -> None:
    assert "BTCUSDT" in failures(platform.run("redo_touched", symbols=["BTCUSDT"]))["recompute"]
