"""A static web server of a folder on 127.0.0.1, with answers of its own for some paths."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from threading import Thread

Answers = dict[str, Callable[[socket], None]]


class _Handler(SimpleHTTPRequestHandler):
    """Python's static file server; paths of ``answers`` get bytes of the test instead."""

    answers: Answers
    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        answer = self.answers.get(self.path)
        if answer is None:
            super().do_GET()
            return
        with suppress(OSError):  # the client hangs up
            answer(self.connection)
        self.close_connection = True

    def log_message(self, *_args: object) -> None:
        pass


@contextmanager
def served(folder: Path, answers: Answers | None = None) -> Iterator[tuple[str, list[str]]]:
    """Address of the server, and the paths that it was asked for so far."""
    seen: list[str] = []
    handler = type("_Answering", (_Handler,), {"answers": answers or {}, "seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = Thread(target=partial(server.serve_forever, 0.05), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", seen
        finally:
            server.shutdown()
