"""Requests to a bucket: write, query and delete, each with retries.

All requests are idempotent: equal points replace each other. The client library is imported at the
first request, because the import takes a third of a second.
"""

import time
from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from coin_assets.bounded_http import within
from coin_assets.domain.backoff import backoff
from coin_assets.errors import StoreUnavailable
from coin_assets.files.leases import require_leases
from coin_assets.store.influxdb import flux
from coin_assets.store.influxdb.answers import QueryFailed
from coin_assets.store.influxdb.bounds import OF_OTHERS, OF_QUERY, allowance, limit, taken
from coin_assets.store.influxdb.connection import Connection
from coin_assets.store.influxdb.measurements import Measurement
from coin_assets.store.influxdb.refusals import failure_of

if TYPE_CHECKING:
    from influxdb_client.client.influxdb_client import InfluxDBClient

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0

T = TypeVar("T")


class Bucket:
    """Requests to one bucket; safe for many threads."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._clients: dict[bool, InfluxDBClient] = {}
        self._lock = Lock()

    def write(self, lines: str) -> None:
        """Store points and return once the server has them.

        Args:
            lines: line protocol, times in seconds.

        Raises:
            StoreRefused, StoreUnavailable: as all methods.
            LockLost: this thread lost the lock of the series; the request was not sent.
        """
        from influxdb_client.client.write_api import SYNCHRONOUS  # see above
        from influxdb_client.domain.write_precision import WritePrecision

        where = self.connection

        def attempt() -> None:
            writer = self.connected(compressed=True).write_api(SYNCHRONOUS)
            require_leases()  # at each attempt, because a request is repeated for a while
            writer.write(where.bucket, where.org, lines, write_precision=WritePrecision.S)  # type: ignore[arg-type]

        self._repeated("store points", attempt)

    def query(self, script: str, parse: Callable[[bytes], T]) -> T:
        """Result of ``parse`` for the answer to a Flux script.

        Raises:
            AnswerTooLong: it is longer than `OF_QUERY`.
        """

        def attempt() -> T:
            answer = self.connected().query_api().query_raw(script, self.connection.org)
            return parse(taken(answer))

        return self._repeated("answer a query", attempt, OF_QUERY)

    def delete(
        self, measurement: Measurement, tags: dict[str, str], start: datetime, end: datetime
    ) -> None:
        """Remove the points of ``[start, end)``.

        Raises:
            LockLost: as `write`.
        """
        where = self.connection
        first, last = flux.delete_bounds(start, end)
        which = flux.predicate(measurement, tags)

        def attempt() -> None:
            api = self.connected().delete_api()
            require_leases()
            api.delete(first, last, which, where.bucket, where.org)

        self._repeated("delete points", attempt)

    def ping(self) -> dict[str, str]:
        """Headers of the answer to a ping, names in lower case; no token is required."""
        from influxdb_client.service.ping_service import PingService  # see above

        def attempt() -> dict[str, str]:
            service = PingService(self.connected().api_client)
            _, _, headers = service.get_ping_with_http_info(_return_http_data_only=False)
            return {name.lower(): value for name, value in headers.items()}

        return self._repeated("answer a ping", attempt)

    def retention(self) -> int | None:
        """Retention of the bucket in seconds, 0 for unlimited; None without access."""
        where = self.connection

        def attempt() -> int | None:
            api = self.connected().buckets_api()
            try:
                found = api.find_buckets(name=where.bucket, org=where.org).buckets
                rules = [rule for each in found or [] for rule in each.retention_rules]
                return None if not found else sum(rule.every_seconds for rule in rules)
            except (AttributeError, TypeError, ValueError) as error:
                raise QueryFailed(f"its list of buckets cannot be read ({error})") from error

        return self._repeated("show the bucket", attempt)

    def confirm(self, is_there: Callable[[], bool], what: str) -> None:
        """Wait until ``is_there`` is true.

        Args:
            is_there: whether written rows can be read.
            what: what was written, for the message.

        Raises:
            StoreUnavailable: it stays false for ``patience_seconds``.
        """
        pauses = _Pauses(self.connection.patience_seconds)
        while not is_there():
            if not pauses.wait():
                raise self._missing(what)

    def close(self) -> None:
        """Release connections; the next request opens new ones."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def connected(self, *, compressed: bool = False) -> "InfluxDBClient":
        """Client of the client library, created at the first call.

        Args:
            compressed: whether bodies are compressed in both directions. For answers to queries it
                takes the server three times as long as the query.
        """
        from influxdb_client.client.influxdb_client import InfluxDBClient  # see above

        with self._lock:
            if compressed not in self._clients:
                where = self.connection
                self._clients[compressed] = InfluxDBClient(
                    where.url,
                    where.token,
                    org=where.org,
                    timeout=int(where.answer_seconds * 1000),
                    enable_gzip=compressed,
                )
                limit(self._clients[compressed])
            return self._clients[compressed]

    def _missing(self, what: str) -> StoreUnavailable:
        return StoreUnavailable(
            f"{self.connection} took {what}, but reading does not give back what was sent. If it "
            "is older than the bucket's retention it was dropped: lengthen the retention, or set "
            "COIN_HISTORY_START later. If not, the next attempt carries on from what is stored."
        )

    def _repeated(self, doing: str, attempt: Callable[[], T], size: int = OF_OTHERS) -> T:
        """Result of ``attempt``, whose answer has at most ``size`` bytes."""
        pauses = _Pauses(self.connection.patience_seconds)
        while True:
            try:
                with within(allowance(self.connection, size)):
                    return attempt()
            except Exception as error:
                failure = failure_of(error)
                if failure is None:
                    raise
            # Not from the caught error, which may quote the request.
            if not (failure.is_temporary and pauses.wait(failure.wait)):
                raise failure.error(self.connection, doing)


class _Pauses:
    """Exponential pauses between attempts, within a total time."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._made = 0

    def wait(self, least: float = 0.0) -> bool:
        """Pause for at least ``least`` seconds; False if no time is left for another attempt."""
        self._made += 1
        pause = max(backoff(_FIRST_PAUSE, _LONGEST_PAUSE, self._made), least)
        if time.monotonic() + pause > self._until:
            return False
        time.sleep(pause)
        return True
