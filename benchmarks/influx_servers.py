"""Servers for the benchmark ``influxdb``, none in its process.

    python -m benchmarks.influx_servers <url>

A repeater: it prints its address, passes each question on to the server at ``url`` the first time,
and repeats the answer, byte for byte, whenever the same request comes again.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import urllib3

from benchmarks.harness import ROOT
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
        yield _connection(named), "the server"
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


def _connection(named: dict[str, str]) -> Connection:
    url, org, bucket, token = (named[name] for name in VARIABLES)
    return Connection(url, org, bucket, token)


class _Repeater(BaseHTTPRequestHandler):
    """Answers leave in pieces, as the server's own do."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server_url = ""
    upstream = urllib3.PoolManager()
    known: dict[tuple[str, str, bytes], urllib3.BaseHTTPResponse] = {}  # noqa: RUF012 (by class)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        question = self.path, self.headers.get("Accept-Encoding", ""), body
        if question not in self.known:
            self.known[question] = self.upstream.request(
                "POST",
                f"{self.server_url}{self.path}",
                body=body,
                headers={name: self.headers[name] for name in _PASSED_ON if name in self.headers},
                decode_content=False,
            )
        answer = self.known[question]
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

    def log_message(self, *_: object) -> None:
        """Nothing but its address is printed."""


def main() -> None:
    _Repeater.server_url = sys.argv[1]
    with ThreadingHTTPServer(("127.0.0.1", 0), _Repeater) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
