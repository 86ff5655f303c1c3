"""The sandbox market: what a stand-in for an exchange must promise.

- Candles depend on seed, symbol and time alone: not on the instance, the process, the page
  boundaries or which symbols were asked for before.
- Timeframes agree: a coarser candle is exactly the aggregation of the finer ones.
- Only closed candles are shown; as time passes new ones appear and old ones never change.
- The candles look like a market: moves are heavy-tailed, come in waves, and are shared between
  symbols; volume rises with them; prices stay plausible for decades.
"""

import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_assets.domain.candles.frame import TIMESTAMP_DTYPE, VALUES, empty_candles, validated
from coin_assets.domain.candles.resampling import derive
from coin_assets.domain.series import Series
from coin_assets.domain.timeframes import NAMES, Timeframe
from coin_assets.errors import SymbolUnavailable
from coin_assets.market import sandbox_paths
from coin_assets.market.base import Market, Usage
from coin_assets.market.sandbox import SandboxMarket

SYMBOLS = ("BTC/USDT", "ETH/USDT", "XRP/USDT", "SOL/USDT", "DOGE/USDT")
NOW = datetime(2027, 1, 1, tzinfo=UTC)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def candles(
    symbol: str,
    timeframe: str,
    start: datetime,
    end: datetime,
    now: datetime = NOW,
    seed: int = 0,
) -> pd.DataFrame:
    series = Series(symbol, Timeframe(timeframe))
    pages = SandboxMarket(seed).pages(series, start, end, now)
    frames = [page.candles for page in pages if len(page.candles)]
    return pd.concat(frames, ignore_index=True) if frames else empty_candles()


def forget_everything() -> None:
    for cached in (
        sandbox_paths.minutes_of_month,
        sandbox_paths.daily_path,
        sandbox_paths.daily_factor,
    ):
        cached.cache_clear()


@lru_cache(maxsize=1)
def three_years() -> dict[str, pd.DataFrame]:
    start, end = day("2023-01-01"), day("2026-01-01")
    return {symbol: candles(symbol, "1h", start, end) for symbol in SYMBOLS}


def log_returns(frame: pd.DataFrame, hours: int = 1) -> npt.NDArray[np.float64]:
    return np.diff(np.log(frame["close"].to_numpy()[hours - 1 :: hours]))


def move_sizes(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    opened, close = frame["open"].to_numpy(), frame["close"].to_numpy()
    return np.asarray(np.abs(np.log(close) - np.log(opened)), dtype=np.float64)


def excess_kurtosis(values: npt.NDArray[np.float64]) -> float:
    centred = values - values.mean()
    return float(np.mean(centred**4) / np.mean(centred**2) ** 2 - 3.0)


def correlation(left: npt.NDArray[np.float64], right: npt.NDArray[np.float64]) -> float:
    return float(np.corrcoef(left, right)[0, 1])


def test_the_sandbox_is_a_market() -> None:
    market: Market = SandboxMarket()
    series = Series("BTC/USDT", Timeframe("1h"))
    assert market.horizon(series, NOW) == NOW
    market.close()
    assert list(market.pages(series, day("2026-01-01"), day("2026-01-02"), NOW))


# --- the same everywhere ---------------------------------------------------------------------

minutes_of_a_year = st.integers(0, 366 * 24 * 60)


@settings(max_examples=30, deadline=None)
@given(
    timeframe=st.sampled_from([name for name in NAMES if name != "1m"]),
    cuts=st.lists(minutes_of_a_year, min_size=3, max_size=4).map(sorted),
)
def test_a_range_read_in_parts_equals_the_range_read_at_once(
    timeframe: str, cuts: list[int]
) -> None:
    times = [day("2023-07-11") + timedelta(minutes=cut) for cut in cuts]
    whole = candles("ETH/USDT", timeframe, times[0], times[-1])
    parts = [candles("ETH/USDT", timeframe, start, end) for start, end in pairwise(times)]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole, check_exact=True)


def test_an_early_start_does_not_change_later_candles() -> None:
    start, end = day("2025-05-14"), day("2025-05-15")
    short = candles("BTC/USDT", "1m", start, end)
    forget_everything()
    long = candles("BTC/USDT", "1m", day("2025-03-20"), end)
    pd.testing.assert_frame_equal(long.tail(1440).reset_index(drop=True), short, check_exact=True)


def test_the_order_of_asking_changes_nothing() -> None:
    start, end = day("2025-05-01"), day("2025-05-08")
    forwards = {symbol: candles(symbol, "1h", start, end) for symbol in SYMBOLS}
    forget_everything()
    for symbol in reversed(SYMBOLS):
        again = candles(symbol, "1h", start, end)
        pd.testing.assert_frame_equal(again, forwards[symbol], check_exact=True)


