"""Readers over HTTP while files are published: those that follow ``object`` never meet a mismatch.

Neither from the server itself, nor behind a cache that serves the manifest late. Readers of the
names that stay do behind such a cache, which shows that the load is one at which it matters.
"""

import hashlib
import http.client
import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from coin_assets.publish.publisher import Publisher
from coin_assets_tests.publish.test_publisher import (
    AS_OF,
    BTC,
    BTC_DAILY,
    ETH,
    LIMITS,
    publish,
    publisher_of,
)
from coin_assets_tests.webui import ROOT, environment, free_port

HOST, READERS = "127.0.0.1", 8


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """Port of ``make site`` over a folder."""
    port = free_port()
    command = [sys.executable, "-m", "coin_assets.commands.site", "--port", str(port)]
    env = environment(folder.parent, COIN_PUBLISH_DIR=str(folder), PYTHONPATH=str(ROOT))
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 60
            while True:
                try:
                    http.client.HTTPConnection(HOST, port).connect()
                    break
                except OSError:
                    assert process.poll() is None
                    assert time.monotonic() < until
                    time.sleep(0.05)
            yield port
        finally:
            process.terminate()


@contextmanager
def late(upstream: int, seconds: float) -> Iterator[int]:
    """Port of a cache that serves the manifest for some seconds, whatever its headers say.

    All else it serves for half as long: entries of a cache do not end together.

    As nginx does with ``proxy_cache_valid 200 1m; proxy_ignore_headers Cache-Control`` (its
    documentation of ngx_http_proxy_module) and content delivery networks with a forced lifetime
    ("the no-cache setting of the origin server is ignored", Huawei Cloud CDN, Forcible Cache).
    """
    kept: dict[str, tuple[float, bytes]] = {}

    class Cache(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            known = kept.get(self.path)
            lifetime = seconds if self.path.endswith("manifest.json") else seconds / 2
            if known is None or time.monotonic() - known[0] >= lifetime:
                status, body = get(http.client.HTTPConnection(HOST, upstream), self.path)
                if status == 200:
                    known = kept[self.path] = time.monotonic(), body
                elif known is None or not self.path.endswith("manifest.json"):
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
            self.send_response(200)
            self.send_header("Content-Length", str(len(known[1])))
            self.end_headers()
            self.wfile.write(known[1])

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer((HOST, 0), Cache)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def get(connection: http.client.HTTPConnection, path: str) -> tuple[int, bytes]:
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()


class Reader(threading.Thread):
    """Reads the manifest, then each file that it lists, until it is stopped.

    Args:
        follows: member of a file reference that it requests.
    """

    def __init__(self, port: int, follows: str) -> None:
        super().__init__(daemon=True)
        self.seen: Counter[str] = Counter()
        self.error: Exception | None = None
        self._port, self._follows = port, follows
        self._stopped = threading.Event()

    def run(self) -> None:
        try:
            self._read()
        except Exception as error:  # noqa: BLE001 (reported by `stop`)
            self.error = error

    def stop(self) -> Counter[str]:
        """What it met, when it has ended."""
        self._stopped.set()
        self.join(30)
        if self.error is not None:
            raise self.error
        return self.seen

    def _read(self) -> None:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=30)
        while not self._stopped.is_set():
            status, body = get(connection, "/manifest.json")
            assert status == 200
            manifest = json.loads(body)
            time.sleep(0.01)  # what a page does before it requests the files
            for entry in manifest["public"]["entries"]:
                for kind in ("history", "prediction"):
                    self._check(connection, entry[kind])

    def _check(self, connection: http.client.HTTPConnection, reference: dict[str, str]) -> None:
        status, body = get(connection, f"/{reference[self._follows]}")
        if status != 200:
            self.seen["absent"] += 1
        elif hashlib.sha256(body).hexdigest() != reference["sha256"]:
            self.seen["mismatch"] += 1
        else:
            self.seen["whole"] += 1


def read_while_publishing(
    folder: Path, seconds: float, every: float, late_seconds: float
) -> dict[str, Counter[str]]:
    """What readers meet during some seconds of publishing, by what they follow and through what."""
    publisher = publisher_of(folder, limits=LIMITS)
    publish_all(publisher, 0)
    with served(folder) as direct, late(direct, late_seconds) as cached, ExitStack() as ends:
        readers = {
            "object": [Reader(direct, "object") for _ in range(READERS // 2)],
            "object, late": [Reader(cached, "object") for _ in range(READERS // 2)],
            "file, late": [Reader(cached, "file")],
        }
        for each in (reader for group in readers.values() for reader in group):
            each.start()
            ends.callback(each.stop)
        until, hours = time.monotonic() + seconds, 1
        while time.monotonic() < until:
            publish_all(publisher, hours)
            hours += 1
            time.sleep(every)
        return {
            name: sum((each.stop() for each in group), Counter()) for name, group in readers.items()
        }


def publish_all(publisher: Publisher, hours: int) -> None:
    for series in (BTC, BTC_DAILY, ETH):
        time_of = AS_OF + timedelta(hours=hours)
        publish(publisher, series, as_of=time_of, now=time_of)


def assert_no_mismatch(met: dict[str, Counter[str]]) -> None:
    for name in ("object", "object, late"):
        assert set(met[name]) == {"whole"}, met
        assert met[name]["whole"] > 100, met
    assert met["file, late"]["mismatch"] > 0, met


def test_readers_that_follow_objects_meet_no_mismatch(tmp_path: Path) -> None:
    assert_no_mismatch(
        read_while_publishing(tmp_path / "published", seconds=5, every=0.2, late_seconds=2)
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_eight_readers_meet_no_mismatch_in_two_minutes(tmp_path: Path) -> None:
    met = read_while_publishing(tmp_path / "published", seconds=120, every=3, late_seconds=60)
    print(met)  # noqa: T201 (numbers for the documentation)
    assert_no_mismatch(met)
