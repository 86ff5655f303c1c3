"""Rounding of the numbers that the UI shows."""

# Enough to tell two prices of one market apart, and few enough to read in a table.
SIGNIFICANT_DIGITS = 6


def rounded(value: float) -> float:
    """``value`` with `SIGNIFICANT_DIGITS`; what is stored and published keeps all digits."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
