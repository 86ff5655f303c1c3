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

from coin_assets.domain.forecasting.frame import CHALLENGER, CHAMPION
from coin_assets.errors import ConfigurationError, CorruptArtefact
from coin_assets.pipeline.promote import apply_verdict, promote, roll_back
from coin_assets_tests.pipeline.contest import Contest, contested
from coin_assets_tests.pipeline.known_market import (
    DAY,
    FIRST,
    HOUR,
    SERIES,
    TRUE,
    WIDE,
    KnownMarket,
    enough,
    whole_term,
)
from coin_assets_tests.platform import files_of

WHY = "better on paper"


def promoted(contest: Contest, version: str | None = None) -> str:
    return promote(contest.store, contest.registry, contest.series, version, WHY, contest.now)


def rolled_back(contest: Contest) -> str:
    return roll_back(contest.store, contest.registry, contest.series, WHY, contest.now)


def said(contest: Contest) -> list[dict[str, Any]]:
    """The record on disk."""
    (record,) = contest.home.rglob("roles.json")
    found: list[dict[str, Any]] = json.loads(record.read_bytes())["changes"]
    return found


@pytest.fixture
def contest(tmp_path: Path) -> Contest:
    """Champion and challenger have both forecast the newest origin."""
    contest = contested(tmp_path / "home")
    contest.predict()
    return contest


# ------------------------------------------------------------------------------------ by operators


@pytest.mark.parametrize("version", [None, "2"])
def test_the_challenger_is_champion_from_the_next_origin_on(
    contest: Contest, version: str | None
) -> None:
    first = contest.now
    assert WHY in promoted(contest, version)
    contest.predict()
    assert contest.versions(CHAMPION)[first] == "1"
    contest.pass_candles(1)
    contest.predict()
    assert contest.versions(CHAMPION)[first + HOUR] == "2"
    assert contest.versions(CHALLENGER) == {first: "2"}
    change = said(contest)[2]
    assert (change["role"], change["version"], change["reason"]) == (CHAMPION, "2", WHY)
    assert (change["by"], change["recorded_at"]) == ("operator", first.isoformat())


def test_promoting_the_champion_again_changes_nothing(contest: Contest) -> None:
    promoted(contest)
    before = files_of(contest.home)
    assert "already" in promoted(contest, "2")
    assert files_of(contest.home) == before


def test_the_next_training_challenges_the_new_champion(contest: Contest) -> None:
    promoted(contest)
    assert contest.holders() == ("2", None)
    contest.pass_candles(1)
    contest.train()
    assert contest.holders() == ("2", "3")


def test_a_rollback_brings_back_what_would_have_been_forecast(
    contest: Contest, tmp_path: Path
) -> None:
    shutil.copytree(contest.home, tmp_path / "without")
    without = Contest(tmp_path / "without", now=f"{contest.now:%Y-%m-%dT%H:%M}")
    artefacts = models_of(contest)
    promoted(contest)
    rolled_back(contest)
    assert contest.holders()[0] == "1"
    assert models_of(contest) == artefacts
    for each in (contest, without):
        each.pass_candles(1)
        each.predict()
    made, expected = (each.forecasts(CHAMPION) for each in (contest, without))
    pd.testing.assert_frame_equal(made, expected, check_exact=True)
    by = [(each["role"], each["version"]) for each in said(contest)]
    assert by[2:] == [(CHAMPION, "2"), (CHALLENGER, None), (CHAMPION, "1")]


def test_a_second_rollback_goes_no_further_than_the_first_champion(contest: Contest) -> None:
    promoted(contest)
    rolled_back(contest)
    with pytest.raises(ConfigurationError, match="no champion before 1 to go back to"):
        rolled_back(contest)
    assert contest.holders()[0] == "1"


def test_there_is_no_way_back_without_an_earlier_champion(contest: Contest) -> None:
    before = files_of(contest.home)
    with pytest.raises(ConfigurationError, match=r"BTC/USDT 1h .* launch promote_champion"):
        rolled_back(contest)
    assert files_of(contest.home) == before


@pytest.mark.parametrize("timeframe", ["15m", "1w"])
def test_a_rollback_undoes_the_first_appointment_where_nobody_is_challenged(
    tmp_path: Path, timeframe: str
) -> None:
    contest = Contest(tmp_path, timeframe)
    contest.train()
    contest.pass_candles(1)
    contest.train()
    contest.predict()
    assert contest.holders() == (None, None)
    promoted(contest, "1")
    assert [each["version"] for each in said(contest)] == ["2", "1"]
    rolled_back(contest)
    assert contest.holders()[0] == "2"


def test_a_first_appointment_is_the_remedy_for_a_version_that_was_set_aside(
    tmp_path: Path,
) -> None:
    contest = Contest(tmp_path, "1w")
    contest.train()
    contest.pass_candles(1)
    contest.train()
    contest.predict()
    folder = version_folder(contest, 2)
    folder.rename(folder.with_name(folder.name + ".damaged"))
    promoted(contest, "1")
    assert [each["version"] for each in said(contest)] == ["1"]


def test_a_first_appointment_that_is_refused_leaves_no_record(tmp_path: Path) -> None:
    contest = Contest(tmp_path, "1w")
    contest.train()
    contest.pass_candles(1)
    contest.train()
    contest.predict()
    (version_folder(contest, 1) / "model.json").unlink()
    with pytest.raises(CorruptArtefact):
        promoted(contest, "1")
    assert contest.registry.roles(contest.series).is_empty


