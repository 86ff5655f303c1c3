"""Archive files that are refused or lack candles, beside an exchange, and what an archive costs.

- A refused monthly file costs no candle of its month and of no other: daily files and the exchange
  have them. A warning names file and rule.
- Days that a monthly file lacks come from daily files; only these days are asked for.
- A complete archive costs three requests of the archive and one of the exchange a month.

Binance's archive has opens off the grid after an outage (binance/binance-public-data#77, #14), and
files that are short (#359, #253).
"""

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from coin_assets.domain.candles.frame import between
from coin_assets.domain.timeframes import Timeframe, months_between
from coin_assets.market.combined import CombinedMarket
from coin_assets.market.downloads import ArchiveFiles
from coin_assets.market.vision import daily_files, monthly_file
from coin_assets_tests.market.archived import (
    HOUR,
    LAST,
    MIDDLE,
    MONTHS,
    NOW,
    START,
    archived,
    exchange_candles,
    require_exchange_candles,
    save_month,
)
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.market.vision_server import VisionServer, kline_text, put, zipped


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    """Messages of the platform; the collector of garbage logs those of libraries at any time."""
    with caplog.at_level(logging.WARNING):
        yield lambda: [
            record.getMessage()
            for record in caplog.records
            if record.name.startswith("coin_assets")
        ]


def off_the_grid(folder: Path, name: str) -> None:
    candles = between(exchange_candles(HOUR), MIDDLE, LAST)
    rows = kline_text(candles, HOUR).splitlines(keepends=True)
    for row in (200, 201):
        stamp, rest = rows[row].split(",", 1)
        rows[row] = f"{int(stamp) + 1_694_789},{rest}"
    put(folder, name, zipped("".join(rows)))


REFUSED: dict[str, Callable[[Path, str], object]] = {
    "unaligned": off_the_grid,
    "unreadable": lambda folder, name: put(folder, name, b"no zip"),
    "checksum": lambda folder, name: (folder / name).write_bytes(b"other"),
    "checksum_missing": lambda folder, name: (folder / f"{name}.CHECKSUM").unlink(),
    "outside_file": lambda folder, name: put(
        folder, name, zipped(kline_text(exchange_candles(HOUR), HOUR))
    ),
}


@pytest.mark.parametrize("which", [[0], [2], [0, 2], [0, 1, 2]])
def test_any_month_may_be_refused(
    tmp_path: Path, warnings: Callable[[], list[str]], which: list[int]
) -> None:
    files = archived(tmp_path, HOUR)
    for month in which:
        put(tmp_path, monthly_file(HOUR, MONTHS[month]).name, b"no zip")
    require_exchange_candles(CombinedMarket(files, PatchyMarket()), HOUR)
    assert len(warnings()) == len(which)


@pytest.mark.parametrize("days", ["right", "some", "refused", "none"])
@pytest.mark.parametrize("rule", REFUSED)
def test_a_refused_monthly_file_is_replaced_and_named(
    tmp_path: Path, warnings: Callable[[], list[str]], rule: str, days: str
) -> None:
    files = archived(tmp_path, HOUR, [MIDDLE] if days != "none" else None)
    name = monthly_file(HOUR, MIDDLE).name
    REFUSED[rule](tmp_path, name)
    daily = daily_files(HOUR, MIDDLE)
    for file in daily[:20] if days == "some" else daily if days == "refused" else []:
        (tmp_path / file.name).write_bytes(b"damaged")
    require_exchange_candles(CombinedMarket(files, PatchyMarket()), HOUR)
    first, *others = warnings()
    assert f"[{rule}]" in first
    assert name in first
    assert len(others) == {"some": 20, "refused": 31}.get(days, 0)


# ----------------------------------------------------------------------------------------- cost


@pytest.mark.parametrize("name", ["5m", "1h"])
def test_a_complete_archive_costs_three_requests_a_month_and_one_of_the_exchange(
    tmp_path: Path, name: str
) -> None:
    series = HOUR.at(Timeframe(name))
    archived(tmp_path / "tree", series)
    with VisionServer(tmp_path / "tree") as server:
        files, exchange = ArchiveFiles(server.url, tmp_path / "work"), PatchyMarket()
        require_exchange_candles(CombinedMarket(files, exchange), series)
        monthly = [request for request in server.requests if "/monthly/" in request[1]]
        files.close()
    assert len(monthly) == 1 + 3 * len(MONTHS)  # the running month is looked for
    # December 1 and 2 have no daily file here.
    assert len(server.requests) - len(monthly) == 3
    assert len(exchange.asked) == len(MONTHS) + 2  # the overlap and the tail


def test_only_days_that_lack_candles_are_asked_for(tmp_path: Path) -> None:
    archived(tmp_path / "tree", HOUR, [MIDDLE])
    hours = timedelta(hours=1)
    lost = [MIDDLE, MIDDLE + 30 * hours, MIDDLE + 31 * hours, LAST - hours]
    save_month(tmp_path / "tree", HOUR, MIDDLE, lambda all_: all_[~all_["timestamp"].isin(lost)])
    with VisionServer(tmp_path / "tree") as server:
        files, exchange = ArchiveFiles(server.url, tmp_path / "work"), PatchyMarket()
        require_exchange_candles(CombinedMarket(files, exchange), HOUR)
        files.close()
    days = {path[-14:-4] for _, path, _ in server.requests if "1h-2024-10-" in path}
    assert {day for day in days if day.startswith("2024")} == {
        "2024-10-01",
        "2024-10-02",
        "2024-10-31",
    }
    assert len(exchange.asked) == len(months_between(START, NOW)) + 1
