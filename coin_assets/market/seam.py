"""Whether an archive and an exchange tell the same story where they meet."""

from datetime import datetime

import numpy as np
import pandas as pd

from coin_assets.domain.candles import PRICES, VALUES, between
from coin_assets.domain.keys import Key
from coin_assets.errors import InvalidCandles

# Two readings of one decimal number; an exchange's corrections are larger.
_SAME = 1e-9
_SAME_MARKET = 0.01  # prices of two markets of one coin lie closer together than this
_SEVERAL = 2.0


def require_agreement(
    archived: pd.DataFrame,
    fresh: pd.DataFrame,
    overlap: tuple[datetime, datetime],
    key: Key,
    base: str,
) -> None:
    """Compare the candles of ``overlap``; some may differ, as exchanges correct their candles.

    Args:
        archived: the archive's candles, those before the overlap included.
        fresh: the exchange's candles of the overlap.

    Raises:
        InvalidCandles: there is nothing to compare, or more than half of the candles differ.
    """
    both = between(archived, *overlap).merge(fresh, on="timestamp", suffixes=("", "_fresh"))
    where = f"the {key} candles of {overlap[0]:%Y-%m-%dT%H:%M} to {overlap[1]:%Y-%m-%dT%H:%M}"
    if both.empty:
        raise InvalidCandles(
            "seam",
            f"The exchange has none of {where} that the archive {base} ends with, so the two "
            "cannot be compared. Take COIN_ARCHIVE away, or use an archive of this exchange.",
        )
    old = both[VALUES].to_numpy()
    new = both[[f"{name}_fresh" for name in VALUES]].to_numpy()
    differs = (np.abs(old - new) > _SAME * np.abs(new)).any(axis=1)
    if 2 * differs.sum() <= len(both):
        return
    rows = np.flatnonzero(differs)[:3]
    raise InvalidCandles(
        "seam",
        f"{int(differs.sum())} of {where} ({len(both)} in both) differ between the archive {base} "
        "and the exchange. Nothing of the archive was used; correct COIN_ARCHIVE, or take it away.",
        tuple(
            f"{both['timestamp'].iloc[row]:%Y-%m-%dT%H:%MZ} archive close={old[row, 3]:.10g} "
            f"volume={old[row, 4]:.10g}, exchange close={new[row, 3]:.10g} "
            f"volume={new[row, 4]:.10g}"
            for row in rows
        ),
        _cause(archived, fresh, old[differs], new[differs]),
    )


def _cause(
    archived: pd.DataFrame,
    fresh: pd.DataFrame,
    old: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]",
    new: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]",
) -> str:
    """The likely reason; ``old`` and ``new`` are the values of the candles that differ."""
    # A flat candle without trades may equal many others.
    traded = [frame[frame["volume"] > 0] for frame in (archived, fresh)]
    same = traded[0].merge(traded[1], on=VALUES, suffixes=("", "_fresh"))
    shifts = (same["timestamp"] - same["timestamp_fresh"]).value_counts()
    if len(shifts) and 2 * shifts.iloc[0] > len(old) and shifts.index[0] != pd.Timedelta(0):
        hours = pd.Timedelta(shifts.index[0]).total_seconds() / 3600
        return (
            f"its candles are the exchange's, {abs(hours):g} hours too "
            f"{'late' if hours > 0 else 'early'}: times of another zone that are called UTC"
        )
    prices = slice(0, len(PRICES))
    apart = float(np.median(np.abs(old[:, prices] / new[:, prices] - 1)))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = old[:, -1] / new[:, -1]
        ratio, per_price = float(np.median(ratios)), float(np.median(ratios / new[:, 3]))
    if apart > _SAME_MARKET:
        return "the prices are other ones: this is another coin, or its times are wrong"
    if abs(per_price - 1) < _SAME_MARKET:
        return "its volume is the exchange's times the price: it is in the quote currency"
    if apart > _SAME and not 1 / _SEVERAL < ratio < _SEVERAL:
        return (
            f"the prices are within 1%, the volume is {ratio:.2g} times as much: this is another "
            "market of the same coin, such as its futures"
        )
    return "the archive may be of another exchange"
