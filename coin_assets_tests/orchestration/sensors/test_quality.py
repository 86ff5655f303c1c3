"""Scores once a day of data, and the champion that they require, without anybody's doing.

- An evaluation is due when candles have reached another day, once, and gives way to live work.
- What cannot be read is due again; a series whose evaluation fails rests and holds up nothing, and
  the manifest calls nothing degraded for it.
- A verdict to promote or retire is carried out once.
- The manifest shows the scores from the next look at it on.
"""

import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster_shared.record import copy as replaced

from coin_assets.domain.evaluation.report import quality_of
from coin_assets.domain.json_format import parse_time
from coin_assets.domain.layers import QUALITY, Task
from coin_assets.domain.methods import CHALLENGER
from coin_assets.domain.series import Series
from coin_assets.models.evaluations import EvaluationBook
from coin_assets.pipeline.promote import apply_verdict
from coin_assets.planning import evaluations as quality
from coin_assets.planning.evaluations import QualityFacts, plan_quality, quality_facts
from coin_assets.planning.facts import EVALUATION, PROMOTION, Failures, Plan, PlanningFacts, Runs
from coin_assets_tests.contested import CANDLES, MONTH, PUBLISHED, contested, holders, opened
from coin_assets_tests.market.recorded import RecordedMarket
from coin_assets_tests.pipeline.known_market import (
    DAY,
    SERIES,
    TRUE,
    WIDE,
    KnownMarket,
    enough,
    whole_trial,
)
from coin_assets_tests.platform import BTC, ETH, Platform, given, series, utc
from coin_assets_tests.schemas import assert_valid

NOW = utc("2024-03-06T12:00")
NO_RUNS = Runs()
PURPOSE = "coin_assets/purpose"


# -------------------------------------------------------------------------------------- what is due


def planning_facts_of(
    each: Series, candles: datetime | None = NOW, forecast: datetime | None = NOW
) -> PlanningFacts:
    return PlanningFacts(
        each, each, first=utc("2024-01-01"), due=NOW, candles=candles, forecast=forecast
    )


def series_list(count: int) -> list[Series]:
    return [series("1h", f"C{number}/USDT") for number in range(count)]


def planned(
    facts: QualityFacts, runs: Runs = NO_RUNS, now: datetime = NOW, **known: datetime | None
) -> Plan:
    return plan_quality([planning_facts_of(SERIES, **known)], {SERIES: facts}, runs, now)


@pytest.mark.parametrize(
    ("evaluated", "candles", "is_due"),
    [
        (None, "2024-03-06T12:00", True),
        ("2024-03-06T00:00", "2024-03-06T23:59", False),
        ("2024-03-05T23:59", "2024-03-06T00:00", True),
        ("2024-03-06T12:00", "2024-03-06T12:00", False),
        ("2024-03-01T00:00", "2024-03-06T12:00", True),
        ("2024-03-07T00:00", "2024-03-06T12:00", False),
    ],
)
def test_an_evaluation_is_due_once_a_day_of_data(
    evaluated: str | None, candles: str, is_due: bool
) -> None:
    facts = QualityFacts(None if evaluated is None else utc(evaluated))
    assert planned(facts, candles=utc(candles)).evaluations == ((SERIES,) if is_due else ())


@pytest.mark.parametrize("lacking", ["candles", "forecast"])
def test_without_candles_or_forecasts_there_is_nothing_to_evaluate(lacking: str) -> None:
    known: Any = {lacking: None}
    assert planned(QualityFacts(), **known).is_empty


@pytest.mark.parametrize(
    "runs",
    [
        Runs(in_flight=frozenset({(Task(SERIES, QUALITY), None)})),
        Runs(rested=frozenset({(Task(SERIES, QUALITY), None)})),
        Runs(busy=frozenset({EVALUATION})),
        Runs(failures={Task(SERIES, QUALITY): Failures(1, NOW)}),
    ],
    ids=["in flight", "rested", "busy", "failed"],
)
def test_what_runs_ran_or_failed_lately_is_left_alone(runs: Runs) -> None:
    assert planned(QualityFacts()).evaluations == (SERIES,)
    assert planned(QualityFacts(), runs).is_empty


def test_a_run_of_another_series_holds_up_none_of_this_one() -> None:
    other = Task(series("1d"), QUALITY), None
    assert planned(QualityFacts(), Runs(frozenset({other}))).evaluations == (SERIES,)


def test_a_decision_is_carried_out_unless_that_is_under_way() -> None:
    decided = QualityFacts(NOW, is_decided=True)
    assert planned(decided).promotions == (SERIES,)
    assert planned(decided, Runs(promoting=frozenset({SERIES}))).is_empty


def test_one_run_has_so_many_series_and_the_rest_come_with_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quality, "MOST_KEYS", 3)
    facts = [planning_facts_of(each) for each in series_list(8)]
    evaluated = {each.series: QualityFacts(is_decided=True) for each in facts}
    sizes = []
    while not (plan := plan_quality(facts, evaluated, NO_RUNS, NOW)).is_empty:
        sizes.append((len(plan.evaluations), len(plan.promotions)))
        evaluated |= {each: replace(evaluated[each], evaluated=NOW) for each in plan.evaluations}
        evaluated |= {each: replace(evaluated[each], is_decided=False) for each in plan.promotions}
    assert sizes == [(3, 3), (3, 3), (2, 2)]


