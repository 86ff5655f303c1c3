"""Mirrors of an archive that refuse, and what a refusal means.

- A file that is not there may be answered 404, 410 or 403; a mirror may refuse HEAD. Candles are
  the same from each of them, and those of files that are not there come from the exchange.
- A mirror that refuses everything stops the range with an error that says so; the exchange is not
  asked in its place.
- Files whose checksums alone are refused are refused as files without a checksum.
"""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import Timeframe
from coin_assets.errors import InvalidCandles, PermanentError
from coin_assets.market.base import Market
from coin_assets.market.combined import CombinedMarket
from coin_assets.market.downloads import ArchiveFiles
from coin_assets.market.vision import daily_files, monthly_file
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.market.vision_server import Faults, VisionServer, make_tree

SERIES = Series("BTC/USDT", Timeframe("4h"))
START, MONTHS_END = datetime(2024, 6, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
DAYS_END = datetime(2025, 1, 6, tzinfo=UTC)
NOW, END = datetime(2025, 1, 8, 9, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)
MONTHLY = monthly_file(SERIES, datetime(2024, 11, 1, tzinfo=UTC)).name


def read(market: Market, series: Series = SERIES, start: datetime = START) -> pd.DataFrame:
    pages = list(market.pages(series, start, END, NOW))
    return pd.concat([page.candles for page in pages], ignore_index=True)


EXPECTED = read(PatchyMarket())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[VisionServer]:
    make_tree(tmp_path / "tree", SERIES, EXPECTED, MONTHS_END, DAYS_END)
    with VisionServer(tmp_path / "tree") as running:
        yield running


@pytest.fixture
def files(server: VisionServer, tmp_path: Path) -> Iterator[ArchiveFiles]:
    opened = ArchiveFiles(server.url, tmp_path / "work", lambda _seconds: None)
    yield opened
    opened.close()


def require_all_candles(files: ArchiveFiles) -> None:
    found = read(CombinedMarket(files, PatchyMarket()))
    pd.testing.assert_frame_equal(found, EXPECTED, check_exact=True)


MIRRORS = {
    "404": Faults(),
    "410": Faults(absent=410),
    "403, not to be listed": Faults(absent=403),
    "a page": Faults(page_for_absent=True),
    "a page, HEAD unknown": Faults(page_for_absent=True, always={("HEAD", ""): 405}),
    "404, HEAD unknown": Faults(always={("HEAD", ""): 405}),
    "404, HEAD not implemented": Faults(always={("HEAD", ""): 501}),
    "404, HEAD forbidden": Faults(always={("HEAD", ""): 403}),
    "403, HEAD forbidden": Faults(absent=403, always={("HEAD", ""): 403}),
    "403, HEAD unknown": Faults(absent=403, always={("HEAD", ""): 405}),
    "403, HEAD and ranges refused": Faults(no_ranges=True, absent=403, always={("HEAD", ""): 403}),
}


@pytest.mark.parametrize("gone", ["nothing", "monthly files", "daily files"])
@pytest.mark.parametrize("kind", MIRRORS)
def test_what_a_mirror_says_of_absent_files_changes_no_candle(
    server: VisionServer, files: ArchiveFiles, kind: str, gone: str
) -> None:
    server.faults = MIRRORS[kind]
    for path in server.folder.rglob("*.zip*"):
        if f"/{gone.split(' ')[0]}/" in str(path):
            path.unlink()
    require_all_candles(files)
    assert server.sent(".zip") > 0


def test_a_mirror_that_cannot_be_listed_is_read_where_it_has_no_file_of_the_range(
    server: VisionServer, files: ArchiveFiles
) -> None:
    server.faults.absent = 403
    (server.folder / monthly_file(SERIES, datetime(2024, 12, 1, tzinfo=UTC)).name).unlink()
    for file in daily_files(SERIES, MONTHS_END):
        (server.folder / file.name).unlink(missing_ok=True)
    minutes = SERIES.at(Timeframe("1m"))
    put = server.folder / monthly_file(minutes, datetime(2024, 10, 1, tzinfo=UTC)).name
    put.parent.mkdir(parents=True)
    put.write_bytes(b"any file of the symbol shows that files may be read")
    start = datetime(2025, 1, 7, tzinfo=UTC)
    found = read(CombinedMarket(files, PatchyMarket()), minutes, start)
    assert len(found) == 33 * 60


def test_a_mirror_that_cannot_be_listed_need_not_have_the_symbol(
    server: VisionServer, files: ArchiveFiles
) -> None:
    server.faults.absent = 403
    series = Series("NEW/USDT", SERIES.timeframe)
    found = read(CombinedMarket(files, PatchyMarket()), series)
    pd.testing.assert_frame_equal(found, read(PatchyMarket(), series), check_exact=True)


def test_a_mirror_of_pages_alone_stops_the_range(server: VisionServer, files: ArchiveFiles) -> None:
    server.faults.page_for_absent = True
    for path in server.folder.rglob("*.zip*"):
        path.unlink()
    with pytest.raises(PermanentError, match="a web page in place of the file"):
        next(CombinedMarket(files, PatchyMarket()).pages(SERIES, START, END, NOW))


def test_an_archive_without_any_file_of_the_range_leaves_it_to_the_exchange(
    server: VisionServer, files: ArchiveFiles
) -> None:
    for path in server.folder.rglob("*.zip*"):
        path.unlink()
    require_all_candles(files)


REFUSING = {
    "everything, 403": (Faults(always={("HEAD", ""): 403, ("GET", ""): 403}), "everything"),
    "everything, HEAD unknown": (
        Faults(always={("HEAD", ""): 405, ("GET", ""): 403}),
        "everything",
    ),
    "GET, 403": (Faults(always={("GET", ""): 403}), "everything"),
    "everything, 401": (Faults(always={("HEAD", ""): 401, ("GET", ""): 401}), "HTTP 401"),
    "GET, 401": (Faults(always={("GET", ""): 401}), "HTTP 401"),
    # S3 answers so for a bucket of another region, without saying where it is.
    "sent elsewhere": (Faults(always={("HEAD", ""): 301, ("GET", ""): 301}), "HTTP 301"),
}


@pytest.mark.parametrize("kind", REFUSING)
def test_a_mirror_that_refuses_everything_stops_the_range_and_says_so(
    server: VisionServer, files: ArchiveFiles, kind: str
) -> None:
    server.faults, message = REFUSING[kind]
    with pytest.raises(PermanentError, match=message) as refused:
        next(CombinedMarket(files, PatchyMarket()).pages(SERIES, START, END, NOW))
    assert server.url in str(refused.value)
    assert "Check COIN_ARCHIVE" in str(refused.value)


def test_a_forbidden_file_is_absent_only_beside_files_that_may_be_read(
    server: VisionServer, files: ArchiveFiles
) -> None:
    server.faults.absent = 403
    with pytest.raises(PermanentError, match="everything"):
        files.existing(["gone.zip"])
    with pytest.raises(PermanentError, match="everything"):
        files.fetch("gone.zip")
    assert files.existing(["gone.zip"], [MONTHLY]) == set()
    assert files.existing(["gone.zip", MONTHLY]) == {MONTHLY}
    assert files.existing(["gone.zip"]) == set()
    assert files.fetch(MONTHLY)
    assert files.fetch("gone.zip") is None


@pytest.mark.parametrize("status", [403, 404])
def test_files_whose_checksums_are_refused_are_not_used(
    server: VisionServer, files: ArchiveFiles, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    server.faults.always = {("GET", ".CHECKSUM"): status}
    with pytest.raises(InvalidCandles) as refused:
        files.fetch(MONTHLY)
    assert refused.value.rule == "checksum_missing"
    with caplog.at_level(logging.WARNING):
        require_all_candles(files)
    assert sum("checksum_missing" in record.message for record in caplog.records) == 12
