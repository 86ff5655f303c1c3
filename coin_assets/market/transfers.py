"""Reading files from a URL, so that no byte is sent twice.

A download goes through ``.<file>.part`` in a working folder. One that was cut, or whose process was
killed, is taken up where it stopped; once the file is whole and read, nothing stays behind.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

import requests
import urllib3

from coin_assets.errors import MarketUnavailable, PermanentError
from coin_assets.market.base import Meter

_ATTEMPTS = 4
_TIMEOUT = (10, 30)  # seconds to connect, and between two packets
_CHUNK_BYTES = 1 << 16
_NOT_FOUND, _TOO_MANY_REQUESTS, _NOTHING_LEFT = 404, 429, 416

T = TypeVar("T")


class UrlSource:
    """Files below the address ``base``.

    Attributes:
        meter: counts HTTP requests.

    Args:
        user: name and password, if the address asks for them.
        folder: where downloads lie while they last.
        sleep: waits between attempts.
    """

    def __init__(
        self,
        base: str,
        user: tuple[str, str] | None,
        folder: Path,
        sleep: Callable[[float], None],
    ) -> None:
        self._base = base
        self._folder = folder
        self._sleep = sleep
        self._session = requests.Session()
        self._session.auth = user
        self.meter = Meter()

    def exists(self, name: str) -> bool:
        def ask() -> bool:
            with self._request("HEAD", name, {}) as response:
                return response.status_code != _NOT_FOUND

        return self._retried(name, ask)

    def read_small(self, name: str) -> bytes | None:
        def ask() -> bytes | None:
            with self._request("GET", name, {}) as response:
                return None if response.status_code == _NOT_FOUND else response.content

        return self._retried(name, ask)

    def read(self, name: str) -> bytes | None:
        part = self._folder / f".{Path(name).name}.part"
        with _owned(part) as file:
            there = self._retried(name, lambda: self._complete(name, file))
            file.seek(0)
            content = file.read() if there else None
            part.unlink()
        return content

    def close(self) -> None:
        self._session.close()

    def _complete(self, name: str, file: IO[bytes]) -> bool:
        """Append what ``file`` lacks; False if the archive does not have it."""
        have = file.seek(0, os.SEEK_END)
        headers = {"Range": f"bytes={have}-"} if have else {}
        with self._request("GET", name, headers) as response:
            if response.status_code == _NOT_FOUND:
                return False
            if response.status_code == _NOTHING_LEFT:
                return True  # whether it is the whole file, its checksum tells
            if response.status_code != requests.codes.partial_content:
                file.truncate(0)
            # Unlike `iter_content`, this hands out what came before a cut.
            while chunk := response.raw.read1(_CHUNK_BYTES):
                file.write(chunk)
        return True

    def _request(self, method: str, name: str, headers: dict[str, str]) -> requests.Response:
        self.meter.count(requests=1)
        response = self._session.request(
            method,
            f"{self._base}/{name}",
            # A compressed transfer would count other bytes than a range does.
            headers={"Accept-Encoding": "identity", **headers},
            timeout=_TIMEOUT,
            stream=True,
            allow_redirects=True,
        )
        status = response.status_code
        if status in (_NOT_FOUND, _NOTHING_LEFT) or status < 400:
            return response
        response.close()
        if status == _TOO_MANY_REQUESTS or status >= 500:
            response.raise_for_status()
        raise PermanentError(
            f"{self._base}/{name} is refused (HTTP {status}). Check COIN_ARCHIVE and whether the "
            "archive is open to you."
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
        raise MarketUnavailable(
            f"{self._base}/{name} could not be downloaded in {_ATTEMPTS} attempts "
            f"({type(cause).__name__}: {cause}). Check the network and COIN_ARCHIVE; the next run "
            "goes on where this one stopped."
        ) from cause


@contextmanager
def _owned(part: Path) -> Iterator[IO[bytes]]:
    """``part``, open for appending by this thread alone; an empty one is not left behind."""
    part.parent.mkdir(parents=True, exist_ok=True)
    while True:
        # Unbuffered: what arrived is on disk when the process is killed.
        with part.open("a+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file.fileno()).st_nlink == 0:
                continue  # whoever held it finished and removed it
            try:
                yield file
            finally:
                if os.fstat(file.fileno()).st_size == 0:
                    with suppress(FileNotFoundError):
                        part.unlink()
            return
