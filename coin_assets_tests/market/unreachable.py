"""Exchanges that cannot be reached or do not answer properly, for the real ccxt client."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest

from coin_assets_tests.market.exchange import FakeExchange
from coin_assets_tests.market.faults import html, http_status
from coin_assets_tests.webui import free_port

Configure = Callable[[Any], None]
UNKNOWN_HOST = "api.exchange.invalid"
# A fatal TLS alert: handshake_failure.
_HANDSHAKE_FAILURE = bytes.fromhex("15 03 03 00 02 02 28")
# What ccxt, requests, urllib3 and Python would say.
FOREIGN = (
    "urllib3",
    "HTTPConnectionPool",
    "Max retries",
    "object at 0x",
    "Errno",
    "Error:",
    "<html",
)


@contextmanager
def refusing_handshakes() -> Iterator[int]:
    """Port of a server that answers each TLS handshake with an alert."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    connection.sendall(_HANDSHAKE_FAILURE)

        Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the name `UNKNOWN_HOST` have no address, without asking a name server."""
    resolve = socket.getaddrinfo

    def resolved(host: Any, *arguments: Any, **others: Any) -> Any:
        if host == UNKNOWN_HOST:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *arguments, **others)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)


def at(address: str) -> Configure:
    """Point a client of binance to an address."""

    def configure(client: Any) -> None:
        client.urls["api"]["public"] = f"{address}/api/v3"
        client.enableRateLimit = False

    return configure


def closed_port() -> Configure:
    """Point a client of binance to a port that nobody listens on."""
    return at(f"http://127.0.0.1:{free_port()}")


@contextmanager
def out_of_order(
    kind: str, exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Configure]:
    """A client's way to the exchange while it is out of order in one of the ways `REASONS`."""
    match kind:
        case "closed port":
            yield closed_port()
        case "TLS":
            with refusing_handshakes() as port:
                yield at(f"https://127.0.0.1:{port}")
        case "DNS":
            unknown_host(monkeypatch)
            yield at(f"https://{UNKNOWN_HOST}")
        case _:
            fault = html if kind == "HTML" else http_status(503, b"<html>overloaded</html>")
            for endpoint in ("exchangeInfo", "klines"):
                exchange.spoil_always(fault, endpoint)
            yield exchange.configure
            exchange.heal()


# Regular expressions of what the platform says.
REASONS = {
    "closed port": r"127\.0\.0\.1:\d+ refuses connections",
    "TLS": r"no secure connection to 127\.0\.0\.1:\d+: the TLS handshake or the certificate is",
    "DNS": rf"the name {UNKNOWN_HOST} cannot be resolved",
    "5xx": r"127\.0\.0\.1:\d+ answers HTTP 503",
    "HTML": "its answer is not JSON",
}
