"""Locks in PostgreSQL, with real processes and a real server.

- One process at a time holds the lock of a folder; whoever waits too long learns who holds it.
- A holder that is stopped for longer than its lease, whose session is ended, or whose server is
  restarted writes nothing any more, at whatever point it was stopped.
- A busy holder keeps its lock; the lock of a killed one is free at once.
- A thread has one session, however many locks it holds; threads exclude each other as processes do.
"""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from coin_assets.errors import LockLost, LockUnavailable
from coin_assets.files.atomic import write_atomically
from coin_assets.files.leases import require_leases
from coin_assets.files.locks import FileLocks, chosen_locks, locked, use_locks
from coin_assets.files.postgres_locks import PostgresLocks, key_of
from coin_assets_tests.deploy.lock_holder import FOLDER
from coin_assets_tests.deploy.postgres import Postgres, requires_postgres, running

pytestmark = requires_postgres
LEASE, PATIENCE = 2.0, 60.0
_ANSWER_SECONDS = 120.0
_SESSIONS = "pg_stat_activity"
_OURS = "application_name like 'coin_assets %'"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running() as server:
        yield server


@pytest.fixture(autouse=True)
def own_locks() -> Iterator[None]:
    """Whatever a test chooses, the next one locks files."""
    yield
    if isinstance(used := chosen_locks(), PostgresLocks):
        used.close()
    use_locks(FileLocks())


