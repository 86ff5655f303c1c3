"""Reasons of requests that no proper answer came back to, in plain words.

Texts of ``requests`` and ``urllib3`` hold names of their classes and addresses in memory.
"""

import socket
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit


def why_unanswered(error: BaseException, client: Any) -> str | None:
    """Why a request has no answer; None if the exchange answered in JSON.

    Args:
        error: raised by ccxt, or by one of its parsers, after the request.
        client: the ccxt client.
    """
    import requests

    causes = list(_causes(error))
    found = next((each for each in causes if isinstance(each, requests.RequestException)), None)
    if found is None:
        return "its answer is not JSON" if client.last_json_response is None else None
    if found.response is None:
        return _why_unreached(error, causes, found, client)
    status = found.response.status_code
    is_json = found.response.text.lstrip()[:1] in ("{", "[")
    return f"{_host(found)} answers HTTP {status}" if status >= 500 and not is_json else None


def _why_unreached(
    error: BaseException, causes: list[BaseException], found: Any, client: Any
) -> str:
    """Why nothing came back at all."""
    import ccxt
    import requests

    host = _host(found)
    if isinstance(error, ccxt.RequestTimeout) or isinstance(found, requests.Timeout):
        return f"{host} does not answer within {client.timeout / 1000:g} s"
    if any(isinstance(each, socket.gaierror) for each in causes):
        return f"the name {host} cannot be resolved"
    if any(isinstance(each, requests.exceptions.SSLError | ssl.SSLError) for each in causes):
        return f"no secure connection to {host}: the TLS handshake or the certificate is refused"
    if any(isinstance(each, ConnectionRefusedError) for each in causes):
        return f"{host} refuses connections"
    return f"the connection to {host} broke off"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """``error`` and what lies beneath it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _host(error: Any) -> str:
    """Host, and port if it is written, of the request that failed."""
    return urlsplit(getattr(error.request, "url", None) or "").netloc or "the exchange"
