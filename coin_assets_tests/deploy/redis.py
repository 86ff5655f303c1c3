"""A real Redis on loopback, in a temporary folder; it ends with the process that asked for it."""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coin_assets_tests.webui import free_port

PROGRAM = shutil.which("redis-server")
requires_redis = pytest.mark.skipif(
    PROGRAM is None, reason="no Redis server here; Debian's package is redis-server"
)
_START_SECONDS = 30


class Redis:
    """A server in a folder that keeps its queues over restarts, as in deploy/compose.yaml."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        assert PROGRAM is not None
        with (self._folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig=TERM", PROGRAM),
                    *("--bind", "127.0.0.1", "--port", str(self.port)),
                    *("--dir", str(self._folder), "--appendonly", "yes", "--save", ""),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        """End it, and its clients' connections."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)
            self._process = None

    def empty(self) -> None:
        """Lose everything, as a server without a disk does."""
        self._command("FLUSHALL")

    def length(self, queue: str) -> int:
        """Tasks that wait in a queue."""
        return int(self._command("LLEN", queue))

    def tasks(self, queue: str) -> list[str]:
        """What waits in a queue, as text."""
        count = self.length(queue)
        return [self._command("LINDEX", queue, str(number)) for number in range(count)]

    def _answers(self) -> bool:
        try:
            return self._command("PING") == "PONG"
        except AssertionError:
            return False

    def _command(self, *words: str) -> str:
        asked = subprocess.run(
            ["redis-cli", "-p", str(self.port), *words], capture_output=True, text=True, check=False
        )
        assert asked.returncode == 0, asked.stderr
        return asked.stdout.strip()


@contextmanager
def running() -> Iterator[Redis]:
    """A fresh server until the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="coin_assets_redis_"))
    server = Redis(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
