"""Roles: an append-only record, and the version that forecasts by it.

- The holder of a role at an origin never changes, whatever is appointed later.
- No version forecasts an origin before its cutoff.
- No other version replaces a recorded one that is missing.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from coin_assets.domain.evaluation.roles import RoleChange, Roles, next_challenger, version_for
from coin_assets.domain.methods import (
    CHALLENGER,
    CHALLENGER_NAIVE,
    CHAMPION,
    HAR,
    METHODS,
    NAIVE,
    ROLES,
)
from coin_assets.errors import CorruptArtefact, DataRefused
from coin_assets_tests.domain.evaluation.role_holders import holder_at

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Version:
    number: int
    cutoff: datetime
    method: str = HAR

    @property
    def name(self) -> str:
        return str(self.number)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def version(number: int, cutoff: float, method: str = HAR) -> Version:
    return Version(number, day(cutoff), method)


def change(role: str, name: str | None, since: float) -> RoleChange:
    return RoleChange(role, name, day(since), "because", "a test", day(99))


def roles(*changes: tuple[str, str | None, float]) -> Roles:
    return Roles(tuple(change(*each) for each in changes))


def appointed(record: Roles, role: str, holder: Version | None, since: float) -> Roles:
    name = None if holder is None else holder.name
    return record.with_change(change(role, name, since), None if holder is None else holder.cutoff)


# ------------------------------------------------------------------------------------- the history


def test_nobody_holds_anything_at_first() -> None:
    empty = Roles()
    assert empty.is_empty
    assert [empty.holder(role) for role in ROLES] == [None] * len(ROLES)
    assert empty.last_change(CHAMPION) is None
    assert empty.previous_champion() is None
    assert empty.appointed == frozenset()


def test_a_holder_counts_from_its_first_origin_to_the_next_ones() -> None:
    record = roles((CHAMPION, "1", 5), (CHALLENGER, "2", 6), (CHAMPION, "2", 9))
    holders = [holder_at(record, CHAMPION, day(at)) for at in (4.9, 5, 8.9, 9, 100)]
    assert holders == [None, "1", "1", "2", "2"]
    assert holder_at(record, CHALLENGER, day(5.9)) is None
    assert holder_at(record, CHALLENGER, day(6)) == "2"
    assert record.holder(CHAMPION) == "2"
    assert record.appointed == {"1", "2"}


def test_a_promotion_leaves_the_challengers_place_vacant_from_the_same_time_on() -> None:
    record = roles((CHAMPION, "1", 5), (CHALLENGER, "2", 6))
    promoted = appointed(record, CHAMPION, version(2, 6), 9)
    assert (promoted.holder(CHAMPION), promoted.holder(CHALLENGER)) == ("2", None)
    assert holder_at(promoted, CHALLENGER, day(8.9)) == "2"
    assert holder_at(promoted, CHALLENGER, day(9)) is None
    other = appointed(record, CHAMPION, version(3, 7), 9)
    assert (other.holder(CHAMPION), other.holder(CHALLENGER)) == ("3", "2")


def test_a_challenger_can_become_champion_of_origins_before_its_challenge() -> None:
    record = roles((CHAMPION, "1", 5), (CHALLENGER, "2", 6))
    promoted = appointed(record, CHAMPION, version(2, 3), 5)
    assert (promoted.holder(CHAMPION), promoted.holder(CHALLENGER)) == ("2", None)
    assert holder_at(promoted, CHAMPION, day(5)) == "2"
    assert [holder_at(promoted, CHALLENGER, day(at)) for at in (5.9, 6)] == [None, None]


def test_rolling_back_goes_further_back_each_time() -> None:
    one, two, three, four = version(1, 0), version(2, 6), version(3, 7), version(4, 8)
    record = appointed(roles((CHAMPION, "1", 5)), CHAMPION, two, 9)
    record = appointed(record, CHAMPION, three, 10)
    assert record.previous_champion() == "2"
    once = appointed(record, CHAMPION, two, 11)
    assert once.previous_champion() == "1"
    twice = appointed(once, CHAMPION, one, 12)
    assert twice.previous_champion() is None
    promoted = appointed(once, CHAMPION, four, 12)
    assert promoted.previous_champion() == "2"
    held = [holder_at(twice, CHAMPION, day(at)) for at in (5, 9, 10, 11, 12)]
    assert held == ["1", "2", "3", "2", "1"]


def test_a_first_champion_has_none_before_it() -> None:
    assert roles((CHAMPION, "1", 5)).previous_champion() is None


@pytest.mark.parametrize(
    ("role", "holder", "since", "expected"),
    [
        (CHAMPION, version(3, 9), 8, "saw candles up to 2026-01-10 00:00"),
        (CHALLENGER, version(3, 9), 8.9, "saw candles up to 2026-01-10 00:00"),
        (CHAMPION, version(3, 1), 4, "lies before the last one, 2026-01-06 00:00"),
        (CHALLENGER, version(3, 1), 5, "lies before the last one, 2026-01-07 00:00"),
        (CHALLENGER, None, 5, "lies before the last one"),
        (CHALLENGER, version(1, 0), 9, "is champion and cannot be challenger too"),
        (CHAMPION, None, 9, "leaves no champion"),
        ("king", version(3, 1), 9, "unknown role"),
    ],
)
def test_what_breaks_the_rules_of_the_record_is_refused(
    role: str, holder: Version | None, since: float, expected: str
) -> None:
    record = roles((CHAMPION, "1", 5), (CHALLENGER, "2", 6))
    with pytest.raises(DataRefused, match=expected):
        appointed(record, role, holder, since)


def test_times_without_a_zone_are_refused() -> None:
    good = change(CHAMPION, "1", 5)
    for broken in (
        replace(good, since=good.since.replace(tzinfo=None)),
        replace(good, recorded_at=good.recorded_at.replace(tzinfo=None)),
    ):
        with pytest.raises(DataRefused, match="time zone"):
            Roles((broken,))


# ---------------------------------------------------------------------------------- which version


def test_before_the_first_champion_the_newest_that_may_forecasts() -> None:
    versions = [version(1, 0), version(2, 3), version(3, 1), version(4, 3), version(5, 8)]
    record = roles((CHAMPION, "1", 7))
    found = [version_for(CHAMPION, versions, record, day(at)) for at in (-1, 0, 2, 3, 6.9, 7, 9)]
    assert [each and each.name for each in found] == [None, "1", "3", "4", "4", "1", "1"]


def test_there_is_no_challenger_without_a_record() -> None:
    versions = [version(1, 0), version(2, 3)]
    assert version_for(CHALLENGER, versions, Roles(), day(9)) is None
    record = roles((CHALLENGER, "2", 5), (CHALLENGER, None, 7))
    found = [version_for(CHALLENGER, versions, record, day(at)) for at in (4.9, 5, 6.9, 7)]
    assert found == [None, versions[1], versions[1], None]


@pytest.mark.parametrize("role", ROLES)
def test_no_other_version_stands_in_for_one_that_is_gone(role: str) -> None:
    with pytest.raises(CorruptArtefact) as refusal:
        version_for(role, [version(1, 0), version(3, 2)], roles((role, "2", 5)), day(6))
    assert f"Model version 2, {role} since 2026-01-06 00:00" in str(refusal.value)
    assert "Restore its folder from a backup, or launch promote_champion" in str(refusal.value)


@pytest.mark.parametrize("role", ROLES)
def test_a_record_that_would_leak_is_refused(role: str) -> None:
    """It cannot be made by appointing, but a file can be edited or a folder renamed."""
    with pytest.raises(CorruptArtefact, match="must not forecast 2026-01-06"):
        version_for(role, [version(2, 7)], roles((role, "2", 5)), day(5))


def test_a_version_that_takes_the_place_of_a_damaged_one_counts_from_the_same_time_on() -> None:
    record = appointed(roles((CHAMPION, "1", 5), (CHAMPION, "2", 9)), CHAMPION, version(3, 9), 9)
    versions = [version(1, 0), version(3, 9)]
    found = [version_for(CHAMPION, versions, record, day(at)) for at in (8.9, 9, 20)]
    assert [each and each.name for each in found] == ["1", "3", "3"]


# --------------------------------------------------------------------------------- next challenger


def test_the_newest_training_that_never_held_a_role_challenges() -> None:
    versions = [version(number, cutoff) for number, cutoff in ((1, 0), (2, 3), (3, 9), (4, 6))]
    record = roles((CHAMPION, "1", 1))
    assert next_challenger(versions, record, versions[0]) == versions[2]
    retired = roles((CHAMPION, "1", 1), (CHALLENGER, "3", 9), (CHALLENGER, None, 12))
    assert next_challenger(versions, retired, versions[0]) == versions[3]
    twins = [version(1, 0), version(2, 5), version(3, 5)]
    assert next_challenger(twins, record, twins[0]) == twins[2]


def test_each_method_has_a_challenger_of_its_own() -> None:
    versions = [version(1, 0), version(2, 0, NAIVE), version(3, 4, NAIVE), version(4, 5)]
    record, naive = roles((CHAMPION, "1", 1)), METHODS[NAIVE]
    assert next_challenger(versions, record, versions[0]) == versions[3]
    assert next_challenger(versions, record, versions[0], naive) == versions[2]
    tested = roles((CHAMPION, "1", 1), (CHALLENGER, "4", 5))
    assert next_challenger(versions, tested, versions[0]) is None
    assert next_challenger(versions, tested, versions[0], naive) == versions[2]


def test_another_method_may_have_the_cutoff_of_the_champion_and_none_before() -> None:
    versions = [version(1, 3), version(2, 3), version(3, 3, NAIVE), version(4, 2, NAIVE)]
    record, naive = roles((CHAMPION, "1", 3)), METHODS[NAIVE]
    assert next_challenger(versions, record, versions[0]) is None
    assert next_challenger(versions, record, versions[0], naive) == versions[2]
    later = [version(1, 4), *versions[1:]]
    assert next_challenger(later, record, later[0], naive) is None


def test_the_naive_forecast_does_not_challenge_itself() -> None:
    versions = [version(1, 0, NAIVE), version(2, 4, NAIVE), version(3, 4)]
    record = roles((CHAMPION, "1", 1))
    assert next_challenger(versions, record, versions[0], METHODS[NAIVE]) is None
    assert next_challenger(versions, record, versions[0]) == versions[2]


def test_without_a_record_another_method_never_forecasts() -> None:
    versions = [version(1, 0), version(2, 3, NAIVE), version(3, 5, NAIVE)]
    assert version_for(CHAMPION, versions, Roles(), day(9)) == versions[0]
    assert version_for(CHAMPION, versions[1:], Roles(), day(9)) is None


def test_a_challenger_that_becomes_champion_leaves_its_own_role_only() -> None:
    record = roles((CHAMPION, "1", 0), (CHALLENGER, "3", 1), (CHALLENGER_NAIVE, "2", 1))
    after = appointed(record, CHAMPION, version(2, 0, NAIVE), 5)
    assert after.holder(CHAMPION) == "2"
    assert after.holder(CHALLENGER_NAIVE) is None
    assert after.holder(CHALLENGER) == "3"
    with pytest.raises(DataRefused, match="is champion and cannot be challenger"):
        appointed(after, CHALLENGER_NAIVE, version(2, 0, NAIVE), 6)


@pytest.mark.parametrize(
    ("record", "champion_cutoff"),
    [
        (Roles(), 0),
        (roles((CHAMPION, "1", 1), (CHALLENGER, "2", 4)), 0),
        (roles((CHAMPION, "1", 1)), 9),
        (roles((CHAMPION, "1", 1), (CHALLENGER, "2", 4), (CHALLENGER, None, 5)), 4),
    ],
    ids=["no champion", "a challenger", "none saw more", "all had their trial"],
)
def test_otherwise_nobody_challenges(record: Roles, champion_cutoff: float) -> None:
    versions = [version(1, 0), version(2, 4), version(3, 4)]
    assert next_challenger(versions, record, version(9, champion_cutoff)) is None