@pytest.mark.parametrize(
    ("prepare", "version", "error", "message"),
    [
        (lambda _: None, "9", ConfigurationError, r"no version 9\. Its versions: 1, 2\."),
        (
            lambda contest: contest.registry.appoint(
                contest.series, CHALLENGER, None, contest.now, reason="", by="", recorded_at=FIRST
            ),
            None,
            ConfigurationError,
            r"no challenger\. Name one of its versions: 1, 2\.",
        ),
        (
            lambda contest: (version_folder(contest, 2) / "model.json").unlink(),
            "2",
            CorruptArtefact,
            "model.json",
        ),
    ],
)
def test_what_cannot_be_champion_is_refused_and_the_present_one_stays(
    contest: Contest,
    prepare: Callable[[Contest], object],
    version: str | None,
    error: type[Exception],
    message: str,
) -> None:
    prepare(contest)
    before = files_of(contest.home)
    with pytest.raises(error, match=message):
        promoted(contest, version)
    assert files_of(contest.home) == before
    assert contest.holders()[0] == "1"


def test_a_rollback_to_a_version_that_is_gone_is_refused(contest: Contest) -> None:
    promoted(contest)
    shutil.rmtree(version_folder(contest, 1))
    with pytest.raises(ConfigurationError, match=r"no version 1\. Its versions: 2\."):
        rolled_back(contest)
    assert contest.holders()[0] == "2"


def test_a_version_that_knows_the_future_is_no_champion_before_it(contest: Contest) -> None:
    contest.pass_candles(5)
    ahead = contest.train()
    contest.now = ahead.cutoff - timedelta(hours=2)
    promoted(contest, ahead.name)
    change = contest.registry.roles(contest.series).last_change(CHAMPION)
    assert change is not None
    assert change.since == ahead.cutoff


def models_of(contest: Contest) -> dict[str, bytes]:
    files = files_of(contest.home / "models")
    return {name: content for name, content in files.items() if "roles" not in name}


def version_folder(contest: Contest, number: int) -> Path:
    return contest.registry.versions(contest.series)[number - 1].folder


# -------------------------------------------------------------------------------------- by the gate


def test_the_gate_promotes_who_has_earned_it(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path)
    for day in range(2):
        now = enough() + day * DAY
        report = market.look(now)
        assert "goes on" in apply_verdict(market.store, market.registry, report, now)
        assert holders(market) == ("1", "2")
    now = enough() + 2 * DAY
    told = apply_verdict(market.store, market.registry, market.look(now), now)
    assert f"version 2 is champion from {now + HOUR:%Y-%m-%d %H:%M}" in told
    assert holders(market) == ("2", None)
    change = market.registry.roles(SERIES).last_change(CHAMPION)
    assert change is not None
    assert change.by == "gate"
    assert "of the champion's" in change.reason


def test_who_is_retired_leaves_its_place_to_the_newest_training(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path, (TRUE, WIDE))
    now = whole_term()
    told = apply_verdict(market.store, market.registry, market.look(now), now)
    assert "challenges no more" in told
    assert holders(market) == ("1", "3")
    vacated, appointed = market.registry.roles(SERIES).changes[-2:]
    assert (vacated.version, vacated.by, vacated.since) == (None, "gate", now)
    assert "less than 0.995" in vacated.reason
    assert (appointed.version, appointed.since) == ("3", now)
    # It is not counted against the new one what the old one did.
    assert market.look(now + HOUR).document["promotion"]["whole"]["origins"] == 0


def test_without_a_challenger_there_is_nothing_to_do(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path)
    market.registry.appoint(SERIES, CHALLENGER, None, FIRST, reason="", by="", recorded_at=FIRST)
    now = enough()
    told = apply_verdict(market.store, market.registry, market.look(now), now)
    assert told == "BTC/USDT 1h: there is no challenger"


@pytest.mark.parametrize("what", ["damaged", "gone"])
def test_a_damaged_challenger_is_not_promoted(tmp_path: Path, what: str) -> None:
    market = KnownMarket(tmp_path)
    reports = [market.look(enough() + day * DAY) for day in range(3)]
    folder = market.registry.versions(SERIES)[1].folder
    if what == "gone":
        folder.rename(folder.with_name(folder.name + ".damaged"))
    else:
        (folder / "metadata.json").unlink()
    with pytest.raises(CorruptArtefact):
        apply_verdict(market.store, market.registry, reports[-1], enough() + 2 * DAY)
    assert holders(market) == ("1", "2")


def test_an_old_verdict_changes_no_past(tmp_path: Path) -> None:
    """What was said of origins after it stands."""
    market = KnownMarket(tmp_path)
    reports = [market.look(enough() + day * DAY) for day in range(3)]
    market.until(enough() + 3 * DAY)
    now = enough() + 3 * DAY
    apply_verdict(market.store, market.registry, reports[-1], now)
    change = market.registry.roles(SERIES).last_change(CHAMPION)
    assert change is not None
    assert change.since == now + HOUR


def holders(market: KnownMarket) -> tuple[str | None, str | None]:
    roles = market.registry.roles(SERIES)
    return roles.holder(CHAMPION), roles.holder(CHALLENGER)
