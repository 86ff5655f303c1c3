"""Changing the champion: as the gate decides, by an operator's word, or back.

- A promotion counts from the first origin that has no forecast, and needs a model that loads.
- After a rollback the forecast of an origin is the one that was due without the promotion.
- Who is retired leaves its place to the newest training.
- What cannot be done is refused with the remedy, and changes nothing.
"""

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from coin_assets.domain.methods import CHALLENGER, CHAMPION
from coin_assets.errors import ConfigurationError, CorruptArtefact
from coin_assets.pipeline.promote import promote, roll_back
from coin_assets_tests.pipeline.known_market import (
    FIRST,
    HOUR,
)
from coin_assets_tests.pipeline.series_sandbox import SeriesSandbox, sandbox_with_challenger
from coin_assets_tests.platform import files_of

WHY = "better on paper"


def promoted(sandbox: SeriesSandbox, version: str | None = None) -> str:
    return promote(sandbox.store, sandbox.registry, sandbox.series, version, WHY, sandbox.now)


def rolled_back(sandbox: SeriesSandbox) -> str:
    return roll_back(sandbox.store, sandbox.registry, sandbox.series, WHY, sandbox.now)


def changes(sandbox: SeriesSandbox) -> list[dict[str, Any]]:
    """The record on disk."""
    (record,) = sandbox.home.rglob("roles.json")
    found: list[dict[str, Any]] = json.loads(record.read_bytes())["changes"]
    return found


@pytest.fixture
def sandbox(tmp_path: Path) -> SeriesSandbox:
    """Champion and challenger have both forecast the newest origin."""
    sandbox = sandbox_with_challenger(tmp_path / "home")
    sandbox.predict()
    return sandbox


# ------------------------------------------------------------------------------------ by operators


@pytest.mark.parametrize("version", [None, "2"])
def test_the_challenger_is_champion_from_the_next_origin_on(
    sandbox: SeriesSandbox, version: str | None
) -> None:
    first = sandbox.now
    assert WHY in promoted(sandbox, version)
    sandbox.predict()
    assert sandbox.versions(CHAMPION)[first] == "1"
    sandbox.pass_candles(1)
    sandbox.predict()
    assert sandbox.versions(CHAMPION)[first + HOUR] == "2"
    assert sandbox.versions(CHALLENGER) == {first: "2"}
    change = changes(sandbox)[2]
    assert (change["role"], change["version"], change["reason"]) == (CHAMPION, "2", WHY)
    assert (change["by"], change["recorded_at"]) == ("operator", first.isoformat())


def test_promoting_the_champion_again_changes_nothing(sandbox: SeriesSandbox) -> None:
    promoted(sandbox)
    before = files_of(sandbox.home)
    assert "already" in promoted(sandbox, "2")
    assert files_of(sandbox.home) == before


def test_the_next_training_challenges_the_new_champion(sandbox: SeriesSandbox) -> None:
    promoted(sandbox)
    assert sandbox.holders() == ("2", None)
    sandbox.pass_candles(1)
    sandbox.train()
    assert sandbox.holders() == ("2", "3")


def test_a_rollback_brings_back_what_would_have_been_forecast(
    sandbox: SeriesSandbox, tmp_path: Path
) -> None:
    shutil.copytree(sandbox.home, tmp_path / "without")
    without = SeriesSandbox(tmp_path / "without", now=f"{sandbox.now:%Y-%m-%dT%H:%M}")
    artefacts = models_of(sandbox)
    promoted(sandbox)
    rolled_back(sandbox)
    assert sandbox.holders()[0] == "1"
    assert models_of(sandbox) == artefacts
    for each in (sandbox, without):
        each.pass_candles(1)
        each.predict()
    made, expected = (each.forecasts(CHAMPION) for each in (sandbox, without))
    pd.testing.assert_frame_equal(made, expected, check_exact=True)
    by = [(each["role"], each["version"]) for each in changes(sandbox)]
    assert by[2:] == [(CHAMPION, "2"), (CHALLENGER, None), (CHAMPION, "1")]


def test_a_second_rollback_goes_no_further_than_the_first_champion(sandbox: SeriesSandbox) -> None:
    promoted(sandbox)
    rolled_back(sandbox)
    with pytest.raises(ConfigurationError, match="no champion before 1 to roll back to"):
        rolled_back(sandbox)
    assert sandbox.holders()[0] == "1"


