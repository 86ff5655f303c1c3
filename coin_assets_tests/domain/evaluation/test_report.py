"""The evaluation of a series: the right window, both roles, and the same bytes for the same data.

- The window is the contract's, of whole origins, and ends at the newest that may have matured.
- Roles are scored apart and compared at common origins alone; the gate gets the same losses.
- Nothing outside the window, and no candle after `as_of`, changes a byte of the document.
- What the manifest shows keeps its schema.
"""

import json
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator

from coin_assets.domain.evaluation.drift import STATES
from coin_assets.domain.evaluation.report import (
    Evaluation,
    evaluation,
    quality_of,
)
from coin_assets.domain.evaluation.scoring import inside, losses
from coin_assets.domain.evaluation.windows import candles_from, window_of
from coin_assets.domain.forecasting.frame import BACKTEST, LIVE, STEPS
from coin_assets.domain.forecasting.naive import naive_quantiles
from coin_assets.domain.json_format import parse_time, time_text
from coin_assets.domain.methods import CHALLENGER
from coin_assets.domain.timeframes import NAMES, Timeframe
from coin_assets_tests.domain.evaluation.test_matured import forecasts
from coin_assets_tests.domain.evaluation.test_scoring import HOUR, START, candles
from coin_assets_tests.domain.forecasting.test_naive import origins_of, without
from coin_assets_tests.platform import series
from coin_assets_tests.schemas import schema_of

FRAME = candles(1000)
AS_OF = START + timedelta(hours=1000)
ORIGINS = origins_of(FRAME)
DAYS = {
    **dict.fromkeys(("1m", "3m", "5m", "10m", "15m", "30m"), 7),
    **dict.fromkeys(("1h", "2h", "3h"), 30),
    **dict.fromkeys(("4h", "6h", "8h", "12h"), 90),
    **dict.fromkeys(("1d", "3d"), 180),
    "1w": 7 * 104,
}


def evaluated(
    made: pd.DataFrame, frame: pd.DataFrame = FRAME, as_of: datetime = AS_OF
) -> Evaluation:
    return evaluation(series("1h"), frame, made, as_of)


def text_of(found: Evaluation) -> str:
    return json.dumps(found.document(), allow_nan=False)


def both(champions: slice, challengers: slice) -> pd.DataFrame:
    return pd.concat(
        [
            forecasts(ORIGINS[champions], version="4"),
            forecasts(ORIGINS[challengers], "5", BACKTEST, CHALLENGER, width=1.5),
        ]
    )


# ------------------------------------------------------------------------------------------- window


@pytest.mark.parametrize("name", NAMES)
def test_the_window_is_the_contracts(name: str) -> None:
    timeframe = Timeframe.parse(name)
    as_of = timeframe.shift(datetime.fromisoformat("2026-11-22T20:00Z"), 0)
    start, end = window_of(timeframe, as_of)
    if name == "1M":
        assert timeframe.count(start, end) == 36
    else:
        assert end - start == timedelta(days=DAYS[name])
    newest = timeframe.shift(end, -1)
    assert timeframe.shift(newest, STEPS) == as_of
    assert timeframe.count(candles_from(timeframe, start), start) == 500


def test_exactly_the_origins_of_the_window_are_scored() -> None:
    found = evaluated(forecasts(ORIGINS))
    assert found.champion is not None
    start, end = found.window
    scored = found.champion.forecast.origins
    assert scored.tolist() == HOUR.opens(start, end).tolist()
    assert len(scored) == 720
    assert scored[-1] + timedelta(hours=STEPS) == AS_OF


# -------------------------------------------------------------------------------------------- roles