# ------------------------------------------------------------------------------------ what is known


def facts_of(market: KnownMarket) -> QualityFacts:
    return quality_facts(market.evaluations, market.registry, [SERIES])[SERIES]


def test_a_verdict_is_decided_until_it_is_carried_out(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path)
    assert facts_of(market) == QualityFacts()
    for day in range(2):
        market.evaluate(enough() + day * DAY)
        assert facts_of(market) == QualityFacts(enough() + day * DAY)
    now = enough() + 2 * DAY
    report = market.evaluate(now)
    assert facts_of(market) == QualityFacts(now, is_decided=True)
    apply_verdict(market.store, market.registry, report, now)
    assert facts_of(market) == QualityFacts(now)


def test_a_verdict_on_another_challenger_is_no_decision(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path, (TRUE, WIDE))
    now = whole_trial()
    market.evaluate(now)
    assert facts_of(market) == QualityFacts(now, is_decided=True)
    third = market.registry.versions(SERIES)[2]
    market.registry.appoint(SERIES, CHALLENGER, third, now, reason="", by="", recorded_at=now)
    assert facts_of(market) == QualityFacts(now)


@pytest.mark.parametrize("name", ["evaluation.json", "roles.json"])
def test_what_cannot_be_read_is_due(tmp_path: Path, name: str) -> None:
    market = KnownMarket(tmp_path)
    market.evaluate(enough())
    (file,) = tmp_path.rglob(name)
    file.write_text("{}")
    assert facts_of(market) == QualityFacts()


# ------------------------------------------------------------------------------------- on instances


def requests(platform: Platform) -> list[dg.RunRequest]:
    return list(platform.tick("candles_due").run_requests or [])


def tasks(found: Iterable[dg.RunRequest]) -> set[str]:
    return {asset.to_user_string() for each in found for asset in each.asset_selection or ()}


EVALUATIONS = {f"{name}_USDT/evaluation_{each}" for name in ("BTC", "ETH") for each in ("1h", "4h")}


def two_symbols(home: Path) -> Platform:
    """At the first candles of another day than that of ``grown``."""
    return Platform(home, "2024-03-01T00:00:05", symbols=f"{BTC},{ETH}", derived_timeframes="4h")


