"""A home with two series in which every kind of artefact exists, without a Dagster platform."""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from coin_assets.domain.methods import CHAMPION
from coin_assets.domain.publishing.manifest_entries import Installation
from coin_assets.domain.series import Series
from coin_assets.models.evaluations import EvaluationBook
from coin_assets.models.registry import ModelRegistry
from coin_assets.planning.evaluations import QualityFacts, quality_facts
from coin_assets.planning.series_status import SeriesStatus, read_status
from coin_assets.publish.publication import ManifestInputs, publication_of
from coin_assets.publish.publisher import Publisher
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.models.test_registry import facts as trained
from coin_assets_tests.models.test_registry import model
from coin_assets_tests.publish.test_publisher import (
    AS_OF,
    BTC,
    ETH,
    LIMITS,
    NOW,
    candles,
    facts,
    forecast,
)
from coin_assets_tests.test_release_home import RELEASE_HOME

MODELS, EVALUATIONS = "models/symbol={}/timeframe=1h", "evaluations/symbol={}/timeframe=1h"
VERSION = "0001_20261101T000000Z"
FILES = (
    f"{MODELS}/{VERSION}/metadata.json",
    f"{MODELS}/roles.json",
    f"{EVALUATIONS}/evaluation.json",
    "published/history_{}_1h.json",
    "published/prediction_{}_1h.json",
)


@dataclass
class Home:
    """A home with two series, each with candles, a champion, an evaluation and published files."""

    path: Path

    def __post_init__(self) -> None:
        self.store, self.registry = ParquetStore(self.path), ModelRegistry(self.path)
        self.evaluations = EvaluationBook(self.path)
        self.publisher = Publisher(
            self.path / "published",
            self.path / "locks",
            (BTC, ETH),
            LIMITS,
            Installation("sandbox"),
        )

    def filled(self) -> "Home":
        scored = json.loads(
            next(RELEASE_HOME.glob("evaluations/*/timeframe=4h/evaluation.json")).read_bytes()
        )
        cutoff = AS_OF.replace(day=1)
        for series in (BTC, ETH):
            rows = candles(series)
            self.store.merge_candles(series, rows, AS_OF - timedelta(days=1), AS_OF)
            self.store.add_forecasts(series, forecast(version="1"))
            version = self.registry.add(series, model(), cutoff, trained())
            self.registry.appoint(
                series, CHAMPION, version, cutoff, reason="", by="test", recorded_at=cutoff
            )
            own = {"symbol": series.symbol, "timeframe": "1h"}
            self.evaluations.write(series, scored | own)
            self.publisher.publish(
                publication_of(facts(series), rows, forecast(version="1"), NOW), self.inputs
            )
        return self

    @property
    def inputs(self) -> ManifestInputs:
        return ManifestInputs(NOW, lambda _series: True)

    def statuses(self) -> dict[Series, SeriesStatus]:
        return read_status(self.store, self.registry, self.publisher, (BTC, ETH))

    def qualities(self) -> dict[Series, QualityFacts]:
        return quality_facts(self.evaluations, self.registry, (BTC, ETH))

    def file(self, name: str, series: Series = BTC) -> Path:
        return self.path / name.format(series.symbol_name)
