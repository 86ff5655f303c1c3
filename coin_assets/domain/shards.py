"""Shards: the code location that owns a symbol.

Rendezvous hashing (Thaler and Ravishankar, "Using name-based mappings to increase hit rates",
1998): each shard has a weight for each symbol, and the heaviest one owns it. A new shard takes
symbols from all others and moves none between them; one that goes leaves its symbols to all others.
"""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b


@lru_cache(maxsize=1 << 16)
def shard_of(symbol: str, count: int) -> int:
    """Number of the shard that owns ``symbol`` among ``count``."""
    return max(range(count), key=lambda number: (_weight(symbol, number), number))


@dataclass(frozen=True)
class Shard:
    """One of ``count`` shards, which are numbered from 0."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"shard {self.number} of {self.count}"

    @property
    def is_alone(self) -> bool:
        """Whether there is only this one: an installation without shards."""
        return self.count == 1

    @property
    def is_first(self) -> bool:
        """Whether it does what is to be done once for all shards."""
        return self.number == 0

    @property
    def folder(self) -> str:
        """Its folder in the published folder; empty if it is alone, and has all of it."""
        return "" if self.is_alone else folder_of(self.number)

    def owns(self, symbol: str) -> bool:
        """Whether a symbol belongs to it."""
        return shard_of(symbol, self.count) == self.number


ALONE = Shard(0, 1)


def folder_of(number: int) -> str:
    """Name of the published folder of a shard."""
    return f"shard={number}"


def _weight(symbol: str, number: int) -> bytes:
    # Bytes that are not UTF-8 are refused later, with their line.
    name = f"{number}\n{symbol}".encode(errors="surrogateescape")
    return blake2b(name, digest_size=8).digest()
