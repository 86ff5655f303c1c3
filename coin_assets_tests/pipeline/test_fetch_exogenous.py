"""Fetches of exogenous series: whole, in parts, again for corrections, and when they are due."""

from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.forecasting.exogenous import Progress
from coin_assets.domain.methods import IMPLIED, OPEN_INTEREST
from coin_assets.errors import CorruptArtefact, MarketUnavailable
from coin_assets.pipeline.fetch_exogenous import (
    ExogenousReport,
    fetch_exogenous,
    is_due,
    needs_fetch,
)
from coin_assets.store.exogenous import ExogenousTables
from coin_assets_tests.exogenous_world import World, hourly
from coin_assets_tests.platform import BTC, ETH, files_of, utc

START, NOW, HOUR = utc("2025-06-01"), utc("2026-02-02T00:01:30"), timedelta(hours=1)


class Home:
    """A home whose clock a test sets."""

    def __init__(self, folder: Path, world: World | None = None) -> None:
        self.tables, self.now = ExogenousTables(folder), NOW
        self.world = world or World(hourly(START, NOW + 99 * HOUR), lambda: self.now)

    def fetch(self, symbol: str = BTC) -> ExogenousReport:
        return fetch_exogenous(self.tables, self.world, symbol, START, lambda: self.now)

    def progress(self) -> Progress | None:
        return self.tables.progress(BTC, self.world.name)


