"""Comparison of this machine's clock with the exchange's, which decides what is closed."""

from dataclasses import replace
from datetime import datetime, timedelta

from coin_assets.domain.candles.frame import between
from coin_assets.domain.series import Series
from coin_assets.errors import ClockDiffers
from coin_assets.market.base import Market, Page
from coin_assets.market.server_clock import time_of

REMEDY = (
    "Set this machine's clock by NTP (chronyc tracking, or timedatectl). If it is right, look for "
    "a proxy or cache before the exchange that sends an old Date header."
)


def clock_lead(market: Market, now: datetime) -> timedelta | None:
    """How far this machine is ahead of the exchange; negative if behind, zero within doubt.

    None if the market has no clock, or no answer told its time so far.

    Args:
        now: by the clock of this machine.
    """
    time = time_of(market)
    return None if time is None else time.lead_of(now)


def closed_part(page: Page, series: Series, limit: datetime, market: Market, now: datetime) -> Page:
    """The candles of ``page`` that are closed by the exchange's clock too; perhaps none.

    Args:
        limit: candles that close up to here are final by the clock of this machine.
        now: by the same clock.
    """
    lead = clock_lead(market, now) or timedelta(0)
    stop = max(page.start, series.timeframe.floor(limit - max(lead, timedelta(0))))
    if page.end <= stop:
        return page
    refused = tuple(each for each in page.refused if each.start < stop)
    candles = between(page.candles, page.start, stop)
    return replace(page, candles=candles, end=stop, refused=refused)


def clock_differs(series: Series, opened: datetime, market: Market, now: datetime) -> ClockDiffers:
    """The error of a candle that opened at ``opened`` and is not closed by the exchange's clock."""
    lead = clock_lead(market, now) or timedelta(0)
    return ClockDiffers(
        f"{series} candle {opened:%Y-%m-%d %H:%M} is not closed by the exchange's clock: it is "
        f"{now - lead:%Y-%m-%d %H:%M:%S} UTC there and {now:%Y-%m-%d %H:%M:%S} here, "
        f"{lead.total_seconds():.0f} s ahead. What closed before is stored. {REMEDY}"
    )
