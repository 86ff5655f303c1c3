"""The health of a series: the worse of its data's age and of Dagster's freshness state."""

from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange

from coin_assets.domain.layers import CANDLES, PREDICTIONS, PUBLISHED
from coin_assets.orchestration.assets.specs import SeriesAssets
from coin_assets.orchestration.sensors.health import SeriesHealth, native_states, series_healths
from coin_assets.planning.series_status import SeriesStatus
from coin_assets_tests.orchestration.checks.statuses import CLOSE, in_order, published_at, spec_for

PASS, WARN, FAIL = FreshnessState.PASS, FreshnessState.WARN, FreshnessState.FAIL
STATES = {PASS: "fresh", WARN: "stale", FAIL: "hard_stale"}
LAYERS = (CANDLES, PREDICTIONS, PUBLISHED)
# Minutes after the close, by the limits of 1h: 65 and 130.
AGES = {"fresh": 65, "stale": 130, "hard_stale": 131}
# Later is worse.
WORDS = ("fresh", "stale", "hard_stale", "missing", "corrupt")


@pytest.fixture
def spec(tmp_path: Path) -> SeriesAssets:
    return spec_for(tmp_path / "home")


def record(
    instance: dg.DagsterInstance, spec: SeriesAssets, states: dict[str, FreshnessState]
) -> None:
    """As the freshness daemon does it."""
    for layer, state in states.items():
        instance._report_runless_asset_event(
            FreshnessStateChange(
                key=spec.asset_key(layer),
                new_state=state,
                previous_state=FreshnessState.UNKNOWN,
                state_change_timestamp=CLOSE.timestamp(),
            )
        )


def health(
    spec: SeriesAssets,
    native: dict[dg.AssetKey, FreshnessState],
    minutes: int = 0,
    status: SeriesStatus | None = None,
) -> SeriesHealth:
    """Of a series whose published files end so many minutes ago."""
    statuses = {spec.series: status or in_order(spec.series)}
    (found,) = series_healths([spec], statuses, native, CLOSE + timedelta(minutes=minutes))
    return found


def test_an_instance_returns_the_newest_state_of_each_asset(
    instance: dg.DagsterInstance, spec: SeriesAssets
) -> None:
    assert native_states(instance, [spec]) == {}
    record(instance, spec, {CANDLES: WARN, PREDICTIONS: FAIL})
    record(instance, spec, {CANDLES: FAIL, PREDICTIONS: PASS})
    assert native_states(instance, [spec]) == {
        spec.asset_key(CANDLES): FAIL,
        spec.asset_key(PREDICTIONS): PASS,
    }


@pytest.mark.parametrize(("state", "word"), STATES.items())
def test_what_is_recorded_is_reported_in_the_words_of_the_manifest(
    instance: dg.DagsterInstance, spec: SeriesAssets, state: FreshnessState, word: str
) -> None:
    record(instance, spec, {CANDLES: state})
    found = health(spec, native_states(instance, [spec]))
    assert (found.native, found.by_data, found.status) == (word, "fresh", word)


@pytest.mark.parametrize(("layer", "state"), [*product(LAYERS, FreshnessState)])
def test_one_asset_of_a_series_is_enough(
    spec: SeriesAssets, layer: str, state: FreshnessState
) -> None:
    native = {spec.asset_key(each): PASS for each in LAYERS} | {spec.asset_key(layer): state}
    # UNKNOWN: the daemon has not looked yet.
    assert health(spec, native).status == STATES.get(state, "fresh")


def test_of_the_assets_of_a_series_the_worst_counts(spec: SeriesAssets) -> None:
    native = {spec.asset_key(CANDLES): WARN, spec.asset_key(PUBLISHED): FAIL}
    assert health(spec, native).native == "hard_stale"


def test_other_series_do_not_matter(instance: dg.DagsterInstance, spec: SeriesAssets) -> None:
    (other,) = [spec_for(Path("elsewhere"), "1d")]
    record(instance, other, dict.fromkeys(LAYERS, FAIL))
    assert health(spec, native_states(instance, [spec, other])).status == "fresh"


@pytest.mark.parametrize(("by_data", "state"), [*product(AGES, STATES)])
def test_the_worse_of_data_and_policy_wins(
    spec: SeriesAssets, by_data: str, state: FreshnessState
) -> None:
    policy = STATES[state]
    found = health(spec, {spec.asset_key(PUBLISHED): state}, AGES[by_data])
    assert (found.by_data, found.native) == (by_data, policy)
    assert WORDS.index(found.status) == max(WORDS.index(by_data), WORDS.index(policy))


@pytest.mark.parametrize("state", STATES)
def test_no_policy_makes_better_what_is_missing_or_corrupt(
    spec: SeriesAssets, state: FreshnessState
) -> None:
    good = in_order(spec.series)
    for word, changes in (("missing", {"prediction": None}), ("corrupt", {"corrupt": "damaged"})):
        bad = replace(good, published=replace(good.published, **changes))
        assert health(spec, {spec.asset_key(CANDLES): state}, 0, bad).status == word


def test_too_few_candles_have_no_age(spec: SeriesAssets) -> None:
    good = in_order(spec.series)
    few = replace(good, published=replace(good.published, enough_candles=False))
    found = health(spec, {spec.asset_key(PREDICTIONS): FAIL}, 500, few)
    assert (found.status, found.native) == ("insufficient_data", "hard_stale")


def test_a_backfill_that_turns_the_policy_green_makes_no_old_data_fresh(
    instance: dg.DagsterInstance, spec: SeriesAssets
) -> None:
    record(instance, spec, dict.fromkeys(LAYERS, FAIL))
    record(instance, spec, dict.fromkeys(LAYERS, PASS))
    old = published_at(in_order(spec.series), timedelta(days=-1), timedelta(days=-1))
    assert health(spec, native_states(instance, [spec]), 0, old).status == "hard_stale"
