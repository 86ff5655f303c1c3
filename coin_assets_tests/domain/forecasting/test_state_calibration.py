"""Quantiles of standardised returns by state.

- Where the spread of standardised returns depends on the state, so do the quantiles; where it does
  not, they are those of all states together.
- Few observations are shrunk towards all states together.
- Quantiles never decrease, are symmetric with median 0, and lie between those of the groups.
- A row is the same to the bit in any batch; the state depends on the last returns alone.
- Adapted quantiles follow the newest returns of each state, and only those that had ended.
- A stored state restores to the bit, and a broken one is refused.
"""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.forecasting.calibration import standardised_quantiles
from coin_assets.domain.forecasting.frame import MEDIAN, QUANTILES, STEPS, Floats
from coin_assets.domain.forecasting.har_features import FLOOR
from coin_assets.domain.forecasting.state_calibration import QuantilesByState, recent_volatility

P90 = QUANTILES.index(0.9)


def sample(rows: int, spread: float, seed: int = 0) -> tuple[Floats, Floats]:
    """Standardised returns whose log scale grows by ``spread`` a unit of the state, and states."""
    rng = np.random.default_rng(seed)
    states = rng.normal(-5, 0.5, rows)
    return rng.standard_normal((rows, STEPS)) * np.exp(spread * (states + 5))[:, None], states


def fitted(
    returns: Floats, states: Floats, prior_strength: float = 0.0, weights: Floats | None = None
) -> QuantilesByState:
    scales = np.ones_like(returns)
    pooled = standardised_quantiles(returns, scales, 0.0, weights)
    return QuantilesByState.fit(returns, scales, states, pooled, prior_strength, weights)


# ---------------------------------------------------------------------------------------- estimates


def test_each_state_gets_the_spread_of_its_returns() -> None:
    found = fitted(*sample(50_000, spread=-0.3))
    calm, volatile = found.at(np.array([-5.6, -4.4]))
    np.testing.assert_allclose(calm[:, P90], 1.2816 * np.exp(0.3 * 0.6), rtol=0.05)
    np.testing.assert_allclose(volatile[:, P90], 1.2816 * np.exp(-0.3 * 0.6), rtol=0.05)


def test_without_dependence_on_the_state_all_states_are_alike() -> None:
    returns, states = sample(50_000, spread=0.0)
    found = fitted(returns, states, prior_strength=40.0).at(np.linspace(-7, -3, 9))
    pooled = standardised_quantiles(returns, np.ones_like(returns), 0.0)
    np.testing.assert_allclose(found, np.broadcast_to(pooled, found.shape), atol=0.06)


def test_coverage_is_right_in_calm_and_in_volatile_states() -> None:
    found = fitted(*sample(20_000, spread=-0.3))
    fresh, states = sample(20_000, spread=-0.3, seed=1)
    inside = np.abs(fresh) <= found.at(states)[:, :, P90]
    pooled = (
        np.abs(fresh) <= fitted(*sample(20_000, -0.3), prior_strength=1e12).at(states)[..., P90]
    )
    calm, volatile = states < np.quantile(states, 1 / 3), states > np.quantile(states, 2 / 3)
    for chosen in (calm, volatile):
        assert abs(inside[chosen].mean() - 0.8) < 0.015
        assert abs(pooled[chosen].mean() - 0.8) > 0.03


def test_few_observations_are_shrunk_towards_all_states() -> None:
    returns, states = sample(600, spread=-0.3)
    pooled = standardised_quantiles(returns, np.ones_like(returns), 0.0)
    distances = [
        np.abs(fitted(returns, states, strength).quantiles - pooled).mean(axis=(0, 2))
        for strength in (0.0, 40.0, 1e12)
    ]
    assert (distances[0] > distances[1]).all()
    assert (distances[1] > distances[2]).all()
    assert distances[2].max() < 1e-8
    # A far step has fewer independent observations, so more of its distance goes.
    assert distances[1][-1] / distances[0][-1] < 0.3 < distances[1][0] / distances[0][0]


