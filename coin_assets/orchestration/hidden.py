"""Secrets of resources, in the memory of this process alone.

Dagster stores and shows the configuration of resources. Each process that opens a resource has read
the settings and built the definitions, so it can reveal what they hide. ``dg.EnvVar`` would not do:
a setting may also come from the settings file.
"""

from pydantic import SecretStr

from coin_assets.config.addresses import masked

_VALUES: dict[str, str] = {}  # by what is shown


def hidden_address(address: SecretStr) -> str:
    """What configuration may contain in place of an address, the same in every process.

    Text that is no address, such as a folder, is returned as it is.
    """
    value = address.get_secret_value()
    if "://" not in value:
        return value
    for shown, known in _VALUES.items():
        if known == value:
            return shown
    shown = f"{masked(value)} (hidden {len(_VALUES) + 1})"
    _VALUES[shown] = value
    return shown


def reveal(text: str) -> str:
    """The address that `hidden_address` returned ``text`` for, or ``text`` itself."""
    return _VALUES.get(text, text)
