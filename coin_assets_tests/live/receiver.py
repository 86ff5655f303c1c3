"""A real receiver of webhooks on loopback: it takes messages, refuses them, or is not there."""

import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from coin_assets_tests.live.timeline import Timeline

HEARTBEAT = "heartbeat"


@dataclass(frozen=True)
class Delivery:
    """One call.

    Attributes:
        at: seconds since the epoch.
        id: of the message, the same at every attempt.
        status: what it was answered.
    """

    at: float
    channel: str
    id: str
    status: int
    body: dict[str, Any]

    @property
    def is_accepted(self) -> bool:
        return self.status == 200


class Receiver:
    """Channels are told by the first part of the path. The port stays the same when it is away."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._lock = threading.Lock()
        self._deliveries: list[Delivery] = []
        self.heartbeats = 0
        self.status = 200
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.come_back()

    @property
    def deliveries(self) -> list[Delivery]:
        """Every call so far, refused ones too, in order."""
        with self._lock:
            return list(self._deliveries)

    def accepted(self, channel: str) -> list[Delivery]:
        return [each for each in self.deliveries if each.channel == channel and each.is_accepted]

    def refused(self) -> list[Delivery]:
        return [each for each in self.deliveries if not each.is_accepted]

    def refuse(self) -> None:
        """Answer 503 from now on."""
        self.status = 503

    def accept(self) -> None:
        """Answer 200 from now on."""
        self.status = 200

    def go_away(self) -> None:
        """Close the port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def come_back(self) -> None:
        """Open the port."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                receiver.heartbeats += 1
                self._answer(200)

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                status = receiver.status
                receiver.note(
                    self.path.strip("/"), self.headers.get("Idempotency-Key"), content, status
                )
                self._answer(status)

            def _answer(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """The timeline tells what came."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def note(self, channel: str, message_id: str | None, content: bytes, status: int) -> None:
        body = json.loads(content)
        delivery = Delivery(time.time(), channel, message_id or body.get("id", ""), status, body)
        with self._lock:
            self._deliveries.append(delivery)
        shown = body.get("title") or str(body.get("content", body)).splitlines()[0]
        kind = f"{body['kind']} " if "kind" in body else ""
        answer = "" if status == 200 else f" (answered {status})"
        self._timeline.note(f"alert {channel}", f"{kind}{shown} {delivery.id[:8]}{answer}")
