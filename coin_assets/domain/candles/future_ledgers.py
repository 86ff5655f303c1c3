"""Gap ledgers with times in the future: a clock was wrong when they were written, or is now."""

from datetime import datetime

from coin_assets.domain.candles.gap_ledger import Ledger
from coin_assets.domain.future_data import is_ahead
from coin_assets.domain.json_format import time_text
from coin_assets.domain.series import Series


def why_ledger_ahead(series: Series, ledger: Ledger, now: datetime) -> str | None:
    """Why the gap ledger of a series is corrupt: it has times in the future; None if it has none.

    Times may be ahead of ``now`` as those of data may; see `coin_assets.domain.future_data`.
    """
    for candles in (ledger.listed, ledger.edge, *(each.end for each in ledger.absences[-1:])):
        if candles is not None and is_ahead(candles, now):
            return (
                f"{_ahead(series, 'records candles', candles)} Correct the clock. If it is "
                f"right, remove ledger/symbol={series.symbol_name}/timeframe={series.timeframe}/"
                "ledger.json below COIN_HOME (with InfluxDB, its point in the measurement "
                f"'ledger'), and materialise all months of {series.symbol_name}/"
                f"ohlcv_{series.timeframe} again."
            )
    for request in (each.newest_request for each in ledger.absences):
        if request is not None and is_ahead(request, now):
            return (
                f"{_ahead(series, 'records a request', request)} Correct the clock. If it is "
                "right, there is nothing to do: candles_due requests these candles again."
            )
    return None


def _ahead(series: Series, what: str, time: datetime) -> str:
    return (
        f"the gap ledger of {series} {what} of {time_text(time)}, in the future: a clock was wrong "
        "when it was written, or is now."
    )
