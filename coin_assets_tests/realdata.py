"""Real market data, which lives beside the checkout and never inside it."""

from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.candles.frame import validated
from coin_assets.domain.series import safe_name
from coin_assets.domain.timeframes import Timeframe

REPOSITORY = Path(__file__).resolve().parents[1]
REAL_DATA = REPOSITORY.parent / "shared" / "data"

requires_real_data = pytest.mark.skipif(
    not REAL_DATA.is_dir(), reason=f"needs real market data in {REAL_DATA}"
)


def real_candles(symbol: str, timeframe: str) -> pd.DataFrame:
    """Candles as the exchange published them, in the canonical form; last close 2025-07-01."""
    path = REAL_DATA / "candles" / f"{safe_name(symbol)}_{timeframe}.parquet"
    return validated(pd.read_parquet(path), Timeframe.parse(timeframe), path.name)


def bad_file(name: str) -> Path:
    """A file found in the wild that must be refused; see the README beside it."""
    return REAL_DATA / "bad" / name
