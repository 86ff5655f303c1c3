"""Price model of the sandbox market: one random path of minutes for each symbol.

The model has two layers. The daily layer defines every price at 00:00 UTC; the minute layer fills
one calendar month at a time between those prices, so any month is generated without the ones before
it. Symbols move together because each adds ``beta`` times the same market factor to noise
of its own. Prices are whole ticks and volumes whole lots, held in float64: sums and comparisons
are then exact, whatever their order.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from coin_assets.domain.timeframes import month_label, next_month

Floats = npt.NDArray[np.float64]

FIRST = datetime(2010, 1, 1, tzinfo=UTC)
LAST = datetime(2101, 1, 1, tzinfo=UTC)
# A power of two, so that sums of volumes in coins are as exact as sums of lots.
LOTS_PER_COIN = 256.0

_REFERENCE_DAY = (datetime(2024, 1, 1, tzinfo=UTC) - FIRST).days
# One month beyond LAST: the last week of the calendar closes there.
_DAYS = (next_month(LAST) - FIRST).days
_DAYS_A_YEAR = 365
_DAY_MINUTES = 24 * 60

_MARKET = "market"  # not a symbol: symbols contain a slash
_MARKET_VOLATILITY = 0.5  # a year, of the common factor
_GROWTH = 0.10  # of the trend, log a year
_PULL = 1.5 / _DAYS_A_YEAR  # a day, from the price back to its trend
_DAILY_MEMORY, _DAILY_SPREAD = 0.97, 0.45  # of the daily log volatility
_HOURLY_MEMORY, _HOURLY_SPREAD = 0.9, 0.6  # of the hourly log volatility
_DAILY_FREEDOM, _HOURLY_FREEDOM = 5.0, 8.0  # of the Student t innovations
_LARGEST_MIXED_VARIANCE = 8.0


@dataclass(frozen=True)
class Profile:
    """Statistical properties of a symbol.

    Attributes:
        price: at the reference day 2024-01-01, in the quote currency.
        beta: sensitivity to the market factor.
        own_volatility: of the symbol's own noise, a year.
        turnover: typical amount traded a day, in the quote currency.
    """

    price: float
    beta: float
    own_volatility: float
    turnover: float

    @property
    def ticks_per_unit(self) -> float:
        """Price resolution: cents for expensive coins, about six digits for cheap ones."""
        return 10.0 ** max(2, 5 - math.floor(math.log10(self.price)))

    @property
    def volatility(self) -> float:
        """Of the total log return, a year."""
        return math.hypot(self.beta * _MARKET_VOLATILITY, self.own_volatility)


_KNOWN = {
    "BTC": Profile(42_000.0, beta=1.0, own_volatility=0.22, turnover=2e9),
    "ETH": Profile(2_300.0, beta=1.15, own_volatility=0.35, turnover=1e9),
    "XRP": Profile(0.62, beta=0.95, own_volatility=0.55, turnover=3e8),
    "SOL": Profile(100.0, beta=1.3, own_volatility=0.55, turnover=4e8),
    "DOGE": Profile(0.09, beta=1.1, own_volatility=0.6, turnover=2e8),
}


def profile_of(symbol: str) -> Profile:
    """Profile of a symbol: plausible for known coins in dollars, random but fixed for others."""
    base, _, quote = symbol.partition("/")
    if base in _KNOWN and quote.startswith("USD"):
        return _KNOWN[base]
    price, beta, own_volatility, turnover = _generator("profile", symbol).uniform(
        (-1.5, 0.7, 0.35, 6.5), (2.5, 1.3, 0.65, 8.5)
    )
    return Profile(10.0**price, beta, own_volatility, 10.0**turnover)


@dataclass(frozen=True)
class DailyPath:
    """One symbol at day resolution, from `FIRST` on.

    Attributes:
        log_price: (days + 1,) at each 00:00 UTC.
        ticks: (days + 1,) the same as whole ticks; months meet in exactly these prices.
        market_volatility, own_volatility: (days,) of the day's log return, by source.
    """

    log_price: Floats
    ticks: Floats
    market_volatility: Floats
    own_volatility: Floats


@lru_cache(maxsize=32)
def daily_factor(seed: int, name: str) -> tuple[Floats, Floats]:
    """Volatility and log return of every day, (days,) each, scaled to a volatility of 1 a year.

    Log volatility is an AR(1) process (stochastic volatility: Taylor 1986, Modelling Financial
    Time Series) and innovations are Student t, made as normals of random variance.
    """
    generator = _generator(seed, name, "days")
    waves = _waves(generator, _DAYS, _DAILY_MEMORY, _DAILY_SPREAD)
    volatility = waves * np.sqrt(_mixed_variance(generator, _DAYS, _DAILY_FREEDOM) / _DAYS_A_YEAR)
    return volatility, volatility * generator.standard_normal(_DAYS)


@lru_cache(maxsize=32)
def daily_path(seed: int, symbol: str) -> DailyPath:
    """The symbol's prices at midnight: a growing trend and a deviation pulled back to it.

    The pull (an Ornstein-Uhlenbeck process) keeps prices plausible for decades; its
    effect within a day is small. The path passes through the profile's price on the reference day.
    """
    profile = profile_of(symbol)
    market_volatility, market_returns = daily_factor(seed, _MARKET)
    own_volatility, own_returns = daily_factor(seed, symbol)
    market_scale = profile.beta * _MARKET_VOLATILITY
    returns = market_scale * market_returns + profile.own_volatility * own_returns
    deviation = _decaying_sum([0.0, *returns.tolist()], 1.0 - _PULL)
    trend = _GROWTH / _DAYS_A_YEAR * (np.arange(_DAYS + 1) - _REFERENCE_DAY)
    log_price = math.log(profile.price) + trend + deviation - deviation[_REFERENCE_DAY]
    return DailyPath(
        log_price,
        _ticks(log_price, profile),
        market_scale * market_volatility,
        profile.own_volatility * own_volatility,
    )


@lru_cache(maxsize=16)
def minutes_of_month(seed: int, symbol: str, month: datetime) -> Floats:
    """All minutes of a calendar month; 2 MB, read-only.

    Returns:
        (5, minutes): open, high, low, close in ticks and volume in lots, all whole numbers.
    """
    profile, path = profile_of(symbol), daily_path(seed, symbol)
    first, stop = (month - FIRST).days, (next_month(month) - FIRST).days
    days = stop - first
    market_scale, market_noise = _intraday(seed, _MARKET, month, days)
    own_scale, own_noise = _intraday(seed, symbol, month, days)
    market_scale *= path.market_volatility[first:stop, None]
    own_scale *= path.own_volatility[first:stop, None]
    variance = market_scale**2 + own_scale**2  # (days, 24), of a minute in that hour
    moves = market_scale[..., None] * market_noise + own_scale[..., None] * own_noise
    # A Brownian bridge in volatility time: what the minutes lack to the day's return is shared
    # out in proportion to their variance, so that hours keep their relative volatility.
    lacking = np.diff(path.log_price[first : stop + 1]) - moves.sum(axis=(1, 2))
    moves += (lacking[:, None] * variance / (60.0 * variance.sum(axis=1, keepdims=True)))[..., None]
    moves = moves.reshape(days, _DAY_MINUTES)

    closes = _ticks(path.log_price[first:stop, None] + np.cumsum(moves, axis=1), profile)
    closes[:, -1] = path.ticks[first + 1 : stop + 1]
    close = closes.ravel()
    opened = np.concatenate([path.ticks[first : first + 1], close[:-1]])
    deviation = np.repeat(np.sqrt(variance).ravel(), 60) * opened
    generator = _generator(seed, symbol, month_label(month), "ranges")
    volume = _volume(np.abs(moves.ravel()), close, profile, generator)
    minutes = np.stack([opened, *_extremes(opened, close, deviation, generator), close, volume])
    minutes.setflags(write=False)  # the cache returns the same array to all callers
    return minutes


def _intraday(
    seed: int, name: str, month: datetime, days: int
) -> tuple[Floats, npt.NDArray[np.float32]]:
    """Share of the day's volatility by hour (days, 24), and standard noise (days, 24, 60).

    Volatility is redrawn by the hour and not by the minute, so that hours are heavy-tailed too.
    """
    generator = _generator(seed, name, month_label(month), "minutes")
    hours = days * 24
    waves = _waves(generator, hours, _HOURLY_MEMORY, _HOURLY_SPREAD)
    waves *= np.sqrt(_mixed_variance(generator, hours, _HOURLY_FREEDOM) / _DAY_MINUTES)
    # Busiest in the European afternoon, as real markets are.
    season = 1.0 + 0.3 * np.cos(2.0 * np.pi * (np.arange(24) - 15) / 24)
    season /= np.sqrt(np.mean(season**2))
    noise = generator.standard_normal((days, 24, 60), dtype=np.float32)
    return waves.reshape(days, 24) * season, noise


def _extremes(
    opened: Floats, close: Floats, deviation: Floats, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """High and low of minutes that start and end as given, in ticks.

    Each is drawn from the exact law of the maximum of a Brownian bridge (Karatzas and Shreve
    1991, section 4.3); drawing the two independently is the simplification.
    """
    squared_move, total = (close - opened) ** 2, opened + close
    up, down = generator.standard_exponential((2, len(close)), dtype=np.float32)
    spread = 2.0 * deviation**2
    high = np.ceil((total + np.sqrt(squared_move + spread * up)) / 2.0)
    low = np.floor((total - np.sqrt(squared_move + spread * down)) / 2.0)
    return high, np.maximum(low, 1.0)


def _volume(
    size: Floats, close: Floats, profile: Profile, generator: np.random.Generator
) -> Floats:
    """Lots traded in minutes whose absolute log return is ``size``; large moves trade more."""
    typical = profile.volatility / math.sqrt(_DAYS_A_YEAR * _DAY_MINUTES)
    coins = profile.turnover / _DAY_MINUTES * profile.ticks_per_unit / close
    chance = np.exp(0.5 * generator.standard_normal(len(size), dtype=np.float32))
    lots: Floats = np.ceil(coins * LOTS_PER_COIN * (0.3 + size / typical) * chance)
    return lots


def _ticks(log_price: Floats, profile: Profile) -> Floats:
    return np.maximum(np.rint(np.exp(log_price) * profile.ticks_per_unit), 1.0)


def _waves(generator: np.random.Generator, count: int, memory: float, spread: float) -> Floats:
    """Exponential of a stationary AR(1) process, scaled to a mean square of 1."""
    shocks = generator.standard_normal(count) * spread
    shocks[1:] *= math.sqrt(1.0 - memory**2)
    return np.exp(_decaying_sum(shocks.tolist(), memory) - spread**2)


def _mixed_variance(generator: np.random.Generator, count: int, freedom: float) -> Floats:
    """Random variances of mean about 1 that turn normals into Student t variables.

    Capped, or a century of days would contain some that no market has seen.
    """
    variance = (freedom - 2.0) / generator.chisquare(freedom, count)
    return np.minimum(variance, _LARGEST_MIXED_VARIANCE)


def _decaying_sum(shocks: Sequence[float], keep: float) -> Floats:
    """``sum[i] = keep * sum[i - 1] + shocks[i]``."""
    sums = accumulate(shocks, lambda total, shock: keep * total + shock)
    return np.fromiter(sums, dtype=np.float64, count=len(shocks))


def _generator(*name: int | str) -> np.random.Generator:
    """Random numbers that depend on the name alone; ``hash()`` would differ by process."""
    digest = hashlib.sha256(repr(name).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))
