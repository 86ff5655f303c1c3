"""``python -m coin_assets_tests.scale.hosts``: two hosts that share a folder, nothing else.

The other host is a process tree in namespaces of its own: network, process ids, name, mounts. It
sees the home and the published folder, but not the first host's own files. A cable of two virtual
network interfaces connects it with PostgreSQL and Redis. No interface of the machine is touched.
"""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from coin_assets_tests.live.timeline import CALM, DISTURBED
from coin_assets_tests.live.waiting import until
from coin_assets_tests.orchestration.workers.fleet import Worker
from coin_assets_tests.scale.report import tell
from coin_assets_tests.scale.rig import Scale, assembled
from coin_assets_tests.scale.scenario import everything_holds
from coin_assets_tests.scale.stack import LIVE_SLOTS, OTHER_QUEUES, OTHER_SLOTS
from coin_assets_tests.webui import ROOT

OTHER = "other"  # network namespace, and name of the host
_INSIDE = "SCALE_NAMESPACES"  # set in those that this command begins with
_NEAR, _FAR = "10.77.0.1", "10.77.0.2"
_RECORDED = Path(__file__).with_name("recorded")
_CUT_SECONDS = 45.0  # longer than a lease
_FIRST_SECONDS, _BOUNDARY_SECONDS, _HEALING_SECONDS = 900.0, 240.0, 600.0
_SYMBOLS_OF_A_SHARD = 5
# What the first host may lock in the home: files of one process (docs/operations/scale.md).
_OF_ONE_PROCESS = {".up.lock", "alerts/.deliver.lock", "alerts/.lock"}


class OtherHost:
    """The second host, with a cable to this one.

    Args:
        hidden: folders that it sees empty, and cannot write.
    """

    def __init__(self, hidden: Sequence[Path]) -> None:
        self._hidden = hidden
        _run("ip", "netns", "add", OTHER)
        _run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", OTHER)
        _run("ip", "address", "add", f"{_NEAR}/24", "dev", "near")
        _run("ip", "-n", OTHER, "address", "add", f"{_FAR}/24", "dev", "far")
        _run("ip", "-n", OTHER, "link", "set", "lo", "up")
        _run("ip", "-n", OTHER, "link", "set", "far", "up")
        self.cable(is_in=True)

    def cable(self, *, is_in: bool) -> None:
        """Connect the hosts, or cut them off from each other."""
        _run("ip", "link", "set", "near", "up" if is_in else "down")

    def command(self) -> list[str]:
        """The words before a command that is to run there."""
        hide = [f"mount -t tmpfs -o ro,mode=700 none {each}" for each in self._hidden]
        script = " && ".join([f"hostname {OTHER}", *hide, 'exec "$@"'])
        return [
            *("ip", "netns", "exec", OTHER, "unshare", "--mount", "--uts", "--ipc", "--pid"),
            *("--fork", "--mount-proc", "--kill-child", "sh", "-c", script, "sh"),
        ]


