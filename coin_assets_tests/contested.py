"""A platform of one symbol and one timeframe whose champion has a challenger."""

from pathlib import Path

from coin_assets.domain.evaluation.roles import Roles
from coin_assets.domain.methods import CHALLENGER, CHAMPION
from coin_assets.models.registry import ModelRegistry, ModelVersion
from coin_assets_tests.platform import Platform, series

MONTH = "2024-02-01"
# The champion's first live origin, the challenger's, and one that has no forecast yet.
FIRST, SECOND, NEXT = (f"2024-02-29T{hour}" for hour in (11, 12, 13))
CANDLES, PREDICTION, EVALUATION, PUBLISHED = (
    f"BTC_USDT/{layer}_1h" for layer in ("ohlcv", "prediction", "evaluation", "published")
)
HOUR = series("1h")


def opened(home: Path, now: str = f"{SECOND}:30") -> Platform:
    return Platform(home, now, history_start=MONTH, derived_timeframes="")


def contested(home: Path) -> Path:
    """A home whose version 1 is champion since `FIRST`; 2 challenges it since `SECOND`."""
    platform = opened(home)
    for now in (FIRST, SECOND):
        platform.now = f"{now}:30"
        assert platform.materialise([CANDLES], MONTH).success
        assert platform.train().success
        assert platform.materialise([PREDICTION, PUBLISHED], MONTH).success
    assert holders(platform) == ("1", "2")
    return home


def proceed(platform: Platform, now: str) -> None:
    """Let the next candle come, and everything that is due at it be done."""
    platform.now = now
    assert platform.materialise([CANDLES, PREDICTION, PUBLISHED], MONTH).success


def roles_of(platform: Platform) -> Roles:
    return ModelRegistry(platform.settings.home).roles(HOUR)


def holders(platform: Platform) -> tuple[str | None, str | None]:
    """Champion and challenger."""
    roles = roles_of(platform)
    return roles.holder(CHAMPION), roles.holder(CHALLENGER)


def version(platform: Platform, number: int) -> ModelVersion:
    return ModelRegistry(platform.settings.home).versions(HOUR)[number - 1]
