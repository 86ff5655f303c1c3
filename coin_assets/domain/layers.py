"""The layers of a key, and one step of one layer."""

from dataclasses import dataclass

from coin_assets.domain.series import Series

CANDLES, MODELS, PREDICTIONS, PUBLISHED = ("candles", "models", "predictions", "published")
# Beside the path from candles to published files: how good the forecasts were.
QUALITY = "quality"


@dataclass(frozen=True)
class Task:
    """What one asset does."""

    series: Series
    layer: str

    def __str__(self) -> str:
        return f"{self.series} {self.layer}"
