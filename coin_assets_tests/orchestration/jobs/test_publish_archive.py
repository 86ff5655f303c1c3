"""``publish_archive``: public series as Parquet files that the manifest lists; daily or by hand."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from coin_assets_tests.orchestration.jobs.test_retention import removed_by as metadata_of
from coin_assets_tests.pipeline.archived import listed
from coin_assets_tests.platform import BTC, ETH, Platform, failures
from coin_assets_tests.schemas import assert_valid

NOW = "2024-02-10T12:30"


def platform_at(home: Path) -> Platform:
    return Platform(home, now=NOW, symbols=f"{BTC},{ETH}", derived_timeframes="4h")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BTC is public; of ETH the first month was never fetched, so it is hidden."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COIN_HOME", raising=False)
        platform = platform_at(tmp_path_factory.mktemp("stored") / "home")
        btc = [f"BTC_USDT/{kind}_{name}" for name in ("1h", "4h") for kind in _LAYERS]
        assert platform.materialise(btc, "2024-01-01", "2024-02-01").success
        assert platform.materialise(["ETH_USDT/ohlcv_1h"], "2024-02-01").success
    return platform.settings.home


_LAYERS = ("ohlcv", "model", "prediction", "published")


@pytest.fixture
def platform(tmp_path: Path, stored: Path) -> Platform:
    shutil.copytree(stored, tmp_path / "home")
    return platform_at(tmp_path / "home")


def archived(platform: Platform, **config: Any) -> dict[str, Any]:
    result = platform.run("publish_archive", **config)
    assert result.success, failures(result)
    return metadata_of(result)


def index_of(platform: Platform) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((platform.published / "archive/index.json").read_bytes())
    return found


def test_the_manifest_lists_what_is_public(platform: Platform) -> None:
    assert platform.manifest["archive"] is None
    facts = archived(platform)
    assert facts["written"] == facts["files"] == 5  # 4h has too few candles for a model
    assert (facts["candles_files"], facts["forecasts_files"], facts["paths_files"]) == (4, 1, 0)
    index = index_of(platform)
    assert_valid("archive", index)
    assert_valid("manifest", platform.manifest)
    assert {file["symbol"] for file in listed(platform.published)} == {BTC}
    content = (platform.published / "archive/index.json").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    assert platform.manifest["archive"] == {
        "file": "archive/index.json",
        "object": f"objects/{digest}.json",
        "sha256": digest,
        "bytes": len(content),
        "as_of": "2024-02-10T12:00:00Z",
    }
    assert (platform.published / f"objects/{digest}.json").read_bytes() == content
    event = platform.instance.get_latest_materialization_event(dg.AssetKey("manifest"))
    assert event is not None


def test_again_changes_nothing_and_the_next_update_keeps_the_reference(platform: Platform) -> None:
    archived(platform)
    before = platform.manifest
    assert archived(platform)["written"] == 0
    assert archived(platform, verify=True)["written"] == 0
    assert platform.manifest == before
    platform.now = "2024-02-10T13:30"
    assert platform.materialise([f"BTC_USDT/{kind}_1h" for kind in _LAYERS], "2024-02-01").success
    assert platform.manifest["generated_at"] != before["generated_at"]
    assert platform.manifest["archive"] == before["archive"]
    assert archived(platform)["written"] == 2  # the running month of 1h alone
    assert platform.manifest["archive"] != before["archive"]


def test_paths_are_made_where_they_are_asked_for(platform: Platform) -> None:
    wanted = Platform(
        platform.settings.home, now=NOW, symbols=f"{BTC},{ETH}", derived_timeframes="4h", paths=4
    )
    assert archived(wanted)["paths_files"] == 1
    assert_valid("archive", index_of(wanted))


def test_a_damaged_series_fails_alone(platform: Platform) -> None:
    archived(platform)
    path = platform.settings.home / (
        "candles/symbol=BTC_USDT/timeframe=4h/month=2024-02/candles.parquet"
    )
    path.write_bytes(path.read_bytes()[:-1])
    platform.now = "2024-02-10T13:30"
    platform.materialise(["BTC_USDT/ohlcv_1h", "BTC_USDT/prediction_1h"], "2024-02-01")
    result = platform.run("publish_archive")
    assert not result.success
    assert "1 of 2 series failed: BTC/USDT 4h" in failures(result)["archive"]
    files = listed(platform.published)
    assert len(files) == 5
    newest = {file["timeframe"]: file["as_of"] for file in files if file["month"] == "2024-02"}
    assert newest == {"1h": "2024-02-10T13:00:00Z", "4h": "2024-02-10T12:00:00Z"}


def test_a_damaged_list_is_no_reference_until_it_is_written_again(platform: Platform) -> None:
    archived(platform)
    before = platform.manifest["archive"]
    path = platform.published / "archive/index.json"
    path.write_bytes(path.read_bytes()[:-5])
    platform.tick("publish_due")
    assert platform.manifest["archive"] is None
    assert archived(platform)["written"] == 0
    assert platform.manifest["archive"] == before


def test_the_schedule_launches_it_every_day_before_retention(platform: Platform) -> None:
    repository = platform.definitions.get_repository_def()
    schedule = repository.get_schedule_def("archive")
    assert (schedule.job_name, schedule.cron_schedule) == ("publish_archive", "50 2 * * *")
    assert repository.get_job("publish_archive").tags["coin_assets/lane"] == "background"
    assert repository.get_schedule_def("retention").cron_schedule == "20 3 * * *"
