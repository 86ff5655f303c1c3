"""One HTTP call to an address that is a secret: errors and log lines contain only the host.

A call ends in `TOTAL_SECONDS`, whatever the other side does. Nothing of an answer's body is read.
The standard exceptions quote the address, so none of them gets out, not even as a cause.
"""

import contextlib
import logging
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from threading import Event, Thread, get_ident
from typing import Any, NamedTuple

import requests
from requests.adapters import HTTPAdapter

from coin_assets.domain.backoff import retry_after
from coin_assets.errors import TemporaryError

CONNECT_SECONDS, READ_SECONDS = 3.0, 5.0  # between two bytes
TOTAL_SECONDS = 8.0
LONGEST_RETRY_AFTER_SECONDS = 3600.0  # a mistyped Retry-After must not silence a channel for days
_GRACE_SECONDS = 0.5  # a call whose connection was cut ends in milliseconds
_LOGGING = ("urllib3", "requests")
# Refusals (4xx) that hold for every message: they are of the address, the account or the time.
# Others are of one message. Slack answers 400 invalid_payload to a message, but 403, 404 and 410
# (channel_is_archived) for the channel (https://api.slack.com/changelog/
# 2016-05-17-changes-to-errors-for-incoming-webhooks). Discord answers 400 to a message that it will
# not have (https://docs.discord.com/developers/topics/opcodes-and-status-codes; content of more
# than 2,000 characters: https://github.com/Rapptz/discord.py/issues/10201).
_OF_CHANNEL = {401, 402, 403, 404, 405, 407, 408, 410, 421, 425, 426, 429, 451}


class DeliveryRefused(TemporaryError):
    """The receiver did not accept a call.

    Attributes:
        retry_after: seconds until the next attempt, if the receiver requests them.
        is_of_message: whether the receiver refused this message, and may accept others.
    """

    code = "delivery_refused"
    alert_cause = "an alert channel refuses messages"

    def __init__(
        self, message: str, retry_after: float | None = None, *, is_of_message: bool = False
    ) -> None:
        self.retry_after = retry_after
        self.is_of_message = is_of_message
        super().__init__(message)


def is_of_message(status: int) -> bool:
    """Whether an HTTP status refuses one message, rather than whatever is sent."""
    return 400 <= status < 500 and status not in _OF_CHANNEL


def call(
    method: str,
    url: str,
    shown: str,
    remedy: str,
    *,
    body: dict[str, Any] | None = None,
    key: str | None = None,
) -> None:
    """Make the call; returning means that it was accepted (2xx). Redirects are not followed.

    Args:
        shown: names the other side in errors.
        remedy: what to check if it does not accept.
        body: sent as JSON.
        key: the same for every attempt of one call, so that the other side recognises repeats.

    Raises:
        DeliveryRefused: it was not accepted, or that is unknown.
    """
    headers = {} if key is None else {"Idempotency-Key": key}
    made = _Call(url, requests.Request(method, url, json=body, headers=headers))
    outcome = made.result()
    if outcome.reason:
        # Raised in this thread, so that it has no context that contains the address.
        raise DeliveryRefused(
            f"{shown} did not accept the call: {outcome.reason}. {remedy}",
            outcome.wait,
            is_of_message=is_of_message(outcome.status),
        )


class _Outcome(NamedTuple):
    """What came of a call.

    Attributes:
        reason: why it was not accepted; empty if it was.
        wait: seconds until the next attempt, if they are requested.
        status: of the HTTP answer; 0 without a whole one.
    """

    reason: str
    wait: float | None = None
    status: int = 0


class _Call(Thread):
    """A call in a thread of its own, which can be left: a resolver cannot be interrupted.

    At most one that was left exists for each address.
    """

    _left: dict[str, "_Call"] = {}  # noqa: RUF012 (by address, for the whole process)

    def __init__(self, url: str, request: requests.Request) -> None:
        super().__init__(name="alert call", daemon=True)
        self._url = url
        self._request = request
        self._connections = _Cuttable()
        self._outcome = _Outcome("it failed")

    def result(self) -> _Outcome:
        """Make the call and wait for what comes of it."""
        left = self._left.get(self._url)
        if left is not None and left.is_alive():
            return _Outcome("the resolver of host names still hangs since the last call")
        self._left.pop(self._url, None)
        self.start()
        self.join(TOTAL_SECONDS)
        if self.is_alive():
            self._connections.cut()
            self.join(_GRACE_SECONDS)
            if self.is_alive():
                self._left[self._url] = self
            # Even if a status came: headers that were cut look like a whole answer.
            return _Outcome(f"no answer within {TOTAL_SECONDS:g} s")
        return self._outcome

    def run(self) -> None:
        try:
            with _unlogged(), requests.Session() as session, closing(self._connections):
                prepared = session.prepare_request(self._request)
                settings = session.merge_environment_settings(
                    self._url, {}, stream=True, verify=None, cert=None
                )
                # Session.send would read the whole body of a redirect.
                with self._connections.send(
                    prepared, timeout=(CONNECT_SECONDS, READ_SECONDS), **settings
                ) as response:
                    status = response.status_code
                    wait = retry_after(
                        response.headers, datetime.now(UTC), LONGEST_RETRY_AFTER_SECONDS
                    )
        except Exception as error:  # noqa: BLE001 (its text would quote the address in the log)
            self._outcome = _Outcome(_reason(error))
        else:
            reason = "" if 200 <= status < 300 else f"HTTP {status}"
            if 300 <= status < 400:
                reason += ", a redirect, which is not followed"
            self._outcome = _Outcome(reason, wait, status)


class _Cuttable(HTTPAdapter):
    """Connections that another thread can cut."""

    def __init__(self) -> None:
        super().__init__()
        self._sockets: list[socket.socket] = []
        self._is_cut = Event()

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        pool = super().get_connection_with_tls_context(*args, **options)
        keep = self._keep

        class Kept(pool.ConnectionCls):  # type: ignore[name-defined, misc]
            def _new_conn(self) -> socket.socket:
                made: socket.socket = super()._new_conn()
                keep(made)
                return made

        pool.ConnectionCls = Kept
        return pool

    def cut(self) -> None:
        """Shut down what is open, and what is opened later."""
        self._is_cut.set()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        super().close()
        while self._sockets:
            self._sockets.pop().close()

    def _keep(self, made: socket.socket) -> None:
        self._sockets.append(made.dup())  # TLS takes the descriptor of the original away
        if self._is_cut.is_set():
            self.cut()


def _reason(error: Exception) -> str:
    if isinstance(error, requests.ConnectTimeout):
        return f"no connection within {CONNECT_SECONDS:g} s"
    if isinstance(error, requests.Timeout):
        return f"no answer within {READ_SECONDS:g} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "TLS failed"
    if isinstance(error, requests.ConnectionError):
        return "the connection failed"
    return type(error).__name__


@contextmanager
def _unlogged() -> Iterator[None]:
    """Nothing that this thread does is logged by urllib3 and requests, which log paths."""
    this_thread = get_ident()

    def is_of_others(record: logging.LogRecord) -> bool:
        return record.thread != this_thread

    # The filter of a logger does not hold for the loggers below it.
    names = [name for name in list(logging.root.manager.loggerDict) if name.startswith(_LOGGING)]
    loggers = [logging.getLogger(name) for name in names]
    for each in loggers:
        each.addFilter(is_of_others)
    try:
        yield
    finally:
        for each in loggers:
            each.removeFilter(is_of_others)