def test_another_process_makes_the_same_candles() -> None:
    program = (
        "from coin_assets_tests.market.test_sandbox import candles, day\n"
        "frame = candles('NEW/COIN', '1h', day('2026-01-30'), day('2026-02-02'), seed=7)\n"
        "assert len(frame) == 72\n"
        "print(*[x.hex() for x in frame['close']], *[x.hex() for x in frame['volume']])"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    here = candles("NEW/COIN", "1h", day("2026-01-30"), day("2026-02-02"), seed=7)
    expected = " ".join(value.hex() for name in ("close", "volume") for value in here[name])
    assert answers == {expected + "\n"}


def test_another_seed_is_another_world() -> None:
    start, end = day("2025-01-01"), day("2025-06-01")
    one = log_returns(candles("BTC/USDT", "1h", start, end, seed=1))
    two = log_returns(candles("BTC/USDT", "1h", start, end, seed=2))
    assert abs(correlation(one, two)) < 0.1


def test_two_symbols_never_share_a_path() -> None:
    start, end = day("2025-01-01"), day("2025-06-01")
    one = log_returns(candles("AAA/USDT", "1h", start, end))
    two = log_returns(candles("AAB/USDT", "1h", start, end))
    assert 0.1 < correlation(one, two) < 0.95


# --- timeframes agree --------------------------------------------------------------------------


def assert_derives(symbol: str, finer: str, coarser: str, start: datetime, end: datetime) -> None:
    source, target = Timeframe(finer), Timeframe(coarser)
    own = candles(symbol, coarser, start, end)
    assert len(own) == target.count(start, end) > 0
    covered = target.next(end)
    derived = derive(
        candles(symbol, finer, start, covered), source, target, start, end, covered_until=covered
    )
    assert derived.partial == 0
    pd.testing.assert_frame_equal(derived.candles, own, check_exact=True)


@pytest.mark.parametrize("coarser", ["3m", "5m", "10m", "15m", "30m", "1h", "4h", "1d"])
def test_minutes_aggregate_to(coarser: str) -> None:
    assert_derives("XRP/USDT", "1m", coarser, day("2024-02-27"), day("2024-03-02"))


@pytest.mark.parametrize("coarser", ["2h", "3h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"])
def test_hours_aggregate_to(coarser: str) -> None:
    assert_derives("BTC/USDT", "1h", coarser, day("2023-11-01"), day("2024-04-01"))


@pytest.mark.parametrize("coarser", ["1w", "1M"])
def test_days_aggregate_to(coarser: str) -> None:
    assert_derives("DOGE/USDT", "1d", coarser, day("2021-12-01"), day("2023-02-01"))


# --- the contract ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_pages_are_valid_complete_and_ascending(name: str) -> None:
    timeframe = Timeframe(name)
    start = day("2024-01-30") + timedelta(minutes=7)
    end = start + timedelta(days=20 if timeframe.seconds < 3600 else 300)
    pages = list(SandboxMarket().pages(Series("SOL/USDT", timeframe), start, end, NOW))
    for page in pages:
        assert page.candles["timestamp"].dtype == TIMESTAMP_DTYPE
        pd.testing.assert_frame_equal(page.candles, validated(page.candles, timeframe, "test"))
    opens = pd.DatetimeIndex(pd.concat([page.candles for page in pages])["timestamp"])
    assert opens.equals(timeframe.opens(start, end))


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(["1h", "3d", "1w", "1M"]),
    times=st.tuples(*[st.integers(0, 2 * 366 * 24 * 60)] * 3),
)
def test_each_page_starts_where_the_one_before_ends_and_holds_what_opens_in_it(
    name: str, times: tuple[int, int, int]
) -> None:
    timeframe = Timeframe(name)
    start, end, now = (day("2023-07-11") + timedelta(minutes=time) for time in times)
    pages = list(SandboxMarket().pages(Series("SOL/USDT", timeframe), start, end, now))
    stop = min(end, timeframe.floor(now))
    if start >= stop:
        assert pages == []
        return
    assert [page.start for page in pages] == [start, *(page.end for page in pages[:-1])]
    assert pages[-1].end == stop
    for page in pages:
        opens = timeframe.opens(page.start, page.end)
        assert pd.DatetimeIndex(page.candles["timestamp"]).equals(opens)


