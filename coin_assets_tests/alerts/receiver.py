"""A webhook receiver on 127.0.0.1 that records what comes, and refuses when a test wants it to."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any, Self

SECRET = "s3cret-token"  # noqa: S105 (part of every address, so that tests can look for it)


@dataclass
class Reply:
    """How one request is answered.

    Attributes:
        closes: the connection is cut without an answer.
        hold: the answer waits for it.
        seconds: the answer waits so long.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    closes: bool = False
    hold: Event | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Received:
    """A request, and the status it was answered with (0: none)."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    status: int


class Receiver:
    """Answers 200 unless ``replies`` holds something else, which is used up, or ``always`` does.

    Attributes:
        judge: returns the status of the answer to a body; it stands in for what services check.
    """

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.always = Reply()
        self.judge: Callable[[Any], int] | None = None
        self.received: list[Received] = []
        self.arrived = Event()
        self.lock = Lock()
        handler = type("Handler", (_Handler,), {"receiver": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hooks/{SECRET}?key={SECRET}"

    @property
    def accepted(self) -> list[Any]:
        """Bodies that were answered with 200, in order."""
        return [each.body for each in self.received if each.status == 200]

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def next_reply(self) -> Reply:
        with self.lock:
            return self.replies.pop(0) if self.replies else self.always


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body: Any) -> None:
        judge = self.receiver.judge
        reply = Reply(judge(body)) if judge else self.receiver.next_reply()
        self.receiver.arrived.set()
        time.sleep(reply.seconds)
        if reply.hold is not None:
            reply.hold.wait(20)
        self._note(body, 0 if reply.closes else reply.status)
        self.close_connection = True
        if reply.closes:
            return
        self.send_response(reply.status, f"echo {self.path}")
        for name, value in ({"Content-Length": "0"} | reply.headers).items():
            self.send_header(name, value)
        self.end_headers()

    def _note(self, body: Any, status: int) -> None:
        received = Received(self.command, self.path, dict(self.headers), body, status)
        with self.receiver.lock:
            self.receiver.received.append(received)

    def log_message(self, *_: object) -> None:
        """The tests' output stays clean."""
