"""A reader of the published folder that needs pandas and pyarrow, and no Dagster.

It does what `docs/contract` asks of readers: it checks versions, hashes and ages, and refuses what
must not be served.
"""

from coin_assets.client.errors import (
    AheadOfClock,
    Damaged,
    NotPublished,
    NotServed,
    PublishedError,
    ShardUnread,
    StaleData,
    TooOld,
    UnknownVersion,
    Unreadable,
    WrongAddress,
)
from coin_assets.client.published import Published, open_published

__all__ = [
    "AheadOfClock",
    "Damaged",
    "NotPublished",
    "NotServed",
    "Published",
    "PublishedError",
    "ShardUnread",
    "StaleData",
    "TooOld",
    "UnknownVersion",
    "Unreadable",
    "WrongAddress",
    "open_published",
]
