"""Where published files are read from: a folder, or a web server."""

import http.client
import re
import time
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit
from urllib.request import (
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    Request,
    build_opener,
)

from coin_assets.client.errors import Damaged, Unreadable, WrongAddress

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 3
_REMEDY = "Check the address, and whether the platform has published there."


class Source(Protocol):
    """Files below one place."""

    def read(self, name: str, most: int) -> bytes:
        """Content of the file ``name``, a path with slashes.

        Raises:
            Unreadable: it is absent, or it was not answered properly.
            Damaged: it has more than ``most`` bytes.
        """


def source_of(address: str | Path, seconds: float) -> Source:
    """The folder or web server at ``address``.

    Raises:
        WrongAddress: it is neither a folder's path nor an http(s) URL.
    """
    scheme = _SCHEME.match(address) if isinstance(address, str) else None
    if scheme is None:
        return _Folder(Path(address))
    try:
        parts = urlsplit(str(address))
    except ValueError:
        parts = urlsplit("")
    # The address is quoted only once it has no password.
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WrongAddress(
            f"An address with the scheme {scheme[1]!r} cannot be read. Give the path of a folder, "
            "or an http:// or https:// URL."
        )
    if "@" in parts.netloc:
        raise WrongAddress(
            f"The address on {parts.hostname} holds a name or password, which would be sent with "
            "every request and shown in errors. Give it without."
        )
    if parts.query or parts.fragment:
        raise WrongAddress(
            f"{address} has a query or fragment. Give the URL of the folder that holds "
            "manifest.json."
        )
    return _Server(str(address).rstrip("/"), seconds)


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def read(self, name: str, most: int) -> bytes:
        path = self._path / name
        try:
            if path.exists() and not path.is_file():  # a pipe would be read for ever
                raise Unreadable(f"{path} is no file but a folder or a device. {_REMEDY}")
            with path.open("rb") as file:
                content = file.read(most + 1)
        except (OSError, ValueError) as error:
            raise Unreadable(f"{path} cannot be read ({_words(error)}). {_REMEDY}") from error
        return _bounded(content, most, str(path))


class _Server:
    """Files below the URL ``base``.

    Args:
        base: without a slash at its end.
        seconds: the most that connecting, and each reply from its first to its last byte, may take.
    """

    def __init__(self, base: str, seconds: float) -> None:
        self._base, self._seconds = base, seconds
        self._opener: OpenerDirector = build_opener(_Http, _Https, _NoRedirects)

    def __str__(self) -> str:
        return self._base

    def read(self, name: str, most: int) -> bytes:
        address = f"{self._base}/{name}"
        # Compressed bytes could expand without end; caches ask the server for all but objects.
        headers = {"Accept-Encoding": "identity", "User-Agent": "coin_assets"}
        if "objects" not in name.split("/")[:-1]:  # of the folder, or of a shard
            headers["Cache-Control"] = "no-cache"
        try:
            with self._reply(address, headers) as reply:
                coding = reply.headers.get("Content-Encoding", "identity")
                if reply.status != http.HTTPStatus.OK or coding != "identity":
                    raise Unreadable(
                        f"{address} was answered with HTTP {reply.status}, coding {coding!r}; "
                        "expected were 200 and no coding. Let the server send it as it is."
                    )
                return _bounded(reply.read(most + 1), most, address)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreadable(f"{address} cannot be read ({_words(error)}). {_REMEDY}") from error

    def _reply(self, address: str, headers: dict[str, str]) -> Any:
        """The reply to a request, after redirects on the same host."""
        for _ in range(_MOST_REDIRECTS + 1):
            request = Request(address, headers=headers)  # noqa: S310 (`source_of`, `_is_same_host`)
            try:
                return self._opener.open(request, timeout=self._seconds)
            except HTTPError as error:
                error.close()
                target = error.headers.get("Location")
                if error.code not in _REDIRECTS or target is None:
                    raise
            target = urljoin(address, target)
            if not _is_same_host(address, target):
                raise Unreadable(
                    f"{address} is redirected to another host or to less security: {target}. "
                    "Give the address that it is meant to have."
                )
            address = target
        raise Unreadable(f"{address} is redirected more than {_MOST_REDIRECTS} times. {_REMEDY}")


class _NoRedirects(HTTPRedirectHandler):
    """Leaves redirects to `_Server`; urllib would read their bodies, however long."""

    def redirect_request(self, *_args: Any) -> None:
        return None


class _Reply(http.client.HTTPResponse):
    """A reply for which the connection's time-out holds as a whole, headers included."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = BufferedReader(_Timed(self.fp.detach(), sock))


class _Timed(RawIOBase):
    """Bytes of a reply until its time is over; a socket limits single waits only."""

    def __init__(self, raw: Any, sock: Any) -> None:
        self._raw, self._sock = raw, sock
        self._seconds = sock.gettimeout()
        self._until = time.monotonic() + self._seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"the reply was not complete within {self._seconds:g} s")
        self._sock.settimeout(left)
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Connection(http.client.HTTPConnection):
    response_class = _Reply


class _TlsConnection(http.client.HTTPSConnection):
    response_class = _Reply


class _Http(HTTPHandler):
    def http_open(self, request: Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, request)


class _Https(HTTPSHandler):
    def https_open(self, request: Request) -> http.client.HTTPResponse:
        return self.do_open(_TlsConnection, request)


def _is_same_host(address: str, target: str) -> bool:
    """Whether ``target`` is on the host of ``address``, as secure as it or more."""
    before, after = urlsplit(address), urlsplit(target)
    allowed = ((before.scheme, before.port), ("https", None), ("https", 443))
    return after.hostname == before.hostname and (after.scheme, after.port) in allowed


def _bounded(content: bytes, most: int, name: str) -> bytes:
    if len(content) > most:
        raise Damaged(
            f"{name} has more than the {most} bytes that it may have, and was not read further. "
            "Try again; if it stays so, have the platform publish it again."
        )
    return content


def _words(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return f"HTTP {error.code}"
    cause = getattr(error, "reason", error)  # of a URLError
    text = getattr(cause, "strerror", None) or str(cause)
    return text.lower() or type(cause).__name__
