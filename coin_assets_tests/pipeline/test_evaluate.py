"""Evaluating a series: all that has matured, the challenger judged, and written down once.

- A better challenger is promoted after some interim tests in a row; one that is just as good is
  not, and is retired at the end of its trial period.
- Walk-forward forecasts alone promote nobody.
- Passes count for the tested challenger only; they are lost with an unreadable evaluation.
- The same data give the same bytes.
"""

import json
from pathlib import Path

import pandas as pd
import pytest

from coin_assets.domain.evaluation.promotion import KEEP, PROMOTE, RETIRE
from coin_assets.domain.evaluation.roles import MONTHLY_ROLLOVER
from coin_assets.domain.evaluation.windows import window_of
from coin_assets.domain.forecasting.frame import BACKTEST, LIVE
from coin_assets.domain.json_format import parse_time
from coin_assets.domain.methods import CHALLENGER, CHAMPION
from coin_assets.errors import CorruptArtefact, MonthsNotFetched
from coin_assets.models.evaluations import EvaluationBook
from coin_assets.models.registry import ModelRegistry
from coin_assets.pipeline.evaluate import EvaluationReport, evaluate_series
from coin_assets.store.parquet import ParquetStore
from coin_assets_tests.pipeline.known_market import (
    DAY,
    FIRST,
    HOUR,
    SERIES,
    START,
    TRUE,
    WIDE,
    KnownMarket,
    enough,
    whole_trial,
)
from coin_assets_tests.platform import files_of


def decision(report: EvaluationReport) -> str:
    (trial,) = report.trials
    assert report.document["promotion"]["decision"] == trial.verdict.decision
    return trial.verdict.decision


def failed(report: EvaluationReport) -> set[str]:
    (trial,) = report.trials
    return {each.name for each in trial.verdict.criteria if not each.passed}


def evaluation_file(home: Path) -> Path:
    (path,) = (home / "evaluations").rglob("evaluation.json")
    return path


# --------------------------------------------------------------------------------------- the gate


def test_a_better_challenger_is_promoted_once_it_has_lasted(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path)
    reports = [market.evaluate(enough() + day * DAY) for day in range(3)]
    assert [decision(report) for report in reports] == [KEEP, KEEP, PROMOTE]
    assert [failed(report) for report in reports] == [{"lasting"}, {"lasting"}, set()]
    passes = reports[-1].document["promotion"]["passes"]
    assert [parse_time(text) for text in passes] == [enough() + day * DAY for day in range(3)]


def test_a_challenger_just_as_good_is_never_promoted_and_goes_when_its_term_is_over(
    tmp_path: Path,
) -> None:
    market = KnownMarket(tmp_path, (TRUE, TRUE))
    times = [enough(), enough() + DAY, enough() + 2 * DAY, whole_trial() - HOUR, whole_trial()]
    reports = [market.evaluate(now) for now in times]
    assert [decision(report) for report in reports] == [KEEP] * 4 + [RETIRE]
    assert all("champion" in failed(report) for report in reports)
    assert all(report.document["promotion"]["passes"] == [] for report in reports)


def test_a_worse_challenger_is_never_promoted(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path, (TRUE, WIDE))
    for day in range(3):
        report = market.evaluate(enough() + day * DAY)
        assert decision(report) == KEEP
        assert {"champion", "live_agrees", "coverage"} <= failed(report)


def test_backtests_alone_promote_nobody(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path, kind=BACKTEST)
    reports = [market.evaluate(enough() + day * DAY) for day in range(3)]
    assert [decision(report) for report in reports] == [KEEP] * 3
    assert all({"live", "live_agrees"} <= failed(report) for report in reports)
    assert not failed(reports[-1]) & {"sample", "champion", "naive", "coverage"}
    figures = reports[-1].document["promotion"]
    assert figures["live"]["origins"] == 0
    assert figures["backtest"]["origins"] == figures["whole"]["origins"] > 0


def test_passes_count_for_the_tested_challenger(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path)
    for day in range(2):
        market.evaluate(enough() + day * DAY)
    now = enough() + 2 * DAY
    market.until(now)
    made = market.forecasts(CHALLENGER, "3")
    market.store.revise_forecasts(SERIES, made[made["as_of"] <= now])
    third = market.registry.versions(SERIES)[2]
    market.registry.appoint(SERIES, CHALLENGER, third, now, reason="", by="test", recorded_at=now)
    report = evaluate_series(market.store, market.registry, market.evaluations, SERIES)
    assert [trial.challenger for trial in report.trials] == ["3"]
    assert failed(report) == {"lasting"}
    assert len(report.document["promotion"]["passes"]) == 1


def test_only_forecasts_of_the_two_versions_count(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path)
    now = enough()
    market.until(now)
    old = market.forecasts(CHALLENGER, "0")
    market.store.revise_forecasts(SERIES, old[old["as_of"] < now - 10 * DAY])
    report = evaluate_series(market.store, market.registry, market.evaluations, SERIES)
    figures = report.document["promotion"]["whole"]
    assert figures["origins"] == 10 * 24 - 24 + 1  # the last day has not matured
    assert report.document["challenger"]["versions"].keys() == {"0", "2"}


