"""Resumable downloads of files from a URL.

A bucket whose objects can be read but not listed answers 403 for missing objects (S3 without
``s3:ListBucket``); other servers send a web page. Both mean "absent" after an object of the archive
was read, and "forbidden" before that. Some servers refuse the method HEAD; one byte is requested
from them instead.

A download is written to ``.<file>.part`` in a working folder. An interrupted download resumes where
it stopped; a complete one leaves no file behind.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import IO, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3

from coin_assets.bounded_http import Bounds
from coin_assets.errors import InvalidCandles, MarketUnavailable, PermanentError
from coin_assets.market.base import Meter
from coin_assets.market.bounds import OF_FILE, OF_SMALL_FILE, BoundedSession, whole

_ATTEMPTS = 4
_TIMEOUT = (10, 30)  # seconds to connect, and between two packets
_CHUNK_BYTES = 1 << 16
_FORBIDDEN, _TOO_MANY_REQUESTS, _NOTHING_LEFT = 403, 429, 416
_NOT_FOUND = (404, 410)
_NO_HEAD = (403, 405, 501)  # answers to HEAD of servers that answer GET
_PAGES = ("text/html", "application/xhtml+xml", "application/xml", "text/xml")
_ONE_BYTE = {"Range": "bytes=0-0"}
_REMEDY = "Check the network and COIN_ARCHIVE; the next run goes on where this one stopped."
# The size of a file is limited together with what an interrupted transfer has left.
_TRANSFER = replace(OF_FILE, size=2 * OF_FILE.size)

T = TypeVar("T")


class Presence(Enum):
    """Presence of a file in an archive.

    ``FORBIDDEN`` is HTTP 403, or a web page in place of the file: either the file is absent or the
    archive is closed.
    """

    THERE = "there"
    ABSENT = "absent"
    FORBIDDEN = "forbidden"


class UrlSource:
    """Files below the address ``base``.

    Attributes:
        meter: counts HTTP requests.
        has_seen: whether some file exists.
        has_read: whether the content of some file was sent.

    Args:
        base: address to which names are appended.
        user: name and password of the address, if required.
        folder: working folder of downloads.
        sleep: waits a number of seconds between attempts.
    """

    def __init__(
        self,
        base: str,
        user: tuple[str, str] | None,
        folder: Path,
        sleep: Callable[[float], None],
    ) -> None:
        self._base, self._shown = base, shown_address(base)
        self._folder = folder
        self._sleep = sleep
        self._session = BoundedSession(OF_SMALL_FILE, _REMEDY)
        self._session.auth = user
        self.meter = Meter()
        self.has_seen = self.has_read = False
        self._head_is_useful = self._head_is_useless = False

    def presence(self, name: str) -> Presence:
        """Presence by HEAD, or by one byte of GET while no HEAD was accepted."""
        found = Presence.FORBIDDEN if self._head_is_useless else self._asked("HEAD", name)
        if found is Presence.FORBIDDEN and not self._head_is_useful:
            found = self.readable(name)
            self._head_is_useless |= found is not Presence.FORBIDDEN
        elif found is Presence.THERE:
            self._head_is_useful = self.has_seen = True
        return found

    def readable(self, name: str) -> Presence:
        """Presence by GET of one byte."""
        found = self._asked("GET", name)
        self._note(is_read=found is Presence.THERE)
        return found

    def read_small(self, name: str) -> bytes | Presence:
        """Content of a small file, or its presence if there is none."""

        def ask() -> bytes | Presence:
            with self._request("GET", name, {}) as response:
                found = _presence(response)
                is_there = found is Presence.THERE
                return whole(response, OF_SMALL_FILE, _REMEDY) if is_there else found

        content = self._retried(name, ask)
        self._note(is_read=isinstance(content, bytes))
        return content

    def read(self, name: str) -> bytes | None:
        """Content of a file, resumed if it was interrupted; None if it is absent.

        Raises:
            InvalidCandles: it is too long for a file of candles.
        """
        part = self._folder / f".{Path(name).name}.part"
        with _owned(part) as file:
            there = self._retried(name, lambda: self._complete(name, file))
            file.seek(0)
            content = file.read() if there else None
            part.unlink()
        return content

    def close(self) -> None:
        """Close the session."""
        self._session.close()

    def _complete(self, name: str, file: IO[bytes]) -> bool:
        """Append the rest of ``file``; False if the archive does not have it."""
        have = file.seek(0, os.SEEK_END)
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._request("GET", name, headers, _TRANSFER) as response:
            if _presence(response) is not Presence.THERE:
                return False
            if response.status_code == _NOTHING_LEFT:
                return True  # the checksum shows whether it is complete
            if response.status_code != requests.codes.partial_content:
                file.truncate(0)
            # Unlike `iter_content`, this returns the bytes before an interruption.
            while chunk := response.raw.read1(_CHUNK_BYTES):
                file.write(chunk)
                if file.tell() > OF_FILE.size:
                    file.truncate(0)
                    raise file_too_long(name, OF_FILE)
        return True

    def _note(self, is_read: bool) -> None:
        self.has_read |= is_read
        self.has_seen |= is_read

    def _asked(self, method: str, name: str) -> Presence:
        def ask() -> Presence:
            with self._request(method, name, _ONE_BYTE if method == "GET" else {}) as response:
                return _presence(response)

        return self._retried(name, ask)

    def _request(
        self, method: str, name: str, headers: dict[str, str], bounds: Bounds | None = None
    ) -> requests.Response:
        self.meter.count(requests=1)
        response = self._session.request(
            method,
            f"{self._base}/{name}",
            # Byte ranges do not apply to a compressed transfer.
            headers={"Accept-Encoding": "identity", **headers},
            timeout=_TIMEOUT,
            stream=True,
            allow_redirects=True,
            bounds=bounds,
        )
        status = response.status_code
        known = (*_NOT_FOUND, _FORBIDDEN, _NOTHING_LEFT, *(_NO_HEAD if method == "HEAD" else ()))
        if status in known or status < 300:
            return response
        response.close()
        if status == _TOO_MANY_REQUESTS or status >= 500:
            response.raise_for_status()
        raise PermanentError(
            f"{self._shown}/{name} is refused (HTTP {status}). Check COIN_ARCHIVE (address, "
            "name and password) and whether the archive is open to you."
        )

    def _retried(self, name: str, ask: Callable[[], T]) -> T:
        cause: Exception | None = None
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._sleep(2.0 ** (attempt - 1))
                self.meter.count(retries=1)
            try:
                return ask()
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                cause = error
        # Without the cause: the texts of the libraries quote the address, which may be a secret.
        raise MarketUnavailable(
            f"{self._shown}/{name} could not be downloaded in {_ATTEMPTS} attempts "
            f"({_reason(cause)}). Check the network and COIN_ARCHIVE; the next run goes on where "
            "this one stopped."
        )


def shown_address(base: str) -> str:
    """Scheme, host and port of an address; user, path and query can be secrets."""
    parts = urlsplit(base)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{'/...' if parts.path.strip('/') or parts.query else ''}"


def _reason(error: BaseException | None) -> str:
    """What happened, in words that contain no address."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code}"
    cause = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return f"{type(error).__name__}: {cause.strerror}"
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


def file_too_long(name: str, bounds: Bounds) -> InvalidCandles:
    """The refusal of a file with more bytes than any file of its kind."""
    return InvalidCandles(
        "unreadable",
        f"{name} is longer than {bounds.size_text}, which no file of this kind is. Get it again, "
        "or delete the zip and its checksum.",
    )


def _presence(response: requests.Response) -> Presence:
    if response.status_code in _NOT_FOUND:
        return Presence.ABSENT
    refused = (_FORBIDDEN, *(_NO_HEAD if response.request.method == "HEAD" else ()))
    if response.status_code in refused:
        return Presence.FORBIDDEN
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Presence.FORBIDDEN if kind in _PAGES else Presence.THERE


@contextmanager
def _owned(part: Path) -> Iterator[IO[bytes]]:
    """``part``, opened exclusively for appending; an empty one is removed."""
    part.parent.mkdir(parents=True, exist_ok=True)
    while True:
        # Unbuffered, so that a killed process leaves the received bytes on disk.
        with part.open("a+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink == 0:
                continue  # its owner finished and removed it
            try:
                yield file
            finally:
                if os.fstat(file.fileno()).st_size == 0:
                    with suppress(FileNotFoundError):
                        part.unlink()
            return
