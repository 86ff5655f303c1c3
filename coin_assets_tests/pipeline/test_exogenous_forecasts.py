"""Forecasts that read exogenous series, live, by the leak rule.

- What is published later, late, or is corrected, changes no bit of a model or a forecast before it
  was received: recomputing all of them from the store of the end changes nothing.
- A correction changes exactly the forecasts from its receipt on.
- Without values, or before their history is stored, there is no such challenger, and a reason.
"""

from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.forecasting.exogenous import known_values
from coin_assets.domain.methods import CHALLENGER_EXOGENOUS, CHAMPION, IMPLIED
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe, just_after
from coin_assets.models.exogenous import ExogenousInputs, why_not_trained
from coin_assets.models.registry import ModelRegistry
from coin_assets.models.training import TrainingRequest, TrainingResult, train
from coin_assets.pipeline.fetch_exogenous import fetch_exogenous
from coin_assets.pipeline.forecast import ForecastRequest, VisibleCandles, predict_window
from coin_assets.pipeline.recompute_forecasts import recompute_forecasts, touched_forecasts
from coin_assets.store.exogenous import ExogenousTables
from coin_assets.store.forecasts import of_role
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.exogenous_world import Publication, World, hourly
from coin_assets_tests.models.trainings import candles
from coin_assets_tests.platform import files_of, utc

HOUR, STEP = Timeframe("1h"), timedelta(hours=1)
SERIES = Series("BTC/USDT", HOUR)
START, CUTOFF, END = utc("2026-01-01"), utc("2026-03-01"), utc("2026-03-02")
Events = dict[datetime, list[Publication]]


class Home:
    """A home that lives hour by hour: it fetches 90 s after each hour, then forecasts.

    Args:
        events: of the source.
        end: of the candles.
    """

    def __init__(self, folder: Path, events: Events, end: datetime = END) -> None:
        self.folder, self.now = folder, CUTOFF + timedelta(seconds=90)
        self.store, self.registry = ParquetStore(folder), ModelRegistry(folder)
        self.tables, self.end = ExogenousTables(folder), end
        self.world = World(events, lambda: self.now)
        rows = candles(SERIES, START, END)
        self.store.write_candles(
            SERIES, rows[rows["timestamp"] < end].reset_index(drop=True), START, end
        )

    def fetch(self) -> None:
        fetch_exogenous(self.tables, self.world, SERIES.symbol, START, lambda: self.now)

    def train(self) -> TrainingResult:
        request = TrainingRequest(
            SERIES,
            CUTOFF,
            START,
            others=("har_exogenous",),
            exogenous=ExogenousInputs(self.tables, (IMPLIED,)),
        )
        return train(self.store, self.registry, request, self.now)

    @property
    def visible(self) -> VisibleCandles:
        return VisibleCandles(START, HOUR.floor(self.now), exogenous=self.tables)

    def appoint(self) -> None:
        for role, version in zip(
            (CHAMPION, CHALLENGER_EXOGENOUS), self.registry.versions(SERIES), strict=True
        ):
            self.registry.appoint(
                SERIES, role, version, CUTOFF, reason="", by="test", recorded_at=self.now
            )

    def predict(self) -> None:
        window = CUTOFF, just_after(HOUR.floor(self.now))
        request = ForecastRequest(SERIES, *window, self.visible, self.now)
        report = predict_window(self.store, self.registry, request)
        assert not report.challenger_errors

    def lived(self) -> "Home":
        self.fetch()
        assert [each.created for each in self.train().of_all_methods] == [True, True]
        self.appoint()
        while self.now < self.end + STEP:
            self.fetch()
            self.predict()
            self.now += STEP
        return self

    def forecasts(self, role: str = CHALLENGER_EXOGENOUS) -> pd.DataFrame:
        rows = self.store.read_forecasts(SERIES, START, utc("2027-01-01"))
        return of_role(rows, role).drop(columns="kind").reset_index(drop=True)

    def recompute(self) -> int:
        """Recompute all forecasts, as ``redo_touched`` does after revised candles."""
        opens = HOUR.opens(START, self.end)
        touched = touched_forecasts(
            self.store, self.registry, SERIES, opens, START, HOUR.floor(self.now)
        )
        assert sum(len(each.origins) for each in touched) > 0
        return sum(
            recompute_forecasts(self.store, self.registry, SERIES, each, self.visible).changed
            for each in touched
        )


def events() -> Events:
    return hourly(START, END + 99 * STEP)


LATE, CORRECTED = utc("2026-03-01T05:00"), utc("2026-03-01T04:00")
OLD = utc("2026-02-28T20:00")  # of the history


def eventful() -> Events:
    """Values of 5 to 11 h that come at 13 h, and two that are corrected to 900."""
    made = events()
    for hour in range(7):
        (_, value) = made[LATE + hour * STEP][0]
        made[LATE + hour * STEP] = [(LATE + 8 * STEP, value)]
    made[CORRECTED] = [*made[CORRECTED], (utc("2026-03-01T10:00"), 900.0)]
    made[OLD] = [*made[OLD], (utc("2026-03-01T11:40"), 900.0)]
    return made


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("whole"), events()).lived()


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("later"), eventful()).lived()


