"""The reader imports pandas, pyarrow and a few plain modules of the platform, and nothing more."""

import json
import subprocess
import sys

ALLOWED = {
    "coin_assets",
    "coin_assets.domain",
    "coin_assets.domain.future_data",
    "coin_assets.domain.json_format",
    "coin_assets.domain.timeframes",
    "coin_assets.errors",
    "coin_assets.files",
    "coin_assets.files.faults",
    "coin_assets.files.strict_json",
    "coin_assets.foreign_text",
}


def test_neither_dagster_nor_other_parts_of_the_platform_are_imported() -> None:
    code = "import json, sys, coin_assets.client; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "coin_assets.client.published" in loaded
    own = {name for name in loaded if name.partition(".")[0] == "coin_assets"}
    others = {name for name in own if not name.startswith("coin_assets.client")}
    assert others <= ALLOWED
    heavy = ("dagster", "ccxt", "sklearn", "scipy", "pydantic", "requests", "urllib3", "matplotlib")
    assert loaded.isdisjoint(heavy)
