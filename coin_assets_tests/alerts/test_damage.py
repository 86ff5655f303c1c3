"""A damaged ``alerts.sqlite`` silences nothing: a new file begins, and a message says so."""

import contextlib
import functools
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from coin_assets.alerts import database
from coin_assets.alerts.channels import Channel, channels_of
from coin_assets.alerts.database import AlertsLocked
from coin_assets.alerts.incidents import MuteKind
from coin_assets.alerts.outbox import AlertBook
from coin_assets.config.addresses import Webhook
from coin_assets.errors import CorruptArtefact, MachineFault
from coin_assets.files.sqlite import damage_of, files_set_aside
from coin_assets_tests.alerts.cycles import BTC, ETH, MINUTE, NOW, RULES, XRP, stale
from coin_assets_tests.alerts.receiver import Receiver

SUBJECT = "alerts database"
Damage = Callable[[Path], object]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def channels(receiver: Receiver) -> tuple[Channel, ...]:
    return channels_of((Webhook("json", receiver.url),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alerts.sqlite"


@functools.cache
def content() -> bytes:
    """A book with incidents, a mute, and undelivered messages, on some pages."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "alerts.sqlite")
        book = AlertBook(path)
        for minute in range(21):
            wrong = [stale(BTC, cause=f"{minute}"), stale(ETH)] if minute % 2 == 0 else []
            book.advance(wrong, NOW - (21 - minute) * MINUTE, RULES, ["a removed channel"])
        book.mute([XRP], NOW + 60 * MINUTE, MuteKind.MUTE, "planned")
        return path.read_bytes()


def filled(path: Path) -> AlertBook:
    path.write_bytes(content())
    return AlertBook(path)


def cycle(book: AlertBook, channels: tuple[Channel, ...], *subjects: str) -> set[str]:
    """One cycle of the alerting; the subjects that it reported to the channels."""
    wrong = [stale(subject, since=NOW) for subject in subjects]
    messages = book.advance(wrong, NOW, RULES, [each.id for each in channels])
    report = book.deliver(channels, lambda: NOW, 60, print)
    assert report.failed == ()
    return {subject for each in messages for subject in each.subjects}


def overwritten(path: Path) -> None:
    path.write_bytes(b"no database")


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut_short(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 + 100])


def replaced_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def of_another_version(path: Path) -> None:
    execute(path, f"PRAGMA user_version = {database.VERSION + 1}")


def without_a_table(path: Path) -> None:
    execute(path, "DROP TABLE incidents")


def without_a_column(path: Path) -> None:
    execute(path, "ALTER TABLE deliveries DROP COLUMN tries")


def with_text_that_is_none(path: Path) -> None:
    execute(path, "UPDATE incidents SET document = cast(x'7bff7d' AS TEXT)")


def with_half_a_document(path: Path) -> None:
    execute(path, "UPDATE incidents SET document = substr(document, 1, 99)")


def with_a_time_without_zone(path: Path) -> None:
    execute(path, "UPDATE mutes SET until = '2026-11-22T20:00:00'")


def with_the_log_of_another(path: Path) -> None:
    """The log of a database with other tables; SQLite checks only that a log is whole."""
    other = path.with_name("other")
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (x)")
        connection.commit()
        shutil.copy(f"{other}-wal", f"{path}-wal")
    for each in path.parent.glob("other*"):
        each.unlink()


def execute(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(sql)


DAMAGES = (
    overwritten,
    emptied,
    cut_short,
    replaced_by_a_folder,
    of_another_version,
    without_a_table,
    without_a_column,
    with_text_that_is_none,
    with_half_a_document,
    with_a_time_without_zone,
    with_the_log_of_another,
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_new_file_begins_and_a_message_names_the_old_one(
    path: Path, channels: tuple[Channel, ...], receiver: Receiver, damage: Damage
) -> None:
    book = filled(path)
    damage(path)
    # Damage that only the delivery meets is reported by the cycle after it.
    assert cycle(book, channels, BTC) | cycle(book, channels, BTC) >= {BTC, SUBJECT}
    ((aside, _),) = files_set_aside(path)
    (about,) = [body for body in receiver.accepted if body["subjects"] == [SUBJECT]]
    assert about["title"] == f"set aside: {SUBJECT}"
    assert str(aside) in about["text"]
    assert [body["subjects"] for body in receiver.accepted if body is not about] == [[BTC]]
    assert cycle(book, channels, BTC) == set()
    # It stands until somebody has taken the old file away.
    for each in path.parent.glob(f"{aside.name}*"):
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    assert cycle(book, channels, BTC) == {SUBJECT}
    assert [body["kind"] for body in receiver.accepted][2:] == ["recovery"]
    assert list(book.incidents()) == [BTC]


def test_incidents_are_read_from_a_new_file(path: Path, channels: tuple[Channel, ...]) -> None:
    book = filled(path)
    assert set(book.incidents()) == {BTC, ETH}
    without_a_table(path)
    assert book.incidents() == {}
    assert cycle(book, channels, BTC) == {BTC, SUBJECT}


@pytest.mark.parametrize("damage", [overwritten, cut_short, without_a_table, replaced_by_a_folder])
def test_commands_name_the_damage_and_move_nothing(path: Path, damage: Damage) -> None:
    book = filled(path)
    damage(path)
    for use in (lambda: book.overview(NOW), lambda: book.mute([BTC], NOW, MuteKind.MUTE)):
        with pytest.raises(CorruptArtefact, match="moves it aside in its next cycle"):
            use()
    assert files_set_aside(path) == []


@pytest.mark.parametrize("rounds", [1, pytest.param(30, marks=pytest.mark.slow)])
def test_flipped_bytes_anywhere_silence_nothing(
    tmp_path: Path, channels: tuple[Channel, ...], rounds: int
) -> None:
    pages, dice = len(content()) // 4096, random.Random(11)
    assert pages >= 10
    set_aside = 0
    for number in range(rounds * pages):
        path = tmp_path / str(number) / "alerts.sqlite"
        path.parent.mkdir()
        flipped = bytearray(content())
        for _ in range(dice.choice((1, 20))):
            within = dice.randrange(dice.choice((100, 4096)))
            flipped[number % pages * 4096 + within] ^= dice.randrange(1, 256)
        path.write_bytes(flipped)
        book, subject = AlertBook(path), f"C{number}/USDT 1h"
        if subject not in cycle(book, channels, subject):
            cycle(book, channels, subject)
        assert subject in book.incidents()
        assert (SUBJECT in book.incidents()) == bool(files_set_aside(path))
        set_aside += SUBJECT in book.incidents()
    assert set_aside > 0.3 * rounds * pages


def test_a_file_that_stays_locked_is_set_aside(
    path: Path,
    channels: tuple[Channel, ...],
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.02)
    book = filled(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO channels VALUES ('x', '')")
        for _ in range(2):
            with pytest.raises(AlertsLocked, match="locked by another process"):
                cycle(book, channels, BTC)
        assert files_set_aside(path) == []
        assert cycle(book, channels, BTC) == {BTC, SUBJECT}
        # The other process writes into the file that it has open, not into the new one.
        with contextlib.suppress(sqlite3.OperationalError):
            other.execute("COMMIT")
    assert damage_of(path) is None
    assert set(book.incidents()) == {BTC, SUBJECT}
    assert len(receiver.accepted) == 2


def test_a_short_lock_is_forgotten(
    path: Path, channels: tuple[Channel, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.02)
    book = filled(path)
    for _ in range(3):
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for _ in range(2):
                with pytest.raises(AlertsLocked):
                    cycle(book, channels, BTC)
        cycle(book, channels, BTC)
    assert files_set_aside(path) == []


def test_a_full_disk_moves_nothing(
    path: Path, channels: tuple[Channel, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    book = filled(path)
    connect = database.Database._connect

    def full(self: database.Database) -> sqlite3.Connection:
        """SQLITE_FULL, as os_unix.c returns it for ENOSPC."""
        connection = connect(self)
        connection.execute("PRAGMA max_page_count = 1")
        return connection

    with monkeypatch.context() as patched:
        patched.setattr(database.Database, "_connect", full)
        with pytest.raises(MachineFault) as caught:
            cycle(book, channels, *(f"C{number}/USDT 1h" for number in range(100)))
    assert caught.value.errno_name == "ENOSPC"
    assert files_set_aside(path) == []
    assert "DOGE/USDT 1h" in cycle(book, channels, "DOGE/USDT 1h")
