"""Servers on 127.0.0.1 that answer without end, too slowly, or with another address."""

import gzip
import re
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

MB = 1 << 20
_PAUSE = 0.05  # between two bytes, well within what is waited for a packet
_LONGEST = 300.0  # of an answer without end, should the client never hang up
# A deadline that no limit on bytes misses, however busy the machine is.
PATIENT_SECONDS = 120.0
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

Answer = Callable[[socket.socket], None]


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """Address of a server that gives ``answer`` to each request, then hangs up."""
    over = Event()

    def respond(connection: socket.socket) -> None:
        with connection, suppress(OSError):  # the client hangs up
            connection.settimeout(_LONGEST)
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(1 << 16)
            head, _, content = request.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            while length and len(content) < int(length[1]):  # unread, it would cut the answer off
                content += connection.recv(1 << 16)
            answer(connection)

    def serve() -> None:
        while not over.is_set():
            with suppress(OSError):
                connection, _ = server.accept()
                Thread(target=respond, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        over.set()
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


def sent(*pieces: bytes) -> Answer:
    """An answer of these bytes."""
    return lambda connection: connection.sendall(b"".join(pieces))


def body(content: bytes, coding: str = "") -> Answer:
    """A complete answer, packed by ``coding`` as its header says."""
    packed = f"Content-Encoding: {coding}\r\n".encode() if coding else b""
    return sent(OK, packed, b"Content-Length: %d\r\n\r\n" % len(content), content)


def without_end(head: bytes, piece: bytes) -> Answer:
    """``head``, then ``piece`` again and again, as fast as it is taken."""

    def stream(connection: socket.socket) -> None:
        began, many = time.monotonic(), piece * max(1, 65536 // len(piece))
        connection.sendall(head)
        while time.monotonic() - began < _LONGEST:
            connection.sendall(many)

    return stream


def drip(head: bytes, piece: bytes) -> Answer:
    """As `without_end`, a little at a time, as httpbin's ``/drip`` (postmanlabs/httpbin#127)."""

    def stream(connection: socket.socket) -> None:
        began = time.monotonic()
        connection.sendall(head)
        while time.monotonic() - began < _LONGEST:
            time.sleep(_PAUSE)
            connection.sendall(piece)

    return stream


def redirect(target: str) -> Answer:
    """HTTP 302 to ``target``."""
    return sent(f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())


def zeros(megabytes: int, coding: str = "gzip") -> bytes:
    """A bomb: JSON that expands to so many megabytes from a thousandth of that.

    The codings are those that urllib3 expands (GHSA-2xpw-w6gg-jr37).
    """
    if coding == "gzip, gzip":
        return gzip.compress(zeros(megabytes))
    packer = zlib.compressobj(wbits={"gzip": 31, "deflate": 15, "raw deflate": -15}[coding])
    head, megabyte, end = (
        packer.compress(text) + packer.flush(zlib.Z_FULL_FLUSH) for text in (b"[", b"0" * MB, b"]")
    )
    return head + megabyte * megabytes + end + packer.flush()


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
# Answers of more than a megabyte, as sent or expanded, and answers that never end in time.
TOO_LONG: dict[str, Answer] = {
    "a long body": body(b"[" + b" " * 2 * MB + b"]"),
    "a body without end": without_end(OK + b"\r\n", b" " * 65536),
    "chunks without end": without_end(CHUNKED, b"400\r\n%s\r\n" % (b" " * 1024)),
    "gzip bomb": body(zeros(32), "gzip"),
    "deflate bomb": body(zeros(32, "deflate"), "deflate"),
    "gzip bomb in gzip": body(zeros(32, "gzip, gzip"), "gzip, gzip"),
    "preliminary answers without end": without_end(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}
TOO_LATE: dict[str, Answer] = {
    "dripping status": drip(b"", b"H"),
    "dripping headers": drip(OK, b"a: b\r\n"),
    "dripping body": drip(OK + b"Content-Length: 999\r\n\r\n", b" "),
    "dripping chunks": drip(CHUNKED, b"1\r\n \r\n"),
}
BROKEN_OFF: dict[str, Answer] = {
    "headers without end": without_end(OK, b"a: b\r\n"),
    "fewer bytes than announced": sent(OK, b"Content-Length: 100\r\n\r\n[]"),
}