def test_the_history_is_fetched_in_parts_and_then_hour_by_hour(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.fetch().changed == (NOW - START) // HOUR + 1
    assert home.progress() == Progress(NOW, NOW)
    assert len(home.world.requests) == 3
    home.now += HOUR
    assert home.fetch().changed == 1
    rows = home.tables.read(BTC, IMPLIED, START, home.now)
    assert (rows["known_at"] - rows["timestamp"] == timedelta(minutes=10)).all()
    assert home.fetch().changed == 0


def test_a_history_that_breaks_off_goes_on_where_it_was(tmp_path: Path) -> None:
    whole, broken = Home(tmp_path / "whole"), Home(tmp_path / "broken")
    whole.fetch()
    asked = broken.world.values

    def away(symbol: str, start: datetime, end: datetime) -> object:
        broken.world.is_away = len(broken.world.requests) == 1
        return asked(symbol, start, end)

    broken.world.values = away  # type: ignore[method-assign,assignment]
    with pytest.raises(MarketUnavailable):
        broken.fetch()
    progress = broken.progress()
    assert progress is not None
    assert not progress.is_complete
    assert is_due(progress, NOW)
    broken.fetch()
    assert files_of(tmp_path / "broken") == files_of(tmp_path / "whole")
    assert len(broken.world.requests) == 4


def test_what_was_published_late_counts_from_its_receipt(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.fetch()
    late = NOW.replace(minute=0, second=0) + HOUR
    home.world.events[late] = [(late + 5 * HOUR, 77.0)]
    for _ in range(7):
        home.now += HOUR
        home.fetch()
    (row,) = home.tables.read(BTC, IMPLIED, late, late + HOUR).itertuples()
    assert row.value == 77.0
    assert row.known_at == late + 5 * HOUR + timedelta(minutes=2, seconds=30)


def test_a_source_that_was_away_gives_what_counts_from_then(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.fetch()
    home.now += 10 * HOUR
    assert home.fetch().changed == 10
    known_at = home.tables.read(BTC, IMPLIED, NOW, home.now)["known_at"]
    assert known_at.min() == home.now + timedelta(minutes=1)


def test_a_symbol_without_values_is_asked_for_and_has_none(tmp_path: Path) -> None:
    home = Home(tmp_path)
    report = home.fetch(ETH)
    assert (report.changed, report.extent) == (0, None)
    progress = home.tables.progress(ETH, IMPLIED)
    assert progress is not None
    assert progress.is_complete


def test_a_source_is_not_asked_for_what_it_does_not_serve_any_more(tmp_path: Path) -> None:
    kept = timedelta(days=29)
    world = World(hourly(START, NOW), lambda: NOW, OPEN_INTEREST, kept)
    home = Home(tmp_path, world)
    home.fetch()
    assert world.requests[0][0] == NOW - kept
    assert home.progress() == Progress(NOW, NOW)


MONTH = "exogenous/symbol=BTC_USDT/timeframe=1h/month=2025-12/implied_volatility.parquet"
LEDGER = "exogenous_ledger/symbol=BTC_USDT/timeframe=1h/implied_volatility.json"


def test_a_month_whose_file_is_gone_is_no_month_without_values(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.fetch()
    before = files_of(tmp_path)
    (tmp_path / MONTH).unlink()
    with pytest.raises(CorruptArtefact, match=r"month=2025-12.* is gone.*fetch_exogenous"):
        home.tables.read(BTC, IMPLIED, START, NOW)
    with pytest.raises(CorruptArtefact, match="is gone"):
        home.tables.read_for(BTC, IMPLIED, pd.DatetimeIndex([utc("2026-01-01T03:00")]))
    assert len(home.tables.read(BTC, IMPLIED, utc("2026-01-01"), NOW))
    assert needs_fetch(home.tables, BTC, IMPLIED, NOW)
    assert home.fetch().lost == (utc("2025-12-01"),)
    assert files_of(tmp_path) == before
    assert not needs_fetch(home.tables, BTC, IMPLIED, NOW)


def test_a_gone_month_that_the_source_does_not_keep_stays_empty(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.fetch()
    home.world.kept = timedelta(days=29)
    (tmp_path / MONTH).unlink()
    assert home.fetch().lost == (utc("2025-12-01"),)
    assert home.tables.read(BTC, IMPLIED, utc("2025-12-01"), utc("2026-01-01")).empty
    assert home.fetch().lost == ()


def test_a_record_that_is_gone_is_made_anew_and_changes_nothing_of_before(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.fetch()
    described = utc("2026-01-15T03:00")
    before = home.tables.read(BTC, IMPLIED, START, NOW)
    (tmp_path / LEDGER).unlink()
    with pytest.raises(CorruptArtefact, match=r"implied_volatility\.json does not say"):
        home.tables.read_for(BTC, IMPLIED, pd.DatetimeIndex([NOW]))
    home.world.events[described].append((NOW, 900.0))
    home.now += 5 * HOUR
    assert home.fetch().changed == 6
    after = home.tables.read(BTC, IMPLIED, START, home.now)
    received = home.now + timedelta(minutes=1)
    assert (after["known_at"] >= received).sum() == 6
    pd.testing.assert_frame_equal(
        after[after["known_at"] < received].reset_index(drop=True), before
    )


def test_damage_of_an_old_month_is_found_by_the_next_fetch(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.fetch()
    content = bytearray((tmp_path / MONTH).read_bytes())
    content[len(content) // 2] ^= 0x55
    (tmp_path / MONTH).write_bytes(content)
    home.now += HOUR
    with pytest.raises(CorruptArtefact, match=r"month=2025-12.*Remove the file: fetch_exogenous"):
        home.fetch()
    assert len(home.tables.read(BTC, IMPLIED, NOW, home.now)) == 1


@pytest.mark.parametrize(
    ("asked", "now", "due"),
    [
        ("2026-02-02T00:01:30", "2026-02-02T01:00:30", False),
        ("2026-02-02T00:01:30", "2026-02-02T01:01:00", True),
        ("2026-02-02T01:01:00", "2026-02-02T01:59:00", False),
        ("2026-02-01T00:00:00", "2026-02-02T01:59:00", True),
    ],
)
def test_an_hour_is_due_a_minute_after_it(asked: str, now: str, due: bool) -> None:
    assert is_due(Progress(START, utc(asked)), utc(now)) is due
    assert is_due(None, utc(now))