def test_roles_are_scored_apart_and_compared_at_common_origins() -> None:
    found = evaluated(both(slice(800, 950), slice(900, 960)))
    document = found.document()
    assert document["champion"]["versions"] == {"4": 150}
    assert document["challenger"]["versions"] == {"5": 60}
    assert (document["champion"]["live"], document["challenger"]["backtest"]) == (150, 60)
    pairs = found.pairs_of(None, None)
    assert pairs.origins.tolist() == ORIGINS[900:950].tolist()
    assert not pairs.live.any()
    champion, challenger = found.champion, found.challenger
    assert champion is not None
    assert challenger is not None
    assert np.array_equal(pairs.champion, losses(champion.forecast)[100:])
    assert np.array_equal(pairs.naive, losses(champion.naive)[100:])
    assert np.array_equal(pairs.naive, losses(challenger.naive)[:50])
    assert np.array_equal(pairs.challenger, losses(challenger.forecast)[:50])
    covered = inside(challenger.forecast, 0.1, 0.9)[:50].mean(axis=1)
    assert pairs.covered == pytest.approx(covered)
    assert document["paired"]["origins"] == 50
    assert document["paired"]["challenger"] == pytest.approx(pairs.challenger.mean())


def test_pairs_can_be_those_of_two_versions() -> None:
    old = forecasts(ORIGINS[700:800], version="3")
    found = evaluated(pd.concat([old, both(slice(800, 950), slice(750, 960))]))
    assert len(found.pairs_of(None, {"5"})) == 200
    assert found.pairs_of({"4"}, {"5"}).origins.tolist() == ORIGINS[800:950].tolist()
    assert found.pairs_of({"3"}, {"5"}).origins.tolist() == ORIGINS[750:800].tolist()
    either = found.pairs_of({"3", "4"}, {"5"})
    assert either.origins.tolist() == ORIGINS[750:950].tolist()
    assert len(found.pairs_of({"9"}, {"5"})) == len(found.pairs_of({"4"}, {"9"})) == 0


def test_a_pair_is_live_where_both_are() -> None:
    made = both(slice(800, 900), slice(800, 900))
    made.loc[(made["role"] == CHALLENGER) & (made["as_of"] >= ORIGINS[850]), "kind"] = LIVE
    made.loc[(made["role"] != CHALLENGER) & (made["as_of"] >= ORIGINS[870]), "kind"] = BACKTEST
    live = evaluated(made).pairs_of(None, None).live
    assert np.flatnonzero(live).tolist() == list(range(50, 70))


def test_without_a_matured_forecast_there_are_no_scores() -> None:
    for made in (forecasts(ORIGINS[:0]), forecasts(ORIGINS[-STEPS:])):
        found = evaluated(made)
        document = found.document()
        assert document["champion"] is document["challenger"] is document["naive"] is None
        assert document["paired"] is None
        assert document["drift"]["state"] == "unknown"
        assert len(found.pairs_of(None, None)) == 0
        assert quality_of(document) is None


def test_a_challenger_alone_is_scored_too() -> None:
    found = evaluated(forecasts(ORIGINS[800:900], role=CHALLENGER))
    document = found.document()
    assert document["champion"] is None
    assert document["challenger"]["origins"] == 100
    assert len(found.pairs_of(None, None)) == 0


def test_origins_without_a_naive_forecast_are_counted_apart() -> None:
    young = FRAME.head(100)
    as_of = START + timedelta(hours=100)
    document = evaluated(forecasts(ORIGINS[:100]), young, as_of).document()
    assert document["unscored"] == {"champion": 47, "challenger": 0}
    assert document["champion"]["origins"] == 100 - 47 - STEPS


# ------------------------------------------------------------------------------------------- bytes


def test_nothing_outside_changes_a_byte() -> None:
    long = candles(1400)  # it uses those from 57 to 1300
    made = forecasts(origins_of(long))
    as_of = START + timedelta(hours=1300)
    start, end = window_of(HOUR, as_of)
    whole = text_of(evaluated(made, long, as_of))
    needed = (long["timestamp"] >= candles_from(HOUR, start)) & (long["timestamp"] < as_of)
    inner = (made["as_of"] >= start) & (made["as_of"] < end)
    corrupt = long.assign(close=long["close"].where(needed, 7.0))
    assert text_of(evaluated(made[inner], long[needed], as_of)) == whole
    assert text_of(evaluated(made, corrupt, as_of)) == whole
    changed = long["close"].where(long.index != 1299, 7.0)
    assert text_of(evaluated(made, long.assign(close=changed), as_of)) != whole


