"""What the functions of one run work with: store, market, models, published folder and clock."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from coin_assets.market.base import Market
from coin_assets.models.evaluations import EvaluationBook
from coin_assets.models.registry import ModelRegistry
from coin_assets.publish.publisher import Publisher
from coin_assets.store.base import Store
from coin_assets.store.exogenous import ExogenousTables


class RunClock(Protocol):
    """The time as one run reads it."""

    def now(self) -> datetime:
        """The present moment (UTC)."""

    def closed_by(self) -> datetime:
        """Candles that close up to this time were final when the run began."""


@dataclass(frozen=True)
class Pipeline:
    """The parts of the platform that one run uses.

    A function that needs one or two parts takes these; one that needs more takes a `Pipeline`.

    Attributes:
        store: candles, forecasts, revisions and gap ledgers.
        market: source of candles.
        registry: model versions and their roles.
        evaluations: the newest evaluation of each series.
        publisher: the published folder.
        clock: time of this run.
        exogenous: values of the exogenous series.
    """

    store: Store
    market: Market
    registry: ModelRegistry
    evaluations: EvaluationBook
    publisher: Publisher
    clock: RunClock
    exogenous: ExogenousTables
