"""The supervisor with small programs in place of Dagster's servers."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from coin_assets.supervision import processes
from coin_assets.supervision.parts import SOUND_SECONDS, CodeLocation, Part, Plan
from coin_assets_tests.webui import ROOT

WAIT_SECONDS = 60
CODE = """
    import os, socket, sys, time
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(sys.argv[2])
        server.listen()
        note("code")
        if not os.fork():
            note("inner")
        time.sleep(600)
"""
SERVER = """
    import time
    note(sys.argv[2])
    time.sleep(600)
"""
# It notes itself in a file of its own: others are looked at in their order.
WATCHER = """
    import os, time
    from pathlib import Path
    with Path(sys.argv[1]).with_name("watchers").open("a") as file:
        file.write(f"{os.getpid()}\\n")
    time.sleep(600)
"""
# A daemon whose child leaves it for a session of its own, and ignores interrupts.
PARENT = """
    import os, signal, time
    note("daemon")
    if not os.fork():
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        note("stubborn")
    time.sleep(600)
"""
SWEEP = """
    import time
    time.sleep(0.5)
    note("sweep")
"""
NOTE = """
import sys
from pathlib import Path
def note(name):
    import os
    with Path(sys.argv[1]).open("a") as file:
        file.write(f"{name} {os.getpid()}\\n")