@pytest.mark.parametrize("name", ["1m", "1h", "1w", "1M"])
def test_everything_is_listed_from_the_first_candle_of_2010_on(name: str) -> None:
    series = Series("SOL/USDT", Timeframe(name))
    listed = SandboxMarket().listed(series, NOW)
    assert listed is not None
    assert listed == series.timeframe.opens(day("2010-01-01"), day("2010-03-01"))[0]
    assert len(candles("SOL/USDT", name, listed, series.timeframe.next(listed))) == 1


@pytest.mark.parametrize(
    ("start", "end", "requests"),
    [
        ("2024-01-01", "2024-01-02", 1),
        ("2024-01-01", "2024-04-01", 1),
        ("2024-01-31", "2024-04-02", 2),
        ("2024-01-01", "2025-01-01", 4),
        ("2024-01-01", "2024-01-01", 0),
    ],
)
def test_the_estimate_counts_the_pages(start: str, end: str, requests: int) -> None:
    series, market = Series("BTC/USDT", Timeframe("1h")), SandboxMarket()
    estimate = market.estimate(series, day(start), day(end))
    assert estimate.requests == requests
    assert estimate.requests == len(list(market.pages(series, day(start), day(end), NOW)))
    assert market.usage() == Usage(requests)
    assert 0 <= estimate.seconds < 1


def test_memory_is_bounded_by_pages_of_three_months() -> None:
    pages = SandboxMarket().pages(Series("BTC/USDT", Timeframe("1h")), day("2017-01-01"), NOW, NOW)
    assert max(len(page.candles) for page in pages) <= 92 * 24


def test_a_candle_opens_where_the_last_one_closed_also_across_months() -> None:
    frame = candles("ETH/USDT", "1m", day("2024-02-28"), day("2024-03-03"))
    assert frame["open"].iloc[1:].tolist() == frame["close"].iloc[:-1].tolist()
    assert (frame["volume"] > 0).all()


@pytest.mark.parametrize("symbol", [*SYMBOLS, "NEW/COIN", "ETH/BTC"])
def test_prices_move_in_fine_steps(symbol: str) -> None:
    frame = candles(symbol, "1m", day("2026-06-01"), day("2026-06-08"))
    assert (frame["high"] == frame["low"]).mean() < 0.05


@pytest.mark.parametrize("symbol", ["BTC", "", "/USDT", "BTC/"])
def test_a_name_that_is_no_pair_is_refused(symbol: str) -> None:
    with pytest.raises(SymbolUnavailable, match="BASE/QUOTE"):
        candles(symbol, "1h", day("2024-01-01"), day("2024-01-02"))


def test_years_before_2010_are_refused_and_the_first_day_is_there() -> None:
    with pytest.raises(SymbolUnavailable, match="2010-01-01"):
        candles("BTC/USDT", "1d", day("2009-12-31"), day("2010-01-05"))
    assert len(candles("BTC/USDT", "1d", day("2010-01-01"), day("2010-01-05"))) == 4


def test_the_last_week_of_the_calendar_is_whole_and_later_ones_are_refused() -> None:
    start, later = day("2100-12-01"), day("2102-01-01")
    last = candles("BTC/USDT", "1w", start, day("2101-01-01"), now=later)
    assert last["timestamp"].iloc[-1] == day("2100-12-27")
    with pytest.raises(SymbolUnavailable, match="2101-01-01"):
        candles("BTC/USDT", "1w", start, later, now=later)


# --- the clock ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["1m", "1h", "4h", "1d", "1w", "1M"])
def test_a_candle_appears_at_its_close_and_not_before(name: str) -> None:
    timeframe = Timeframe(name)
    opened = timeframe.floor(day("2026-11-22") + timedelta(hours=20))
    close = timeframe.close_of(opened)
    start = timeframe.shift(opened, -2)
    before = candles("BTC/USDT", name, start, NOW, now=close - timedelta(microseconds=1))
    after = candles("BTC/USDT", name, start, NOW, now=close)
    assert before["timestamp"].iloc[-1] == timeframe.shift(opened, -1)
    assert after["timestamp"].iloc[-1] == opened
    pd.testing.assert_frame_equal(after.iloc[:-1], before, check_exact=True)


def test_old_candles_never_change_as_time_passes_months() -> None:
    start = day("2026-01-01")
    seen = empty_candles()
    for now in (day("2026-01-01"), day("2026-01-31"), day("2026-02-01"), day("2026-05-17")):
        forget_everything()
        frame = candles("SOL/USDT", "4h", start, NOW, now=now)
        assert len(frame) == (now - start) / timedelta(hours=4)
        pd.testing.assert_frame_equal(frame.head(len(seen)), seen, check_exact=True)
        seen = frame