class Forwarder:
    """Passes connections to this end of the cable on to ports of this host's loopback."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Close all connections."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        for port in self._ports:
            await asyncio.start_server(partial(_pass_on, port), _NEAR, port)
        await self._ended.wait()


async def _pass_on(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.CancelledError):  # either side may end at any time, and `end`
        theirs, to_them = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_copy(reader, to_them), _copy(theirs, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


def main() -> int:
    if _INSIDE not in os.environ:
        begun = ("unshare", "--net", "--mount", "--uts")
        if subprocess.run([*begun, "true"], capture_output=True, check=False).returncode:
            print("two hosts: not run, namespaces are not permitted here; run it as root")  # noqa: T201
            return 2
        again = [sys.executable, "-m", "coin_assets_tests.scale.hosts"]
        environment = os.environ | {_INSIDE: "1"}
        return subprocess.run([*begun, *again], env=environment, check=False).returncode
    _run("ip", "link", "set", "lo", "up")
    Path("/run/netns").mkdir(exist_ok=True)
    _run("mount", "-t", "tmpfs", "none", "/run/netns")  # seen here only
    try:
        play()
    except Exception:  # noqa: BLE001 (whatever it is, the test has failed)
        traceback.print_exc()
        return 1
    print("two hosts: every expectation was met")  # noqa: T201
    return 0


def play() -> None:
    """Both hosts work; the second is cut off in a run; no lock of a file counts between them.

    Raises:
        AssertionError: an expectation was not met.
    """
    with ExitStack() as cleanup:
        own = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="scale-hosts-")))
        first, second = _local(own / "first"), _local(own / "second")
        scale = cleanup.enter_context(assembled(_SYMBOLS_OF_A_SHARD, first))
        stack, home = scale.stack, scale.stack.installation.home
        (home / "alerts").mkdir(parents=True, exist_ok=True)
        host = OtherHost((own / "first", home / "alerts", home / "dagster"))
        forwarder = Forwarder((stack.postgres.port, stack.redis.port))
        cleanup.callback(forwarder.end)
        failed = True
        try:
            _start(scale, host, second)
            _both_work(scale)
            _cut_off(scale, host)
            _both_work(scale)
            everything_holds(scale)
            _no_file_lock_between(scale, Path(first["HOST_LOCKS"]), Path(second["HOST_LOCKS"]))
            failed = False
        finally:
            tell(scale, None, failed=failed)


def _local(folder: Path) -> dict[str, str]:
    """Variables of a host whose own files are in ``folder``."""
    (folder / "dagster").mkdir(parents=True)
    (folder / "tmp").mkdir()
    (folder / "locks").touch()
    return {
        "COIN_DAGSTER_HOME": str(folder / "dagster"),
        "TMPDIR": str(folder / "tmp"),
        "HOST_LOCKS": str(folder / "locks"),
        "PYTHONPATH": f"{_RECORDED}{os.pathsep}{ROOT}",
    }


def _start(scale: Scale, host: OtherHost, local: Mapping[str, str]) -> None:
    stack, made = scale.stack, scale.stack.installation
    there = {
        **made.environment,
        **local,
        "DAGSTER_POSTGRES_HOST": _NEAR,
        "DAGSTER_CELERY_BROKER": f"redis://{_NEAR}:{stack.redis.port}/0",
    }

    def elsewhere(queue: str, slots: int) -> Worker:
        return Worker(Path(local["TMPDIR"]), there, queue, slots, host.command())

    with scale.timeline.step("two hosts with a worker for live runs each; an empty home"):
        stack.start("first")
        stack.live[OTHER] = elsewhere("live", LIVE_SLOTS)
        stack.others += [elsewhere(queue, OTHER_SLOTS) for queue in OTHER_QUEUES]
        made.start()
        scale.await_boundary(_FIRST_SECONDS)
        scale.await_fresh(_FIRST_SECONDS, trained=True)
        scale.timeline.note(CALM, "everything was published")


def _both_work(scale: Scale) -> None:
    with scale.timeline.step("workers of both hosts execute runs"):
        for name in (socket.gethostname(), OTHER):
            scale.until(
                f"a run on {name}",
                partial(scale.stack.holders, name),
                _HEALING_SECONDS,
                scale.stack.log,
            )
        scale.await_boundary(_BOUNDARY_SECONDS)


def _cut_off(scale: Scale, host: OtherHost) -> None:
    with scale.timeline.step(f"the other host is cut off for {_CUT_SECONDS:.0f} s in a run"):
        until("a run there", partial(scale.stack.holders, OTHER), _HEALING_SECONDS)
        host.cable(is_in=False)
        scale.timeline.note(DISTURBED, "the cable is cut")
        time.sleep(_CUT_SECONDS)
        assert not scale.stack.holders(OTHER), "a host that is cut off holds locks"
        scale.await_boundary(_HEALING_SECONDS)
        host.cable(is_in=True)
        scale.timeline.note("up", "the cable is in again")
        scale.await_boundary(_HEALING_SECONDS)
        scale.await_fresh(_HEALING_SECONDS)
        scale.timeline.note(CALM, "everything is fresh")


def _no_file_lock_between(scale: Scale, first: Path, second: Path) -> None:
    home = scale.stack.installation.home
    with scale.timeline.step("no file of the shared folder is locked by both"):
        by_first, by_second = _locked_in(home, first), _locked_in(home, second)
        assert not by_second, f"the other host locked {sorted(by_second)}"
        assert by_first <= _OF_ONE_PROCESS, f"the first host locked {sorted(by_first)}"
        scale.timeline.note("met", f"the first host locked {sorted(by_first)}, the other nothing")


def _locked_in(home: Path, listed: Path) -> set[str]:
    """Files of the home that a host has locked."""
    files = map(Path, listed.read_text().splitlines())
    return {str(each.relative_to(home)) for each in files if each.is_relative_to(home)}


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    sys.exit(main())
