"""An exchange that serves only recent candles, with an archive of all the others.

- Together they are as good as an exchange that serves everything, for ranges of any length and for
  the first candle.
- The exchange is asked once for what it no longer serves. What neither has is unavailable.
- What only a refused file could bring fails with the file and the rule.
- Candles that the exchange refuses stay on the pages, unless the archive has them.
"""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.candles.frame import between
from coin_assets.domain.candles.refusals import Refusal
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.market.base import Market, Page
from coin_assets.market.combined import CombinedMarket
from coin_assets.market.downloads import ArchiveFiles
from coin_assets.market.sandbox import SandboxMarket
from coin_assets.market.vision import daily_files, monthly_file
from coin_assets_tests.market.recent import RecentMarket
from coin_assets_tests.market.vision_server import VisionServer, kline_text, make_tree, put, zipped
from coin_assets_tests.market.wrapped import WrappedMarket

SERIES = Series("BTC/USDT", Timeframe("1h"))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2024, 9, 12, 5, tzinfo=UTC)
OCTOBER = datetime(2024, 10, 1, tzinfo=UTC)
MONTHS_END, DAYS_END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 18, tzinfo=UTC)
NOW = datetime(2025, 1, 20, 7, 20, tzinfo=UTC)


def read(
    market: Market, start: datetime = START, end: datetime = NOW, series: Series = SERIES
) -> list[Page]:
    pages = list(market.pages(series, start, end, NOW))
    assert [page.start for page in pages] == [start, *(page.end for page in pages[:-1])]
    assert pages[-1].end == min(end, SERIES.timeframe.floor(NOW))
    return pages


def candles_of(pages: list[Page]) -> pd.DataFrame:
    return pd.concat([page.candles for page in pages], ignore_index=True)


def everything(start: datetime = START, end: datetime = NOW) -> pd.DataFrame:
    return candles_of(list(SandboxMarket().pages(SERIES, start, end, NOW)))


def assert_same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(left, right, check_exact=True)


