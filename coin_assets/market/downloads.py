"""The files of an archive, each verified by the checksum beside it: from a folder or from a URL.

A folder is read in place and never changed; downloads leave nothing behind.
"""

import hashlib
import re
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar, cast
from urllib.parse import unquote, urlsplit

from coin_assets.errors import ConfigurationError, InvalidCandles
from coin_assets.market.base import Meter, Usage
from coin_assets.market.transfers import UrlSource

THREADS = 4
T = TypeVar("T")

_CHECKSUM = re.compile(r"\s*([0-9a-fA-F]{64})[ \t]+\*?(\S+)\s*")


class _Source(Protocol):
    meter: Meter

    def exists(self, name: str) -> bool: ...
    def read_small(self, name: str) -> bytes | None: ...
    def read(self, name: str) -> bytes | None: ...
    def close(self) -> None: ...


class ArchiveFiles:
    """Files below ``base``, named by their path from there.

    Args:
        base: a folder, or the ``http(s)://`` address that the paths are appended to.
        downloads_folder: where downloads may lie while they last; a URL needs one.
        sleep: waits between attempts.
    """

    def __init__(
        self,
        base: str,
        downloads_folder: Path | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.local = not base.startswith(("http://", "https://"))
        self.base, user = (base, None) if self.local else _without_user(base)
        self._source: _Source
        if self.local:
            self._source = _Folder(Path(base))
        elif downloads_folder is None:
            raise ConfigurationError(f"Downloads from {base} need a folder to go through.")
        else:
            self._source = UrlSource(self.base, user, downloads_folder, sleep)
        self._pool: ThreadPoolExecutor | None = None

    def existing(self, names: Iterable[str]) -> set[str]:
        """Those of ``names`` that the archive has.

        Raises:
            MarketUnavailable: the archive does not answer.
        """
        asked = list(names)
        exists = self._source.exists
        answers = map(exists, asked) if self.local else self._threads().map(exists, asked)
        return {name for name, there in zip(asked, answers, strict=True) if there}

    def fetch(self, name: str) -> bytes | None:
        """Content of a file, as its checksum says; None if there is no such file.

        Raises:
            MarketUnavailable: the archive does not answer.
            InvalidCandles: the file is not what its checksum says, or has none.
        """
        # A transfer can go wrong, in the file as in its checksum: then both are sent once more.
        for attempt in range(1 if self.local else 2):
            if attempt:
                self._source.meter.count(retries=1)
            checksum = self._source.read_small(f"{name}.CHECKSUM")
            if checksum is None:
                self._refuse_unverifiable(name)
                return None
            expected = self._expected(checksum, name)
            content = self._source.read(name)
            if content is None:
                return None
            found = hashlib.sha256(content).hexdigest()
            if found == expected:
                return content
        raise InvalidCandles(
            "checksum",
            f"{self.base}/{name} has SHA-256 {found[:12]}..., but {name}.CHECKSUM says "
            f"{expected[:12]}.... The file is damaged or was replaced without its checksum; "
            "get both again, or take them out of COIN_ARCHIVE.",
        )

    def fetch_all(self, names: Iterable[str]) -> Generator[tuple[str, bytes | None]]:
        """Every name with what `fetch` returns, in order; a few are fetched ahead."""
        if self.local:
            for name in names:
                yield name, self.fetch(name)
            return
        ahead: deque[tuple[str, Future[bytes | None]]] = deque()
        left = iter(names)
        try:
            for name in islice(left, THREADS):
                ahead.append((name, self._threads().submit(self.fetch, name)))
            while ahead:
                name, future = ahead[0]
                content = future.result()
                ahead.popleft()
                for following in islice(left, 1):
                    ahead.append((following, self._threads().submit(self.fetch, following)))
                yield name, content
        finally:
            for _, future in ahead:
                future.cancel()
            wait([future for _, future in ahead])

    def usage(self) -> Usage:
        """Files read of a folder (checksums included), or HTTP requests."""
        return self._source.meter.usage

    def close(self) -> None:
        """Release threads and connections; the files may be used again afterwards."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
        self._source.close()

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="archive")
        return self._pool

    def _expected(self, checksum: bytes, name: str) -> str:
        match = _CHECKSUM.fullmatch(checksum.decode("ascii", "replace"))
        if match is None or match[2] != Path(name).name:
            raise InvalidCandles(
                "checksum",
                f"{self.base}/{name}.CHECKSUM is not '<SHA-256>  {Path(name).name}'. "
                "Get it again, or take the file out of COIN_ARCHIVE.",
            )
        return match[1].lower()

    def _refuse_unverifiable(self, name: str) -> None:
        if self._source.exists(name):
            raise InvalidCandles(
                "checksum_missing",
                f"{self.base}/{name} has no {Path(name).name}.CHECKSUM beside it, so damage "
                "would go unnoticed. Put the checksum there that was published with the file.",
            )


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.meter = Meter()

    def exists(self, name: str) -> bool:
        return (self._folder / name).is_file()

    def read(self, name: str) -> bytes | None:
        try:
            content = (self._folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise InvalidCandles(
                "unreadable", f"{self._folder / name} cannot be read ({error})."
            ) from error
        self.meter.count(requests=1)
        return content

    read_small = read

    def close(self) -> None:
        """Nothing to release."""


def _without_user(url: str) -> tuple[str, tuple[str, str] | None]:
    """The address as it may be shown, and the name and password that stood in it."""
    parts = urlsplit(url.rstrip("/"))
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return parts.geturl(), None
    name, _, password = user.partition(":")
    return parts._replace(netloc=host).geturl(), (unquote(name), unquote(password))


def made_ahead(items: Generator[T]) -> Generator[T]:
    """``items``, each made in a thread while the one before is in use."""
    end = object()
    with closing(items), ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        coming = thread.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, items, end)
            yield cast("T", item)
