"""Files of an archive in a folder or at a URL, verified by their checksum files.

A folder is read in place and never changed; downloads leave no files behind.
"""

import hashlib
import re
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from contextvars import copy_context
from copy import copy
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Protocol, TypeVar, cast
from urllib.parse import unquote, urlsplit

from coin_assets.bounded_http import Bounds
from coin_assets.errors import ConfigurationError, InvalidCandles, PermanentError
from coin_assets.files.faults import machine_fault
from coin_assets.market.base import Meter, Usage
from coin_assets.market.bounds import OF_FILE, OF_SMALL_FILE
from coin_assets.market.pace import Halt
from coin_assets.market.transfers import Presence, UrlSource, file_too_long, shown_address

THREADS = 4
T = TypeVar("T")

_CHECKSUM = re.compile(r"\s*([0-9a-fA-F]{64})[ \t]+\*?(\S+)\s*")


class _Source(Protocol):
    meter: Meter
    has_seen: bool
    has_read: bool

    def presence(self, name: str) -> Presence: ...
    def readable(self, name: str) -> Presence: ...
    def read_small(self, name: str) -> bytes | Presence: ...
    def read(self, name: str) -> bytes | None: ...
    def close(self) -> None: ...


class ArchiveFiles:
    """Files below ``base``, named by their path from there.

    Attributes:
        base: the folder, or what messages show of the address.

    Args:
        base: a folder, or the ``http(s)://`` address that the paths are appended to.
        downloads_folder: working folder of downloads; required for a URL.
        sleep: waits a number of seconds between attempts.
    """

    def __init__(
        self,
        base: str,
        downloads_folder: Path | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.local = not base.startswith(("http://", "https://"))
        self._address, self._user = (base, None) if self.local else _without_user(base)
        self.base = base if self.local else shown_address(self._address)
        self._folder = downloads_folder
        if not self.local and downloads_folder is None:
            raise ConfigurationError(f"Downloads from {self.base} need a folder to go through.")
        self._source = self._opened(sleep)
        self._threads_of = self
        self._pool: ThreadPoolExecutor | None = None
        self._lock = Lock()

    def twin(self, halt: Halt) -> "ArchiveFiles":
        """The same files for another thread: own connections and usage, shared threads."""
        made = copy(self)
        made._source = made._opened(halt.sleep)
        return made

    def existing(self, names: Iterable[str], others: Iterable[str] = ()) -> set[str]:
        """Names that the archive has.

        Args:
            names: paths below the base.
            others: names that a readable archive is likely to have; requested only if all else is
                forbidden.

        Raises:
            MarketUnavailable: the archive does not answer.
            PermanentError: it refuses everything, including ``others``.
        """
        asked = list(names)
        presence = self._source.presence
        found = list(map(presence, asked) if self.local else self._threads().map(presence, asked))
        there = {name for name, each in zip(asked, found, strict=True) if each is Presence.THERE}
        if Presence.FORBIDDEN in found and not self._source.has_seen:
            self._require_open(asked[found.index(Presence.FORBIDDEN)], others)
        return there

    def fetch(self, name: str) -> bytes | None:
        """Verified content of a file; None if there is no such file.

        Raises:
            MarketUnavailable: the archive does not answer.
            PermanentError: it has refused every request so far.
            InvalidCandles: the checksum differs or is missing.
        """
        # A transfer of the file or its checksum can fail: then both are requested once more.
        for attempt in range(1 if self.local else 2):
            if attempt:
                self._source.meter.count(retries=1)
            checksum = self._source.read_small(f"{name}.CHECKSUM")
            if isinstance(checksum, Presence):
                self._refuse_unverifiable(name, checksum)
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
            f"{self.base}/{name} has SHA-256 {found[:12]}..., but {name}.CHECKSUM has "
            f"{expected[:12]}.... The file is damaged or was replaced without its checksum; "
            "get both again, or delete both.",
        )

    def fetch_all(
        self, names: Iterable[str]
    ) -> Generator[tuple[str, bytes | InvalidCandles | None]]:
        """Yield each name with the result or the refusal of `fetch`; some are fetched ahead."""
        if self.local:
            for name in names:
                yield name, self._outcome(name)
            return
        ahead: deque[tuple[str, Future[bytes | InvalidCandles | None]]] = deque()
        left = iter(names)
        try:
            for name in islice(left, THREADS):
                ahead.append((name, self._threads().submit(self._outcome, name)))
            while ahead:
                name, future = ahead[0]
                outcome = future.result()
                ahead.popleft()
                for following in islice(left, 1):
                    ahead.append((following, self._threads().submit(self._outcome, following)))
                yield name, outcome
        finally:
            for _, future in ahead:
                future.cancel()
            wait([future for _, future in ahead])

    def usage(self) -> Usage:
        """Files read of a folder (checksums included), or HTTP requests."""
        return self._source.meter.usage

    def close(self) -> None:
        """Release threads and connections; the files may be used again afterwards."""
        if self._threads_of is self and self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
        self._source.close()

    def _opened(self, sleep: Callable[[float], None]) -> _Source:
        if self._folder is None or self.local:
            return _Folder(Path(self.base))
        return UrlSource(self._address, self._user, self._folder, sleep)

    def _outcome(self, name: str) -> bytes | InvalidCandles | None:
        try:
            return self.fetch(name)
        except InvalidCandles as refusal:
            return refusal

    def _threads(self) -> ThreadPoolExecutor:
        owner = self._threads_of
        with owner._lock:
            if owner._pool is None:
                owner._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="archive")
            return owner._pool

    def _expected(self, checksum: bytes, name: str) -> str:
        match = _CHECKSUM.fullmatch(checksum.decode("ascii", "replace"))
        if match is None or match[2] != Path(name).name:
            raise InvalidCandles(
                "checksum",
                f"{self.base}/{name}.CHECKSUM is not '<SHA-256>  {Path(name).name}'. "
                "Get it again, or delete the file with it.",
            )
        return match[1].lower()

    def _refuse_unverifiable(self, name: str, checksum: Presence) -> None:
        is_absent = checksum is Presence.ABSENT
        found = (self._source.presence if is_absent else self._source.readable)(name)
        if found is Presence.FORBIDDEN and not self._source.has_read:
            self._require_open(name, ())
        if found is Presence.THERE:
            raise InvalidCandles(
                "checksum_missing",
                f"{self.base}/{name} has no {Path(name).name}.CHECKSUM beside it, so damage "
                "would go unnoticed. Put the checksum there that was published with the file.",
            )

    def _require_open(self, name: str, others: Iterable[str]) -> None:
        """Raise unless one of ``others`` exists: a forbidden name is then an absent one."""
        if any(self._source.presence(each) is Presence.THERE for each in others):
            return
        raise PermanentError(
            f"The archive {self.base} refuses everything requested so far (HTTP 403, or "
            f"a web page in place of the file), {name} first. Check COIN_ARCHIVE and whether the "
            "archive is open to you. A bucket that answers 403 for files that it lacks must allow "
            "listing (s3:ListBucket), or have a file of this symbol."
        )


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.meter = Meter()
        self.has_seen = self.has_read = True

    def presence(self, name: str) -> Presence:
        return Presence.THERE if (self._folder / name).is_file() else Presence.ABSENT

    readable = presence

    def read(self, name: str) -> bytes | None:
        return self._content(name, OF_FILE)

    def read_small(self, name: str) -> bytes | Presence:
        content = self._content(name, OF_SMALL_FILE)
        return Presence.ABSENT if content is None else content

    def _content(self, name: str, bounds: Bounds) -> bytes | None:
        path = self._folder / name
        try:
            if path.stat().st_size > bounds.size:
                raise file_too_long(str(path), bounds)
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if (fault := machine_fault(error, path)) is not None:
                raise fault from error
            raise InvalidCandles("unreadable", f"{path} cannot be read ({error}).") from error
        self.meter.count(requests=1)
        return content

    def close(self) -> None:
        """Do nothing: no connection is open."""


def _without_user(url: str) -> tuple[str, tuple[str, str] | None]:
    """Address without credentials, and the name and password in it."""
    parts = urlsplit(url.rstrip("/"))
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return parts.geturl(), None
    name, _, password = user.partition(":")
    return parts._replace(netloc=host).geturl(), (unquote(name), unquote(password))


def made_ahead(items: Generator[T]) -> Generator[T]:
    """``items``, each produced in a thread while the caller uses the previous one."""
    end = object()
    with closing(items), ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        log_lines = copy_context()  # these belong to the caller, whichever thread they come from
        coming = thread.submit(log_lines.run, lambda: next(items, end))
        while (item := coming.result()) is not end:
            coming = thread.submit(log_lines.run, lambda: next(items, end))
            yield cast("T", item)
