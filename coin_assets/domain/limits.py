"""Limits of age of data and of disk usage."""

from dataclasses import dataclass
from datetime import timedelta

from coin_assets.errors import ConfigurationError

# Kept free on each file system for Dagster's records, the outbox of alerts and the databases' logs,
# whatever the percentages say: of a small disk 95% may leave nothing.
RESERVED_BYTES, RESERVED_INODES = 200_000_000, 1_000
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class FreshnessLimits:
    """Soft and hard limit of data age.

    Data older than ``soft`` is served with a warning; data older than ``hard`` is refused.

    Raises:
        ConfigurationError: not one minute <= soft < hard.
    """

    soft: timedelta
    hard: timedelta

    def __post_init__(self) -> None:
        if not _MINUTE <= self.soft < self.hard:
            raise ConfigurationError(
                f"'{self}' is not a pair of limits; the soft one must be at least 1 minute and "
                "below the hard one, as in 65/130."
            )

    def __str__(self) -> str:
        return f"{self.soft / _MINUTE:g}/{self.hard / _MINUTE:g}"


@dataclass(frozen=True)
class DiskLimits:
    """Limits of disk usage, in percent of the disk.

    Above ``warn`` there is a warning, above ``critical`` an error; above ``block`` runs stop
    writing.

    Raises:
        ConfigurationError: not 0 < warn < critical < block <= 100.
    """

    warn: int
    critical: int
    block: int

    def __post_init__(self) -> None:
        if not 0 < self.warn < self.critical < self.block <= 100:
            raise ConfigurationError(
                f"'{self}' does not ascend within 0 to 100 percent; write warn/critical/block, "
                "as in 70/85/90."
            )

    def __str__(self) -> str:
        return f"{self.warn}/{self.critical}/{self.block}"
