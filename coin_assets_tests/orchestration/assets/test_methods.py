"""Several methods on a platform (`COIN_METHODS`): trained, forecast, scored and published.

- What readers get of the champion is the same to the byte, whatever challenges it.
- Each method is trained by asset and job; what a home lacks of a new method is requested.
- A damaged challenger holds up neither the champion nor the other challenger.
"""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from coin_assets.domain.methods import CHALLENGER, CHALLENGER_NAIVE, CHAMPION
from coin_assets.models.registry import ModelRegistry
from coin_assets.store.forecasts import of_role
from coin_assets_tests.contested import (
    CANDLES,
    EVALUATION,
    FIRST,
    HOUR,
    MONTH,
    NEXT,
    PREDICTION,
    PUBLISHED,
    SECOND,
    proceed,
)
from coin_assets_tests.pipeline.known_market import TRUE, WIDE, KnownMarket, enough
from coin_assets_tests.platform import Platform, failures, files_of, utc

MODEL = "BTC_USDT/model_1h"


def platform_with(home: Path, methods: str, now: str = f"{FIRST}:30") -> Platform:
    return Platform(home, now, history_start=MONTH, derived_timeframes="", methods=methods)


def walked(home: Path, methods: str) -> Platform:
    """Trained before each of two live origins, then one more origin."""
    platform = platform_with(home, methods)
    for now in (FIRST, SECOND):
        platform.now = f"{now}:30"
        assert platform.materialise([CANDLES], MONTH).success
        assert platform.train().success
        assert platform.materialise([PREDICTION, PUBLISHED], MONTH).success
    proceed(platform, f"{NEXT}:30")
    return platform


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return walked(tmp_path_factory.mktemp("several") / "home", "naive,har")


def registry_of(platform: Platform) -> ModelRegistry:
    return ModelRegistry(platform.settings.home)


def forecasts(platform: Platform) -> pd.DataFrame:
    return platform.store.read_forecasts(HOUR, utc("2024-01-01"), utc("2025-01-01"))


def origins(platform: Platform, role: str) -> dict[str, str]:
    made = of_role(forecasts(platform), role).drop_duplicates("as_of")
    return {
        f"{origin:%Y-%m-%dT%H}": version
        for origin, version in zip(made["as_of"], made["model_version"], strict=True)
    }


def test_each_method_forecasts_the_same_origins_and_one_of_them_is_published(
    several: Platform,
) -> None:
    methods = [version.method for version in registry_of(several).versions(HOUR)]
    assert methods == ["har", "naive", "har", "naive"]
    roles = registry_of(several).roles(HOUR)
    holders = [roles.holder(role) for role in (CHAMPION, CHALLENGER, CHALLENGER_NAIVE)]
    assert holders == ["1", "3", "4"]
    assert origins(several, CHAMPION) == {FIRST: "1", SECOND: "1", NEXT: "1"}
    assert origins(several, CHALLENGER) == {SECOND: "3", NEXT: "3"}
    assert origins(several, CHALLENGER_NAIVE) == {SECOND: "4", NEXT: "4"}
    assert several.metadata(PREDICTION)["challenger_forecasts_added"] == 2
    assert several.entry("1h")["champion"] == "1"


def test_the_training_of_each_method_is_on_the_model_asset(several: Platform) -> None:
    facts = several.metadata(MODEL)
    assert (facts["model_version"], facts["forecaster"]) == ("3", "har_ridge")
    assert facts["naive_model_version"] == "4"
    assert abs(facts["naive_skill"]) < 1e-9
    assert facts["naive_loss"] > 0


def test_readers_of_the_champion_get_the_same_bytes_as_with_one_method(
    several: Platform, tmp_path: Path
) -> None:
    one = walked(tmp_path / "home", "har")
    both = [files_of(each.published) for each in (one, several)]
    names = [
        name for name in both[0] if name.startswith(("history_", "prediction_", "evaluations/"))
    ]
    assert len(names) == 2
    for name in names:
        assert both[0][name] == both[1][name]
    assert set(forecasts(one)["role"]) == {CHAMPION, CHALLENGER}
    alone, beside = (
        of_role(forecasts(each), CHAMPION).reset_index(drop=True) for each in (one, several)
    )
    pd.testing.assert_frame_equal(alone, beside, check_exact=True)


