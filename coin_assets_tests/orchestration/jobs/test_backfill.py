"""``backfill``: a plan first, then all candles of each symbol, as if its months were materialised.

- A dry run stores nothing, not even what it learns about the listing.
- What is there is not requested again; a job that was killed goes on where it was.
- One failing symbol leaves the others and is named.
"""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from coin_assets.market.archive import ArchiveMarket
from coin_assets.market.sandbox import SandboxMarket
from coin_assets_tests.market.patchy import PatchyMarket
from coin_assets_tests.platform import BTC, ETH, Platform, failures, files_of, given, series, utc

HOUR, DAY, WEEK = "BTC_USDT/ohlcv_1h", "BTC_USDT/ohlcv_1d", "BTC_USDT/ohlcv_1w"
MONTHS = ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"]


def backfill(platform: Platform, **config: Any) -> dg.ExecuteInProcessResult:
    return platform.definitions.resolve_job_def("backfill").execute_in_process(
        run_config=config, instance=platform.instance, raise_on_error=False
    )


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(tmp_path / "home", now="2024-04-10T12:30")


def test_it_makes_the_bytes_and_the_records_of_the_assets(
    platform: Platform, tmp_path: Path
) -> None:
    assert backfill(platform).success
    assets = Platform(tmp_path / "assets", now=platform.now)
    assert assets.materialise([HOUR, DAY, WEEK], MONTHS[0], MONTHS[-1]).success
    stored = files_of(platform.settings.home / "candles")
    assert stored == files_of(assets.settings.home / "candles")
    assert len(stored) == 12
    for asset in (HOUR, DAY, WEEK):
        assert sorted(map(str, platform.materialisations(asset))) == MONTHS
        for month in MONTHS:
            mine, theirs = (each.metadata(asset, month) for each in (platform, assets))
            for of_the_run in ("disk_percent", "requests", "retries"):  # not of the month
                theirs.pop(of_the_run, None)
            assert mine == theirs, (asset, month)


