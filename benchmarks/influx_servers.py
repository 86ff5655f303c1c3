"""Servers for the benchmark ``influxdb``.

    python -m benchmarks.influx_servers <url>

A repeater, in a process of its own: it prints its address, passes each question on to the server
at ``url`` the first time, and repeats the answer, byte for byte, whenever the same question is
asked again.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import urllib3

from benchmarks.harness import ROOT
from coin_assets.store.influxdb.bucket import Bucket
from coin_assets.store.influxdb.connection import Connection
from coin_assets_tests.influx.process import stand_in_process
from coin_assets_tests.store.influxdb_buckets import VARIABLES

_PASSED_ON = ("Authorization", "Content-Type", "Accept", "Accept-Encoding")
_GIVEN_BACK = ("Content-Type", "Content-Encoding")
_PIECE = 65_536


@contextmanager
def measured_server() -> Iterator[tuple[Connection, str]]:
    """The server that the environment names, else a stand-in; and what to call it."""
    named = {name: os.environ.get(name, "") for name in VARIABLES}
    if all(named.values()):
        connection = _connection(named)
        yield connection, f"InfluxDB {Bucket(connection).ping()['x-influxdb-version']}"
        return
    with stand_in_process() as environment:
        yield _connection(environment), "the stand-in"


@contextmanager
def repeater_of(server: Connection) -> Iterator[Connection]:
    """A process that repeats what ``server`` answers."""
    command = (sys.executable, "-m", "benchmarks.influx_servers", server.url)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield replace(server, url=process.stdout.readline().strip() if process.stdout else "")
        finally:
            process.terminate()


@dataclass
class Traffic:
    """What passed between a client and a server: bodies as they were sent, compressed.

    Attributes:
        asked: bytes to the server.
        answered: bytes from the server.
    """

    requests: int = 0
    asked: int = 0
    answered: int = 0

    def of(self, ask: Callable[[], object]) -> "Traffic":
        """The traffic of ``ask``."""
        before = replace(self)
        ask()
        return Traffic(
            self.requests - before.requests,
            self.asked - before.asked,
            self.answered - before.answered,
        )


@contextmanager
def metered(server: Connection) -> Iterator[tuple[Connection, Traffic]]:
    """A relay to ``server`` in a thread, and what passes it; too slow to measure times with."""
    traffic = Traffic()
    relay = type("_MeterOfServer", (_Meter,), {"server_url": server.url, "traffic": traffic})
    with ThreadingHTTPServer(("127.0.0.1", 0), relay) as meter:
        Thread(target=meter.serve_forever, daemon=True).start()
        try:
            yield replace(server, url=f"http://127.0.0.1:{meter.server_address[1]}"), traffic
        finally:
            meter.shutdown()


def _connection(named: dict[str, str]) -> Connection:
    url, org, bucket, token = (named[name] for name in VARIABLES)
    return Connection(url, org, bucket, token)


class _Relay(BaseHTTPRequestHandler):
    """Answers leave in pieces, as the server's own do."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server_url = ""
    upstream = urllib3.PoolManager()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.answer(body)
        self.send_response(answer.status)
        for name in _GIVEN_BACK:
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(answer.data), _PIECE):
            piece = answer.data[start : start + _PIECE]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def answer(self, body: bytes) -> urllib3.BaseHTTPResponse:
        """What the server answers."""
        return self.upstream.request(
            "POST",
            f"{self.server_url}{self.path}",
            body=body,
            headers={name: self.headers[name] for name in _PASSED_ON if name in self.headers},
            decode_content=False,
        )

    def log_message(self, *_: object) -> None:
        """Nothing but its address is printed."""


class _Repeater(_Relay):
    """Asks the server once."""

    known: dict[tuple[str, str, bytes], urllib3.BaseHTTPResponse] = {}  # noqa: RUF012 (by class)

    def answer(self, body: bytes) -> urllib3.BaseHTTPResponse:
        question = self.path, self.headers.get("Accept-Encoding", ""), body
        if question not in self.known:
            self.known[question] = super().answer(body)
        return self.known[question]


class _Meter(_Relay):
    """Counts what passes; one client at a time."""

    traffic = Traffic()

    def answer(self, body: bytes) -> urllib3.BaseHTTPResponse:
        found = super().answer(body)
        self.traffic.requests += 1
        self.traffic.asked += len(body)
        self.traffic.answered += len(found.data)
        return found


def main() -> None:
    _Repeater.server_url = sys.argv[1]
    with ThreadingHTTPServer(("127.0.0.1", 0), _Repeater) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
