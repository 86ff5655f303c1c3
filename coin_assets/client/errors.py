"""Errors of the reader; each message names the offender, the expectation and the remedy."""

from coin_assets.foreign_text import readable


class PublishedError(Exception):
    """Root of the reader's errors. What cannot be seen in its message is escaped."""

    def __init__(self, message: str) -> None:
        super().__init__(readable(message))


class WrongAddress(PublishedError, ValueError):
    """The address is neither a folder nor an http(s) URL."""


class Unreadable(PublishedError):
    """A file could not be read: it is absent, or its disk or server does not answer properly."""


class UnknownVersion(PublishedError):
    """A file has a version that this reader does not know."""


class Damaged(PublishedError):
    """A file is not what the manifest lists, or breaks the contract."""


class NotPublished(PublishedError, LookupError):
    """There is no such series, file or month."""


class NotServed(PublishedError):
    """The series must not be served now."""


class TooOld(NotServed):
    """Its ``hard_stale_at`` has passed by the reader's clock."""


class AheadOfClock(NotServed):
    """Its data ends in the future by the reader's clock."""


class ShardUnread(UserWarning):
    """The manifest of a shard cannot be read now; series of other shards can."""


class StaleData(UserWarning):
    """The series is stale: it may be served, with this warning."""
