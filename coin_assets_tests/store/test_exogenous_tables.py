"""Exogenous values in a home: damage is a typed error, and a killed writer loses nothing."""

from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from coin_assets.domain.forecasting.exogenous import Progress, published
from coin_assets.domain.methods import FUNDING, IMPLIED
from coin_assets.errors import CorruptArtefact, DataRefused
from coin_assets.files import atomic
from coin_assets.store.exogenous import ExogenousTables
from coin_assets_tests.platform import BTC, ETH, files_of, utc

START, NOW, HOUR = utc("2026-01-30"), utc("2026-02-02T00:00:30"), timedelta(hours=1)
MONTHS = [
    f"exogenous/symbol=BTC_USDT/timeframe=1h/month=2026-{month}/implied_volatility.parquet"
    for month in ("01", "02")
]
LEDGER = "exogenous_ledger/symbol=BTC_USDT/timeframe=1h/implied_volatility.json"


def hours(count: int, start: datetime = START, value: float = 50.0) -> pd.DataFrame:
    times = pd.DatetimeIndex([start + number * HOUR for number in range(count)])
    return published(times, timedelta(minutes=10), value + np.arange(count, dtype=np.float64))


def stored(home: Path, asked: datetime = NOW) -> ExogenousTables:
    tables = ExogenousTables(home)
    tables.begin(BTC, IMPLIED, START, NOW)
    tables.add(BTC, IMPLIED, hours(60), asked, seen=NOW)
    return tables


def test_values_come_back_with_the_times_from_which_they_count(tmp_path: Path) -> None:
    tables = stored(tmp_path)
    pd.testing.assert_frame_equal(tables.read(BTC, IMPLIED, START, NOW), hours(60))
    some = tables.read(BTC, IMPLIED, START + HOUR, START + 3 * HOUR)
    assert some["value"].tolist() == [51.0, 52.0]
    extent = tables.extent(BTC, IMPLIED)
    assert extent is not None
    assert (extent.first, extent.last, extent.rows) == (START, START + 59 * HOUR, 60)
    assert sorted(files_of(tmp_path)) == [*MONTHS, LEDGER]
    label = pq.read_schema(tmp_path / MONTHS[0]).metadata
    assert label[b"coin_assets.table"] == b"implied_volatility"
    assert label[b"coin_assets.symbol"] == b"BTC/USDT"
    assert tables.extent(BTC, FUNDING) is None
    assert tables.progress(ETH, IMPLIED) is None


def test_a_history_begins_once(tmp_path: Path) -> None:
    tables = ExogenousTables(tmp_path)
    first = tables.begin(BTC, IMPLIED, START, NOW)
    assert first == Progress(NOW, START)
    assert tables.begin(BTC, IMPLIED, START, NOW + 9 * HOUR) == first
    tables.add(BTC, IMPLIED, hours(0), NOW, seen=NOW)
    assert tables.begin(BTC, IMPLIED, START, NOW + 9 * HOUR) == Progress(NOW, NOW)
    tables.add(BTC, IMPLIED, hours(0), START, seen=NOW)  # of a slower process
    assert tables.progress(BTC, IMPLIED) == Progress(NOW, NOW)


def test_the_same_values_change_no_byte(tmp_path: Path) -> None:
    tables = stored(tmp_path)
    before = files_of(tmp_path)
    again = tables.add(BTC, IMPLIED, hours(60), NOW, seen=NOW + HOUR)
    assert again.rows_changed == 0
    assert files_of(tmp_path) == before


def test_a_correction_is_added_and_touches_its_month_alone(tmp_path: Path) -> None:
    tables = stored(tmp_path)
    before = files_of(tmp_path)
    seen = NOW + HOUR
    tables.add(BTC, IMPLIED, hours(1, START + 2 * HOUR, 99.0), seen, seen=seen)
    after = files_of(tmp_path)
    assert after[MONTHS[1]] == before[MONTHS[1]]
    rows = tables.read(BTC, IMPLIED, START + 2 * HOUR, START + 3 * HOUR)
    assert rows["value"].tolist() == [52.0, 99.0]
    assert rows["known_at"].tolist() == [
        START + 2 * HOUR + timedelta(minutes=10),
        seen + timedelta(minutes=1),
    ]


class KilledError(BaseException):
    """Nobody catches it, as nobody catches SIGKILL."""


def fetch_again_and_again(home: Path) -> None:
    """The same requests after each death: a history in two parts, and then an hour."""
    tables = ExogenousTables(home)
    middle, later = START + 30 * HOUR, NOW + HOUR
    progress = tables.begin(BTC, IMPLIED, START, NOW)
    if progress.asked < middle:
        tables.add(BTC, IMPLIED, hours(30), middle, seen=NOW)
    tables.add(BTC, IMPLIED, hours(60), NOW, seen=NOW)
    tables.add(BTC, IMPLIED, hours(80), later, seen=later)


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_writer_that_is_killed_at_any_write_ends_with_the_same_bytes(
    tmp_path: Path, where: str
) -> None:
    fetch_again_and_again(tmp_path / "undisturbed")
    expected = files_of(tmp_path / "undisturbed")
    whole = atomic.replace
    for fatal in count():
        steps = count()

        def dying(partial: Path, path: Path, fatal: int = fatal, steps: count = steps) -> None:  # type: ignore[type-arg]
            is_fatal = next(steps) == fatal
            if is_fatal and where == "before":
                raise KilledError
            whole(partial, path)
            if is_fatal:
                raise KilledError

        home = tmp_path / str(fatal)
        try:
            with patch.object(atomic, "replace", dying):
                fetch_again_and_again(home)
        except KilledError:
            fetch_again_and_again(home)
        else:
            break
        assert files_of(home) == expected
    assert fatal > 5


@pytest.mark.parametrize("name", MONTHS)
def test_a_damaged_file_is_a_typed_error(tmp_path: Path, name: str) -> None:
    tables = stored(tmp_path)
    cut_in_half(tmp_path / name)
    with pytest.raises(CorruptArtefact, match=r"implied_volatility\.parquet"):
        tables.read(BTC, IMPLIED, START, NOW)


def test_a_damaged_ledger_is_a_typed_error(tmp_path: Path) -> None:
    tables = stored(tmp_path)
    cut_in_half(tmp_path / LEDGER)
    with pytest.raises(CorruptArtefact, match=r"implied_volatility\.json"):
        tables.progress(BTC, IMPLIED)


def cut_in_half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def test_files_of_another_series_are_a_typed_error(tmp_path: Path) -> None:
    tables = stored(tmp_path)
    for name in (*MONTHS, LEDGER):
        other = tmp_path / name.replace(IMPLIED, FUNDING)
        other.write_bytes((tmp_path / name).read_bytes())
    with pytest.raises(CorruptArtefact, match="belongs elsewhere"):
        tables.progress(BTC, FUNDING)
    with pytest.raises(CorruptArtefact, match="belongs elsewhere"):
        tables.read(BTC, FUNDING, START, NOW)


def test_values_that_are_none_are_refused_and_nothing_is_stored(tmp_path: Path) -> None:
    tables = stored(tmp_path)
    before = files_of(tmp_path)
    with pytest.raises(DataRefused, match="values are finite"):
        tables.add(BTC, IMPLIED, hours(3).assign(value=np.inf), NOW + HOUR, seen=NOW)
    assert files_of(tmp_path) == before