class Holder:
    """A `lock_holder`, from the test's side."""

    def __init__(self, server: Postgres, home: Path, lease: float, patience: float) -> None:
        environment = server.environment | {"DAGSTER_POSTGRES_PASSWORD": server.password}
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "coin_assets_tests.deploy.lock_holder"),
                *(str(home), str(lease), str(patience)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
        )

    def begin(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()

    def answer(self, seconds: float = _ANSWER_SECONDS) -> str:
        """The next answer; empty if none comes in time."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        return self._process.stdout.readline().strip() if ready else ""

    def do(self, command: str) -> str:
        self.begin(command)
        return self.answer()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def until_stopped(self) -> None:
        process = psutil.Process(self._process.pid)
        while process.status() != psutil.STATUS_STOPPED:
            time.sleep(0.02)

    def end(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()  # a stopped one as well
        self._process.wait()


@pytest.fixture
def holders(server: Postgres, tmp_path: Path) -> Iterator[Callable[..., Holder]]:
    """Starts processes that contend for the lock of one folder."""
    with ExitStack() as stack:

        def started(lease: float = LEASE, patience: float = PATIENCE) -> Holder:
            holder = Holder(server, tmp_path, lease, patience)
            stack.callback(holder.end)
            return holder

        yield started


def content(home: Path) -> str:
    """What the file says; nothing else may be left beside it."""
    folder = home / FOLDER
    assert [each.name for each in folder.iterdir()] == ["file"]
    return (folder / "file").read_text()


def test_processes_that_contend_lose_no_write(
    holders: Callable[..., Holder], tmp_path: Path
) -> None:
    write_atomically(tmp_path / FOLDER / "file", b"0")
    both = holders(), holders()
    for each in both:
        each.begin("increment 100")
    assert [each.answer() for each in both] == ["ok", "ok"]
    assert content(tmp_path) == "200"


def test_who_waits_too_long_learns_who_holds_the_lock(
    holders: Callable[..., Holder],
) -> None:
    first, second = holders(), holders(patience=1.0)
    assert first.do("take") == "ok"
    told = second.do("take")
    assert told.startswith("LockUnavailable")
    assert FOLDER in told
    assert f"'coin_assets {os.uname().nodename} {first._process.pid}' from 127.0.0.1" in told
    assert first.do("drop") == "ok"
    assert second.do("take") == "ok"


def test_a_holder_stopped_past_its_lease_writes_nothing(
    holders: Callable[..., Holder], tmp_path: Path
) -> None:
    first, second = holders(), holders()
    assert first.do("take") == "ok"
    first.signal(signal.SIGSTOP)
    assert second.do("take") == "ok"  # once the lease is over
    assert second.do("write two") == "ok"
    first.signal(signal.SIGCONT)
    told = first.do("write one")
    assert told.startswith("LockLost")
    assert "Nothing was written" in told
    assert content(tmp_path) == "two"
    assert second.do("write still two") == "ok"
    assert content(tmp_path) == "still two"
    assert (first.do("drop"), second.do("drop"), first.do("take")) == ("ok", "ok", "ok")
    assert first.do("write one") == "ok"
    assert content(tmp_path) == "one"


def test_a_holder_stopped_between_check_and_rename_writes_nothing(
    holders: Callable[..., Holder], tmp_path: Path
) -> None:
    first, second = holders(), holders()
    assert first.do("take") == "ok"
    first.begin("write-late one")
    first.until_stopped()
    assert second.do("take") == "ok"
    assert second.do("write two") == "ok"
    first.signal(signal.SIGCONT)
    assert first.answer().startswith("FileNotFoundError")
    assert content(tmp_path) == "two"


def test_a_holder_whose_session_is_ended_writes_nothing(
    server: Postgres, holders: Callable[..., Holder], tmp_path: Path
) -> None:
    holder = holders(lease=600.0)
    assert (holder.do("take"), holder.do("write one")) == ("ok", "ok")
    ended = server.run(f"select pg_terminate_backend(pid) from {_SESSIONS} where {_OURS}")  # noqa: S608
    assert ended == [(True,)]
    assert holder.do("write two").startswith("LockLost")
    assert content(tmp_path) == "one"


def test_a_holder_writes_nothing_after_a_restart_of_the_server(
    server: Postgres, holders: Callable[..., Holder], tmp_path: Path
) -> None:
    holder = holders(lease=600.0)
    assert (holder.do("take"), holder.do("write one")) == ("ok", "ok")
    server.stop()
    try:
        assert holder.do("write two").startswith("LockLost")
        assert holder.do("drop") == "ok"
        told = holder.do("take")
        assert told.startswith("LockUnavailable")
        assert "127.0.0.1" in told
    finally:
        server.start()
    assert content(tmp_path) == "one"
    assert (holder.do("take"), holder.do("write three")) == ("ok", "ok")
    assert content(tmp_path) == "three"


def test_a_slow_holder_keeps_its_lock(holders: Callable[..., Holder], tmp_path: Path) -> None:
    first, second = holders(lease=0.5), holders()
    assert first.do("take") == "ok"
    second.begin("take")
    assert second.answer(2.5) == ""  # five leases
    assert first.do("write one") == "ok"
    assert first.do("drop") == "ok"
    assert second.answer() == "ok"
    assert content(tmp_path) == "one"


def test_the_lock_of_a_killed_holder_is_free_at_once(holders: Callable[..., Holder]) -> None:
    first, second = holders(lease=600.0), holders(patience=20.0)
    assert first.do("take") == "ok"
    first.signal(signal.SIGKILL)
    assert second.do("take") == "ok"


def test_a_thread_has_one_session_and_excludes_the_others(server: Postgres, tmp_path: Path) -> None:
    use_locks(PostgresLocks(server.parameters, tmp_path, LEASE, 1.0))
    one, two = tmp_path / "one", tmp_path / "two"
    found: list[type[Exception] | None] = []

    def contend(folder: Path) -> None:
        try:
            with locked(folder):
                found.append(None)
        except LockUnavailable as error:
            found.append(type(error))

    with locked(one), locked(two):
        require_leases()
        assert server.count(_SESSIONS, _OURS) == 1
        for folder in (two, tmp_path / "three"):
            thread = threading.Thread(target=contend, args=[folder])
            thread.start()
            thread.join()
    assert found == [LockUnavailable, None]
    contend(two)
    assert found[-1] is None


def test_a_lock_lost_within_another_is_noticed_by_both(server: Postgres, tmp_path: Path) -> None:
    use_locks(PostgresLocks(server.parameters, tmp_path, LEASE, 1.0))
    with locked(tmp_path / "one"):
        with locked(tmp_path / "two"):
            server.run(f"select pg_terminate_backend(pid) from {_SESSIONS} where {_OURS}")  # noqa: S608
            with pytest.raises(LockLost):
                require_leases()
        with pytest.raises(LockLost):
            require_leases()


def test_a_forked_process_has_sessions_of_its_own(server: Postgres, tmp_path: Path) -> None:
    use_locks(PostgresLocks(server.parameters, tmp_path, 600.0, PATIENCE))
    with locked(tmp_path / "one"):
        child = os.fork()
        if not child:
            with locked(tmp_path / "two"):
                require_leases()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        require_leases()


def test_idle_sessions_are_closed_before_the_server_ends_them(
    server: Postgres, tmp_path: Path
) -> None:
    use_locks(PostgresLocks(server.parameters, tmp_path, 1.0, PATIENCE))
    before = server.log.count("idle-session timeout")
    with locked(tmp_path / "one"):
        pass
    deadline = time.monotonic() + 30
    while server.count(_SESSIONS, _OURS):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert server.log.count("idle-session timeout") == before


def test_a_server_that_refuses_is_named(server: Postgres, tmp_path: Path) -> None:
    wrong = server.parameters | {"password": "wrong"}
    locks = PostgresLocks(wrong, tmp_path)
    expected = r"candles.*127\.0\.0\.1.*authentication failed"
    with pytest.raises(LockUnavailable, match=expected), locks.held(tmp_path / "candles"):
        pass


def test_a_key_is_the_same_everywhere(tmp_path: Path) -> None:
    """Machines of two releases, and with homes at two places, mean the same lock."""
    assert key_of("candles/symbol=BTC_USDT/timeframe=1h") == 39783700534139319
    assert PostgresLocks({}, tmp_path)._name(tmp_path / "a/b") == "a/b"
    assert PostgresLocks({}, tmp_path)._name(Path("/elsewhere")) == "/elsewhere"
