"""Limits of HTTP answers: bytes, time and redirects.

``requests`` limits the time between two packets only, reads a body of any length, and expands
whatever is compressed. A `BoundedSession` limits an answer as a whole, headers included.
"""

import time
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPResponse
from io import BufferedReader, RawIOBase
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

from coin_assets.errors import MarketUnavailable

_CHUNK_BYTES = 1 << 16
_MOST_REDIRECTS = 3


@dataclass(frozen=True)
class Bounds:
    """What one answer may take.

    Attributes:
        size: bytes, both as sent and expanded.
        seconds: for connection, headers, body and redirects together.
    """

    size: int
    seconds: float


# The longest answers are lists of markets (Binance: 15 MB); 50,000 candles take 5 MB.
OF_EXCHANGE = Bounds(32 << 20, 60.0)
# A month of 1s candles takes 100 MB; an interrupted download goes on where it stopped.
OF_FILE = Bounds(256 << 20, 300.0)
OF_SMALL_FILE = Bounds(64 << 10, 60.0)


@dataclass(frozen=True)
class _Allowance:
    """What the answer to one request may still take.

    Attributes:
        host: of the request, for messages.
        deadline: of ``time.monotonic``.
        remedy: what to do about an answer that takes more.
    """

    host: str
    bounds: Bounds
    deadline: float
    remedy: str

    def seconds_left(self) -> float:
        """Time until the deadline.

        Raises:
            MarketUnavailable: it is over.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise MarketUnavailable(
                f"{self.host} did not send its whole answer within {self.bounds.seconds:g} s. "
                f"{self.remedy}"
            )
        return left


_ALLOWANCE: ContextVar[_Allowance] = ContextVar("allowance")


class BoundedSession(requests.Session):
    """Session whose answers stay within `Bounds` and on the host that was asked.

    A streamed answer is limited as sent; `whole` limits what it expands to.

    Args:
        bounds: of an answer, unless its request has others.
        remedy: last sentence of the errors.
    """

    def __init__(self, bounds: Bounds, remedy: str) -> None:
        super().__init__()
        self._bounds, self._remedy = bounds, remedy
        self.max_redirects = _MOST_REDIRECTS
        for scheme in ("https://", "http://"):
            self.mount(scheme, _BoundedAdapter())

    def request(  # type: ignore[override]
        self, method: str, url: str, *args: Any, bounds: Bounds | None = None, **kwargs: Any
    ) -> requests.Response:
        """Send a request; other arguments as in ``requests``.

        Raises:
            MarketUnavailable: the answer is too long, not complete in time, or redirects to
                another host or too often.
        """
        own = bounds or self._bounds
        deadline = time.monotonic() + own.seconds
        token = _ALLOWANCE.set(_Allowance(_host(url), own, deadline, self._remedy))
        try:
            return super().request(method, url, *args, **kwargs)
        except requests.TooManyRedirects:
            raise MarketUnavailable(
                f"{_host(url)} redirects more than {_MOST_REDIRECTS} times. {self._remedy}"
            ) from None
        finally:
            _ALLOWANCE.reset(token)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Address of a redirect; from http to https is the only change of origin allowed.

        Raises:
            MarketUnavailable: it leads to another host, port or scheme.
        """
        target = super().get_redirect_target(resp)
        if target is None:
            return None
        try:
            url = urljoin(resp.url, target)
            is_elsewhere, shown = self.should_strip_auth(resp.url, url), _origin(url)
        except ValueError:
            is_elsewhere, shown = True, "an address that cannot be read"
        if is_elsewhere:
            raise MarketUnavailable(
                f"{_origin(resp.url)} redirects to {shown}, which was not configured and is not "
                f"asked. {self._remedy}"
            )
        return target


def whole(response: requests.Response, bounds: Bounds, remedy: str) -> bytes:
    """Expanded body of a streamed answer of a `BoundedSession`.

    Raises:
        MarketUnavailable: it is too long, or not complete in time.
    """
    pieces, left = [], bounds.size
    # urllib3 expands no more at a time than it is asked for (from 2.7 on, CVE-2026-44432).
    for piece in response.iter_content(_CHUNK_BYTES):
        left -= len(piece)
        if left < 0:
            response.close()
            raise _too_long(_host(response.url), bounds, remedy)
        pieces.append(piece)
    return b"".join(pieces)


class _BoundedAdapter(HTTPAdapter):
    """Transport of a `BoundedSession`: reads answers from `_Stream`."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _bound(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        is_new = proxy not in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **kwargs)
        if is_new:
            _bound(manager)
        return manager

    def send(  # type: ignore[override]
        self, request: requests.PreparedRequest, stream: bool, timeout: Any, **kwargs: Any
    ) -> requests.Response:
        allowance = _ALLOWANCE.get()
        left = allowance.seconds_left()
        waits = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        timeout = tuple(left if wait is None else min(wait, left) for wait in waits)
        response = super().send(request, stream=stream, timeout=timeout, **kwargs)
        if not stream or response.is_redirect:  # `Session` would read it without a limit
            try:
                response._content = whole(response, allowance.bounds, allowance.remedy)
            except requests.RequestException as error:
                error.request = request  # for messages
                raise
        return response


def _bound(manager: Any) -> None:
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
        self.fp = BufferedReader(_Stream(self.fp.detach(), sock, _ALLOWANCE.get()))


class _Stream(RawIOBase):
    """Bytes of one reply as they are sent, until its allowance is used up."""

    def __init__(self, raw: Any, sock: Any, allowance: _Allowance) -> None:
        self._raw, self._sock, self._allowance = raw, sock, allowance
        self._patience = sock.gettimeout()  # between two packets
        self._left = allowance.bounds.size

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
        self._left -= count or 0
        if self._left < 0:
            raise _too_long(self._allowance.host, self._allowance.bounds, self._allowance.remedy)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


def _too_long(host: str, bounds: Bounds, remedy: str) -> MarketUnavailable:
    most = f"{bounds.size >> 20} MB" if bounds.size >> 20 else f"{bounds.size >> 10} kB"
    return MarketUnavailable(
        f"{host} sends an answer of more than {most}, which was not read to its end. {remedy}"
    )


def _origin(url: str) -> str:
    return f"{urlsplit(url).scheme}://{_host(url)}"


def _host(url: str) -> str:
    """Host, and port if it is written; a user is left out."""
    return urlsplit(url).netloc.rpartition("@")[2]
