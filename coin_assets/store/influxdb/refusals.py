"""Translation of failed requests to errors with a remedy."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from urllib3.exceptions import HTTPError

from coin_assets.domain.backoff import retry_after
from coin_assets.errors import CoinAssetsError, StoreRefused, StoreUnavailable
from coin_assets.store.influxdb.answers import QueryFailed
from coin_assets.store.influxdb.connection import Connection

_TEMPORARY = {408, 429}
_MOST_DOCUMENT, _MOST_WORDS = 1 << 16, 300
_REMEDIES = {
    400: "It did not understand the request, or a field has another type there. Point "
    "COIN_INFLUXDB_BUCKET to a bucket of this platform, on an InfluxDB 2.x.",
    401: "The token is not valid there. Set INFLUXDB_V2_TOKEN to one that may read and write the "
    "bucket, and restart.",
    403: "The token is valid but may not do this. Give it read and write access to the bucket, or "
    "set INFLUXDB_V2_TOKEN to another one, and restart.",
    404: "The organisation or the bucket is not there. Create it, or correct INFLUXDB_V2_ORG and "
    "COIN_INFLUXDB_BUCKET.",
    413: "The request is larger than it, or a proxy before it, lets pass. Raise that limit: "
    "requests have up to 5,000 lines, about 1 MB before gzip.",
    422: "Some points are older than the retention of the bucket, or a field has another type "
    "there. Lengthen the retention, or point COIN_INFLUXDB_BUCKET to a bucket of this platform.",
}
# A query with a wrong organisation gets HTTP 400; other requests get 404.
_NO_ORGANISATION = re.compile(r"organization name .* not found")
_OTHERWISE = "Look into its log; COIN_STORE=influxdb needs an InfluxDB 2.x."


@dataclass(frozen=True)
class ServerFailure:
    """A failed attempt.

    Attributes:
        status: of the HTTP answer; 0 without an answer, 200 if it broke off.
        detail: message of the server or the network.
        wait: seconds of its ``Retry-After`` header.
    """

    status: int
    detail: str
    wait: float = 0.0

    @property
    def is_temporary(self) -> bool:
        """Whether the same request can succeed later."""
        return self.status in _TEMPORARY or self.status >= 500 or self.status <= 200

    def error(self, connection: Connection, doing: str) -> CoinAssetsError:
        """Error to raise after the last attempt."""
        code = f" (HTTP {self.status})" if self.status > 200 else ""
        what = f"{connection} could not {doing}{code}: {connection.without_token(self.detail)}."
        if not self.is_temporary:
            cause = 404 if _NO_ORGANISATION.search(self.detail) else self.status
            return StoreRefused(f"{what} {_REMEDIES.get(cause, _OTHERWISE)}", self.status)
        asked = f" It asks to wait {self.wait:.0f} s." if self.wait else ""
        return StoreUnavailable(
            f"{what}{asked} See that it is running and reachable, or correct INFLUXDB_V2_URL; the "
            "next attempt carries on from what is stored."
        )


def failure_of(error: Exception) -> ServerFailure | None:
    """Failure of an attempt; None if the error is not of the server or the network."""
    from influxdb_client.rest import ApiException  # imported already if an attempt was made

    if isinstance(error, ApiException):
        asked = retry_after(error.headers or {}, datetime.now(UTC))
        return ServerFailure(error.status or 0, _words(error), asked or 0.0)
    if isinstance(error, QueryFailed):
        return ServerFailure(200, str(error))
    if isinstance(error, HTTPError | OSError):
        return ServerFailure(0, str(error).rpartition(": ")[2] or type(error).__name__)
    return None


def _words(error: Any) -> str:
    """Message of an error document, else the beginning of the body."""
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else error.body
    try:
        words = str(json.loads(body[:_MOST_DOCUMENT])["message"])
    except (KeyError, RecursionError, TypeError, ValueError):
        words = (body or error.reason or "no reason given").strip()
    return words[:_MOST_WORDS]