def test_a_range_without_closed_candles_yields_no_page() -> None:
    series = Series("BTC/USDT", Timeframe("1h"))
    now = day("2026-01-01")
    market = SandboxMarket()
    assert list(market.pages(series, now, NOW, now)) == []
    assert list(market.pages(series, now, now - timedelta(days=1), NOW)) == []
    assert (
        list(market.pages(series, now - timedelta(hours=1), NOW, now - timedelta(minutes=1))) == []
    )


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the sandbox opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)


@pytest.mark.usefixtures("no_network")
def test_no_socket_is_opened() -> None:
    forget_everything()
    assert len(candles("BTC/USDT", "1h", day("2026-01-01"), day("2026-01-02"))) == 24


# --- like a market -----------------------------------------------------------------------------


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_moves_are_heavy_tailed_by_the_hour_and_by_the_day(symbol: str) -> None:
    frame = three_years()[symbol]
    assert excess_kurtosis(log_returns(frame)) > 5.0
    assert excess_kurtosis(log_returns(frame, hours=24)) > 1.0


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_volatility_comes_in_waves_but_direction_cannot_be_guessed(symbol: str) -> None:
    returns = log_returns(three_years()[symbol])
    size = np.abs(returns)
    for lag, least in ((1, 0.15), (6, 0.08), (24, 0.05)):
        assert correlation(size[lag:], size[:-lag]) > least
    assert abs(correlation(returns[1:], returns[:-1])) < 0.04


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_waves_also_come_within_the_day(symbol: str) -> None:
    frame = three_years()[symbol]
    size = move_sizes(frame).reshape(-1, 24)
    size /= size.mean(axis=1, keepdims=True)  # without the waves that last for days
    size /= size.mean(axis=0)  # without the hours that are busy every day
    assert correlation(size[:, 1:].ravel(), size[:, :-1].ravel()) > 0.02


def test_midnight_is_no_seam() -> None:
    frame = candles("BTC/USDT", "1m", day("2025-01-01"), day("2025-07-01"))
    sizes = move_sizes(frame).reshape(-1, 1440)
    typical = np.median(sizes, axis=0)
    night = float(np.median(np.r_[typical[:60], typical[-60:]]))
    assert typical[[0, -1]] == pytest.approx(night, rel=0.35)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_volatility_is_that_of_a_coin_and_the_same_by_hour_and_by_day(symbol: str) -> None:
    frame = three_years()[symbol]
    hourly = float(log_returns(frame).std()) * (365 * 24) ** 0.5
    daily = float(log_returns(frame, hours=24).std()) * 365**0.5
    assert 0.4 < daily < 1.2
    assert hourly == pytest.approx(daily, rel=0.15)


@pytest.mark.parametrize("hours", [1, 24])
def test_symbols_move_together_but_not_as_one(hours: int) -> None:
    returns = [log_returns(frame, hours) for frame in three_years().values()]
    pairs = np.asarray(np.corrcoef(returns))[np.triu_indices(len(returns), k=1)]
    assert pairs.min() > 0.3
    assert pairs.max() < 0.95


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_volume_rises_with_the_size_of_moves(symbol: str) -> None:
    frame = three_years()[symbol]
    assert correlation(np.abs(log_returns(frame)), frame["volume"].to_numpy()[1:]) > 0.2


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_price_on_the_reference_day_is_the_known_one(symbol: str) -> None:
    price = candles(symbol, "1m", day("2024-01-01"), day("2024-01-02"))["open"].iloc[0]
    assert price == sandbox_paths.profile_of(symbol).price


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_prices_stay_plausible_from_2017_to_2035(symbol: str) -> None:
    first, stop = ((day(date) - sandbox_paths.FIRST).days for date in ("2017-01-01", "2035-01-01"))
    for seed in range(5):
        prices = np.exp(sandbox_paths.daily_path(seed, symbol).log_price[first:stop])
        ratio = prices / sandbox_paths.profile_of(symbol).price
        assert ratio.min() > 1 / 50
        assert ratio.max() < 50


def test_unknown_symbols_get_fixed_figures_and_known_coins_only_in_dollars() -> None:
    assert sandbox_paths.profile_of("NEW/COIN") == sandbox_paths.profile_of("NEW/COIN")
    assert sandbox_paths.profile_of("BTC/USD") == sandbox_paths.profile_of("BTC/USDT")
    assert sandbox_paths.profile_of("ETH/BTC").price != sandbox_paths.profile_of("ETH/USDT").price


def test_values_are_finite_and_positive_for_many_made_up_symbols() -> None:
    for number in range(20):
        frame = candles(f"C{number}/USDT", "4h", day("2026-01-01"), day("2026-02-01"))
        assert np.isfinite(frame[VALUES].to_numpy()).all()
        assert (frame[VALUES] > 0).all(axis=None)
