"""Whether an archive and an exchange tell the same story where they meet."""

from datetime import datetime

import numpy as np
import pandas as pd

from coin_assets.domain.candles import VALUES, between
from coin_assets.domain.causes import compare_causes
from coin_assets.domain.keys import Key
from coin_assets.errors import InvalidCandles

# Two readings of one decimal number; an exchange's corrections are larger.
_SAME = 1e-9


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
        compare_causes(archived, fresh) or "the archive may be of another exchange",
    )