def test_there_is_no_way_back_without_an_earlier_champion(sandbox: SeriesSandbox) -> None:
    before = files_of(sandbox.home)
    with pytest.raises(ConfigurationError, match=r"BTC/USDT 1h .* launch promote_champion"):
        rolled_back(sandbox)
    assert files_of(sandbox.home) == before


@pytest.mark.parametrize("timeframe", ["15m", "1w"])
def test_a_rollback_undoes_the_first_appointment_where_nobody_is_challenged(
    tmp_path: Path, timeframe: str
) -> None:
    sandbox = SeriesSandbox(tmp_path, timeframe)
    sandbox.train()
    sandbox.pass_candles(1)
    sandbox.train()
    sandbox.predict()
    assert sandbox.holders() == (None, None)
    promoted(sandbox, "1")
    assert [each["version"] for each in changes(sandbox)] == ["2", "1"]
    rolled_back(sandbox)
    assert sandbox.holders()[0] == "2"


def test_a_first_appointment_is_the_remedy_for_a_version_that_was_set_aside(
    tmp_path: Path,
) -> None:
    sandbox = SeriesSandbox(tmp_path, "1w")
    sandbox.train()
    sandbox.pass_candles(1)
    sandbox.train()
    sandbox.predict()
    folder = version_folder(sandbox, 2)
    folder.rename(folder.with_name(folder.name + ".damaged"))
    promoted(sandbox, "1")
    assert [each["version"] for each in changes(sandbox)] == ["1"]


def test_a_first_appointment_that_is_refused_leaves_no_record(tmp_path: Path) -> None:
    sandbox = SeriesSandbox(tmp_path, "1w")
    sandbox.train()
    sandbox.pass_candles(1)
    sandbox.train()
    sandbox.predict()
    (version_folder(sandbox, 1) / "model.json").unlink()
    with pytest.raises(CorruptArtefact):
        promoted(sandbox, "1")
    assert sandbox.registry.roles(sandbox.series).is_empty


@pytest.mark.parametrize(
    ("prepare", "version", "error", "message"),
    [
        (lambda _: None, "9", ConfigurationError, r"no version 9\. Its versions: 1, 2\."),
        (
            lambda sandbox: sandbox.registry.appoint(
                sandbox.series, CHALLENGER, None, sandbox.now, reason="", by="", recorded_at=FIRST
            ),
            None,
            ConfigurationError,
            r"no challenger\. Name one of its versions: 1, 2\.",
        ),
        (
            lambda sandbox: (version_folder(sandbox, 2) / "model.json").unlink(),
            "2",
            CorruptArtefact,
            "model.json",
        ),
    ],
)
def test_what_cannot_be_champion_is_refused_and_the_present_one_stays(
    sandbox: SeriesSandbox,
    prepare: Callable[[SeriesSandbox], object],
    version: str | None,
    error: type[Exception],
    message: str,
) -> None:
    prepare(sandbox)
    before = files_of(sandbox.home)
    with pytest.raises(error, match=message):
        promoted(sandbox, version)
    assert files_of(sandbox.home) == before
    assert sandbox.holders()[0] == "1"


def test_a_rollback_to_a_version_that_is_gone_is_refused(sandbox: SeriesSandbox) -> None:
    promoted(sandbox)
    shutil.rmtree(version_folder(sandbox, 1))
    with pytest.raises(ConfigurationError, match=r"no version 1\. Its versions: 2\."):
        rolled_back(sandbox)
    assert sandbox.holders()[0] == "2"


def test_a_version_trained_on_the_future_is_no_champion_before_it(sandbox: SeriesSandbox) -> None:
    sandbox.pass_candles(5)
    ahead = sandbox.train()
    sandbox.now = ahead.cutoff - timedelta(hours=2)
    promoted(sandbox, ahead.name)
    change = sandbox.registry.roles(sandbox.series).last_change(CHAMPION)
    assert change is not None
    assert change.since == ahead.cutoff


def models_of(sandbox: SeriesSandbox) -> dict[str, bytes]:
    files = files_of(sandbox.home / "models")
    return {name: content for name, content in files.items() if "roles" not in name}


def version_folder(sandbox: SeriesSandbox, number: int) -> Path:
    return sandbox.registry.versions(sandbox.series)[number - 1].folder
