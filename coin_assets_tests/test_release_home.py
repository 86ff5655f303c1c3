"""A home that the last release made opens with this code and goes on.

``release_home/`` holds half a year of ``4h`` and ``1d`` candles of BTC/USDT on the sandbox market,
with two missing candles, a revised one, a champion, a challenger, forecasts, scores, published
files and an acknowledged alert. The release's clock stood at 2026-10-06 12:30 UTC. Dagster's
records are not part of it.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from coin_assets.alerts.outbox import AlertBook
from coin_assets.domain.candles.gap_ledger import Missing
from coin_assets.domain.methods import CHALLENGER, CHAMPION
from coin_assets.domain.publishing.documents import without_close_times
from coin_assets.models import forecasters
from coin_assets.models.evaluations import EvaluationBook
from coin_assets.models.registry import ModelRegistry
from coin_assets.publish.json_files import json_bytes
from coin_assets_tests import make_release_home
from coin_assets_tests.platform import Platform, failures, files_of, series, utc
from coin_assets_tests.schemas import assert_valid

RELEASE_HOME = Path(__file__).parent / "release_home"
MADE_AT = "2026-10-06T12:30"
START, END = utc("2026-06-01"), utc("2027-01-01")
GAP = utc("2026-08-03T08:00"), utc("2026-08-03T16:00")
REVISED = utc("2026-10-02T00:00")
TIMEFRAMES = ("4h", "1d")
# Sums and exponentials differ in their last bits between kinds of processors.
ROUNDING = 1e-12


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RELEASE_HOME, tmp_path / "home"))


def platform_of(home: Path, now: str = MADE_AT) -> Platform:
    return Platform(
        home,
        now,
        history_start="2026-06-01",
        source_timeframes="4h",
        derived_timeframes="1d",
        history_window="4h:5d,1d:30d",
    )


def test_candles_gaps_and_revisions_are_read(home: Path) -> None:
    store = platform_of(home).store
    candles = {name: store.read_candles(series(name), START, END) for name in TIMEFRAMES}
    assert {name: len(frame) for name, frame in candles.items()} == {"4h": 763, "1d": 127}
    assert candles["1d"]["timestamp"].iloc[-1] == utc("2026-10-05")
    missing = store.read_ledger(series("4h")).missing(series("4h").timeframe)
    assert missing == [Missing(*GAP, 2, "verified_absent")]
    revisions = store.read_revisions(series("4h"), START, END)
    assert list(revisions["timestamp"]) == [REVISED]


def test_models_roles_and_scores_are_read(home: Path) -> None:
    registry = ModelRegistry(home)
    for name in TIMEFRAMES:
        versions = registry.versions(series(name))
        assert [version.cutoff.month for version in versions] == [10, 10]
        for version in versions:
            registry.load(version)
        roles = registry.roles(series(name))
        assert (roles.holder(CHAMPION), roles.holder(CHALLENGER)) == ("1", "2")
        scores = EvaluationBook(home).read(series(name))
        assert scores is not None
        assert scores["symbol"] == "BTC/USDT"


def test_the_manifest_is_that_of_the_release_until_data_is_newer(home: Path) -> None:
    platform = platform_of(home)
    before = platform.manifest
    # Its versions are as old as the month.
    assert {each.job_name for each in platform.tick("candles_due").run_requests or []} == {
        "train_models"
    }
    assert platform.tick("publish_due").run_requests in (None, [])
    now = platform.manifest  # less what was added since the release
    for entry in (*now["public"]["entries"], *now["ops"]["entries"]):
        assert entry.pop("reason") is None
        assert entry.pop("caution") is None
    for entry in now["public"]["entries"]:
        assert (entry.pop("evaluation"), entry.pop("overview")) == (None, None)
        for file in (entry["history"], entry["prediction"]):
            assert (platform.published / file.pop("object")).samefile(
                platform.published / file["file"]
            )
    assert now["ops"].pop("dagster_url") is None
    assert (now["public"], now["ops"]) == (before["public"], before["ops"])


def test_alerts_go_on_where_they_stood(home: Path) -> None:
    book = AlertBook(home / "alerts/alerts.sqlite")
    assert set(book.incidents()) == {"disk"}
    assert [mute.note for mute in book.mutes(utc(MADE_AT))] == ["known"]
    platform_of(home, "2026-10-06T13:30").tick("health_alerts")  # the disk is no longer filling
    assert "disk" not in book.incidents()


def test_updates_of_later_months_go_on_from_it(home: Path) -> None:
    before = {name: forecasts(home, name) for name in TIMEFRAMES}
    models = files_of(home / "models")
    platform = platform_of(home, now="2026-11-03T08:30")
    for month in ("2026-10-01", "2026-11-01"):
        done = platform.update(month)
        assert done.success, failures(done)
    for name in TIMEFRAMES:
        timeframe = series(name).timeframe
        stored = platform.store.read_candles(series(name), utc("2026-10-01"), END)
        assert set(stored["timestamp"].diff().dropna()) == {timeframe.shift(START, 1) - START}
        after = forecasts(home, name)
        assert len(after.merge(before[name])) == len(before[name])  # on all columns, to the bit
        assert after["as_of"].max() == timeframe.floor(utc(platform.now))
        # The champion's own method goes on with the version of the month.
        assert ModelRegistry(home).roles(series(name)).holder(CHAMPION) == "3"
        entry = platform.entry(name)
        assert (entry["status"], entry["degraded"]) == ("fresh", False)
        for kind in ("history", "prediction"):
            published = platform.published / entry[kind]["file"]
            assert_valid(kind, json.loads(published.read_bytes()))
    assert_valid("manifest", platform.manifest)
    artefacts = {name: text for name, text in models.items() if "roles" not in name}
    assert artefacts.items() <= files_of(home / "models").items()


def test_sensors_find_what_is_due_in_it(home: Path) -> None:
    platform = platform_of(home, now="2026-10-06T20:30")
    requested = platform.settle("candles_due")
    assert {request.partition_key for request in requested} >= {"2026-10-01"}
    newest = platform.store.newest_candles([series("4h")])[series("4h")]
    assert newest == utc("2026-10-06T16:00")
    assert platform.entry("4h")["status"] == "fresh"


def test_a_candle_that_comes_late_fills_its_gap(home: Path) -> None:
    platform = platform_of(home)
    done = platform.materialise(["BTC_USDT/ohlcv_4h"], "2026-08-01")
    assert done.success, failures(done)
    assert platform.store.count_candles(series("4h"), *GAP) == 2
    assert not platform.store.read_ledger(series("4h")).missing(series("4h").timeframe)
    redone = platform.run("redo_touched")
    assert redone.success, failures(redone)


def test_this_code_makes_what_the_release_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Since then quantiles of hours are by state; without these all else is as it was.
    for name in ("h", "4h"):
        monkeypatch.delitem(forecasters._PARAMETERS, name)
    made = tmp_path / "home"
    make_release_home.main(made)
    for name in TIMEFRAMES:
        now, before = (
            platform_of(home).store.read_candles(series(name), START, END)
            for home in (made, RELEASE_HOME)
        )
        pd.testing.assert_frame_equal(now, before, check_exact=True)
        pd.testing.assert_frame_equal(
            forecasts(made, name), forecasts(RELEASE_HOME, name), rtol=ROUNDING, atol=0
        )
    same = {"ledger.json", "model.json"} | {
        f"{kind}_BTC_USDT_{name}.json" for kind in ("history", "prediction") for name in TIMEFRAMES
    }
    files_before, files_now = (
        {path: text for path, text in files_of(home).items() if Path(path).name in same}
        for home in (RELEASE_HOME, made)
    )
    assert len(files_before) == 9
    assert files_now.keys() == files_before.keys()
    for path, text in files_now.items():
        assert_same(json.loads(as_released(path, text)), json.loads(files_before[path]), path)


def assert_same(now: Any, before: Any, where: str) -> None:
    """Equal documents, in the order of their fields too; numbers may differ by rounding."""
    assert type(now) is type(before), where
    if isinstance(now, dict):
        assert list(now) == list(before), where
        for name in now:
            assert_same(now[name], before[name], f"{where}.{name}")
    elif isinstance(now, list):
        assert len(now) == len(before), where
        for index, (each, other) in enumerate(zip(now, before, strict=True)):
            assert_same(each, other, f"{where}[{index}]")
    elif isinstance(now, float):
        assert now == pytest.approx(before, rel=ROUNDING, abs=0), where
    else:
        assert now == before, where


def as_released(path: str, content: bytes) -> bytes:
    """The file without the fields that were added since the release."""
    document = json.loads(content)
    if Path(path).name == "ledger.json":
        own = (document.pop("symbol"), f"timeframe={document.pop('timeframe')}")
        assert own == ("BTC/USDT", Path(path).parent.name)
        return (json.dumps(document, indent=1) + "\n").encode()
    if not Path(path).name.startswith("prediction_"):
        return content
    return json_bytes(without_close_times(document))


def forecasts(home: Path, timeframe: str) -> pd.DataFrame:
    stored = platform_of(home).store.read_forecasts(series(timeframe), START, END)
    return stored.reset_index(drop=True)


def test_the_fixture_is_small() -> None:
    sizes = [path.stat().st_size for path in RELEASE_HOME.rglob("*") if path.is_file()]
    assert sum(sizes) < 310_000