def test_weighted_rows_count_as_fewer() -> None:
    returns, states = sample(600, spread=-0.3)
    ages = np.arange(600.0)[::-1]
    alike = fitted(returns, states, 40.0, np.ones(600))
    weighted = fitted(returns, states, 40.0, 0.5 ** (ages / 30))
    share = [
        np.abs(each.quantiles - fitted(returns, states, 1e12, weights).quantiles).mean()
        / np.abs(fitted(returns, states, 0.0, weights).quantiles - each.quantiles).mean()
        for each, weights in ((alike, np.ones(600)), (weighted, 0.5 ** (ages / 30)))
    ]
    assert share[1] < share[0]


def test_rows_of_one_state_or_without_returns_give_those_of_all() -> None:
    returns, _ = sample(40, spread=0.0)
    one = fitted(returns, np.full(40, -5.0))
    assert np.isfinite(one.at(np.array([-9.0, -5.0, -1.0]))).all()
    states = np.arange(40.0)
    returns[states < 16] = np.nan  # two of five groups have no return
    found = fitted(returns, states)
    pooled = standardised_quantiles(returns, np.ones_like(returns), 0.0)
    assert (found.quantiles[:2] == pooled).all()
    assert (found.quantiles[2:] != pooled).any(axis=(1, 2)).all()


# --------------------------------------------------------------------------------------- adaptation


def standard(rows: int, seed: int = 0) -> tuple[Floats, Floats, Floats]:
    """Returns of scale 1, these scales, and states."""
    returns, states = sample(rows, spread=0.0, seed=seed)
    return returns, np.ones_like(returns), states


def test_adapted_quantiles_hold_their_share_in_states_that_changed_and_in_the_others() -> None:
    returns, scales, states = standard(12_000)
    returns[6000:] *= np.where(states[6000:] > -4.8, 1.5, 1.0)[:, None]
    before = fitted(returns[:6000], states[:6000])
    after = before.adapted(returns, scales, states, rate=0.005)
    fresh, _, asked = standard(20_000, seed=1)
    fresh *= np.where(asked > -4.8, 1.5, 1.0)[:, None]
    for changed in (True, False):
        chosen = (asked > -4.4) if changed else (asked < -5.3)
        still, now = (
            (np.abs(fresh[chosen]) <= model.at(asked[chosen])[..., P90]).mean()
            for model in (before, after)
        )
        assert abs(now - 0.8) < 0.02
        assert (abs(still - 0.8) > 0.15) == changed


def test_a_state_without_returns_follows_a_change_of_the_others() -> None:
    """A market that turns calm or wild does so in states that come later, too."""
    returns, scales, states = standard(6000)
    model = fitted(returns, states)
    returns *= 1.5
    low = states < -4.8
    found = model.adapted(returns[low], scales[low], states[low], rate=0.005)
    growth = found.quantiles[..., MEDIAN + 1 :] / model.quantiles[..., MEDIAN + 1 :]
    unseen = model.states > -4.5
    assert unseen.any()
    assert (growth[unseen] > 1.1).all()


def test_each_quantile_adapts_to_its_own_share() -> None:
    rng = np.random.default_rng(4)
    returns, scales, states = standard(12_000)
    model = fitted(returns, states)
    heavy = rng.standard_t(3, returns.shape)  # larger outliers, and a narrower middle
    heavy *= 0.6745 / 0.7649  # the same quartiles
    found = model.adapted(heavy, scales, states, rate=0.005)
    growth = found.quantiles[..., MEDIAN + 1 :] / model.quantiles[..., MEDIAN + 1 :]
    growth = growth.mean(axis=(0, 1))
    np.testing.assert_allclose(growth, [1.0, 1.127, 1.262], atol=0.04)  # of Student's t at 3


