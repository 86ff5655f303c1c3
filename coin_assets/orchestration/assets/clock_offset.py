"""Metadata of fetched candles: how far this machine's clock is from the exchange's."""

from coin_assets.market.base import Market
from coin_assets.pipeline.context import RunClock
from coin_assets.pipeline.exchange_clock import clock_lead

OFFSET = "clock_offset_seconds"


def offset_metadata(market: Market, clock: RunClock) -> dict[str, int]:
    """Whole seconds that this machine is ahead of the exchange; empty if that is unknown."""
    lead = clock_lead(market, clock.now())
    return {} if lead is None else {OFFSET: round(lead.total_seconds())}
