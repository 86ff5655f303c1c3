"""Properties of the record of roles after any sequence of appointments."""

from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.evaluation.roles import RoleChange, Roles, next_challenger, version_for
from coin_assets.domain.forecasting.frame import CHALLENGER, CHAMPION, ROLES
from coin_assets.errors import DataRefused
from coin_assets_tests.domain.evaluation.role_holders import holder_at
from coin_assets_tests.domain.evaluation.test_roles import (
    START,
    Version,
    appointed,
    change,
    day,
    version,
)

VERSIONS = st.lists(st.integers(0, 30), min_size=1, max_size=6).map(
    lambda cutoffs: [version(number, cutoff) for number, cutoff in enumerate(cutoffs, 1)]
)
# (role, place of the version or -1 for none, since) as somebody might request them
REQUESTS = st.lists(
    st.tuples(st.sampled_from(ROLES), st.integers(-1, 5), st.integers(0, 40)), max_size=12
)


def history(
    versions: list[Version], requests: list[tuple[str, int, int]]
) -> list[tuple[Roles, Roles, RoleChange]]:
    """Each request with the record before and after it; what is refused leaves it as it was."""
    steps, record = [], Roles()
    for role, place, since in requests:
        holder = None if place < 0 else versions[place % len(versions)]
        wanted = change(role, None if holder is None else holder.name, since)
        try:
            after = record.with_change(wanted, None if holder is None else holder.cutoff)
        except DataRefused:
            after = record
        steps.append((record, after, wanted))
        record = after
    return steps


@given(VERSIONS, REQUESTS, st.sampled_from(ROLES), st.integers(0, 45))
def test_no_origin_is_ever_forecast_by_a_version_that_saw_its_future(
    versions: list[Version], requests: list[tuple[str, int, int]], role: str, at: int
) -> None:
    for _, record, _ in history(versions, requests):
        found = version_for(role, versions, record, day(at))
        assert found is None or found.cutoff <= day(at)
        recorded = [each for each in record.changes if each.role == role and each.since <= day(at)]
        if recorded:
            assert (found and found.name) == recorded[-1].version


@given(VERSIONS, REQUESTS)
def test_a_record_is_only_added_to_and_stays_the_same_for_all_earlier_origins(
    versions: list[Version], requests: list[tuple[str, int, int]]
) -> None:
    for before, after, wanted in history(versions, requests):
        assert after.changes[: len(before.changes)] == before.changes
        for at in range(45):
            for role in ROLES:
                if day(at) < wanted.since:
                    assert holder_at(after, role, day(at)) == holder_at(before, role, day(at))


@given(VERSIONS, REQUESTS)
def test_appointing_again_changes_nothing_and_one_version_never_holds_both_roles(
    versions: list[Version], requests: list[tuple[str, int, int]]
) -> None:
    for before, after, wanted in history(versions, requests):
        if after != before:
            assert after.holder(wanted.role) == wanted.version
            cutoff = next((each.cutoff for each in versions if each.name == wanted.version), None)
            assert after.with_change(wanted, cutoff) is after
        champion = after.holder(CHAMPION)
        assert champion is None or champion != after.holder(CHALLENGER)


@given(VERSIONS, REQUESTS)
def test_rolling_back_again_and_again_ends_with_the_first_champion(
    versions: list[Version], requests: list[tuple[str, int, int]]
) -> None:
    known = {each.name: each for each in versions}
    for _, record, _ in history(versions, requests):
        champions = [each.version for each in record.changes if each.role == CHAMPION]
        visited = champions[-1:]
        while (previous := record.previous_champion()) is not None:
            assert previous in champions
            assert previous not in visited
            visited.append(previous)
            record = appointed(record, CHAMPION, known[previous], 99)
        assert visited[-1:] == champions[:1]


@given(VERSIONS, REQUESTS)
def test_a_next_challenger_is_new_and_saw_more_than_the_champion(
    versions: list[Version], requests: list[tuple[str, int, int]]
) -> None:
    for _, record, _ in history(versions, requests):
        champion = next((each for each in versions if each.name == record.holder(CHAMPION)), None)
        if champion is None:
            assert next_challenger(versions, record, START) is None
            continue
        found = next_challenger(versions, record, champion.cutoff)
        if found is None:
            continue
        assert record.holder(CHALLENGER) is None
        assert found.name not in record.appointed
        better = [each for each in versions if each.name not in record.appointed]
        assert found.cutoff == max(each.cutoff for each in better) > champion.cutoff
