"""Forecasts after any order of trainings, promotions and predictions."""

from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from coin_assets.domain.forecasting.frame import LIVE, kind_of
from coin_assets.domain.methods import CHALLENGER, CHAMPION
from coin_assets.errors import ConfigurationError
from coin_assets.pipeline.promote import promote, roll_back
from coin_assets_tests.pipeline.series_sandbox import (
    ALWAYS,
    START,
    SeriesSandbox,
    sandbox_with_challenger,
)
from coin_assets_tests.platform import utc

ACTIONS = st.lists(
    st.sampled_from(["pass", "predict", "all", "train", "promote", "back"]),
    min_size=3,
    max_size=8,
)


@settings(max_examples=6)
@given(actions=ACTIONS)
def test_in_any_order_forecasts_stay_and_agree_with_the_record(actions: list[str]) -> None:
    with TemporaryDirectory() as folder:
        sandbox = sandbox_with_challenger(Path(folder))
        known = sandbox.store.read_forecasts(sandbox.series, *ALWAYS)
        for action in actions:
            act(sandbox, action)
            made = sandbox.store.read_forecasts(sandbox.series, *ALWAYS)
            kept = made[_places(made).isin(_places(known))].reset_index(drop=True)
            pd.testing.assert_frame_equal(kept, known, check_exact=True)
            known = made
        agrees_with_the_record(sandbox)
        sandbox.predict(START)
        agrees_with_the_record(sandbox)
        again = sandbox.predict(START)
        assert (again.added, again.challenger_added) == (0, 0)


def act(sandbox: SeriesSandbox, action: str) -> None:
    tools = sandbox.store, sandbox.registry, sandbox.series
    try:
        if action == "pass":
            sandbox.pass_candles(1)
        elif action == "train":
            sandbox.train()
        elif action == "promote":
            promote(*tools, None, "for a test", sandbox.now)
        elif action == "back":
            roll_back(*tools, "for a test", sandbox.now)
        else:
            sandbox.predict(START if action == "all" else None)
    except ConfigurationError:
        assert action in ("promote", "back")  # nobody to appoint


def agrees_with_the_record(sandbox: SeriesSandbox) -> None:
    """Champion and challenger of each origin are those of the record, found by a slow walk."""
    versions = sandbox.registry.versions(sandbox.series)
    cutoffs = {version.name: version.cutoff for version in versions}
    roles = sandbox.registry.roles(sandbox.series)
    champions, challengers = sandbox.versions(CHAMPION), sandbox.versions(CHALLENGER)
    assert challengers.keys() <= champions.keys()
    for role, made in ((CHAMPION, champions), (CHALLENGER, challengers)):
        for origin, version in made.items():
            holder = None
            for change in roles.changes:
                if change.role == role and change.since <= origin:
                    holder = change.version
            if holder is None:
                assert role == CHAMPION
                newest = max(cutoff for cutoff in cutoffs.values() if cutoff <= origin)
                assert cutoffs[version] <= newest
            else:
                assert version == holder
            assert cutoffs[version] <= origin
            assert champions[origin] != challengers.get(origin)


def _places(made: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(made[["role", "as_of", "step"]])


def test_a_forecast_is_live_while_its_first_candle_is_open(tmp_path: Path) -> None:
    sandbox = sandbox_with_challenger(tmp_path)
    sandbox.pass_candles(3)
    sandbox.predict(START)
    for role in (CHAMPION, CHALLENGER):
        made = sandbox.forecasts(role).drop_duplicates("as_of")
        new = made[made["as_of"] > pd.Timestamp(utc("2024-01-11"))]
        expected = [
            kind_of(_time(origin), sandbox.series.timeframe, sandbox.now) for origin in new["as_of"]
        ]
        assert list(new["kind"]) == expected
        assert expected.count(LIVE) == 1


def _time(origin: pd.Timestamp) -> datetime:
    time: datetime = origin.to_pydatetime()
    return time