def test_evidence_reaches_back_beyond_one_window_of_scores(tmp_path: Path) -> None:
    now = whole_trial() + 4 * DAY
    report = KnownMarket(tmp_path).evaluate(now)
    matured = (now - FIRST) // HOUR - 24 + 1
    start, end = window_of(SERIES.timeframe, now)
    assert report.document["promotion"]["whole"]["origins"] == matured > (end - start) // HOUR
    assert report.document["champion"]["origins"] < matured


@pytest.mark.parametrize(("by", "origins"), [(MONTHLY_ROLLOVER, 20 * 24 + 1), ("operator", 5 * 24)])
def test_forecasts_of_a_training_before_count_for_the_one_that_followed_it(
    tmp_path: Path, by: str, origins: int
) -> None:
    market = KnownMarket(tmp_path)
    now = enough()
    market.until(now)
    third, since = market.registry.versions(SERIES)[2], now - 6 * DAY + HOUR
    followed = market.forecasts(CHAMPION, "3")
    market.store.revise_forecasts(SERIES, followed[followed["as_of"] >= since])
    market.registry.appoint(SERIES, CHAMPION, third, since, reason="", by=by, recorded_at=now)
    report = evaluate_series(market.store, market.registry, market.evaluations, SERIES)
    figures = report.document["promotion"]
    assert figures["champion"] == "3"
    assert figures["whole"]["origins"] == origins
    cooled = {each["name"]: each["passed"] for each in figures["criteria"]}["cool_down"]
    assert cooled == (by == MONTHLY_ROLLOVER)


# ----------------------------------------------------------------------------------------- records


def test_evaluating_the_same_data_again_changes_no_byte(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path)
    for day in range(2):
        market.evaluate(enough() + day * DAY)
    before = files_of(tmp_path)
    again = market.evaluate(enough() + DAY)
    assert decision(again) == KEEP
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("content", [b"{}", b"[1"])
def test_an_evaluation_that_cannot_be_read_is_replaced_and_its_passes_are_lost(
    tmp_path: Path, content: bytes
) -> None:
    market = KnownMarket(tmp_path)
    for day in range(2):
        market.evaluate(enough() + day * DAY)
    evaluation_file(tmp_path).write_bytes(content)
    with pytest.raises(CorruptArtefact, match="Materialise the evaluation of the series again"):
        market.evaluations.read(SERIES)
    report = market.evaluate(enough() + 2 * DAY)
    assert report.damaged is not None
    assert str(evaluation_file(tmp_path)) in report.damaged
    assert failed(report) == {"lasting"}
    stored = json.loads(evaluation_file(tmp_path).read_bytes())
    assert market.evaluations.read(SERIES) == {
        name: value for name, value in stored.items() if name != "sha256"
    }
    assert market.evaluate(enough() + 3 * DAY).damaged is None


def test_an_evaluation_of_another_series_is_no_evaluation(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path)
    market.evaluate(enough())
    other = market.evaluations.read(SERIES)
    assert other is not None
    market.evaluations.write(SERIES, {**other, "symbol": "ETH/USDT"})
    assert "its symbol is 'ETH/USDT'" in str(market.evaluate(enough() + DAY).damaged)


def test_without_a_challenger_there_are_scores_and_no_verdict(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path)
    market.registry.appoint(
        SERIES, CHALLENGER, None, FIRST + DAY, reason="", by="test", recorded_at=FIRST
    )
    report = market.evaluate(enough())
    assert report.trials == ()
    assert report.document["promotion"] is None
    assert report.document["champion"]["live"] == 20 * 24 + 1
    assert set(market.forecasts("champion", "1")["kind"]) == {LIVE}


def test_candles_without_forecasts_are_an_evaluation_without_scores(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path)
    market.until(FIRST - DAY)
    report = evaluate_series(market.store, market.registry, market.evaluations, SERIES)
    assert report.document["champion"] is None
    assert decision(report) == KEEP


def test_without_candles_it_names_what_to_materialise(tmp_path: Path) -> None:
    with pytest.raises(MonthsNotFetched, match="BTC_USDT/ohlcv_1h"):
        evaluate_series(
            ParquetStore(tmp_path), ModelRegistry(tmp_path), EvaluationBook(tmp_path), SERIES
        )
    assert files_of(tmp_path) == {}


def test_forecasts_after_the_newest_candle_are_not_used(tmp_path: Path) -> None:
    whole = KnownMarket(tmp_path / "whole").evaluate(enough())
    ahead = KnownMarket(tmp_path / "ahead")
    ahead.until(enough() + 5 * DAY)
    ahead.store.delete_candles(SERIES, enough(), START + 365 * DAY)
    report = evaluate_series(ahead.store, ahead.registry, ahead.evaluations, SERIES)
    assert report.evaluation.as_of == pd.Timestamp(enough())
    assert report.document == whole.document
