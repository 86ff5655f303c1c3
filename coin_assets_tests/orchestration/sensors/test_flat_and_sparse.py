"""Series that hardly move, or have few candles: published, explained, and left in peace.

A real platform in an empty home with its real sensors over an archive folder. The files reach into
the future of the clock, so that every simulated hour brings a candle.
"""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from coin_assets_tests.platform import BTC, Platform, series, utc
from coin_assets_tests.schemas import assert_valid

START, NOW, END = "2024-01-01", "2024-02-20T18:00:30", "2024-03-05"
PEG, FLAT, RARE = "PEG/USDT", "FLAT/USDT", "RARE/USDT"
HOUR, PURPOSE = timedelta(hours=1), "coin_assets/purpose"
OPENS = pd.date_range(START, END, freq="h", inclusive="left", tz="UTC").as_unit("us")
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def save(folder: Path, symbol: str, close: Floats, keep: Mask | None = None) -> None:
    folder.mkdir(exist_ok=True)
    opened = np.r_[close[:1], close[:-1]]
    frame = pd.DataFrame(
        {
            "timestamp": OPENS,
            "open": opened,
            "high": np.maximum(opened, close),
            "low": np.minimum(opened, close),
            "close": close,
            "volume": 1.0,
        }
    )
    kept = frame if keep is None else frame[keep]
    kept.to_parquet(folder / f"{symbol.replace('/', '_')}_1h.parquet", index=False)


def walk(seed: int) -> Floats:
    tasks = np.random.default_rng(seed).normal(0, 0.004, len(OPENS))
    return np.asarray(50 * np.exp(np.cumsum(tasks)), dtype=np.float64)


class Rig:
    """A platform over the folder, with a clock."""

    def __init__(self, home: Path, folder: Path, *symbols: str) -> None:
        self.platform = Platform(
            home,
            NOW,
            market=f"archive:{folder}",
            symbols=",".join(symbols),
            history_start=START,
            derived_timeframes="1d",
        )

    def collect(self, most: int = 40) -> list[dg.RunRequest]:
        """Cycle until nothing is requested twice, a quarter of an hour apart for back-off."""
        requested: list[dg.RunRequest] = []
        quiet = 0
        for _ in range(most):
            found = self.platform.cycle()
            requested += found
            quiet = 0 if found else quiet + 1
            if quiet == 2:
                return requested
            self.platform.ahead += 15 * 60.0
        raise AssertionError(f"it does not come to rest: {requested[-3:]}")

    def advance(self, hours: int, times: int) -> list[list[dg.RunRequest]]:
        """What is requested each time after so many hours, so many times in a row."""
        found = []
        for _ in range(times):
            self.platform.now = f"{utc(self.platform.now) + hours * HOUR:%Y-%m-%dT%H:%M:%S}"
            self.platform.ahead += hours * 3600.0
            found.append(self.collect())
        return found


def asked_for(requests: Iterable[dg.RunRequest]) -> set[str]:
    """Assets that runs were requested for, and series that were to be trained."""
    found: set[str] = set()
    for request in requests:
        found |= {asset.to_user_string() for asset in request.asset_selection or ()}
        if request.job_name == "train_models":
            found.add(f"train_models {request.run_config}")
    return found


def models_of(requests: Iterable[dg.RunRequest], symbol: str) -> set[str]:
    name = symbol.replace("/", "_")
    return {
        each
        for each in asked_for(requests)
        if each.startswith(f"{name}/model_") or (each.startswith("train") and symbol in each)
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def test_a_price_that_hardly_moves_is_published_explained_and_left_in_peace(
    tmp_path: Path, folder: Path
) -> None:
    ticks = np.random.default_rng(7).random(len(OPENS)) < 0.03
    save(folder, BTC, walk(1))
    save(folder, PEG, np.where(ticks, 1.0001, 1.0))
    save(folder, FLAT, np.full(len(OPENS), 0.25))
    rig = Rig(tmp_path / "home", folder, BTC, PEG, FLAT)
    first = rig.collect()
    assert models_of(first, BTC)
    later = rig.advance(4, times=3)
    assert_valid("manifest", rig.platform.manifest)
    for symbol in (PEG, FLAT):
        assert models_of([*first, *(each for hour in later for each in hour)], symbol) == set()
        entry = rig.platform.entry("1h", symbol)
        assert entry["status"] == "insufficient_data"
        assert entry["warning"].startswith("The price hardly ever moved in ")
        assert entry["history"]["as_of"] == "2024-02-21T06:00:00Z"
        assert entry["prediction"] is None
        assert not entry["degraded"]
        assert not entry["serve_allowed"]
        entry = rig.platform.entry("1d", symbol)
        assert entry["status"] == "insufficient_data"
        assert entry["warning"] == "51 1d candles are too few; a forecast needs 120."
        assert entry["history"] is not None
    assert rig.platform.entry("1h")["status"] == "fresh"
    for turn in later:  # one run with the new candles of all
        (run,) = [each for each in turn if each.tags[PURPOSE] not in ("evaluation", "training")]
        assert {f"{each}_USDT/ohlcv_1h" for each in ("BTC", "PEG", "FLAT")} <= asked_for([run])
    # The night's training, whose schedule does not run, is requested once; BTC alone has a model.
    (night,) = [each for turn in later for each in turn if each.tags[PURPOSE] == "training"]
    assert night in later[1]
    assert models_of([night], BTC)
    assert sum(map(len, later)) <= 3 + 1 + 1  # the forecasts of BTC are evaluated once a day


def test_a_price_that_begins_to_move_is_trained(tmp_path: Path, folder: Path) -> None:
    close = np.where(pd.Timestamp("2024-01-20", tz="UTC") > OPENS, 50.0, walk(2))
    save(folder, FLAT, close)
    rig = Rig(tmp_path / "home", folder, FLAT)
    rig.platform.now = "2024-01-20T18:00:30"
    assert models_of(rig.collect(), FLAT) == set()
    assert rig.platform.entry("1h", FLAT)["status"] == "insufficient_data"
    rig.platform.now = NOW
    assert models_of(rig.collect(), FLAT)
    assert rig.platform.entry("1h", FLAT)["status"] == "fresh"


def test_a_series_with_most_hours_missing_becomes_fresh_and_quiet(
    tmp_path: Path, folder: Path
) -> None:
    keep = np.random.default_rng(7).random(len(OPENS)) < 0.3
    keep[0] = True
    keep[pd.Timestamp(NOW, tz="UTC") - pd.Timedelta("2h") <= OPENS] = True
    save(folder, RARE, walk(3), keep)
    rig = Rig(tmp_path / "home", folder, RARE)
    rig.collect()
    later = rig.advance(2, times=3)
    entry = rig.platform.entry("1h", RARE)
    assert (entry["status"], entry["degraded"]) == ("fresh", False)
    assert entry["missing_candles"] > 800
    assert entry["gaps"]["failed"] == entry["gaps"]["pending"] == 0
    assert rig.platform.store.count_candles(series("1d", RARE), utc(START), utc(END)) == 51
    purposes = [sorted(each.tags[PURPOSE] for each in turn) for turn in later]
    # An absent candle is requested once more after an hour; each day has one evaluation.
    assert all(set(each) <= {"live", "gaps", "evaluation"} for each in purposes)
    assert all(len(each) == len(set(each)) for each in purposes)
    ledger = rig.platform.store.read_ledger(series("1h", RARE))
    assert all(each.is_settled for each in ledger.absences if each.end <= OPENS[-1])
