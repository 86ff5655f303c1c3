"""Symbols of every market type and script go through the whole platform, under names in ASCII."""

import json
import re
from pathlib import Path

import dagster as dg
import pytest

from coin_assets.errors import ConfigurationError
from coin_assets_tests.platform import Platform
from coin_assets_tests.schemas import assert_valid

NAMES = {
    "币安人生/USDT": "_____USDT",
    "BTC/USDT:USDT": "BTC_USDT_USDT",
    "BTC/USDT:USDT-241227-80000-C": "BTC_USDT_USDT_241227_80000_C",
    "$PAC/$X": "_PAC__X",  # a formula, to what draws titles
}


@pytest.fixture(scope="module")
def updated(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    home = tmp_path_factory.mktemp("a home") / "mein Häuschen"
    platform = Platform(
        home,
        now="2024-02-10T12:30",
        symbols=",".join(NAMES),
        derived_timeframes="4h",
        history_start="2024-01-01",
    )
    assert platform.update("2024-01-01", "2024-02-01").success
    return platform


def test_assets_and_groups_have_the_name_and_carry_the_symbol(updated: Platform) -> None:
    graph = updated.definitions.resolve_asset_graph()
    for symbol, name in NAMES.items():
        node = graph.get(dg.AssetKey([name, "ohlcv_1h"]))
        assert node.group_name == name
        assert node.metadata["symbol"] == symbol


@pytest.mark.parametrize(("symbol", "name"), NAMES.items())
def test_one_run_publishes_the_symbol_as_it_is_written(
    updated: Platform, symbol: str, name: str
) -> None:
    for kind in ("history", "prediction"):
        document = json.loads((updated.published / f"{kind}_{name}_1h.json").read_bytes())
        assert_valid(kind, document)
        assert document["symbol"] == symbol
    entry = updated.entry("1h", symbol)
    assert (entry["status"], entry["serve_allowed"]) == ("fresh", True)
    assert_valid("manifest", updated.manifest)
    assert list((updated.settings.home / f"candles/symbol={name}/timeframe=1h").iterdir())


def test_every_name_on_the_disk_and_in_dagster_is_ascii(updated: Platform) -> None:
    home = updated.settings.home
    assert all(str(path.relative_to(home)).isascii() for path in home.rglob("*"))
    for series in updated.definitions.resolve_asset_graph().get_all_asset_keys():
        assert re.fullmatch(r"[A-Za-z0-9_]+(/[a-zA-Z0-9_]+)?", series.to_user_string())


@pytest.mark.filterwarnings("error:Glyph")
@pytest.mark.parametrize(("symbol", "name"), NAMES.items())
def test_a_forecast_can_be_drawn_whatever_the_symbol(
    updated: Platform, symbol: str, name: str
) -> None:
    """A font without the sign draws a box; a dollar sign begins no formula."""
    assert updated.materialise([f"{name}/prediction_1h"], "2024-02-01").success
    facts = updated.metadata(f"{name}/prediction_1h", "2024-02-01")
    assert facts["forecast"].startswith(f"![{symbol} 1h forecast](data:image/png;base64,")


def test_jobs_take_the_symbol_as_it_is_written(updated: Platform) -> None:
    symbols = list(NAMES)[:2]
    assert updated.train(symbols=symbols, timeframes=["1h"], dry_run=True).success


def test_another_symbol_of_the_same_name_never_enters_the_home(updated: Platform) -> None:
    later = Platform(Path(updated.settings.home), now="2024-02-10T12:30", symbols="测试测试/USDT")
    with pytest.raises(ConfigurationError, match=r"'测试测试/USDT' would share .*'币安人生/USDT'"):
        assert later.definitions
