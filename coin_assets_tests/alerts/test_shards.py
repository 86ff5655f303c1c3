"""One database of alerts for all shards: each keeps its own incidents, and none is lost.

- No shard ends what another one reports. What is about the machine is reported once.
- A symbol that moves takes its incident, its acknowledgement and its mute along.
- Incidents of shards that are no more end.
"""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from coin_assets.alerts.incidents import MuteKind
from coin_assets.alerts.messages import Message
from coin_assets.alerts.outbox import AlertBook
from coin_assets.alerts.shards import ShardSubjects
from coin_assets.domain.shards import ALONE, Shard, shard_of
from coin_assets_tests.alerts.cycles import MINUTE, NOW, RULES, stale

SYMBOLS = [f"C{number}/USDT" for number in range(12)]
SUBJECTS = [f"{symbol} 1h" for symbol in SYMBOLS]
OF_SHARD = ("sensor candles_due", "schedule retrain", "job evaluate", "market sandbox", "machine")
OF_MACHINE = ("disk", "clock", "store", "daemon SENSOR", "Dagster's records", "alert channels")


def shards(count: int) -> list[Shard]:
    return [Shard(number, count) for number in range(count)]


def cycle(path: Path, shard: Shard, subjects: Iterable[str], after: timedelta) -> list[Message]:
    """A cycle of one shard, in which the subjects that it looks at are wrong."""
    wrong = [stale(subject, cause=f"cause of {subject}") for subject in subjects]
    return AlertBook(path, shard).advance(wrong, NOW + after, RULES, ["channel"])


def owned(shard: Shard) -> list[str]:
    return [each for each in SUBJECTS if shard.owns(each.partition(" ")[0])]


def subjects_of(messages: Iterable[Message]) -> set[str]:
    return {subject for message in messages for subject in message.subjects}


def test_no_shard_ends_what_another_one_reports(tmp_path: Path) -> None:
    path = tmp_path / "book"
    sent = [cycle(path, shard, owned(shard), 0 * MINUTE) for shard in shards(3)]
    assert [subjects_of(each) for each in sent] == [set(owned(shard)) for shard in shards(3)]
    for minute in range(1, 3):
        assert [cycle(path, each, owned(each), minute * MINUTE) for each in shards(3)] == [[]] * 3
    assert AlertBook(path).incidents().keys() == set(SUBJECTS)
    (message,) = cycle(path, Shard(1, 3), owned(Shard(1, 3))[1:], 2 * MINUTE)
    assert (message.kind, message.subjects) == ("recovery", (owned(Shard(1, 3))[0],))


def test_subjects_of_shards_are_told_apart_and_the_machine_is_reported_once(tmp_path: Path) -> None:
    path = tmp_path / "book"
    sent = [subjects_of(cycle(path, s, (*OF_SHARD, *OF_MACHINE), 0 * MINUTE)) for s in shards(3)]
    assert sent == [
        {*OF_SHARD, *OF_MACHINE},
        {f"{subject} (shard 1)" for subject in OF_SHARD},
        {f"{subject} (shard 2)" for subject in OF_SHARD},
    ]
    for shard in shards(3):  # as its own conditions name them
        known = AlertBook(path, shard).incidents()
        assert known.keys() == {*OF_SHARD, *(OF_MACHINE if shard.is_first else ())}
        assert all(each.condition.subject == subject for subject, each in known.items())
    assert cycle(path, Shard(0, 3), (*OF_SHARD, *OF_MACHINE), MINUTE) == []


@pytest.mark.parametrize("counts", [(1, 2), (2, 3), (3, 1), (3, 2)])
def test_incidents_move_with_their_symbols(counts: tuple[int, int], tmp_path: Path) -> None:
    path, (before, after) = tmp_path / "book", counts
    for shard in shards(before):
        cycle(path, shard, owned(shard), 0 * MINUTE)
    opened = {name: each.alerted_at for name, each in AlertBook(path).incidents().items()}
    muted, acknowledged = SUBJECTS[0], SUBJECTS[1]
    until = NOW + timedelta(hours=9)
    AlertBook(path).mute([muted], until, MuteKind.MUTE)
    AlertBook(path).mute([acknowledged], until, MuteKind.ACKNOWLEDGE)
    for shard in shards(after):
        assert cycle(path, shard, owned(shard), MINUTE) == []
    now = AlertBook(path).incidents()
    assert {name: each.alerted_at for name, each in now.items()} == opened
    assert {each.subject for each in AlertBook(path).mutes(NOW + MINUTE)} == {muted, acknowledged}
    recovered = [subjects_of(cycle(path, shard, (), 2 * MINUTE)) for shard in shards(after)]
    assert set().union(*recovered) == set(SUBJECTS) - {muted}
    assert AlertBook(path).incidents() == {}
    assert [each.subject for each in AlertBook(path).mutes(NOW + 2 * MINUTE)] == [muted]


@pytest.mark.parametrize("after", [1, 2])
def test_incidents_of_shards_that_are_no_more_end(after: int, tmp_path: Path) -> None:
    path = tmp_path / "book"
    for shard in shards(3):
        cycle(path, shard, OF_SHARD, 0 * MINUTE)
    left = {f"{subject} (shard {n})" for subject in OF_SHARD for n in range(after, 3)}
    recovered = subjects_of(cycle(path, Shard(0, after), OF_SHARD, MINUTE))
    assert recovered == left
    assert cycle(path, Shard(0, after), OF_SHARD, 2 * MINUTE) == []


def test_without_shards_all_names_are_as_they_were() -> None:
    whole = ShardSubjects(ALONE)
    wrong = [stale(subject) for subject in (*SUBJECTS, *OF_SHARD, *OF_MACHINE)]
    assert whole.named(wrong) == wrong
    assert all(whole.owns(each.subject) for each in wrong)


def test_every_name_has_one_owner() -> None:
    names = [*SUBJECTS, *OF_SHARD, *OF_MACHINE, "sensor x (shard 2)", "job y (shard 9)"]
    for count in (1, 2, 3):
        for name in names:
            assert sum(ShardSubjects(each).owns(name) for each in shards(count)) == 1
    assert ShardSubjects(Shard(shard_of("C0/USDT", 3), 3)).owns("C0/USDT 1h")
