"""Properties of the record of roles after any sequence of appointments."""

from hypothesis import given
from hypothesis import strategies as st

from coin_assets.domain.evaluation.roles import RoleChange, Roles, next_challenger, version_for
from coin_assets.domain.methods import CHALLENGER_ROLES, CHAMPION, DEFAULT_METHOD, METHODS, ROLES
from coin_assets.errors import DataRefused
from coin_assets_tests.domain.evaluation.role_holders import holder_at
from coin_assets_tests.domain.evaluation.test_roles import (
    Version,
    appointed,
    change,
    day,
    version,
)

VERSIONS = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from(sorted(METHODS))), min_size=1, max_size=6
).map(lambda made: [version(number, *each) for number, each in enumerate(made, 1)])
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
        else:
            assert found is None or found.method == DEFAULT_METHOD


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
def test_appointing_again_changes_nothing_and_a_champion_never_challenges(
    versions: list[Version], requests: list[tuple[str, int, int]]
) -> None:
    for before, after, wanted in history(versions, requests):
        if after != before:
            assert after.holder(wanted.role) == wanted.version
            cutoff = next((each.cutoff for each in versions if each.name == wanted.version), None)
            assert after.with_change(wanted, cutoff) is after
        champion = after.holder(CHAMPION)
        assert champion is None or champion not in map(after.holder, CHALLENGER_ROLES)


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


@given(VERSIONS, REQUESTS, st.sampled_from(sorted(METHODS)))
def test_a_next_challenger_is_new_and_saw_as_much_as_the_champion(
    versions: list[Version], requests: list[tuple[str, int, int]], name: str
) -> None:
    method = METHODS[name]
    for _, record, _ in history(versions, requests):
        champion = next((each for each in versions if each.name == record.holder(CHAMPION)), None)
        if champion is None:
            found = [next_challenger(versions, record, each, method) for each in versions]
            assert not any(found)
            continue
        chosen = next_challenger(versions, record, champion, method)
        if chosen is None:
            continue
        assert record.holder(method.role) is None
        assert chosen.name not in record.appointed
        assert chosen.method == name
        fresh = [
            each.cutoff
            for each in versions
            if each.method == name and each.name not in record.appointed
        ]
        assert chosen.cutoff == max(fresh) >= champion.cutoff
        assert champion.method != name or chosen.cutoff > champion.cutoff
