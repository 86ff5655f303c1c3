"""Limits of HTTP answers that urllib3 reads: bytes and time.

urllib3 limits the time between two packets only, reads a body of any length, and expands whatever
is compressed. Connections of a `bound` pool manager limit an answer as a whole, headers included.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from typing import Any

from coin_assets.errors import CoinAssetsError

CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class Bounds:
    """What one answer may take.

    Attributes:
        size: bytes, both as sent and expanded.
        seconds: for connection, headers, body and redirects together.
    """

    size: int
    seconds: float

    @property
    def size_text(self) -> str:
        """For messages: ``"32 MB"``, or ``"64 kB"``."""
        return f"{self.size >> 20} MB" if self.size >> 20 else f"{self.size >> 10} kB"


@dataclass(frozen=True)
class Allowance:
    """What the answer to one request may still take, from now on.

    Attributes:
        host: of the request, for messages.
        remedy: what to do about an answer that takes more.
        late, too_long: errors for an answer that takes more time, or more bytes.
    """

    host: str
    bounds: Bounds
    remedy: str
    late: type[CoinAssetsError]
    too_long: type[CoinAssetsError]
    _began: float = field(default_factory=time.monotonic)

    def seconds_left(self) -> float:
        """Time until the deadline; raises `late` after it."""
        left = self._began + self.bounds.seconds - time.monotonic()
        if left <= 0:
            raise self.late(
                f"{self.host} did not send its whole answer within {self.bounds.seconds:g} s. "
                f"{self.remedy}"
            )
        return left

    def require(self, size: int) -> None:
        """Raise `too_long` for an answer of ``size`` bytes or more that takes too many."""
        if size > self.bounds.size:
            raise self.too_long(
                f"{self.host} sends an answer of more than {self.bounds.size_text}, which was not "
                f"read to its end. {self.remedy}"
            )

    def whole(self, pieces: Iterable[bytes]) -> bytes:
        """The expanded pieces of an answer as one; raises `too_long`."""
        kept, size = list[bytes](), 0
        # urllib3 expands no more at a time than it is asked for (from 2.7 on, CVE-2026-44432).
        for piece in pieces:
            size += len(piece)
            if size > self.bounds.size:
                kept.clear()  # an error holds the frames that it passes
            self.require(size)
            kept.append(piece)
        return b"".join(kept)


_ALLOWANCE: ContextVar[Allowance] = ContextVar("allowance")


@contextmanager
def within(allowance: Allowance) -> Iterator[None]:
    """The allowance of the request that this thread makes to a `bound` pool manager."""
    token = _ALLOWANCE.set(allowance)
    try:
        yield
    finally:
        _ALLOWANCE.reset(token)


def current() -> Allowance:
    """The allowance of the request that this thread makes."""
    return _ALLOWANCE.get()


def bound(manager: Any) -> None:
    """Let the connections of a pool manager of urllib3 read answers as `_Reply`."""
    manager.pool_classes_by_scheme = {
        scheme: type(
            pool.__name__,
            (pool,),
            {
                "ConnectionCls": type(
                    pool.ConnectionCls.__name__, (pool.ConnectionCls,), {"response_class": _Reply}
                )
            },
        )
        for scheme, pool in manager.pool_classes_by_scheme.items()
    }


class _Reply(HTTPResponse):
    """Reply of a server, from its status line on, within the allowance of the request."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = BufferedReader(_Stream(self.fp.detach(), sock, current()))


class _Stream(RawIOBase):
    """Bytes of one reply as they are sent, until its allowance is used up."""

    def __init__(self, raw: Any, sock: Any, allowance: Allowance) -> None:
        self._raw, self._sock, self._allowance = raw, sock, allowance
        self._patience = sock.gettimeout()  # between two packets
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._allowance.seconds_left()
        self._sock.settimeout(left if self._patience is None else min(self._patience, left))
        try:
            count: int | None = self._raw.readinto(buffer)
        except TimeoutError:
            self._allowance.seconds_left()
            raise
        self._size += count or 0
        self._allowance.require(self._size)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
