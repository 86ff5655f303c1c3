"""Each asset names the file and line of its function, for the web UI."""

from pathlib import Path

import dagster as dg
from dagster._core.definitions.metadata.source_code import LocalFileCodeReference

import coin_assets
from coin_assets_tests.platform import Platform

ASSETS = Path(coin_assets.__file__).parent / "orchestration/assets"
FILES = {
    "ohlcv_1h": "candles.py",
    "ohlcv_1d": "candles.py",
    "model_1h": "models.py",
    "prediction_1h": "predictions.py",
    "published_1h": "published.py",
    "evaluation_1h": "evaluations.py",
}


def test_assets_refer_to_their_code(tmp_path: Path) -> None:
    graph = Platform(tmp_path / "home", now="2024-02-10").definitions.resolve_asset_graph()
    for name, file in FILES.items():
        metadata = graph.get(dg.AssetKey(["BTC_USDT", name])).metadata
        references = metadata["dagster/code_references"].code_references
        assert [type(each) for each in references] == [LocalFileCodeReference]
        assert Path(references[0].file_path) == ASSETS / file
        line = Path(references[0].file_path).read_text().splitlines()[references[0].line_number - 1]
        assert line.lstrip().startswith(("def ", "@"))
