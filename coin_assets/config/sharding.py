"""``COIN_SHARDS`` and ``COIN_SHARD``: their rules, and the shard that a process loads."""

from collections.abc import Iterator, Mapping
from typing import Any

from coin_assets.config import numbers
from coin_assets.domain.shards import Shard, shard_of
from coin_assets.errors import ConfigurationError

_MOST = 100


def number(value: Any) -> int | None:
    """Number of a shard, or None for empty text."""
    return None if value is None or value == "" else numbers.whole_number(0)(value)


def populated(count: int, given: Mapping[str, Any]) -> Iterator[str]:
    """Problems of more shards than there can be, or than have symbols."""
    if count > _MOST:
        yield f"{count} are more than {_MOST}; write fewer."
    elif symbols := given.get("symbols"):
        used = {shard_of(symbol, count) for symbol in symbols}
        if empty := sorted(set(range(count)) - used):
            yield (
                f"of {count} shards, {', '.join(map(str, empty))} would have none of the "
                f"{len(symbols)} symbols; write fewer shards."
            )


def one_of_shards(chosen: int | None, given: Mapping[str, Any]) -> Iterator[str]:
    """Problem of a number that no shard has."""
    count = given.get("shards")
    if chosen is not None and count is not None and chosen >= count:
        yield f"{chosen} is not below COIN_SHARDS={count}; shards count from 0."


def own_shard(count: int, chosen: int | None) -> Shard:
    """The shard that this process loads.

    Raises:
        ConfigurationError: there are several, and nothing says which.
    """
    if count > 1 and chosen is None:
        raise ConfigurationError(
            f"COIN_SHARD: not set, but COIN_SHARDS={count}. Load the locations that "
            "deploy/workspace.sharded.yaml names, as make up does, or write a number from 0 to "
            f"{count - 1}."
        )
    return Shard(chosen or 0, count)


def require(chosen: int, count: int) -> None:
    """Require that there is a shard of this number.

    Raises:
        ConfigurationError: there is none.
    """
    if not 0 <= chosen < count:
        raise ConfigurationError(
            f"COIN_SHARDS: there is no shard {chosen} of {count}; they count from 0. Give "
            "COIN_SHARDS as many shards as the workspace has locations."
        )