def test_the_monthly_version_is_made_of_each_method(tmp_path: Path) -> None:
    platform = platform_with(tmp_path / "home", "har,naive", "2024-03-01T02:30")
    assert platform.materialise([CANDLES], MONTH, "2024-03-01").success
    assert platform.materialise([MODEL], "2024-03-01").success
    versions = registry_of(platform).versions(HOUR)
    assert [(each.method, each.cutoff) for each in versions] == [
        ("har", utc("2024-03-01")),
        ("naive", utc("2024-03-01")),
    ]
    assert platform.metadata(MODEL, "2024-03-01")["naive_model_version"] == "2"


def test_a_home_of_one_method_gets_the_versions_of_another_once(tmp_path: Path) -> None:
    before = platform_with(tmp_path / "home", "har", "2024-03-02T02:30")
    before.settle("candles_due")
    assert {each.method for each in registry_of(before).versions(HOUR)} == {"har"}
    known = files_of(registry_of(before).folder_of(HOUR))
    published = files_of(before.published)
    platform = platform_with(tmp_path / "home", "har,naive", "2024-03-02T02:30")
    platform.settle("candles_due")
    naive = [each for each in registry_of(platform).versions(HOUR) if each.method == "naive"]
    assert {each.cutoff for each in naive} >= {utc("2024-03-01")}
    assert registry_of(platform).roles(HOUR).holder(CHALLENGER_NAIVE) is not None
    after = files_of(registry_of(platform).folder_of(HOUR))
    assert all(after[name] == content for name, content in known.items() if "roles" not in name)
    assert files_of(platform.published) == published
    assert not platform.tick("candles_due").run_requests


def test_a_damaged_challenger_holds_up_no_other(tmp_path: Path) -> None:
    platform = walked(tmp_path / "home", "har,naive")
    (registry_of(platform).versions(HOUR)[3].folder / "model.json").write_text("{}")
    last = "2024-02-29T14"
    proceed(platform, f"{last}:30")
    assert last in origins(platform, CHAMPION)
    assert last in origins(platform, CHALLENGER)
    assert last not in origins(platform, CHALLENGER_NAIVE)
    assert "_naive/model.json differs" in platform.metadata(PREDICTION)["challenger_error"]


def test_a_training_names_the_method_that_failed_and_keeps_the_other(tmp_path: Path) -> None:
    platform = walked(tmp_path / "home", "har,naive")
    (registry_of(platform).versions(HOUR)[3].folder / "metadata.json").write_text("{}")
    cutoff = f"{SECOND}:00:00Z"
    result = platform.train(cutoff=cutoff)
    assert "1 of 1 series failed" in failures(result)["train"]
    assert "_naive/metadata.json" in failures(result)["train"]
    assert platform.metadata(MODEL)["model_version"] == "3"


def known_market(home: Path) -> tuple[Platform, KnownMarket]:
    platform = platform_with(home, "har,naive", f"{enough():%Y-%m-%dT%H:%M}:30")
    assert platform.definitions
    market = KnownMarket(platform.settings.home, (WIDE, WIDE, TRUE))
    market.until(enough())
    return platform, market


def test_the_evaluation_asset_shows_each_challenger(tmp_path: Path) -> None:
    platform, _ = known_market(tmp_path / "home")
    result = platform.run("evaluate")
    assert result.success
    facts: dict[str, Any] = platform.metadata(EVALUATION)
    assert (facts["decision"], facts["decision_naive"]) == ("keep", "keep")
    assert facts["challenger_naive_versions"] == "4"
    assert facts["challenger_naive_pinball"] < facts["challenger_pinball"]
    naive = "lower loss than the naive forecast's | passed | The challenger is the naive forecast"
    assert f"| {naive} itself. |" in facts["promotion_naive"]
    (entry,) = facts["evaluation"]["challengers"]
    assert entry["method"] == "naive"
    for name in ("reliability", "loss_over_time"):
        assert facts[name].startswith("![BTC/USDT 1h")
    logs = [entry.user_message for entry in platform.instance.all_logs(result.run_id)]
    assert any(line.endswith("; challenger 2: keep; challenger naive 4: keep") for line in logs)