def test_it_is_json_to_nine_digits_and_names_its_series() -> None:
    document = evaluated(both(slice(500, 1000), slice(800, 1000))).document()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert (document["schema_version"], document["symbol"]) == (1, "BTC/USDT")
    assert (document["timeframe"], document["as_of"]) == ("1h", time_text(AS_OF))
    assert document["promotion"] is None

    def numbers(value: object) -> list[float]:
        if isinstance(value, dict):
            return [each for inner in value.values() for each in numbers(inner)]
        if isinstance(value, list):
            return [each for inner in value for each in numbers(inner)]
        return [value] if isinstance(value, float) else []

    assert len(numbers(document)) > 50
    assert all(float(f"{each:.9g}") == each for each in numbers(document))


def test_gaps_are_scored_around() -> None:
    gappy = without(FRAME, {700, 701, 905, 950})
    found = evaluated(forecasts(ORIGINS[800:]), gappy)
    assert found.champion is not None
    missing = np.isnan(found.champion.forecast.actual).sum()
    assert missing > 0
    assert np.isfinite(losses(found.champion.forecast)).all()
    assert ORIGINS[905] not in found.champion.forecast.origins
    assert found.unscored["champion"] == 2  # the origins whose own candle is one of these


# ------------------------------------------------------------------------------------------ quality


def broken_rules(quality: object) -> list[str]:
    schema = {"$ref": "#/$defs/quality", "$defs": schema_of("manifest")["$defs"]}
    checker = Draft202012Validator.FORMAT_CHECKER
    errors = Draft202012Validator(schema, format_checker=checker).iter_errors(quality)
    return [error.message for error in errors]


def test_what_the_manifest_shows_keeps_its_schema() -> None:
    first = forecasts(ORIGINS[400:600], version="10", kind=BACKTEST)
    document = evaluated(pd.concat([first, both(slice(600, 1000), slice(900, 950))])).document()
    quality = quality_of(document)
    assert quality is not None
    assert broken_rules(quality) == []
    assert quality["model_versions"] == ["10", "4"]
    assert quality["origins"] == quality["live"] + quality["backtest"]
    assert quality["coverage_80"] == document["champion"]["coverage_80"]
    assert quality["drift"] in STATES
    assert parse_time(quality["window"]["end"]) < parse_time(quality["as_of"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("origins", 0),
        ("pinball", -0.1),
        ("skill", 1.1),
        ("smape", 201.0),
        ("coverage_80", 1.2),
        ("drift", "good"),
        ("model_versions", []),
        ("as_of", "2026-11-22 20:00"),
        ("stars", 5),
    ],
)
def test_the_schema_refuses_what_cannot_be(name: str, value: object) -> None:
    quality = quality_of(evaluated(both(slice(500, 1000), slice(0, 0))).document())
    assert quality is not None
    assert broken_rules(quality) == []
    assert broken_rules({**quality, name: value})
    assert broken_rules({each: quality[each] for each in quality if each != "drift"})


def test_the_naive_forecast_itself_has_neither_skill_nor_direction() -> None:
    made = forecasts(ORIGINS[500:])
    columns = [name for name in made.columns if name.startswith("q")]
    predicted = naive_quantiles(FRAME, ORIGINS[500:], HOUR)
    made[columns] = predicted.reshape(-1, len(columns))
    quality = quality_of(evaluated(made).document())
    assert quality is not None
    assert quality["skill"] == 0
    assert quality["directional_accuracy"] is None
    assert 0.7 < quality["coverage_80"] < 0.9