def test_a_market_that_does_not_change_keeps_its_quantiles() -> None:
    returns, scales, states = standard(12_000)
    model = fitted(returns, states)
    found = model.adapted(returns, scales, states, rate=0.005)
    ratio = found.quantiles[..., MEDIAN + 1 :] / model.quantiles[..., MEDIAN + 1 :]
    assert np.abs(np.log(ratio)).max() < 0.05


def test_it_is_what_an_account_of_each_return_gives() -> None:
    returns, scales, states = standard(90)
    returns[60:] *= 3
    returns[np.arange(90)[:, None] + np.arange(1, STEPS + 1) > 89] = np.nan
    model, rate = fitted(returns, states), 0.03
    groups = np.eye(len(model.states))
    changes: list[Floats] = []
    for block in range(0, 90, STEPS):
        known = sum(changes[:-1], np.zeros((len(groups), 3)))  # one block later than it happened
        change = np.zeros_like(known)
        for row in range(block, min(block + STEPS, 90)):
            shares = [np.interp(states[row], model.states, group) for group in groups]
            for column, beyond in enumerate((0.5, 0.2, 0.1)):
                width = np.exp(np.dot(shares, known[:, column]))
                for step in np.flatnonzero(np.isfinite(returns[row])):
                    bounds = [group[step, MEDIAN + 1 + column] for group in model.quantiles]
                    misses = abs(returns[row, step]) > np.dot(shares, bounds) * width
                    change[:, column] += rate / STEPS * (misses - beyond) * (1 + np.array(shares))
        changes.append(change)
    expected = model.quantiles[..., MEDIAN + 1 :] * np.exp(sum(changes))[:, None, :]
    expected = np.maximum.accumulate(expected, axis=2)  # quantiles do not cross
    found = model.adapted(returns, scales, states, rate).quantiles[..., MEDIAN + 1 :]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_market_that_stands_still_keeps_a_width() -> None:
    returns, scales, states = standard(12_000)
    model = fitted(returns, states)
    found = model.adapted(np.zeros_like(returns), scales, states, rate=0.005)
    ratio = found.quantiles[..., MEDIAN + 1 :] / model.quantiles[..., MEDIAN + 1 :]
    np.testing.assert_allclose(ratio, np.exp(-0.5))


@given(rows=st.integers(1, 80), rate=st.sampled_from([0.01, 1.0]), seed=st.integers(0, 99))
def test_adapted_quantiles_are_ordered_and_symmetric(rows: int, rate: float, seed: int) -> None:
    returns, states = sample(rows, spread=-0.5, seed=seed)
    returns[np.random.default_rng(seed).random(returns.shape) < 0.3] = np.nan
    if np.isfinite(returns[:, 0]).any():
        model = fitted(returns, np.round(states, 1))
        found = model.adapted(returns, np.ones_like(returns), np.round(states, 1), rate)
        assert (np.diff(found.quantiles, axis=2) >= 0).all()
        assert not found.quantiles[..., MEDIAN].any()
        np.testing.assert_array_equal(found.quantiles, -found.quantiles[..., ::-1])
        assert QuantilesByState.from_state(found.state()).state() == found.state()


# ------------------------------------------------------------------------------------------- laws


@given(
    rows=st.integers(1, 80),
    prior_strength=st.sampled_from([0.0, 40.0]),
    seed=st.integers(0, 99),
    asked=st.lists(st.floats(-20, 20), min_size=1, max_size=30),
)
def test_quantiles_are_ordered_symmetric_and_the_same_in_any_batch(
    rows: int, prior_strength: float, seed: int, asked: list[float]
) -> None:
    returns, states = sample(rows, spread=-0.5, seed=seed)
    states = np.round(states, 1)  # with ties
    returns[np.arange(rows)[:, None] + np.arange(1, STEPS + 1) >= rows + 1] = np.nan
    if np.isfinite(returns[:, 0]).any():
        model = fitted(returns, states, prior_strength)
        batch = model.at(np.array(asked))
        assert batch.shape == (len(asked), STEPS, len(QUANTILES))
        assert (np.diff(batch, axis=2) >= 0).all()
        assert not batch[..., MEDIAN].any()
        np.testing.assert_array_equal(batch, -batch[..., ::-1])
        assert (batch <= model.quantiles.max(axis=0) + 1e-12).all()
        assert (batch >= model.quantiles.min(axis=0) - 1e-12).all()
        for row, state in enumerate(asked):
            assert model.at(np.array([state]))[0].tobytes() == batch[row].tobytes()


