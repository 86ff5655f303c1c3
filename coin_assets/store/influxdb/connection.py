"""Which server and bucket, with which token; and how patient to be with them."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Connection:
    """All it takes to reach a bucket. The token is in no representation of it.

    Attributes:
        answer_seconds: how long the server may take to connect, and between two bytes.
        patience_seconds: how long to try again, and to wait for written rows to be readable.
    """

    url: str
    org: str
    bucket: str
    token: str = field(repr=False)
    answer_seconds: float = 20.0
    patience_seconds: float = 30.0

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]  # what stands before it is secret
        return f"InfluxDB at {parts.scheme}://{host} (bucket {self.bucket!r})"

    def without_token(self, text: str) -> str:
        """``text`` for people, should it repeat the token."""
        return text.replace(self.token, "(token)") if self.token else text
