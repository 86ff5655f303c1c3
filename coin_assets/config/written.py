"""Settings as text in the notation of their variables, without secrets.

The inverse of the parsers. Values of unknown types are refused instead of shown.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from coin_assets.config.addresses import Webhook
from coin_assets.config.settings import Settings, variable_of
from coin_assets.domain.limits import DiskLimits, FreshnessLimits
from coin_assets.domain.timeframes import Timeframe

_SECRETS = (SecretStr, tuple[Webhook, ...])
_MINUTE = timedelta(minutes=1)
_UNITS = {"w": timedelta(weeks=1), "d": timedelta(days=1), "h": timedelta(hours=1), "m": _MINUTE}


def written(settings: Settings, always: Collection[str] = ()) -> dict[str, str]:
    """Texts of the settings that were given and hold no secret, by variable.

    Args:
        always: names of fields to write even if they were not given.
    """
    wanted = settings.model_fields_set.union(always).difference(_secret_fields())
    names = (name for name in Settings.model_fields if name in wanted)
    return {variable_of(name): text_of(getattr(settings, name)) for name in names}


def secrets_given(settings: Settings) -> list[str]:
    """Variables of the secrets that were given and are not empty."""
    names = (name for name in _secret_fields() if name in settings.model_fields_set)
    return [variable_of(name) for name in names if getattr(settings, name)]


def text_of(value: object) -> str:
    """A parsed value in the notation that its parser accepts.

    Raises:
        TypeError: no setting has values of this type, or they are secrets.
    """
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ",".join(f"{name}:{text_of(each)}" for name, each in value.items())
    if isinstance(value, tuple):
        return ",".join(map(text_of, value))
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, timedelta):
        return _duration(value)
    if isinstance(value, FreshnessLimits):
        return f"{value.soft // _MINUTE}/{value.hard // _MINUTE}"
    if isinstance(value, str | int | Path | Timeframe | DiskLimits):
        return str(value)
    raise TypeError(f"no notation of a {type(value).__name__} that may be shown; add it here")


def _secret_fields() -> list[str]:
    fields = Settings.model_fields.items()
    return [name for name, field in fields if field.annotation in _SECRETS]


def _duration(span: timedelta) -> str:
    unit = next(name for name, one in _UNITS.items() if not span % one)
    return f"{span // _UNITS[unit]}{unit}"
