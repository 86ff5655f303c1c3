"""Entry points of Dagster for shards: ``coin_assets.shards:shard_0``, ``shard_1`` and so on.

`coin_assets.definitions` has all symbols, or those of the shard that ``COIN_SHARD`` names.
"""

from functools import cache

import dagster as dg

from coin_assets.config.settings import Settings
from coin_assets.orchestration.build import build_definitions
from coin_assets.orchestration.locations import number_in
from coin_assets.orchestration.run_symbols import names_of_run


def __getattr__(name: str) -> dg.Definitions:
    """The definitions of a shard.

    Raises:
        ConfigurationError: the settings cannot be used, or have no such shard.
    """
    number = number_in(name)
    if number is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _definitions(number)


@cache  # Dagster asks twice
def _definitions(number: int) -> dg.Definitions:
    return build_definitions(Settings().of_shard(number), symbol_names=names_of_run())