def test_the_plan_names_first_candle_months_and_requests(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    platform.market = given(PatchyMarket(listed="2024-02-10T03:00"))
    assert backfill(platform, dry_run=True).success
    lines = [" ".join(line.split()) for line in capsys.readouterr().err.splitlines()]
    assert "series first candle months missing requests at least" in lines
    assert "BTC/USDT 1h 2024-02-10 03:00 3 1,449 1 0 s" in lines
    assert "total 3 1,449 1 0 s" in lines


def test_a_dry_run_stores_nothing(platform: Platform) -> None:
    market = PatchyMarket()
    platform.market = given(market)
    before = files_of(platform.settings.home) if platform.settings.home.exists() else {}
    assert backfill(platform, dry_run=True).success
    after = files_of(platform.settings.home)
    assert set(after) - set(before) <= {"market.json", "names/symbol=BTC_USDT"}
    assert market.asked == []
    assert platform.materialisations(HOUR) == []


def test_what_is_there_is_not_requested_again(platform: Platform) -> None:
    market = PatchyMarket()
    platform.market = given(market)
    assert backfill(platform, end="2024-02").success
    once = files_of(platform.settings.home / "candles")
    market.asked.clear()
    assert backfill(platform, end="2024-02").success
    assert market.asked == []
    assert files_of(platform.settings.home / "candles") == once
    assert platform.metadata(HOUR, "2024-01-01")["rows_changed"] == 0
    assert backfill(platform).success
    assert min(start for start, _ in market.asked) >= utc("2024-03-31T21:00")  # the week's month


def test_it_goes_on_where_it_was_killed(platform: Platform, tmp_path: Path) -> None:
    platform.market = given(DyingMarket(after=1))
    result = backfill(platform)
    assert not result.success
    extent = platform.store.extent(series("1h"))
    assert extent is not None
    market = PatchyMarket()
    platform.market = given(market)
    assert backfill(platform).success
    assert min(start for start, _ in market.asked) > utc("2024-03-31")
    whole = Platform(tmp_path / "whole", now=platform.now)
    assert backfill(whole).success
    candles = files_of(platform.settings.home / "candles")
    assert candles == files_of(whole.settings.home / "candles")


class DyingMarket(SandboxMarket):
    """The sandbox, until it has sent ``after`` pages; then the process is gone."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self._left = after

    def pages(self, *range_: Any) -> Any:
        for page in super().pages(*range_):
            if not self._left:
                raise KeyboardInterrupt
            self._left -= 1
            yield page


def test_only_the_chosen_symbols_and_months_are_brought_in(tmp_path: Path) -> None:
    platform = Platform(tmp_path / "home", now="2024-04-10T12:30", symbols=f"{BTC},{ETH}")
    assert backfill(platform, symbols=[ETH], start="2024-02", end="2024-02").success
    assert platform.store.extent(series("1h", BTC)) is None
    days = platform.store.extent(series("1d", ETH))
    weeks = platform.store.extent(series("1w", ETH))
    assert days is not None
    assert weeks is not None
    assert (days.first, days.last) == (utc("2024-02-01"), utc("2024-02-29"))
    # The last week of February closes in March, so the hours of March came too.
    assert (weeks.first, weeks.last) == (utc("2024-02-05"), utc("2024-02-26"))
    assert platform.materialisations("ETH_USDT/ohlcv_1w") == ["2024-02-01"]


def test_a_failing_symbol_leaves_the_others_and_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    pages = SandboxMarket().pages(
        series("1h"), utc("2024-01-01"), utc("2024-03-20"), utc("2030-01-01")
    )
    next(pages).candles.to_parquet(folder / "BTC_USDT_1h.parquet")
    platform = Platform(
        tmp_path / "home",
        now="2024-04-10T12:30",
        market=f"archive:{folder}",
        symbols=f"{ETH},{BTC}",
    )
    for config in ({"dry_run": True}, {}):
        message = failures(backfill(platform, **config))["bring_in"]
        assert "1 of 2 symbols failed: ETH/USDT: " in message
        assert "ETH_USDT_1h.parquet does not exist" in message
    extent = platform.store.extent(series("1d", BTC))
    assert extent is not None
    assert extent.last == utc("2024-03-19")
    assert ArchiveMarket(folder).horizon(series("1h"), utc("2025-01-01")) == utc("2024-03-20")


def test_a_newest_candle_that_is_late_does_not_spoil_the_history(tmp_path: Path) -> None:
    platform = Platform(tmp_path / "home", now="2024-04-10T12:30")
    platform.market = given(PatchyMarket([("2024-04-09T20:00", "2024-04-11")]))
    assert backfill(platform).success
    newest = platform.store.newest_candles([series("1h"), series("1d")])
    assert newest == {series("1h"): utc("2024-04-09T19:00"), series("1d"): utc("2024-04-08")}


def test_months_that_retention_does_not_keep_are_not_fetched(tmp_path: Path) -> None:
    platform = Platform(
        tmp_path / "home",
        now="2024-04-10T12:30",
        derived_timeframes="4h",
        retention="1h:14d,4h:60d",
    )
    market = PatchyMarket()
    platform.market = given(market)
    assert backfill(platform).success
    assert market.asked == [(utc("2024-03-27"), utc("2024-04-10T12:00"))]
    extents = [platform.store.extent(series(name)) for name in ("1h", "4h")]
    assert [each.first for each in extents if each] == [utc("2024-03-27"), utc("2024-03-27")]
    assert platform.materialisations(HOUR) == ["2024-04-01", "2024-03-01"]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"symbols": ["BTCUSDT"]}, "BTCUSDT"),
        ({"start": "2024-01-15"}, "2024-01-15"),
        ({"start": "2023-12"}, "2023-12 to 2024-04"),
        ({"end": "2024-05"}, "2024-01 to 2024-05"),
        ({"start": "2024-03", "end": "2024-02"}, "2024-03 to 2024-02"),
    ],
)
def test_bad_config_is_refused_with_the_value(
    platform: Platform, config: dict[str, Any], expected: str
) -> None:
    assert expected in failures(backfill(platform, **config))["bring_in"]
    assert platform.store.extent(series("1h")) is None


def test_only_one_runs_at_a_time(platform: Platform) -> None:
    job = platform.definitions.resolve_job_def("backfill")
    assert [node.definition.pools for node in job.graph.nodes] == [{"backfill"}]
