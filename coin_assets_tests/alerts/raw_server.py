"""A server on 127.0.0.1 that answers with any bytes, at any pace."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic

from coin_assets_tests.alerts.receiver import SECRET

Answer = Callable[[socket.socket, Event], None]


class RawServer:
    """Reads a request's head, then calls ``answer``; counts connections that the client ended.

    Args:
        reads: whether to read a head first; a client of TLS sends none.
    """

    def __init__(self, answer: Answer, reads: bool) -> None:
        self.stopped, self.ended = Event(), Event()
        self._answer, self._reads = answer, reads
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"http://{self.host}/hooks/{SECRET}"

    def serve(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            Thread(target=self._handle, args=(accepted,), daemon=True).start()

    def stop(self) -> None:
        self.stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _handle(self, accepted: socket.socket) -> None:
        with accepted:
            try:
                head = b""
                while self._reads and b"\r\n\r\n" not in head:
                    head += accepted.recv(65536)
                self._answer(accepted, self.stopped)
            except OSError:
                self.ended.set()


@contextmanager
def raw_server(answer: Answer, reads: bool = True) -> Iterator[RawServer]:
    server = RawServer(answer, reads)
    Thread(target=server.serve, daemon=True).start()
    try:
        yield server
    finally:
        server.stop()


def dripping(start: bytes, drop: bytes = b"x", seconds: float = 0.05) -> Answer:
    """``start``, then ``drop`` again and again, until the client is gone."""

    def answer(accepted: socket.socket, stopped: Event) -> None:
        accepted.sendall(start)
        while not stopped.wait(seconds):
            accepted.sendall(drop)

    return answer


def flooding(start: bytes, sent: list[int]) -> Answer:
    """``start``, then bytes without end, as fast as they are taken; ``sent`` counts them."""

    def answer(accepted: socket.socket, stopped: Event) -> None:
        accepted.sendall(start)
        sent.append(0)
        end = monotonic() + 10
        while not stopped.is_set() and monotonic() < end:
            sent[-1] += accepted.send(b"y" * 65536)

    return answer
