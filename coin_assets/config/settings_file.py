"""The settings file, a source of values beside the environment."""

from typing import Any

from pydantic_settings import TomlConfigSettingsSource

from coin_assets.config import rules
from coin_assets.errors import ConfigurationError

SETTINGS_FILE = "coin_assets.toml"


class SettingsFile(TomlConfigSettingsSource):
    """The settings file. It must not contain the token: runs read it from the environment."""

    def __call__(self) -> dict[str, Any]:
        """Values by variable.

        Raises:
            ConfigurationError: the token is among them.
        """
        values = super().__call__()
        if rules.INFLUXDB_TOKEN in values:
            raise ConfigurationError(
                f"{rules.INFLUXDB_TOKEN}: a token does not belong into {SETTINGS_FILE}, which "
                "others can read; remove it there, and set the environment variable."
            )
        return values
