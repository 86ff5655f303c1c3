"""A threaded server whose connections can be cut."""

import socket
import sys
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from threading import Lock
from typing import Any


class CuttableServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: Callable[..., Any]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()
        self._lock = Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        with self._lock:
            connections = [*self._open]
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the other side was faster

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that are cut are part of the game; anything else is a mistake in here."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)
