"""Parsers of settings that are whole numbers."""

import re
from collections.abc import Callable

from coin_assets.errors import ConfigurationError

_LAST_PORT = 65535


def whole_number(minimum: int) -> Callable[[object], int]:
    """Parser of whole numbers not below ``minimum``."""

    def parse(value: object) -> int:
        # In Python True equals 1; in a settings file it is no number.
        number = value if isinstance(value, int) and not isinstance(value, bool) else None
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,9}", value.strip()):
            number = int(value)
        if number is None or number < minimum:
            raise ConfigurationError(
                f"{value!r} is not a whole number of at least {minimum}; write one, "
                f"as in {minimum + 2}."
            )
        return number

    return parse


def port(usual: int, *, required: bool = False) -> Callable[[object], int]:
    """Parser of ports; 0 stands for none.

    Args:
        usual: the one that the error gives as an example.
        required: refuse 0.
    """

    def parse(value: object) -> int:
        try:
            number = whole_number(1 if required else 0)(value)
        except ConfigurationError:
            number = _LAST_PORT + 1
        if number > _LAST_PORT:
            raise ConfigurationError(
                f"{value!r} is no port; write a number up to {_LAST_PORT}, as in {usual}"
                f"{'.' if required else ', or 0 for none.'}"
            )
        return number

    return parse
