"""Limits of InfluxDB's answers: bytes, as sent and expanded, and time."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from coin_assets.bounded_http import CHUNK_BYTES, Allowance, Bounds, bound, current
from coin_assets.errors import StoreUnavailable
from coin_assets.store.influxdb.connection import Connection

if TYPE_CHECKING:
    from influxdb_client.client.influxdb_client import InfluxDBClient

# A month of 1m candles takes 12 MB, one of forecasts at 1h with both roles 24 MB. Whoever asks for
# more asks again for parts of it.
OF_QUERY = 48 << 20
# Errors, the description of the bucket, headers.
OF_OTHERS = 1 << 20
_REMEDY = (
    "See that INFLUXDB_V2_URL is the address of the InfluxDB itself, and look into its log; the "
    "next attempt carries on from what is stored."
)


class AnswerTooLong(StoreUnavailable):
    """An answer of the store's server has more bytes than any that the platform asks for."""


def allowance(connection: Connection, size: int) -> Allowance:
    """What the answer to the request that begins now may take."""
    bounds = Bounds(size, connection.total_seconds)
    return Allowance(str(connection), bounds, _REMEDY, StoreUnavailable, AnswerTooLong)


def limit(client: "InfluxDBClient") -> None:
    """Let a client read each answer to its end, within the allowance of its request.

    By itself it does so without limits, in the constructors of answers and of its errors.
    """
    manager = client.api_client.rest_client.pool_manager
    bound(manager)
    manager.pool_classes_by_scheme = {
        scheme: type(pool.__name__, (_ReadingWhole, pool), {})
        for scheme, pool in manager.pool_classes_by_scheme.items()
    }


def taken(answer: Any) -> bytes:
    """The bytes of an answer, which it lets go of.

    An answer is part of a cycle of references, so it stays until garbage is collected. With its
    bytes, a few long answers in a row would take hundreds of megabytes.
    """
    content, answer._body = answer.data, b""
    return bytes(content)


class _ReadingWhole:
    """Pool of connections of urllib3 that reads answers before it returns them."""

    def urlopen(self, *args: Any, **kwargs: Any) -> Any:
        """As `urllib3.HTTPConnectionPool.urlopen`."""
        kwargs["preload_content"] = False
        answer = super().urlopen(*args, **kwargs)  # type: ignore[misc]
        allowed = current()
        if answer.status >= 300:  # the client parses the document of an error
            allowed = replace(allowed, bounds=replace(allowed.bounds, size=OF_OTHERS))
        try:
            # Where urllib3 keeps a body that was read.
            answer._body = allowed.whole(answer.stream(CHUNK_BYTES, decode_content=True))
        except BaseException:
            answer.close()
            raise
        return answer
