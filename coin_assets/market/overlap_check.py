"""Overlap check of an archive against an exchange."""

from datetime import datetime

import pandas as pd

from coin_assets.domain.candles.diagnosis import diagnose_difference
from coin_assets.domain.candles.frame import between
from coin_assets.domain.series import Series
from coin_assets.errors import InvalidCandles
from coin_assets.market.comparing import compared


def require_agreement(
    archived: pd.DataFrame,
    fresh: pd.DataFrame,
    overlap: tuple[datetime, datetime],
    series: Series,
    base: str,
) -> None:
    """Require that archive and exchange agree on most candles of ``overlap``.

    Some may differ, because exchanges correct their candles.

    Args:
        archived: the archive's candles, including those before the overlap.
        fresh: the exchange's candles of the overlap.
        overlap: half-open range of opens.
        series: symbol and timeframe, for the message.
        base: folder or address of the archive, for the message.

    Raises:
        InvalidCandles: rule ``overlap``: the exchange has no candle of the overlap, or more than
            half of the candles differ.
    """
    found = compared(between(archived, *overlap), fresh)
    total = len(found.opens)
    where = f"the {series} candles of {overlap[0]:%Y-%m-%dT%H:%M} to {overlap[1]:%Y-%m-%dT%H:%M}"
    if not total:
        raise InvalidCandles(
            "overlap",
            f"The exchange has none of {where} that the archive {base} ends with, so the two "
            "cannot be compared. Take COIN_ARCHIVE away, or use an archive of this exchange.",
        )
    if 2 * found.count <= total:
        return
    raise InvalidCandles(
        "overlap",
        f"{found.count} of {where} ({total} in both) differ between the archive {base} "
        "and the exchange. Nothing of the archive was used; correct COIN_ARCHIVE, or take it away.",
        found.offenders("archive", "exchange"),
        diagnose_difference(archived, fresh) or "the archive may be of another exchange",
    )