@pytest.fixture(scope="module")
def another_day(grown: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``grown`` with all that is due at the new candles, but for the scores."""
    home = tmp_path_factory.mktemp("another_day") / "home"
    platform = two_symbols(Path(shutil.copytree(grown, home)))
    while (found := requests(platform)) and found[0].job_name != "evaluate":
        for request in found:
            assert request.job_name != "evaluate"
            assert platform.launch(request).is_success
    return home


@pytest.fixture
def next_day(another_day: Path, tmp_path: Path) -> Platform:
    return two_symbols(Path(shutil.copytree(another_day, tmp_path / "home")))


def test_when_nothing_else_is_due_all_series_are_evaluated_in_one_run_once(
    next_day: Platform,
) -> None:
    (request,) = requests(next_day)
    assert (request.job_name, request.tags[PURPOSE]) == ("evaluate", EVALUATION)
    assert (request.run_key, request.partition_key) == (None, None)
    assert int(request.tags["dagster/priority"]) < 0
    assert tasks([request]) == EVALUATIONS
    next_day.begin(request)
    assert requests(next_day) == []


def test_a_day_ends_with_scores_of_that_day_and_rest(next_day: Platform) -> None:
    (request,) = requests(next_day)
    assert next_day.launch(request).is_success
    book = EvaluationBook(next_day.settings.home)
    for symbol in (BTC, ETH):
        for name in ("1h", "4h"):
            document = book.read(series(name, symbol))
            assert document is not None
            assert parse_time(document["as_of"]) == utc("2024-03-01")
    next_day.tick("publish_due")
    reference = next_day.entry("4h", ETH)["evaluation"]
    assert reference["as_of"] == "2024-03-01T00:00:00Z"
    assert_valid("evaluation", json.loads((next_day.published / reference["object"]).read_bytes()))
    assert requests(next_day) == []
    next_day.now, next_day.ahead = "2024-03-01T00:30", 3600.0
    assert requests(next_day) == []


def test_live_work_goes_before_scores(next_day: Platform) -> None:
    next_day.now = "2024-03-01T01:00:05"
    assert {each.job_name for each in requests(next_day)} == {"update"}


def test_a_series_that_cannot_be_evaluated_rests_and_degrades_nothing(next_day: Platform) -> None:
    record = next(next_day.settings.home.glob("models/symbol=ETH_USDT/timeframe=4h/*/.."))
    (record / "roles.json").write_text("{}")
    (request,) = requests(next_day)
    assert not next_day.launch(request).is_success
    assert requests(next_day) == []
    next_day.ahead = 14 * 60.0
    assert requests(next_day) == []
    next_day.ahead = 16 * 60.0
    assert tasks(requests(next_day)) == {"ETH_USDT/evaluation_4h"}
    by_hand = replaced(request, tags={})
    assert not next_day.launch(by_hand).is_success
    next_day.tick("publish_due")
    entry = next_day.entry("4h", ETH)
    assert (entry["degraded"], entry["last_error"], entry["status"]) == (False, None, "fresh")


def test_a_damaged_evaluation_is_made_again(next_day: Platform) -> None:
    next_day.launch(requests(next_day)[0])
    book = EvaluationBook(next_day.settings.home)
    before = book.read(series("1h", ETH))
    file = next(
        next_day.settings.home.glob("evaluations/symbol=ETH_USDT/timeframe=1h/evaluation.json")
    )
    file.write_bytes(b"{")
    next_day.ahead = 16 * 60.0
    (request,) = requests(next_day)
    assert tasks([request]) == {"ETH_USDT/evaluation_1h"}
    assert next_day.launch(request).is_success
    assert book.read(series("1h", ETH)) == before
    assert requests(next_day) == []


# ------------------------------------------------------------------------------- promoted by itself


def recorded(market: KnownMarket, now: datetime) -> RecordedMarket:
    candles = market.store.read_candles(SERIES, utc("2024-01-01"), now)
    return RecordedMarket({SERIES: candles})


def known_platform(home: Path, now: datetime, widths: tuple[float, float]) -> Platform:
    """A platform over a known market, which was looked at on the two days before ``now``."""
    platform = opened(home, f"{now:%Y-%m-%dT%H:%M}:30")
    platform.settings = platform.settings.model_copy(update={"history_start": utc("2024-01-01")})
    assert platform.definitions
    market = KnownMarket(home, widths)
    for days in (2, 1):
        market.evaluate(now - days * DAY)
    market.until(now)
    platform.market = given(recorded(market, now))
    return platform


@pytest.mark.parametrize(
    ("now", "widths", "expected"),
    [
        (enough() + 2 * DAY, (WIDE, TRUE), ("2", None)),
        (enough() + 2 * DAY, (TRUE, TRUE), ("1", "2")),
        # 4 is the month's own model, 5 the one that is due because 4 is older than a day.
        (whole_trial(), (TRUE, WIDE), ("1", "5")),
    ],
    ids=["promoted", "kept", "retired"],
)
def test_the_verdict_of_the_gate_is_applied_without_anybody(
    tmp_path: Path, now: datetime, widths: tuple[float, float], expected: tuple[str, str | None]
) -> None:
    platform = known_platform(tmp_path / "home", now, widths)
    requested = platform.settle("candles_due")
    assert holders(platform) == expected
    jobs = [request.job_name for request in requested]
    assert jobs.count("evaluate") == 1
    (*before, last) = jobs
    assert (last == "promote_champion") == (expected != ("1", "2"))
    assert "promote_champion" not in before
    for request in requested:
        if request.job_name == "promote_champion":
            assert request.run_config == {"symbols": [BTC], "timeframes": ["1h"]}
            assert request.tags[PURPOSE] == PROMOTION
    platform.ahead = 20 * 60.0
    assert requests(platform) == []


# ------------------------------------------------------------------------------------- the manifest


def test_the_manifest_has_scores_from_the_next_look_on(tmp_path: Path) -> None:
    platform = known_platform(tmp_path / "home", enough() + 2 * DAY, (WIDE, TRUE))
    file = next(platform.settings.home.rglob("evaluation.json"))
    known = file.read_bytes()
    file.unlink()
    assert platform.materialise(
        ["BTC_USDT/ohlcv_1h", "BTC_USDT/published_1h"], "2024-02-01"
    ).success
    assert platform.entry("1h")["quality"] is None
    file.write_bytes(known)
    platform.settle("candles_due")
    document = EvaluationBook(platform.settings.home).read(SERIES)
    assert document is not None
    tick = platform.tick("publish_due")
    assert len(tick.asset_events) == 1
    assert_valid("manifest", platform.manifest)
    shown = platform.entry("1h")["quality"]
    assert shown == quality_of(document)
    assert shown["live"] == shown["origins"] > 400
    assert platform.tick("publish_due").asset_events == []


def test_while_nothing_has_matured_the_manifest_has_no_scores(tmp_path: Path) -> None:
    platform = opened(contested(tmp_path / "home"))
    assert platform.run("evaluate").success
    platform.tick("publish_due")
    assert_valid("manifest", platform.manifest)
    assert platform.entry("1h")["quality"] is None


def test_a_run_publishes_the_scores_that_it_finds(tmp_path: Path) -> None:
    platform = known_platform(tmp_path / "home", enough() + 2 * DAY, (WIDE, TRUE))
    document = EvaluationBook(platform.settings.home).read(SERIES)
    assert document is not None
    assert platform.materialise([CANDLES, PUBLISHED], MONTH).success
    assert platform.entry("1h")["quality"] == quality_of(document)
