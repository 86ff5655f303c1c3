"""The documents that the page's tests show keep the contract of real ones."""

from pathlib import Path

import pytest

from coin_assets_tests.schemas import CONTRACT, assert_valid
from coin_assets_tests.site import documents
from coin_assets_tests.site.folder import published, with_troubles

# Objects, overviews and evaluations came together.
has_objects = pytest.mark.skipif(
    not (CONTRACT / "evaluation.schema.json").exists(), reason="the contract has no objects yet"
)


@pytest.mark.parametrize("timeframe", ["1h", "1w", "1M"])
def test_histories_and_forecasts(timeframe: str) -> None:
    history = documents.history("BTC/USDT", timeframe, documents.as_of(timeframe), holes=(3, 9))
    assert_valid("history", history)
    assert_valid("prediction", documents.prediction(history))
    assert len(history["data"]) == 198


@has_objects
def test_evaluations() -> None:
    history = documents.history("BTC/USDT", "1h", documents.as_of("1h"))
    assert_valid("evaluation", documents.evaluation(history))


@has_objects
def test_manifests(tmp_path: Path) -> None:
    assert_valid("manifest", with_troubles(published(tmp_path)).manifest)


def test_the_same_documents_come_out_again() -> None:
    one, other = (
        documents.evaluation(documents.history("ETH/USDT", "4h", documents.as_of("4h")))
        for _ in range(2)
    )
    assert one == other
