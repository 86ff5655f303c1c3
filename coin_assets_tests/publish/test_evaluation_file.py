"""The evaluation file: what the evaluation found, published when it changed.

- It keeps its schema, agrees with the scores in the manifest and with the stored candles.
- It is written off the live path, once per evaluation, with its object; what is lost is made again.
"""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from coin_assets.domain.evaluation.details import PERIODS, RECENT_FORECASTS
from coin_assets.domain.forecasting.frame import QUANTILE_COLUMNS, STEPS
from coin_assets.domain.json_format import Document, parse_time
from coin_assets.domain.methods import CHAMPION
from coin_assets.pipeline.publish import evaluation_file, quality
from coin_assets.publish.publication import ManifestInputs
from coin_assets.publish.publisher import Publisher
from coin_assets_tests.pipeline.known_market import DAY, FIRST, HOUR, SERIES, KnownMarket, enough
from coin_assets_tests.publish.test_publisher import ETH, NOW, publish, publisher_of
from coin_assets_tests.schemas import assert_valid, broken_rules

NAME = "evaluations/BTC_USDT_1h.json"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> KnownMarket:
    """A market that was evaluated."""
    made = KnownMarket(tmp_path_factory.mktemp("known"))
    made.evaluate(enough())
    return made


@pytest.fixture
def document(market: KnownMarket) -> Document:
    return document_of(market)


def document_of(market: KnownMarket) -> Document:
    file = evaluation_file(market.evaluations, SERIES)
    assert file is not None
    found: Document = json.loads(file.content() or b"")
    return found


# --------------------------------------------------------------------------------- what it holds


def test_it_keeps_its_schema_and_has_the_scores_of_the_manifest(
    market: KnownMarket, document: Document
) -> None:
    assert_valid("evaluation", document)
    scores = quality(market.evaluations, SERIES)
    assert scores is not None
    for name in ("pinball", "skill", "origins", "coverage_80", "sharpness"):
        assert document["champion"][name] == scores[name]
    assert document["drift"]["state"] == scores["drift"]
    assert [each["role"] for each in document["roles"]] == ["champion", "challenger"]
    assert document["promotion"]["criteria"][0]["finding"]


def test_parts_have_the_mean_of_the_whole(document: Document) -> None:
    scores = document["champion"]
    for role in ("champion", "challenger"):
        steps = [each[role] for each in document["by_step"]]
        assert len(steps) == STEPS
        # No candle is missing, so each step has the same weight.
        for name in ("pinball", "coverage_80", "coverage_90"):
            expected = pytest.approx(document[role][name], rel=1e-7)
            assert np.mean([each[name] for each in steps]) == expected
    periods = document["over_time"]
    assert 10 < len(periods) <= PERIODS
    origins = [each["origins"] for each in periods]
    assert sum(origins) == scores["origins"]
    losses = [each["champion"]["pinball"] for each in periods]
    assert np.average(losses, weights=origins) == pytest.approx(scores["pinball"], rel=1e-7)
    times = [parse_time(each[end]) for each in periods for end in ("start", "end")]
    assert times == sorted(times)
    assert parse_time(document["window"]["end"]) == times[-1]


def test_recent_forecasts_are_those_that_were_stored_with_the_closes_that_came(
    market: KnownMarket, document: Document
) -> None:
    recent = document["recent"]
    assert len(recent) == RECENT_FORECASTS
    assert [parse_time(each["as_of"]) for each in recent] == [
        enough() - (STEPS + RECENT_FORECASTS - 1 - number) * HOUR
        for number in range(RECENT_FORECASTS)
    ]
    for each in recent[:: RECENT_FORECASTS - 1]:
        origin = parse_time(each["as_of"])
        rows = market.store.read_forecasts(SERIES, origin, origin + HOUR)
        rows = rows[rows["role"] == CHAMPION].sort_values("step")
        candles = market.store.read_candles(SERIES, origin - HOUR, origin + STEPS * HOUR)
        closes = candles["close"].to_numpy()
        steps = each["forecast"]
        assert [each["last"], *(step["actual"] for step in steps)] == pytest.approx(closes)
        made = [list(step["quantiles"].values()) for step in steps]
        assert np.array(made) == pytest.approx(rows[QUANTILE_COLUMNS].to_numpy())
        assert [parse_time(step["close_time"]) for step in steps] == [
            origin + (number + 1) * HOUR for number in range(STEPS)
        ]
        assert (each["model_version"], each["live"]) == (rows["model_version"].iloc[0], True)


def test_a_gap_has_no_outcome(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path)
    lost = enough() - 20 * HOUR
    market._candles = market._candles[market._candles["timestamp"] != pd.Timestamp(lost)]
    market.evaluate(enough())
    found = document_of(market)
    assert_valid("evaluation", found)
    steps = [step for each in found["recent"] for step in each["forecast"]]
    without = {step["close_time"] for step in steps if step["actual"] is None}
    assert {parse_time(text) for text in without} == {lost + HOUR}


def test_before_a_forecast_has_matured_there_are_no_scores(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path)
    market.evaluate(FIRST + 5 * HOUR)
    found = document_of(market)
    assert_valid("evaluation", found)
    assert (found["champion"], found["recent"], found["over_time"]) == (None, [], [])
    assert found["by_step"][0] == {"step": 1, "champion": None, "challenger": None}


