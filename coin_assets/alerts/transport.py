"""One HTTP call to an address that is a secret: errors and log lines contain only the host.

The standard exceptions quote the address, so none of them gets out, not even as a cause.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import get_ident
from typing import Any

import requests
import urllib3

from coin_assets.domain.backoff import retry_after
from coin_assets.errors import TemporaryError

CONNECT_SECONDS, READ_SECONDS = 3.0, 5.0
LONGEST_RETRY_AFTER_SECONDS = 3600.0  # a mistyped Retry-After must not silence a channel for days
_LOGGER = logging.getLogger("urllib3.connectionpool")


class DeliveryRefused(TemporaryError):
    """The receiver did not accept a call.

    Attributes:
        retry_after: seconds until the next attempt, if the receiver requests them.
    """

    code = "delivery_refused"
    alert_cause = "an alert channel refuses messages"

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


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
    try:
        with (
            _unlogged(),
            requests.request(
                method,
                url,
                json=body,
                headers=headers,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,  # the answer's body is of no interest
            ) as response,
        ):
            status = response.status_code
            wait = retry_after(response.headers, datetime.now(UTC), LONGEST_RETRY_AFTER_SECONDS)
    except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
        reason, wait = _reason(error), None
    else:
        if 200 <= status < 300:
            return
        followed = ", a redirect, which is not followed" if 300 <= status < 400 else ""
        reason = f"HTTP {status}{followed}"
    # Raised here, outside of the handler, so that it has no context that contains the address.
    raise DeliveryRefused(f"{shown} did not accept the call: {reason}. {remedy}", wait)


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
    """Nothing that this thread does is logged by urllib3, which logs paths."""
    this_thread = get_ident()

    def is_of_others(record: logging.LogRecord) -> bool:
        return record.thread != this_thread

    _LOGGER.addFilter(is_of_others)
    try:
        yield
    finally:
        _LOGGER.removeFilter(is_of_others)