def test_quantiles_are_continuous_and_constant_beyond_the_groups() -> None:
    found = fitted(*sample(2000, spread=-0.3))
    at_groups = found.at(found.states)
    assert at_groups.tobytes() == found.quantiles.tobytes()
    for beyond, group in ((-99.0, 0), (99.0, -1)):
        assert found.at(np.array([beyond]))[0].tobytes() == found.quantiles[group].tobytes()
    below = found.at(np.nextafter(found.states, -np.inf))
    np.testing.assert_allclose(below, at_groups, rtol=1e-9)


# ------------------------------------------------------------------------------------------ states


@given(seed=st.integers(0, 99), place=st.integers(STEPS, 99), missing=st.integers(0, 60))
def test_a_state_depends_on_the_last_returns_alone(seed: int, place: int, missing: int) -> None:
    rng = np.random.default_rng(seed)
    returns = rng.normal(0, 0.01, 100)
    returns[rng.permutation(100)[:missing]] = np.nan
    last = returns[place - STEPS + 1 : place + 1]
    other = rng.normal(0, 1.0, 100)
    other[place - STEPS + 1 : place + 1] = last
    found, same = (
        recent_volatility(each, np.array([place, 50]), typical=0.01) for each in (returns, other)
    )
    assert found[0] == same[0]
    known = last[np.isfinite(last)]
    expected = np.sqrt((known**2).mean()) if len(known) else 0.01
    assert found[0] == pytest.approx(np.log(max(expected, FLOOR * 0.01)))
    part = returns[place - 2 * STEPS if place >= 2 * STEPS else 0 : place + 1]
    assert recent_volatility(part, np.array([len(part) - 1]), typical=0.01)[0] == found[0]


def test_a_market_that_stands_still_has_a_state() -> None:
    flat, unknown = (
        recent_volatility(np.full(50, each), np.array([49]), typical=0.01)[0]
        for each in (0.0, np.nan)
    )
    assert flat == pytest.approx(np.log(FLOOR * 0.01))
    assert unknown == pytest.approx(np.log(0.01))


# ---------------------------------------------------------------------------------------- artefacts


def test_it_survives_json_to_the_bit() -> None:
    model = fitted(*sample(200, spread=-0.3))
    restored = QuantilesByState.from_state(json.loads(json.dumps(model.state(), allow_nan=False)))
    assert (
        restored.at(np.linspace(-7, -3, 50)).tobytes()
        == model.at(np.linspace(-7, -3, 50)).tobytes()
    )


@pytest.mark.parametrize(
    ("name", "broken", "message"),
    [
        ("states", lambda values: values[::-1], "decrease"),
        ("states", lambda _: [], "not a list"),
        ("states", lambda values: [float("nan"), *values[1:]], "not a list"),
        ("states", lambda values: values[1:], "shape"),
        ("quantiles", lambda values: values[1:], "shape"),
        (
            "quantiles",
            lambda values: [[row[::-1] for row in group] for group in values],
            "decrease",
        ),
        ("quantiles", lambda values: [[[v + 1 for v in row] for row in g] for g in values], "zero"),
    ],
)
def test_a_broken_state_is_refused(name: str, broken: Any, message: str) -> None:
    state = fitted(*sample(200, spread=-0.3)).state()
    with pytest.raises(ValueError, match=message):
        QuantilesByState.from_state(state | {name: broken(state[name])})
