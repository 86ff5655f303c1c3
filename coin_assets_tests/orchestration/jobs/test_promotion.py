"""``promote_champion`` and ``rollback_champion``: another model makes the published forecasts.

- The gate promotes who has earned it and leaves the rest; an operator may overrule it, with a
  reason.
- A rollback restores roles and artefacts, and the published forecast of an origin to the byte.
- What makes no sense is refused before anything changes; one failing series leaves the others.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from coin_assets.domain.methods import CHAMPION
from coin_assets_tests.contested import (
    HOUR,
    MONTH,
    NEXT,
    SECOND,
    contested,
    holders,
    opened,
    proceed,
    roles_of,
)
from coin_assets_tests.pipeline.known_market import DAY, TRUE, KnownMarket, enough
from coin_assets_tests.platform import BTC, ETH, Platform, failures, files_of

WHY = "seen in the paper trades"
FILE = "prediction_BTC_USDT_1h.json"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return contested(tmp_path_factory.mktemp("contested") / "home")


@pytest.fixture
def platform(prepared: Path, tmp_path: Path) -> Platform:
    return copied(prepared, tmp_path / "home")


def copied(home: Path, to: Path) -> Platform:
    return opened(Path(shutil.copytree(home, to)))


def prediction(platform: Platform) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((platform.published / FILE).read_bytes())
    return found


def log_of(platform: Platform, result: dg.ExecuteInProcessResult) -> list[str]:
    return [entry.user_message for entry in platform.instance.all_logs(result.run_id)]


def models_of(platform: Platform) -> dict[str, bytes]:
    """Every file of the models but the record of roles."""
    files = files_of(platform.settings.home / "models")
    return {name: content for name, content in files.items() if "roles.json" not in name}


# ------------------------------------------------------------------------------------ by operators


def test_an_operator_promotes_the_challenger_and_it_makes_the_next_published_forecast(
    platform: Platform,
) -> None:
    assert prediction(platform)["model_version"] == platform.entry("1h")["champion"] == "1"
    assert platform.run("promote_champion", override=True, reason=WHY).success
    assert holders(platform) == ("2", None)
    assert prediction(platform)["model_version"] == "1"  # a published forecast stays
    proceed(platform, f"{NEXT}:30")
    assert prediction(platform)["model_version"] == platform.entry("1h")["champion"] == "2"


def test_a_rollback_restores_the_forecast_that_the_old_champion_would_have_made(
    platform: Platform, tmp_path: Path
) -> None:
    before = copied(platform.settings.home, tmp_path / "before")
    models = models_of(platform)
    assert platform.run("promote_champion", override=True, reason=WHY).success
    between = copied(platform.settings.home, tmp_path / "between")
    assert platform.run("rollback_champion", reason="it was a mistake").success
    assert holders(platform)[0] == "1"
    assert models_of(platform) == models_of(before) == models

    proceed(before, f"{NEXT}:10")
    proceed(between, f"{NEXT}:20")
    proceed(platform, f"{NEXT}:30")
    predictions = [prediction(each) for each in (before, between, platform)]
    assert [each["model_version"] for each in predictions] == ["1", "2", "1"]
    assert {each["as_of"] for each in predictions} == {f"{NEXT}:00:00Z"}
    assert predictions[0].pop("updated_at") < predictions[2].pop("updated_at")
    assert predictions[0] == predictions[2]
    assert predictions[0]["forecast"] != predictions[1]["forecast"]

    history = [
        (change.version, change.by, change.reason)
        for change in roles_of(platform).changes
        if change.role == CHAMPION
    ]
    assert history[1:] == [("2", "operator", WHY), ("1", "operator", "it was a mistake")]


@pytest.mark.parametrize(
    ("job", "config", "expected"),
    [
        ("promote_champion", {"override": True}, "override needs a reason"),
        ("promote_champion", {"override": True, "reason": "  "}, "override needs a reason"),
        ("promote_champion", {"reason": WHY}, "need override"),
        ("promote_champion", {"version": 2}, "need override"),
        ("promote_champion", {"override": True, "reason": WHY, "version": 9}, "versions: 1, 2."),
        ("promote_champion", {"symbols": ["BTCUSDT"]}, "BTCUSDT"),
        ("rollback_champion", {"reason": " "}, "reason is empty"),
        ("rollback_champion", {"reason": WHY}, "launch promote_champion with override"),
        ("rollback_champion", {"reason": WHY, "timeframes": ["2h"]}, "2h"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    platform: Platform, job: str, config: dict[str, Any], expected: str
) -> None:
    before = files_of(platform.settings.home)
    (message,) = failures(platform.run(job, **config)).values()
    assert expected in message
    assert files_of(platform.settings.home) == before


def test_a_version_is_chosen_for_one_series_only(tmp_path: Path) -> None:
    platform = Platform(tmp_path / "home", f"{SECOND}:30", symbols=f"{BTC},{ETH}")
    result = platform.run("promote_champion", override=True, reason=WHY, version=2)
    assert "version 2 is set for 6 series" in failures(result)["promote"]


def test_a_rollback_needs_no_less_than_a_reason(platform: Platform) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError, match="reason"):
        platform.run("rollback_champion")


def test_a_series_that_fails_leaves_the_others_and_is_named(platform: Platform) -> None:
    home = platform.settings.home
    both = Platform(home, platform.now, symbols=f"{BTC},{ETH}", history_start=MONTH)
    result = both.run("promote_champion", override=True, reason=WHY, timeframes=["1h"])
    message = failures(result)["promote"]
    assert "1 of 2 series failed: ETH/USDT 1h: " in message
    assert "ETH/USDT 1h has no challenger" in message
    assert holders(platform) == ("2", None)


# -------------------------------------------------------------------------------------- by the gate


@pytest.fixture
def known(tmp_path: Path) -> tuple[Platform, KnownMarket]:
    """A platform over a market in which the challenger is better; it was looked at twice."""
    now = enough() + 2 * DAY
    platform = Platform(tmp_path / "home", f"{now:%Y-%m-%dT%H:%M}:30", derived_timeframes="")
    assert platform.definitions
    market = KnownMarket(platform.settings.home)
    for day in range(2):
        market.evaluate(enough() + day * DAY)
    market.until(now)
    return platform, market


def test_the_gate_promotes_a_challenger_that_has_earned_it(
    known: tuple[Platform, KnownMarket],
) -> None:
    platform, market = known
    result = platform.run("promote_champion")
    assert result.success
    assert holders(platform) == ("2", None)
    (line,) = [text for text in log_of(platform, result) if "is champion from" in text]
    assert line.startswith("BTC/USDT 1h: version 2 is champion from ")
    document = market.evaluations.read(HOUR)
    assert document is not None
    assert document["promotion"]["decision"] == "promote"
    assert platform.run("promote_champion").success  # again: nobody is left to promote
    assert holders(platform) == ("2", None)


def test_the_gate_keeps_a_champion_whose_challenger_is_just_as_good(tmp_path: Path) -> None:
    now = enough() + 2 * DAY
    platform = Platform(tmp_path / "home", f"{now:%Y-%m-%dT%H:%M}:30", derived_timeframes="")
    assert platform.definitions
    market = KnownMarket(platform.settings.home, (TRUE, TRUE))
    for day in range(3):
        market.until(enough() + day * DAY)
        result = platform.run("promote_champion")
        assert result.success
    assert holders(platform) == ("1", "2")
    (line,) = [text for text in log_of(platform, result) if "stays challenger" in text]
    assert "less than 0.995" in line


def test_without_override_nobody_is_promoted_on_two_forecasts(platform: Platform) -> None:
    result = platform.run("promote_champion")
    assert result.success
    assert holders(platform) == ("1", "2")
