"""The evaluation assets: scores of matured forecasts, in numbers and pictures.

- Over a backfill of models and forecasts an evaluation is the report of a backtest.
- The challenger is scored and judged beside the champion, and every criterion is reported.
- A file that cannot be read is replaced, with a warning; nothing that goes wrong with an
  evaluation touches what is published.
"""

import json
from pathlib import Path

import dagster as dg
import pytest

from coin_assets.domain.forecasting.frame import QUANTILE_COLUMNS
from coin_assets.models.evaluations import EvaluationBook
from coin_assets.orchestration.metadata import rounded
from coin_assets_tests.contested import (
    CANDLES,
    EVALUATION,
    HOUR,
    MONTH,
    PREDICTION,
    PUBLISHED,
    contested,
    opened,
    version,
)
from coin_assets_tests.pipeline.known_market import DAY, START, KnownMarket, enough
from coin_assets_tests.platform import Platform, failures, files_of, utc

PICTURES = ("latest_outcome", "reliability", "loss_over_time")


def evaluated(platform: Platform) -> dg.ExecuteInProcessResult:
    return platform.run("evaluate")


def log_lines(platform: Platform, result: dg.ExecuteInProcessResult, level: str) -> list[str]:
    """Log lines of the step, of one level."""
    wanted = {"info": 20, "warning": 30}[level]
    entries = platform.instance.all_logs(result.run_id)
    return [
        entry.user_message
        for entry in entries
        if entry.level == wanted and not entry.is_dagster_event
    ]


# ---------------------------------------------------------------------------------------- backtests


def test_a_backfill_and_an_evaluation_are_a_backtest(tmp_path: Path) -> None:
    platform = opened(tmp_path / "home", "2024-04-10T12:30")
    assert platform.materialise([CANDLES], MONTH, "2024-04-01").success
    walk = ["BTC_USDT/model_1h", PREDICTION]
    assert platform.materialise(walk, "2024-03-01", "2024-04-01").success
    result = evaluated(platform)
    assert result.success
    document = platform.metadata(EVALUATION)["evaluation"]
    assert document == EvaluationBook(platform.settings.home).read(HOUR)
    champion = document["champion"]
    # 30 days of origins whose 24 candles are over; all were made long after.
    assert (champion["origins"], champion["live"], champion["backtest"]) == (720, 0, 720)
    assert champion["versions"] == {"1": 720 - 8 * 24 - 13, "2": 8 * 24 + 13}
    assert -1 < champion["skill"] < 1
    assert 0.6 < champion["coverage_80"] < champion["coverage_90"] <= 1
    facts = platform.metadata(EVALUATION)
    assert facts["champion_skill"] == rounded(champion["skill"])
    assert facts["champion_versions"] == "1, 2"
    assert facts["drift"] == document["drift"]["state"]
    for name in PICTURES:
        assert facts[name].startswith("![BTC/USDT 1h")
    (line,) = log_lines(platform, result, "info")
    assert line.startswith("BTC/USDT 1h: 720 matured forecasts, skill ")


# -------------------------------------------------------------------------- champion and challenger


@pytest.fixture
def known(tmp_path: Path) -> tuple[Platform, KnownMarket]:
    """Both roles have forecast live for weeks, and the challenger better."""
    platform = opened(tmp_path / "home", f"{enough():%Y-%m-%dT%H:%M}:30")
    assert platform.definitions
    market = KnownMarket(platform.settings.home)
    market.until(enough())
    return platform, market


def test_the_challenger_is_scored_and_judged_beside_the_champion(
    known: tuple[Platform, KnownMarket],
) -> None:
    platform, market = known
    result = evaluated(platform)
    assert result.success
    facts = platform.metadata(EVALUATION)
    assert facts["champion_origins"] == facts["challenger_origins"]
    assert facts["challenger_pinball"] < facts["champion_pinball"]
    assert (facts["champion_versions"], facts["challenger_versions"]) == ("1", "2")
    assert facts["decision"] == "keep"
    criteria = market.evaluations.read(HOUR)
    assert criteria is not None
    rows = facts["promotion"].splitlines()[2:]
    assert len(rows) == len(criteria["promotion"]["criteria"]) > 5
    assert [row for row in rows if "not passed" in row] == [rows[-2]]
    title = "several tests passed in a row"
    assert rows[-2].startswith(f"| {title} | not passed | Consecutive interim tests passed: 1 ")
    (line,) = log_lines(platform, result, "info")
    assert line.endswith("; challenger 2: keep")
    assert log_lines(platform, result, "warning") == []


