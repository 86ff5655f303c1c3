"""Address, credentials and time limits of an InfluxDB bucket."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Connection:
    """Parameters of requests to a bucket. No representation contains the token.

    Attributes:
        answer_seconds: time limit of connecting, and between two bytes.
        total_seconds: time limit of a whole answer; at 10 Mbit/s the longest takes 40 s.
        patience_seconds: time limit of retries, and of waiting until written rows are readable.
    """

    url: str
    org: str
    bucket: str
    token: str = field(repr=False)
    answer_seconds: float = 20.0
    total_seconds: float = 300.0
    patience_seconds: float = 30.0

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]  # the part before it is secret
        return f"InfluxDB at {parts.scheme}://{host} (bucket {self.bucket!r})"

    def without_token(self, text: str) -> str:
        """``text`` with the token masked."""
        return text.replace(self.token, "(token)") if self.token else text