@pytest.fixture(params=["folder", "url"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ArchiveFiles]:
    make_tree(tmp_path / "tree", SERIES, everything(), MONTHS_END, DAYS_END)
    if request.param == "folder":
        yield ArchiveFiles(str(tmp_path / "tree"))
        return
    with VisionServer(tmp_path / "tree") as server:
        files = ArchiveFiles(server.url, tmp_path / "work")
        yield files
        files.close()


@pytest.mark.parametrize("served", [60, 720, 2000])
@pytest.mark.parametrize(
    ("start", "end"),
    [
        (START, NOW),
        (START + 20 * DAY, START + 100 * DAY),
        (OCTOBER, OCTOBER + 31 * DAY),  # a short range, which the exchange is asked for first
        (OCTOBER + 3 * HOUR, OCTOBER + 5 * HOUR),
        (NOW.replace(minute=0) - 900 * HOUR, NOW),
    ],
)
def test_ranges_of_any_length_are_complete(
    archive: ArchiveFiles, served: int, start: datetime, end: datetime
) -> None:
    pages = read(CombinedMarket(archive, RecentMarket(served)), start, end)
    assert_same(candles_of(pages), everything(start, end))
    assert not any(page.is_unavailable for page in pages)


@pytest.mark.parametrize("served", [24, 300, 5000])
def test_the_first_candle_is_the_older_one_of_the_two(archive: ArchiveFiles, served: int) -> None:
    exchange = RecentMarket(served)
    market = CombinedMarket(archive, exchange)
    expected = min(START, exchange.oldest(SERIES, NOW))
    assert market.listed(SERIES, NOW) == expected
    asked = archive.usage()
    assert market.listed(SERIES, NOW) == expected
    assert archive.usage() == asked or archive.local


@pytest.mark.parametrize("end", [MONTHS_END, datetime(2024, 11, 3, tzinfo=UTC)])
def test_the_first_candle_is_found_in_an_archive_that_ended_before_the_exchange_begins(
    tmp_path: Path, end: datetime
) -> None:
    make_tree(tmp_path / "tree", SERIES, everything(), MONTHS_END, MONTHS_END)
    for path in (tmp_path / "tree").rglob("*2024-1[12].zip*"):
        if end < MONTHS_END:
            path.unlink()
    with VisionServer(tmp_path / "tree") as server:
        files = ArchiveFiles(server.url, tmp_path / "work")
        assert CombinedMarket(files, RecentMarket(24)).listed(SERIES, NOW) == START
        files.close()


def test_an_archive_of_a_symbol_that_the_exchange_serves_whole_is_asked_for_little(
    tmp_path: Path,
) -> None:
    make_tree(tmp_path / "tree", SERIES, everything(), MONTHS_END, DAYS_END)
    with VisionServer(tmp_path / "tree") as server:
        files = ArchiveFiles(server.url, tmp_path / "work")
        listed = CombinedMarket(files, SandboxMarket()).listed(SERIES, NOW)
        assert listed == SandboxMarket().listed(SERIES, NOW)
        assert len(server.requests) == 3
        files.close()


def test_what_is_no_longer_served_is_asked_for_once_and_said_if_it_was_not_compared(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_tree(tmp_path, SERIES, everything(), MONTHS_END, MONTHS_END)
    exchange = RecentMarket(24)
    with caplog.at_level(logging.INFO):
        pages = read(CombinedMarket(ArchiveFiles(str(tmp_path)), exchange))
    asked = [(start, end) for _, start, end in exchange.asked]
    assert asked == [(MONTHS_END - DAY, MONTHS_END), (MONTHS_END, NOW.replace(minute=0))]
    assert "no longer serves" in caplog.text
    gap = [page for page in pages if page.is_unavailable]
    assert [(page.start, page.end) for page in gap] == [(MONTHS_END, exchange.oldest(SERIES, NOW))]


@pytest.mark.parametrize("rows", [range(1), range(100, 103), range(300, 744)])
def test_what_neither_has_is_unavailable_and_the_rest_of_the_month_is_not(
    tmp_path: Path, rows: range
) -> None:
    candles = everything()
    make_tree(tmp_path, SERIES, candles, MONTHS_END, DAYS_END)
    whole = between(candles, OCTOBER, OCTOBER + 31 * DAY)
    text = kline_text(whole.drop(index=list(rows)), SERIES)
    put(tmp_path, monthly_file(SERIES, OCTOBER).name, zipped(text))
    pages = read(CombinedMarket(ArchiveFiles(str(tmp_path)), RecentMarket(720)))
    (gap,) = [page for page in pages if page.is_unavailable]
    opens = whole["timestamp"]
    assert gap.start == opens.iloc[rows[0]]
    assert gap.end == opens.iloc[rows[-1]] + HOUR
    lost = candles["timestamp"].isin(opens.iloc[list(rows)])
    assert_same(candles_of(pages), candles[~lost].reset_index(drop=True))


def test_months_without_a_monthly_file_come_from_daily_files(tmp_path: Path) -> None:
    tree, candles = tmp_path / "tree", everything()
    make_tree(tree, SERIES, candles, MONTHS_END, DAYS_END)
    for month in (datetime(2024, 9, 1, tzinfo=UTC), OCTOBER):
        (tree / monthly_file(SERIES, month).name).unlink()
        for file in daily_files(SERIES, month):
            put(tree, file.name, zipped(kline_text(between(candles, file.start, file.end), SERIES)))
    with VisionServer(tree) as server:
        files = ArchiveFiles(server.url, tmp_path / "work")
        market = CombinedMarket(files, RecentMarket(720))
        assert_same(candles_of(read(market)), candles)
        assert market.listed(SERIES, NOW) == START
        files.close()


class Refusing(WrappedMarket):
    """The sandbox with some candles that are refused."""

    def __init__(self, opens: list[datetime]) -> None:
        super().__init__(SandboxMarket())
        self.refusals = tuple(
            Refusal(opened, SERIES.timeframe.next(opened), "ohlc", "high < low") for opened in opens
        )

    def pages(
        self, series: Series, start: datetime, end: datetime, now: datetime
    ) -> Iterator[Page]:
        for page in self._whole.pages(series, start, end, now):
            inside = tuple(r for r in self.refusals if page.start <= r.start < page.end)
            bad = page.candles["timestamp"].isin([each.start for each in inside])
            kept = page.candles[~bad].reset_index(drop=True)
            yield Page(kept, page.start, page.end, inside)


def test_refusals_of_the_exchange_stay_where_the_archive_has_no_candle(tmp_path: Path) -> None:
    held, lost = OCTOBER + 100 * HOUR, OCTOBER + 102 * HOUR
    tail = DAYS_END + 5 * HOUR
    candles = everything()
    kept = ~candles["timestamp"].isin([lost - 3 * HOUR, lost])
    make_tree(tmp_path, SERIES, candles[kept].reset_index(drop=True), MONTHS_END, DAYS_END)
    exchange = Refusing([held, lost, tail])
    pages = read(CombinedMarket(ArchiveFiles(str(tmp_path)), exchange))
    refused = [each for page in pages for each in page.refused]
    assert [each.start for each in refused] == [lost, tail]
    assert all(p.start <= each.start < p.end for p in pages for each in p.refused)
    found = candles_of(pages)["timestamp"]
    assert held in set(found)
    assert len(found) == len(candles) - 2


@pytest.mark.parametrize("month", [START.replace(day=1, hour=0), OCTOBER])
@pytest.mark.parametrize("whole", [True, False])
def test_a_refused_file_explains_what_is_no_longer_served(
    tmp_path: Path, month: datetime, whole: bool
) -> None:
    make_tree(tmp_path, SERIES, everything(), MONTHS_END, DAYS_END)
    name = monthly_file(SERIES, month).name
    (tmp_path / name).write_bytes(b"damaged")
    end = month + 30 * DAY
    market = CombinedMarket(ArchiveFiles(str(tmp_path)), RecentMarket(720))
    begin = max(START, month)
    pages = read(market, begin, NOW if whole else end)
    failed = [page for page in pages if page.error is not None]
    assert {page.start for page in failed} == {begin}
    assert failed[0].end >= end
    assert f"[checksum] {tmp_path}/{name}" in str(failed[0].error)
    assert not any(page.is_unavailable for page in pages)
    if whole and begin == START:
        assert_same(candles_of(pages), everything(failed[0].end))
    assert market.listed(SERIES, NOW) == (START if month == OCTOBER else month)
