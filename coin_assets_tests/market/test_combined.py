"""An exchange with an archive beside it.

- Whatever the archive has, the candles are those of the exchange alone, and so are the stored
  bytes; the exchange is asked only for the overlap, for one comparison of each month, for what the
  archive lacks, and for the tail.
- Short ranges, and symbols that no archive can have, go to the exchange alone.
- A range that the exchange does not read, or sends broken, is not taken for absent, and costs its
  month at most.
- Where archive and exchange meet they are compared: corrections of the exchange count, an archive
  of another market, unit or time zone is refused before any of it is used.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.candles.frame import PRICES, between, content_hash
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe, month_start, months_between, next_month
from coin_assets.errors import (
    CoinAssetsError,
    ConfigurationError,
    InvalidCandles,
    MarketUnavailable,
    RangeRefused,
)
from coin_assets.market.base import Market, Page, Usage
from coin_assets.market.ccxt import CcxtMarket
from coin_assets.market.combined import CombinedMarket
from coin_assets.market.downloads import ArchiveFiles
from coin_assets.market.factory import open_market
from coin_assets.market.vision import daily_files, monthly_file
from coin_assets.pipeline.fetch import fetch_candles
from coin_assets.pipeline.fetch_request import FetchRequest
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.market.spoiled import Spoiled, SpoiledMarket
from coin_assets_tests.market.vision_server import VisionServer, make_tree

BTC_1H = Series("BTC/USDT", Timeframe("1h"))
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2024, 9, 1, tzinfo=UTC)
MONTHS_END = datetime(2025, 1, 1, tzinfo=UTC)
DAYS_END = datetime(2025, 1, 18, tzinfo=UTC)
NOW = datetime(2025, 1, 20, 7, 20, tzinfo=UTC)
END = datetime(2025, 2, 1, tzinfo=UTC)
OUTAGE = ("2024-10-05T03:00", "2024-10-05T09:00")


def exchange() -> PatchyMarket:
    return PatchyMarket([OUTAGE])


def read(
    market: Market, start: datetime = START, end: datetime = END, series: Series = BTC_1H
) -> pd.DataFrame:
    pages = list(market.pages(series, start, end, NOW))
    check_pages(pages, start, min(end, series.timeframe.floor(NOW)))
    return pd.concat([page.candles for page in pages], ignore_index=True)


def check_pages(pages: list[Page], start: datetime, end: datetime) -> None:
    """As the protocol says."""
    reached = start
    for page in pages:
        assert page.start == reached < page.end
        assert len(between(page.candles, page.start, page.end)) == len(page.candles)
        reached = page.end
    assert reached == end


def assert_same(left: pd.DataFrame, right: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(left, right, check_exact=True)


def archived(
    folder: Path, candles: pd.DataFrame | None = None, series: Series = BTC_1H
) -> ArchiveFiles:
    make_tree(
        folder,
        series,
        read(exchange(), series=series) if candles is None else candles,
        MONTHS_END,
        DAYS_END,
    )
    return ArchiveFiles(str(folder))


@pytest.fixture(params=["folder", "url"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ArchiveFiles]:
    folder = archived(tmp_path / "tree")
    if request.param == "folder":
        yield folder
        return
    with VisionServer(tmp_path / "tree") as server:
        files = ArchiveFiles(server.url, tmp_path / "work")
        yield files
        files.close()
    assert not (tmp_path / "work").exists() or not list((tmp_path / "work").iterdir())


OVERLAP = (DAYS_END - DAY, DAYS_END)
HOLE = (datetime(2024, 10, 5, 3, tzinfo=UTC), datetime(2024, 10, 5, 9, tzinfo=UTC))
TAIL = (DAYS_END, NOW.replace(minute=0))
MONTHS = [
    (month, min(next_month(month), NOW.replace(minute=0))) for month in months_between(START, NOW)
]
ASKED = [OVERLAP, *MONTHS[:2], HOLE, *MONTHS[2:], TAIL]


def test_the_exchange_is_asked_for_seam_months_holes_and_tail_and_its_candles_count(
    archive: ArchiveFiles,
) -> None:
    asked = exchange()
    market = CombinedMarket(archive, asked)
    assert_same(read(market), read(exchange()))
    assert asked.asked == ASKED
    assert market.usage() == archive.usage() + asked.usage()
    assert asked.usage() == Usage(len(ASKED))


def test_listing_and_horizon_are_the_exchanges(tmp_path: Path) -> None:
    market = CombinedMarket(archived(tmp_path), exchange())
    assert market.listed(BTC_1H, NOW) == exchange().listed(BTC_1H, NOW)
    assert market.horizon(BTC_1H, NOW) == NOW


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (START + 5 * DAY, END),
        (START + 5 * DAY, datetime(2024, 11, 20, 5, tzinfo=UTC)),
        (START + HOUR / 2, datetime(2024, 12, 1, tzinfo=UTC)),
        (datetime(2024, 7, 15, 3, tzinfo=UTC), datetime(2024, 11, 1, tzinfo=UTC)),
        (datetime(2024, 6, 1, tzinfo=UTC), datetime(2024, 8, 15, tzinfo=UTC)),
        (datetime(2017, 7, 1, tzinfo=UTC), datetime(2017, 11, 1, tzinfo=UTC)),
    ],
)
def test_any_long_range_equals_the_exchange_alone(
    tmp_path: Path, start: datetime, end: datetime
) -> None:
    market = CombinedMarket(archived(tmp_path), exchange())
    assert_same(read(market, start, end), read(exchange(), start, end))


@pytest.mark.parametrize("name", ["30m", "4h"])
def test_other_timeframes_equal_the_exchange_alone(tmp_path: Path, name: str) -> None:
    series = BTC_1H.at(Timeframe(name))
    market = CombinedMarket(archived(tmp_path, series=series), exchange())
    start = datetime(2024, 6, 1, tzinfo=UTC)
    assert_same(read(market, start, series=series), read(exchange(), start, series=series))


def test_days_are_compared_over_many_daily_files(tmp_path: Path) -> None:
    series, start = BTC_1H.at(Timeframe("1d")), datetime(2021, 1, 1, tzinfo=UTC)
    files, asked = archived(tmp_path, read(exchange(), start, series=series), series), exchange()
    assert_same(
        read(CombinedMarket(files, asked), start, series=series),
        read(exchange(), start, series=series),
    )
    assert asked.asked[0] == (DAYS_END - 24 * DAY, DAYS_END)


@pytest.mark.parametrize("missing", ["a month", "a day", "the newest days", "everything"])
def test_what_the_archive_lacks_comes_from_the_exchange(tmp_path: Path, missing: str) -> None:
    files = archived(tmp_path)
    days = daily_files(BTC_1H, month_start(NOW))
    gone = {
        "a month": [monthly_file(BTC_1H, datetime(2024, 11, 1, tzinfo=UTC))],
        "a day": days[7:8],
        "the newest days": days[5:],
        "everything": [
            file
            for month in (9, 10, 11, 12)
            for file in [monthly_file(BTC_1H, datetime(2024, month, 1, tzinfo=UTC))]
        ]
        + days,
    }[missing]
    for file in gone:
        (tmp_path / file.name).unlink(missing_ok=True)
    assert_same(read(CombinedMarket(files, exchange())), read(exchange()))


def test_a_long_tail_comes_page_by_page_from_the_exchange(tmp_path: Path) -> None:
    series = BTC_1H.at(Timeframe("5m"))
    files, asked = (
        archived(tmp_path, read(exchange(), MONTHS_END - 20 * DAY, series=series), series),
        exchange(),
    )
    for file in daily_files(series, month_start(NOW))[2:]:
        (tmp_path / file.name).unlink(missing_ok=True)
    pages = list(CombinedMarket(files, asked).pages(series, MONTHS_END, END, NOW))
    assert pages[0].end == MONTHS_END + 2 * DAY
    check_pages(pages, MONTHS_END, series.timeframe.floor(NOW))


@pytest.mark.parametrize(
    ("series", "start", "end"),
    [
        (BTC_1H, START, START + 1000 * HOUR),
        (BTC_1H, NOW - 1000 * HOUR, END),
        (Series("BTC/US-DT", BTC_1H.timeframe), START, END),
    ],
)
def test_short_ranges_and_odd_symbols_go_to_the_exchange_alone(
    tmp_path: Path, series: Series, start: datetime, end: datetime
) -> None:
    asked = exchange()
    with VisionServer(tmp_path) as server:
        market = CombinedMarket(ArchiveFiles(server.url, tmp_path / "work"), asked)
        assert_same(read(market, start, end, series), read(exchange(), start, end, series))
        assert server.requests == []
    assert asked.asked == [(start, end)]


def test_stopping_after_a_page_leaves_no_file_behind(tmp_path: Path) -> None:
    archived(tmp_path / "tree")
    with VisionServer(tmp_path / "tree") as server:
        files = ArchiveFiles(server.url, tmp_path / "work")
        pages = CombinedMarket(files, exchange()).pages(BTC_1H, START, END, NOW)
        assert next(pages).start == START
        pages.close()  # type: ignore[attr-defined]
        assert list((tmp_path / "work").iterdir()) == []
        files.close()


def test_the_estimate_counts_files_comparisons_and_the_tail_only() -> None:
    series = BTC_1H.at(Timeframe("5m"))
    alone = exchange().estimate(series, START, END)
    local = CombinedMarket(ArchiveFiles("/nowhere"), exchange())
    far = CombinedMarket(ArchiveFiles("http://127.0.0.1:9", Path("/nowhere")), exchange())
    short = END - 3 * DAY
    assert local.estimate(series, short, END) == exchange().estimate(series, short, END)
    assert local.estimate(series, START, END).seconds < alone.seconds
    assert far.estimate(series, START, END).seconds > local.estimate(series, START, END).seconds
    assert far.estimate(series, START, END).requests >= 5


# ------------------------------------------------------------------------------ the overlap check


def in_overlap(candles: pd.DataFrame, rows: int) -> "pd.Series[bool]":
    """The last ``rows`` candles of the archive."""
    newest = candles[candles["timestamp"] < DAYS_END].tail(rows)
    return candles.index.isin(newest.index)  # type: ignore[return-value]


@pytest.mark.parametrize("rows", [1, 12])
def test_of_candles_that_the_exchange_corrected_its_reading_counts(
    tmp_path: Path, rows: int
) -> None:
    candles = read(exchange())
    candles.loc[in_overlap(candles, rows), "volume"] += 1.0
    market = CombinedMarket(archived(tmp_path, candles), exchange())
    assert_same(read(market), read(exchange()))


def test_a_candle_that_the_archive_lacks_in_the_overlap_comes_from_the_exchange(
    tmp_path: Path,
) -> None:
    candles = read(exchange())
    lost = candles["timestamp"] == DAYS_END - 3 * HOUR
    market = CombinedMarket(archived(tmp_path, candles[~lost].reset_index(drop=True)), exchange())
    assert_same(read(market), read(exchange()))


def futures(candles: pd.DataFrame) -> pd.DataFrame:
    prices = candles[PRICES] * 0.9996
    return candles.assign(**prices, volume=candles["volume"] * 6.2)


def quote_volume(candles: pd.DataFrame) -> pd.DataFrame:
    return candles.assign(volume=candles["volume"] * candles["close"] * 1.0001)


def later(candles: pd.DataFrame) -> pd.DataFrame:
    return candles.assign(timestamp=candles["timestamp"] + 9 * HOUR)


def earlier(candles: pd.DataFrame) -> pd.DataFrame:
    return candles.assign(timestamp=candles["timestamp"] - 5 * HOUR)


def another_coin(candles: pd.DataFrame) -> pd.DataFrame:
    return candles.assign(**candles[PRICES] * 0.05)


def another_exchange(candles: pd.DataFrame) -> pd.DataFrame:
    return candles.assign(**candles[PRICES] * 1.0003, volume=candles["volume"] * 0.8)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (futures, "futures in place of spot: nearly all prices differ slightly, 6.2x volume"),
        (quote_volume, "quote volume"),
        (later, "9 candles too late, a time-zone offset of 9 h"),
        (earlier, "5 candles too early, a time-zone offset of 5 h"),
        (another_coin, "another symbol or currency"),
        (another_exchange, "another exchange"),
    ],
)
def test_an_archive_that_tells_another_story_is_refused_with_the_likely_cause(
    tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], cause: str
) -> None:
    candles = change(read(exchange(), START, END))
    files = archived(tmp_path, candles[candles["timestamp"] >= START].reset_index(drop=True))
    pages = CombinedMarket(files, exchange()).pages(BTC_1H, START, END, NOW)
    with pytest.raises(InvalidCandles, match=cause) as refused:
        next(pages)  # not one page came before
    assert refused.value.rule == "overlap"
    assert len(refused.value.offenders) == 3
    assert str(tmp_path) in str(refused.value)
    assert "COIN_ARCHIVE" in str(refused.value)


def test_an_overlap_that_the_exchange_does_not_have_is_no_agreement(tmp_path: Path) -> None:
    files = archived(tmp_path)
    silent = PatchyMarket([OUTAGE, ("2025-01-10", "2025-01-18")])
    with pytest.raises(InvalidCandles, match="cannot be compared"):
        read(CombinedMarket(files, silent))


# ---------------------------------------------------------- ranges that the exchange does not read


def by_month(market: Market) -> dict[int, list[Page]]:
    """The pages by the number of their month; they keep the protocol."""
    pages = list(market.pages(BTC_1H, START, END, NOW))
    check_pages(pages, START, NOW.replace(minute=0))
    found: dict[int, list[Page]] = {}
    for page in pages:
        found.setdefault(page.start.month, []).append(page)
    return found


def require_only_failed(found: dict[int, list[Page]], month: int, error: Exception) -> None:
    """One month is an error page, and the candles of the others are the exchange's."""
    truth = read(exchange())
    assert [page.error for page in found.pop(month)] == [error]
    for number, pages in found.items():
        assert all(page.error is None for page in pages)
        candles = pd.concat([page.candles for page in pages], ignore_index=True)
        expected = truth[truth["timestamp"].dt.month == number].reset_index(drop=True)
        assert_same(candles, expected)


