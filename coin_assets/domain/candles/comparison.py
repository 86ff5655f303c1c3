"""Comparison of stored candles with the market's own, bucket by bucket."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from coin_assets.domain.candles.frame import PRICES, VALUES

# Exchanges add up volumes in another order; prices are copied and must be the same.
VOLUME_TOLERANCE = 1e-9
STORED, MARKET = "_stored", "_market"
MISSING, EXTRA, DIFFERING = FINDINGS = ("missing", "extra", "differing")


@dataclass(frozen=True)
class Comparison:
    """Differences between two candle frames of one range.

    Attributes:
        compared: number of buckets that at least one of the two has.
        differences: a row a differing bucket, ascending: ``timestamp``, ``finding`` (one of
            `FINDINGS`), and each value of both, for example ``open_stored`` and ``open_market``;
            NaN where there is no candle.
    """

    compared: int
    differences: pd.DataFrame

    def count(self, finding: str | None = None) -> int:
        """Number of differing buckets, of one of `FINDINGS` or of all."""
        if finding is None:
            return len(self.differences)
        return int((self.differences["finding"] == finding).sum())


def compare_candles(stored: pd.DataFrame, market: pd.DataFrame) -> Comparison:
    """Compare candle frames: prices exactly, volumes to `VOLUME_TOLERANCE` of the larger one.

    A candle is missing if only the market has it, and extra if only the store has it.

    Args:
        stored, market: valid candle frames of one range.
    """
    both = stored.merge(
        market, how="outer", on="timestamp", suffixes=(STORED, MARKET), indicator=True
    )
    differs = np.zeros(len(both), dtype=bool)
    for name in PRICES:
        differs |= (both[name + STORED] != both[name + MARKET]).to_numpy()
    first, second = (both[f"volume{side}"].to_numpy(dtype="float64") for side in (STORED, MARKET))
    differs |= np.abs(first - second) > VOLUME_TOLERANCE * np.maximum(first, second)
    side = both["_merge"].astype("str")
    finding = side.map({"left_only": EXTRA, "right_only": MISSING, "both": DIFFERING})
    columns = [name + which for name in VALUES for which in (STORED, MARKET)]
    found = both.assign(finding=finding)[["timestamp", "finding", *columns]]
    keep = differs | (side != "both").to_numpy()
    return Comparison(len(both), found[keep].reset_index(drop=True))


def markdown(comparison: Comparison, rows: int) -> str:
    """The first ``rows`` differences as a Markdown table, ``stored / market`` where they differ."""
    lines = [
        "| open time (UTC) | finding | " + " | ".join(VALUES) + " |",
        "|---|---|" + "---|" * len(VALUES),
    ]
    for _, row in comparison.differences.head(rows).iterrows():
        cells = [_cell(row[name + STORED], row[name + MARKET]) for name in VALUES]
        lines.append(
            f"| {row['timestamp']:%Y-%m-%d %H:%M} | {row['finding']} | {' | '.join(cells)} |"
        )
    more = comparison.count() - rows
    return "\n".join(lines) + (
        f"\n\nand {more} more; values are stored / market" if more > 0 else ""
    )


def _cell(stored: float, market: float) -> str:
    if stored == market:
        return f"{stored:.12g}"
    return " / ".join("none" if np.isnan(value) else f"{value:.12g}" for value in (stored, market))