"""


class Rig:
    """A supervisor in a process, and what its programs have noted."""

    def __init__(self, folder: Path, **programs: str) -> None:
        self.log, self._notes = folder / "log", folder / "notes"
        self.shared = Path(tempfile.mkdtemp(prefix="coin_sup_"))
        self._notes.touch()

        def command(name: str, default: str, *words: str) -> tuple[str, ...]:
            text = NOTE + textwrap.dedent(programs.get(name, default))
            return (sys.executable, "-c", text, str(self._notes), *words)

        path = str(self.shared / "0.sock")
        plan = Plan(
            locations=(CodeLocation("here", command("code", CODE, path), path),),
            web=command("web", SERVER, "web"),
            daemon=command("daemon", SERVER, "daemon"),
            watcher=command("watcher", WATCHER),
            sweep=command("sweep", SWEEP),
            folder=str(self.shared),
        )
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "coin_assets.supervision", plan.write()],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def notes(self) -> list[str]:
        """Names in the order in which they were noted."""
        return [line.split()[0] for line in self._notes.read_text().splitlines()]

    def pid(self, name: str) -> int:
        """Newest process that noted this name."""
        self.until(lambda: name in self.notes())
        lines = [line.split() for line in self._notes.read_text().splitlines()]
        return int([number for noted, number in lines if noted == name][-1])

    def until(self, met: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not met():
            assert time.monotonic() < deadline, self.log.read_text() + str(self.notes())
            time.sleep(0.02)

    def begun(self) -> list[psutil.Process]:
        """All processes, as soon as every server has started."""
        self.until(lambda: {"web", "daemon", "inner"} <= set(self.notes()))
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def started(**programs: str) -> Rig:
        made.append(Rig(tmp_path, **programs))
        return made[-1]

    yield started
    for rig in made:
        rig.process.kill()
        rig.process.wait()


def gone(processes: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=WAIT_SECONDS)
    return not [each for each in alive if each.status() != psutil.STATUS_ZOMBIE]


def test_servers_wait_for_the_code_location(start: Callable[..., Rig]) -> None:
    rig = start(code="import time\ntime.sleep(2)" + textwrap.dedent(CODE))
    rig.begun()
    assert rig.notes()[0] == "code"
    assert rig.log.read_text() == ""


@pytest.mark.parametrize("name", ["web", "daemon", "code"])
def test_a_killed_server_starts_again_alone(start: Callable[..., Rig], name: str) -> None:
    rig = start()
    rig.begun()
    others = {"web", "daemon", "code"} - {name}
    kept = {each: rig.pid(each) for each in others}
    os.kill(killed := rig.pid(name), signal.SIGKILL)
    rig.until(lambda: rig.pid(name) != killed)
    assert {each: rig.pid(each) for each in others} == kept
    (line,) = rig.log.read_text().splitlines()
    assert line.startswith("make up: the ")
    assert line.endswith("was killed (SIGKILL); it starts again in 1 s")


def test_the_watcher_starts_before_the_code_and_again_when_it_is_killed(
    start: Callable[..., Rig],
) -> None:
    rig = start(code="import time\ntime.sleep(600)")

    def watchers() -> list[int]:
        path = rig.log.with_name("watchers")
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    rig.until(lambda: len(watchers()) == 1)
    os.kill(watchers()[0], signal.SIGKILL)
    rig.until(lambda: len(watchers()) == 2)
    assert rig.log.read_text() == (
        "make up: the watcher was killed (SIGKILL); it starts again in 1 s\n"
    )
    assert rig.notes() == []  # the others wait for the code


def test_runs_are_swept_before_the_daemon_starts_again(start: Callable[..., Rig]) -> None:
    rig = start()
    rig.begun()
    os.kill(killed := rig.pid("daemon"), signal.SIGKILL)
    rig.until(lambda: rig.pid("daemon") != killed)
    assert rig.notes()[-2:] == ["sweep", "daemon"]


def test_a_code_server_without_code_starts_again(start: Callable[..., Rig]) -> None:
    rig = start()
    rig.begun()
    time.sleep(5)  # it is looked at every two seconds
    first = rig.pid("code")
    os.kill(rig.pid("inner"), signal.SIGKILL)
    rig.until(lambda: rig.pid("code") != first)
    assert "the code server here that holds the code has ended" in rig.log.read_text()


def test_a_server_that_ends_at_once_is_started_ever_later(start: Callable[..., Rig]) -> None:
    rig = start(web="note('web')\nsys.exit(3)")
    rig.until(lambda: rig.notes().count("web") >= 3)
    rig.until(lambda: len(rig.log.read_text().splitlines()) >= 3)
    assert rig.log.read_text().splitlines()[:3] == [
        f"make up: the web server ended (code 3); it starts again in {seconds} s"
        for seconds in (1, 2, 4)
    ]


def test_a_machine_without_processes_delays_a_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(processes, "start", refused)
    part = Part("daemon", ("true",))
    with pytest.raises(OSError, match="unavailable"):
        part.start(1000.0, 1)
    assert part.process_id is None
    assert part.failed("could not start", 1000.0) == (
        "the daemon could not start; it starts again in 1 s"
    )
    assert part.due == 1001.0
    lived = 1000.0 + SOUND_SECONDS
    assert part.failed("ended", lived).endswith("in 1 s")  # it was sound for a while


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_processes(start: Callable[..., Rig], sent: signal.Signals) -> None:
    rig = start()
    family = rig.begun()
    rig.process.send_signal(sent)
    assert rig.process.wait(WAIT_SECONDS) == 0
    assert gone(family)
    assert rig.log.read_text() == "make up: stopped\n"
    assert not rig.shared.exists()


def test_processes_that_left_their_parent_are_killed_in_the_end(start: Callable[..., Rig]) -> None:
    rig = start(daemon=PARENT)
    family = [*rig.begun(), psutil.Process(rig.pid("stubborn"))]
    os.kill(rig.pid("daemon"), signal.SIGKILL)
    rig.until(lambda: rig.notes().count("daemon") == 2)
    rig.process.send_signal(signal.SIGTERM)
    assert rig.process.wait(WAIT_SECONDS) == 0
    assert gone(family)


def test_a_second_interrupt_kills_at_once(start: Callable[..., Rig]) -> None:
    rig = start(daemon=PARENT)
    family = [*rig.begun(), psutil.Process(rig.pid("stubborn"))]
    began = time.monotonic()
    rig.process.send_signal(signal.SIGINT)
    assert gone([psutil.Process(rig.pid("web"))])
    rig.process.send_signal(signal.SIGINT)
    assert rig.process.wait(WAIT_SECONDS) == 130
    assert gone(family)
    assert time.monotonic() - began < 14  # it does not wait for the stubborn one
    assert rig.log.read_text() == "make up: killed\n"


def test_no_server_outlives_a_killed_supervisor(start: Callable[..., Rig]) -> None:
    rig = start()
    rig.begun()
    servers = [psutil.Process(rig.pid(name)) for name in ("web", "daemon", "code")]
    inner = psutil.Process(rig.pid("inner"))
    rig.process.kill()
    assert gone(servers)
    inner.kill()  # Dagster's ends by itself when nobody calls it