def test_the_challenger_forecasts_the_origins_of_the_champion_from_the_values(whole: Home) -> None:
    made, champions = whole.forecasts(), whole.forecasts(CHAMPION)
    assert made["as_of"].tolist() == champions["as_of"].tolist()
    assert made["as_of"].nunique() == (END - CUTOFF) // STEP + 1
    assert (made["q95"] != champions["q95"]).any()
    (_, version) = whole.registry.versions(SERIES)
    facts = version.metadata()
    assert facts["features"][-1] == IMPLIED
    assert facts["exogenous"][IMPLIED]["rows"] == len(candles(SERIES, START, CUTOFF))
    assert "exogenous" not in whole.registry.versions(SERIES)[0].metadata()


def test_recomputing_from_all_that_came_later_changes_nothing(later: Home) -> None:
    before = later.forecasts()
    values = later.tables.read("BTC/USDT", IMPLIED, START, END)
    assert len(values) == (END - START) // STEP + 2
    assert later.recompute() == 0
    pd.testing.assert_frame_equal(later.forecasts(), before, check_exact=True)


def test_what_comes_late_or_is_corrected_counts_from_its_receipt_on(
    whole: Home, later: Home
) -> None:
    assert files_of(later.folder / "models") == files_of(whole.folder / "models")
    made, plain = later.forecasts(), whole.forecasts()
    early = made["as_of"] <= LATE
    pd.testing.assert_frame_equal(made[early], plain[early], check_exact=True)
    # At the origin of 6 h that of 5 h would be the newest.
    differs = made["as_of"][made["q95"] != plain["q95"]]
    assert differs.min() == LATE + STEP
    origins = pd.DatetimeIndex([LATE + hour * STEP for hour in range(1, 10)])
    found = known_values(later.tables.read("BTC/USDT", IMPLIED, START, END), origins)
    told = [events()[CORRECTED + hour * STEP][0][1] for hour in (0, 8, 9)]
    # The correction of 10 h is received 90 s later, and the value of 12 h comes in time.
    assert found.tolist() == [told[0]] * 5 + [900.0] * 2 + told[1:]


def test_a_model_of_before_reads_what_was_known_then(later: Home) -> None:
    """The version of the cutoff is trained again, from all that came later, to the same bytes."""
    again = ModelRegistry(later.folder / "again")
    request = TrainingRequest(
        SERIES,
        CUTOFF,
        START,
        method="har_exogenous",
        exogenous=ExogenousInputs(later.tables, (IMPLIED,)),
    )
    made = train(later.store, again, request, CUTOFF).version
    known = later.registry.versions(SERIES)[1]
    assert made is not None
    assert (made.folder / "model.json").read_bytes() == (known.folder / "model.json").read_bytes()


def test_without_the_later_values_and_candles_all_is_the_same(whole: Home, tmp_path: Path) -> None:
    end = utc("2026-03-01T13:00")
    known = {time: made for time, made in events().items() if time <= end}
    home = Home(tmp_path, known, end).lived()
    assert files_of(home.folder / "models") == files_of(whole.folder / "models")
    made, before = home.forecasts(), whole.forecasts()
    until = before[before["as_of"] <= end].reset_index(drop=True)
    pd.testing.assert_frame_equal(made, until, check_exact=True)
    assert 0 < len(made) < len(before)


def test_a_series_without_values_has_no_such_challenger_and_a_reason(tmp_path: Path) -> None:
    home = Home(tmp_path, {})
    home.fetch()
    result = home.train()
    assert result.created
    (other,) = result.others
    assert (other.version, other.error) == (None, None)
    assert other.insufficient == (
        "har_exogenous needs an exogenous series: implied_volatility has no values of BTC/USDT."
    )
    home.predict()
    assert len(home.forecasts(CHAMPION)) > 0
    assert home.forecasts().empty


def test_before_the_history_is_stored_there_is_none(tmp_path: Path) -> None:
    home = Home(tmp_path, events())
    assert "history of implied_volatility is not fetched" in str(
        home.train().others[0].insufficient
    )
    home.tables.begin("BTC/USDT", IMPLIED, START, home.now)
    assert "history of implied_volatility is not fetched" in str(
        home.train().others[0].insufficient
    )
    home.fetch()
    assert home.train().others[0].created


def test_a_model_needs_as_much_history_of_a_series_as_of_candles(tmp_path: Path) -> None:
    first = CUTOFF - 239 * STEP
    home = Home(tmp_path, {time: made for time, made in events().items() if time >= first})
    home.fetch()
    inputs = ExogenousInputs(home.tables, (IMPLIED,))
    reason = why_not_trained(inputs, SERIES, "har_exogenous", CUTOFF)
    assert reason == (
        "implied_volatility of BTC/USDT begins 2026-02-19 01:00; a forecast of 1h needs it from "
        "2026-02-19 00:00 on"
    )
    assert why_not_trained(inputs, SERIES, "har_exogenous", CUTOFF + STEP) is None
    assert why_not_trained(None, SERIES, "har_exogenous", CUTOFF) == "none is collected"
    assert why_not_trained(None, SERIES, "har", CUTOFF) is None
