"""The layers of a series, and `Task`: one layer of one series."""

from dataclasses import dataclass

from coin_assets.domain.series import Series

CANDLES, MODELS, PREDICTIONS, PUBLISHED = ("candles", "models", "predictions", "published")
# Forecast quality; not on the path from candles to published files.
QUALITY = "quality"


@dataclass(frozen=True)
class Task:
    """The work of one asset: one layer of one series."""

    series: Series
    layer: str

    def __str__(self) -> str:
        return f"{self.series} {self.layer}"
