"""The stand-in as a server on 127.0.0.1: sockets, tokens, compression, faults and the log."""

import gzip
import time
from datetime import timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from threading import Lock, Thread
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from coin_assets_tests.influx.api import Api
from coin_assets_tests.influx.connections import CuttableServer
from coin_assets_tests.influx.database import Database, Rights
from coin_assets_tests.influx.faults import Fault, Faults
from coin_assets_tests.influx.messages import VERSION, Answer, Request, failure

TOKEN = "stand-in-token"  # noqa: S105 (it opens nothing but the stand-in)
MOST_BYTES = 50_000_000
GZIP_FROM = 1_400  # bytes of an answer


class InfluxServer:
    """A context manager: the server runs within it.

    Attributes:
        database: organisation, buckets and tokens; kept while the server is down.
        faults: what goes wrong.
        requests: what came, in order, with what it was answered with.
        clock_ahead: how much the server's clock is ahead.
    """

    def __init__(
        self,
        org: str = "coins",
        bucket: str = "market",
        token: str = TOKEN,
        *,
        port: int = 0,
        retention: int = 0,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.bucket = bucket
        self.token = token
        self.faults = Faults()
        self.requests: list[Request] = []
        self.clock_ahead = timedelta()
        self.database = Database(org, self._now, {token: Rights()})
        self.database.create(bucket, retention)
        self.api = Api(self.database, most_bytes)
        self.lock = Lock()
        self._port = port
        self._server: CuttableServer | None = None

    @property
    def org(self) -> str:
        return self.database.org

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def environment(self) -> dict[str, str]:
        """The variables a client finds the server by."""
        return {
            "INFLUXDB_V2_URL": self.url,
            "INFLUXDB_V2_TOKEN": self.token,
            "INFLUXDB_V2_ORG": self.org,
            "COIN_INFLUXDB_BUCKET": self.bucket,
        }

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def up(self) -> None:
        """Start, or come back: on the same port, with the data of before."""
        if self._server is None:
            handler = type("Handler", (_Handler,), {"influx": self})
            self._server = CuttableServer(("127.0.0.1", self._port), handler)
            self._port = self._server.server_address[1]
            serve = {"poll_interval": 0.02}
            Thread(target=self._server.serve_forever, kwargs=serve, daemon=True).start()

    def down(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.cut()
            self._server = None

    def revoke(self, token: str | None = None) -> None:
        """Do not accept a token any more; by default the one it was started with."""
        self.database.tokens.pop(token or self.token, None)

    def accept(self, token: str | None = None, rights: Rights | None = None) -> None:
        self.database.tokens[token or self.token] = rights or Rights()

    def asked(self, path: str, method: str = "POST", status: int | None = None) -> list[Request]:
        """The requests of a path so far, or those that were answered with a status."""
        with self.lock:
            return [
                each
                for each in self.requests
                if (each.path, each.method) == (path, method) and status in (None, each.status)
            ]

    def _now(self) -> int:
        return time.time_ns() + round(self.clock_ahead.total_seconds() * 10**9)


class _Handler(BaseHTTPRequestHandler):
    influx: InfluxServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self._body()
        address = urlsplit(self.path)
        request = Request(
            self.command,
            address.path,
            dict(parse_qsl(address.query)),
            len(body),
            gzipped=self.headers.get("Content-Encoding", "") in ("gzip", "x-gzip"),
            wants_gzip="gzip" in self.headers.get("Accept-Encoding", ""),
            content_type=self.headers.get("Content-Type", ""),
        )
        with self.influx.lock:
            self.influx.requests.append(request)
        fault = self.influx.faults.take(address.path)
        answer = self._carried_out(request, body, fault)
        if answer is None or fault.cut in ("after", "half"):
            self.close_connection = True
            return
        request.status = answer.status
        self._send(answer, fault)

    def _carried_out(self, request: Request, body: bytes, fault: Fault) -> Answer | None:
        """The answer, or nothing if the connection is to be cut."""
        time.sleep(fault.seconds)
        if fault.hold is not None:
            fault.hold.wait(20)
        if fault.cut == "before":
            return None
        if fault.status:
            return failure(fault.status, fault.retry_after)
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme not in ("Token", "Bearer"):
            token = ""
        return self.influx.api.answer(request, body, token, fault)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts: list[bytes] = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, answer: Answer, fault: Fault) -> None:
        body = answer.body
        headers = {"X-Influxdb-Build": "OSS", "X-Influxdb-Version": VERSION}
        if answer.content_type:
            headers["Content-Type"] = answer.content_type
        if answer.code:
            headers["X-Platform-Error-Code"] = answer.code
        if answer.retry_after is not None:
            headers["Retry-After"] = str(answer.retry_after)
        is_csv = answer.content_type.startswith("text/csv")
        if is_csv:
            headers["Vary"] = "Accept-Encoding"
            if "gzip" in self.headers.get("Accept-Encoding", "") and len(body) >= GZIP_FROM:
                headers["Content-Encoding"] = "gzip"
                body = gzip.compress(body, 1)
            headers["Transfer-Encoding"] = "chunked"
        elif answer.status != 204:
            headers["Content-Length"] = str(len(body))
        self.send_response(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD" and answer.status != 204:
            self._send_body(body, is_csv, fault.cut == "answer")

    def _send_body(self, body: bytes, chunked: bool, cut: bool) -> None:
        if cut:
            body = body[: len(body) // 2]
            self.close_connection = True
        if not chunked:
            self.wfile.write(body)
            return
        for start in range(0, len(body), 65_536):
            piece = body[start : start + 65_536]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if not cut:
            self.wfile.write(b"0\r\n\r\n")

    def version_string(self) -> str:
        return "InfluxDB"

    def date_time_string(self, timestamp: float | None = None) -> str:
        ahead = self.influx.clock_ahead.total_seconds()
        return formatdate((timestamp or time.time()) + ahead, usegmt=True)

    def log_message(self, *_: object) -> None:
        """The tests' output stays clean, and no token reaches it."""