@pytest.mark.parametrize("error", [MarketUnavailable("slow"), RangeRefused("no")], ids=str)
def test_a_range_that_cannot_be_compared_costs_its_month_alone(
    tmp_path: Path, error: CoinAssetsError
) -> None:
    spoiled = SpoiledMarket(exchange(), [Spoiled("2024-11-12", "2024-11-13", error)])
    found = by_month(CombinedMarket(archived(tmp_path), spoiled))
    require_only_failed(found, 11, error)


def test_days_that_are_compared_together_fail_by_month(tmp_path: Path) -> None:
    series, start = BTC_1H.at(Timeframe("1d")), datetime(2022, 1, 1, tzinfo=UTC)
    files = archived(tmp_path, read(exchange(), start, series=series), series)
    down = Spoiled("2023-03-12", "2023-03-13", RangeRefused("no"))
    spoiled = SpoiledMarket(exchange(), [down])
    pages = list(CombinedMarket(files, spoiled).pages(series, start, END, NOW))
    failed = [f"{page.start:%Y-%m}" for page in pages if page.error is not None]
    assert failed == ["2023-03"]


def test_an_overlap_that_the_exchange_refuses_costs_no_other_month(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    error = RangeRefused("not these")
    spoiled = SpoiledMarket(exchange(), [Spoiled("2025-01-16T12:00", "2025-01-18", error)])
    found = by_month(CombinedMarket(archived(tmp_path), spoiled))
    require_only_failed(found, 1, error)
    assert "does not answer (not these) for 2025-01-17T00:00 to 2025-01-18T00:00" in caplog.text


def test_an_overlap_that_the_exchange_fails_to_answer_for_is_asked_for_later(
    tmp_path: Path,
) -> None:
    down = Spoiled("2025-01-17T12:00", "2025-01-18", MarketUnavailable("down"))
    market = CombinedMarket(archived(tmp_path), SpoiledMarket(exchange(), [down]))
    with pytest.raises(MarketUnavailable, match="down"):
        next(market.pages(BTC_1H, START, END, NOW))


@pytest.mark.parametrize("count", [1, 24])
def test_candles_of_the_overlap_that_the_exchange_sends_broken_stay_the_archives(
    tmp_path: Path, count: int
) -> None:
    broken = [f"{DAYS_END - number * HOUR:%Y-%m-%dT%H:%M}" for number in range(1, count + 1)]
    market = CombinedMarket(archived(tmp_path), SpoiledMarket(exchange(), broken=broken))
    assert_same(read(market), read(exchange()))


def test_a_hole_that_the_exchange_refuses_leaves_the_archives_candles(tmp_path: Path) -> None:
    class RefusesTheHole(PatchyMarket):
        """As ccxt where the only window of a range is refused."""

        def pages(
            self, series: Series, start: datetime, end: datetime, now: datetime
        ) -> Iterator[Page]:
            if (start, end) == HOLE:
                raise RangeRefused("not these")
            yield from super().pages(series, start, end, now)

    october = by_month(CombinedMarket(archived(tmp_path), RefusesTheHole([OUTAGE])))[10]
    assert [(page.start, page.end) for page in october if page.error is not None] == [HOLE]
    assert sum(len(page.candles) for page in october) == 31 * 24 - 6


def test_an_unread_range_before_the_first_candle_is_not_taken_for_served(tmp_path: Path) -> None:
    """The exchange does not tell whether it has older candles, so the archive is searched."""
    archived(tmp_path / "tree")
    recent = [monthly_file(BTC_1H, datetime(2024, month, 1, tzinfo=UTC)) for month in (11, 12)]
    for file in [*recent, *daily_files(BTC_1H, month_start(NOW))]:
        (tmp_path / "tree" / file.name).unlink(missing_ok=True)
    down = Spoiled("2024-01-01", "2025-01-05", MarketUnavailable("down"))
    young = SpoiledMarket(PatchyMarket(listed="2025-01-05T00:00"), [down])
    with VisionServer(tmp_path / "tree") as server:
        files = ArchiveFiles(server.url, tmp_path / "work")
        assert CombinedMarket(files, young).listed(BTC_1H, NOW) == START
        files.close()


# ---------------------------------------------------------------------------------- in the store


def pulled(folder: Path, market: Market) -> ParquetStore:
    store = ParquetStore(folder)
    fetch_candles(store, market, FetchRequest(BTC_1H, START, END, START, NOW, 3), lambda: NOW)
    return store


def files_of(folder: Path) -> dict[str, bytes]:
    found = folder.rglob("*.parquet")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_a_pull_stores_the_same_bytes_as_from_the_exchange_alone(
    tmp_path: Path, archive: ArchiveFiles
) -> None:
    asked = exchange()
    store = pulled(tmp_path / "combined", CombinedMarket(archive, asked))
    alone = pulled(tmp_path / "alone", exchange())
    assert files_of(tmp_path / "combined") == files_of(tmp_path / "alone") != {}
    assert content_hash(store.read_candles(BTC_1H, START, END)) == content_hash(
        alone.read_candles(BTC_1H, START, END)
    )
    assert store.read_ledger(BTC_1H) == alone.read_ledger(BTC_1H)
    # One request more asks whether the exchange serves what is before its first candle.
    assert [span for span in asked.asked if START <= span[0] < span[1]] == ASKED


def test_a_refused_archive_leaves_the_store_without_candles(tmp_path: Path) -> None:
    files = archived(tmp_path / "tree", futures(read(exchange())))
    with pytest.raises(InvalidCandles, match="overlap"):
        pulled(tmp_path / "home", CombinedMarket(files, exchange()))
    assert ParquetStore(tmp_path / "home").extent(BTC_1H) is None


# ----------------------------------------------------------------------------------- the factory


def test_the_factory_combines_an_exchange_with_an_archive_and_contacts_neither(
    tmp_path: Path,
) -> None:
    for archive in (str(tmp_path / "gone"), "http://127.0.0.1:9/data"):
        market = open_market("ccxt", "binance", archive, tmp_path / "work")
        assert isinstance(market, CombinedMarket)
        market.close()
    assert list(tmp_path.iterdir()) == []
    assert isinstance(open_market("ccxt", "binance"), CcxtMarket)


@pytest.mark.parametrize("kind", ["sandbox", "archive"])
def test_an_archive_beside_anything_but_an_exchange_is_a_mistake(kind: str) -> None:
    with pytest.raises(ConfigurationError, match="COIN_ARCHIVE"):
        open_market(kind, "", "/archive")
