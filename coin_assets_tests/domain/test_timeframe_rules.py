"""The table of rules by timeframe unit: complete, and of the units that the arithmetic has."""

from datetime import timedelta

import pytest

from coin_assets.domain.timeframe_rules import BY_NAME, BY_UNIT, Retraining, rules_of
from coin_assets.domain.timeframes import NAMES, UNIT_SECONDS, Timeframe

ALL = [Timeframe.parse(name) for name in NAMES]
DAY = timedelta(days=1)


def test_arithmetic_and_rules_list_the_same_units() -> None:
    """A new unit touches two files: this test fails until both have it."""
    assert list(BY_UNIT) == list(UNIT_SECONDS) == list(dict.fromkeys(each.unit for each in ALL))


def test_exceptions_by_name_are_timeframes() -> None:
    assert set(BY_NAME) <= set(NAMES)


@pytest.mark.parametrize(
    ("name", "candles", "calibrated", "origins", "retraining", "soft", "hard"),
    [
        ("1m", 240, 8192, 7 * 1440, Retraining.DAILY, 1.5, 3),
        ("30m", 240, 8192, 7 * 48, Retraining.DAILY, 1.5, 3),
        ("1h", 240, 8192, 30 * 24, Retraining.DAILY, 1.5, 3),
        ("3h", 240, 8192, 30 * 8, Retraining.DAILY, 1.5, 3),
        ("4h", 240, 8192, 90 * 6, Retraining.DAILY, 1.5, 3),
        ("12h", 240, 8192, 90 * 2, Retraining.DAILY, 1.5, 3),
        ("1d", 120, 320, 180, Retraining.DAILY, 1.5, 3),
        ("3d", 120, 320, 60, Retraining.DAILY, 1.5, 3),
        ("1w", 52, 312, 104, Retraining.MONDAYS, 9, 16),
        ("1M", 24, 156, 36, Retraining.FIRST_OF_MONTH, 35, 70),
    ],
)
def test_rules(
    name: str,
    candles: int,
    calibrated: int,
    origins: int,
    retraining: Retraining,
    soft: float,
    hard: float,
) -> None:
    timeframe = Timeframe.parse(name)
    rules = rules_of(timeframe)
    assert (rules.minimum_candles, rules.calibrated_candles) == (candles, calibrated)
    assert rules.evaluated_origins(timeframe) == origins
    assert rules.retraining is retraining
    assert (rules.model_limits.soft, rules.model_limits.hard) == (soft * DAY, hard * DAY)
