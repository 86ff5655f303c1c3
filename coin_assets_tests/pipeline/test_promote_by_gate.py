"""Promotions and retirements by the gate."""

from pathlib import Path

import pytest

from coin_assets.domain.methods import CHALLENGER, CHAMPION
from coin_assets.errors import CorruptArtefact
from coin_assets.pipeline.promote import apply_verdict
from coin_assets_tests.pipeline.known_market import (
    DAY,
    FIRST,
    HOUR,
    SERIES,
    TRUE,
    WIDE,
    KnownMarket,
    enough,
    whole_trial,
)


def test_the_gate_promotes_who_has_earned_it(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path)
    for day in range(2):
        now = enough() + day * DAY
        report = market.evaluate(now)
        assert "stays challenger" in apply_verdict(market.store, market.registry, report, now)
        assert holders(market) == ("1", "2")
    now = enough() + 2 * DAY
    outcome = apply_verdict(market.store, market.registry, market.evaluate(now), now)
    assert f"version 2 is champion from {now + HOUR:%Y-%m-%d %H:%M}" in outcome
    assert holders(market) == ("2", None)
    change = market.registry.roles(SERIES).last_change(CHAMPION)
    assert change is not None
    assert change.by == "gate"
    assert "of the champion's" in change.reason


def test_who_is_retired_leaves_its_place_to_the_newest_training(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path, (TRUE, WIDE))
    now = whole_trial()
    outcome = apply_verdict(market.store, market.registry, market.evaluate(now), now)
    assert "is retired" in outcome
    assert holders(market) == ("1", "3")
    vacated, appointed = market.registry.roles(SERIES).changes[-2:]
    assert (vacated.version, vacated.by, vacated.since) == (None, "gate", now)
    assert "less than 0.995" in vacated.reason
    assert (appointed.version, appointed.since) == ("3", now)
    # It is not counted against the new one what the old one did.
    assert market.evaluate(now + HOUR).document["promotion"]["whole"]["origins"] == 0


def test_without_a_challenger_there_is_nothing_to_do(tmp_path: Path) -> None:
    market = KnownMarket(tmp_path)
    market.registry.appoint(SERIES, CHALLENGER, None, FIRST, reason="", by="", recorded_at=FIRST)
    now = enough()
    outcome = apply_verdict(market.store, market.registry, market.evaluate(now), now)
    assert outcome == "BTC/USDT 1h: there is no challenger"


@pytest.mark.parametrize("what", ["damaged", "gone"])
def test_a_damaged_challenger_is_not_promoted(tmp_path: Path, what: str) -> None:
    market = KnownMarket(tmp_path)
    reports = [market.evaluate(enough() + day * DAY) for day in range(3)]
    folder = market.registry.versions(SERIES)[1].folder
    if what == "gone":
        folder.rename(folder.with_name(folder.name + ".damaged"))
    else:
        (folder / "metadata.json").unlink()
    with pytest.raises(CorruptArtefact):
        apply_verdict(market.store, market.registry, reports[-1], enough() + 2 * DAY)
    assert holders(market) == ("1", "2")


def test_an_old_verdict_changes_no_past(tmp_path: Path) -> None:
    """Forecasts of origins after it stay."""
    market = KnownMarket(tmp_path)
    reports = [market.evaluate(enough() + day * DAY) for day in range(3)]
    market.until(enough() + 3 * DAY)
    now = enough() + 3 * DAY
    apply_verdict(market.store, market.registry, reports[-1], now)
    change = market.registry.roles(SERIES).last_change(CHAMPION)
    assert change is not None
    assert change.since == now + HOUR


def holders(market: KnownMarket) -> tuple[str | None, str | None]:
    roles = market.registry.roles(SERIES)
    return roles.holder(CHAMPION), roles.holder(CHALLENGER)