def test_drift_is_reported_by_evaluation_and_manifest(tmp_path: Path) -> None:
    platform = opened(tmp_path / "home", "2024-04-10T12:30")
    assert platform.materialise([CANDLES], MONTH, "2024-04-01").success
    walk = ["BTC_USDT/model_1h", PREDICTION]
    assert platform.materialise(walk, "2024-03-01", "2024-04-01").success
    assert platform.materialise([PUBLISHED], "2024-04-01").success

    def drift() -> list[str]:
        assert evaluated(platform).success
        document = EvaluationBook(platform.settings.home).read(HOUR)
        assert document is not None
        platform.tick("publish_due")
        shown = platform.entry("1h")["quality"]["drift"]
        return [document["drift"]["state"], platform.metadata(EVALUATION)["drift"], shown]

    assert drift() == ["stable"] * 3
    narrow = platform.store.read_forecasts(HOUR, utc("2024-04-01"), utc("2024-04-11"))
    for name in QUANTILE_COLUMNS:
        narrow[name] = narrow["price"] + (narrow[name] - narrow["price"]) / 10
    platform.store.revise_forecasts(HOUR, narrow)
    assert drift() == ["drifting"] * 3


def test_a_market_that_stands_still_is_evaluated(known: tuple[Platform, KnownMarket]) -> None:
    platform, market = known
    halted = market.store.read_candles(HOUR, START, enough())
    halted[["open", "high", "low", "close"]] = 100.0
    market.store.write_candles(HOUR, halted, START, enough())
    result = evaluated(platform)
    assert result.success, failures(result)
    (line,) = log_lines(platform, result, "info")
    assert "skill undefined" in line


def test_an_evaluation_changes_nothing_but_itself(known: tuple[Platform, KnownMarket]) -> None:
    platform, _ = known
    before = files_of(platform.settings.home)
    assert evaluated(platform).success
    after = files_of(platform.settings.home)
    folder = "evaluations/symbol=BTC_USDT/timeframe=1h"
    names = {f"{folder}/evaluation.json", f"{folder}/published.json"}
    assert after.keys() - before.keys() == names
    assert {each: after[each] for each in before} == before
    assert evaluated(platform).success
    assert files_of(platform.settings.home) == after


# ---------------------------------------------------------------------------------- what goes wrong


def test_an_evaluation_that_cannot_be_read_is_replaced_with_a_warning(
    known: tuple[Platform, KnownMarket],
) -> None:
    platform, market = known
    assert evaluated(platform).success
    (file,) = (platform.settings.home / "evaluations").rglob("evaluation.json")
    whole = file.read_bytes()
    file.write_bytes(whole[:100])
    market.until(enough() + DAY)
    platform.now = f"{enough() + DAY:%Y-%m-%dT%H:%M}:30"
    result = evaluated(platform)
    assert result.success
    (warning,) = log_lines(platform, result, "warning")
    assert str(file) in warning
    assert json.loads(file.read_bytes())["as_of"] > json.loads(whole)["as_of"]


def test_before_anything_has_matured_it_reports_so(tmp_path: Path) -> None:
    platform = opened(contested(tmp_path / "home"))
    result = evaluated(platform)
    assert result.success
    assert log_lines(platform, result, "info") == [
        "BTC/USDT 1h: no forecast has matured yet; each takes 24 candles"
    ]
    facts = platform.metadata(EVALUATION)
    assert facts["decision"] == "keep"
    assert not facts.keys() & {"champion_origins", *PICTURES}


def test_a_damaged_record_of_roles_fails_the_evaluation_and_leaves_the_last_one(
    known: tuple[Platform, KnownMarket],
) -> None:
    platform, market = known
    assert evaluated(platform).success
    before = market.evaluations.read(HOUR)
    record = version(platform, 1).folder.parent / "roles.json"
    record.write_text("{}")
    refused = evaluated(platform)
    assert str(record) in failures(refused)["BTC_USDT__evaluation_1h"]
    assert market.evaluations.read(HOUR) == before