BROKEN: dict[str, Callable[[Document], object]] = {
    "another version": lambda found: found.update(version=2),
    "no version": lambda found: found.pop("version"),
    "of another kind": lambda found: found.update(type="history_1h"),
    "an unknown field": lambda found: found.update(extra=1),
    "a step missing": lambda found: found["by_step"].pop(),
    "a negative loss": lambda found: found["champion"].update(pinball=-1.0),
    "a share of two": lambda found: found["over_time"][0]["champion"].update(coverage_80=2.0),
    "a price of zero": lambda found: found["recent"][0]["forecast"][0].update(actual=0),
    "a quantile missing": lambda found: found["recent"][0]["forecast"][0]["quantiles"].pop("0.5"),
    "an unknown role": lambda found: found["roles"][0].update(role="king"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_evaluation_breaks_its_schema(document: Document, name: str) -> None:
    broken = copy.deepcopy(document)
    BROKEN[name](broken)
    assert broken_rules("evaluation", broken)


def test_the_same_data_give_the_same_bytes(market: KnownMarket) -> None:
    first = evaluation_file(market.evaluations, SERIES)
    market.evaluate(enough())
    second = evaluation_file(market.evaluations, SERIES)
    assert first is not None
    assert second is not None
    assert (first.sha256, first.content()) == (second.sha256, second.content())
    assert len(first.content() or b"") < 250_000


# ---------------------------------------------------------------------------------- publishing it


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    made = publisher_of(tmp_path, (SERIES, ETH))
    publish(made, SERIES)
    publish(made, ETH)
    return made


def refresh(publisher: Publisher, market: KnownMarket | None) -> Document | None:
    file = None if market is None else evaluation_file(market.evaluations, SERIES)
    inputs = ManifestInputs(NOW, lambda _series: True)
    return publisher.refresh(inputs, evaluations={SERIES: file, ETH: None})


def listed(publisher: Publisher) -> Any:
    entry, other = publisher.manifest()["public"]["entries"]
    assert other["evaluation"] is None
    assert_valid("manifest", publisher.manifest())
    return entry["evaluation"]


def test_it_is_published_once_with_its_object_and_stays(
    tmp_path: Path, publisher: Publisher, market: KnownMarket, document: Document
) -> None:
    assert listed(publisher) is None
    assert refresh(publisher, market) is not None
    reference = listed(publisher)
    assert (reference["file"], reference["as_of"]) == (NAME, document["as_of"])
    assert (tmp_path / NAME).samefile(tmp_path / reference["object"])
    assert json.loads((tmp_path / NAME).read_bytes()) == document
    inode = (tmp_path / NAME).stat().st_ino
    assert refresh(publisher, market) is None
    publish(publisher, SERIES)  # which knows nothing of it
    assert listed(publisher) == reference
    assert (tmp_path / NAME).stat().st_ino == inode


@pytest.mark.parametrize("lost", ["file", "object", "content", "manifest"])
def test_what_is_lost_of_it_is_made_again(
    tmp_path: Path, publisher: Publisher, market: KnownMarket, lost: str
) -> None:
    refresh(publisher, market)
    reference = listed(publisher)
    if lost == "content":
        (tmp_path / NAME).write_bytes(b"{}")
    else:
        (tmp_path / reference.get(lost, "manifest.json")).unlink()
    refresh(publisher, market)
    assert listed(publisher) == reference
    assert (tmp_path / NAME).read_bytes() == (tmp_path / reference["object"]).read_bytes()
    assert publisher.inspect()[SERIES].corrupt is None


def test_the_next_evaluation_replaces_it_and_without_one_it_goes(
    tmp_path: Path, publisher: Publisher
) -> None:
    market = KnownMarket(tmp_path / "known")
    market.evaluate(enough())
    refresh(publisher, market)
    first = listed(publisher)
    market.evaluate(enough() + DAY)
    refresh(publisher, market)
    second = listed(publisher)
    assert second["as_of"] > first["as_of"]
    assert (tmp_path / first["object"]).exists()
    refresh(publisher, None)
    assert listed(publisher) is None
    assert not (tmp_path / NAME).exists()


def test_a_damaged_copy_in_the_home_leaves_what_is_published(
    tmp_path: Path, publisher: Publisher
) -> None:
    market = KnownMarket(tmp_path / "known")
    market.evaluate(enough())
    refresh(publisher, market)
    reference = listed(publisher)
    market.evaluate(enough() + DAY)
    (path,) = (tmp_path / "known" / "evaluations").rglob("published.json")
    path.write_bytes(path.read_bytes()[:-2])
    assert refresh(publisher, market) is None
    assert listed(publisher) == reference


def test_that_of_a_hidden_series_is_not_published(tmp_path: Path, market: KnownMarket) -> None:
    publisher = publisher_of(tmp_path, (SERIES,))
    publish(publisher, SERIES, complete=())
    file = evaluation_file(market.evaluations, SERIES)
    publisher.refresh(ManifestInputs(NOW, lambda _series: False), evaluations={SERIES: file})
    assert not (tmp_path / NAME).exists()
    assert publisher.inspect()[SERIES].evaluation is None
