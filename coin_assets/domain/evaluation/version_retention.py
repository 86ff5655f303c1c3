"""Retention of model versions."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from coin_assets.domain.evaluation.roles import NamedVersion
from coin_assets.domain.methods import METHODS
from coin_assets.domain.timeframes import month_start

VERSIONS_KEPT_FOR = timedelta(days=90)
NEWEST_VERSIONS_KEPT = 10


class NumberedVersion(NamedVersion, Protocol):
    """A model version with its number."""

    @property
    def number(self) -> int:
        """Place in the order of the series' versions, from 1."""
        ...


Version = TypeVar("Version", bound=NumberedVersion)


def expendable_versions(
    versions: Sequence[Version], named: Collection[str], now: datetime
) -> list[Version]:
    """Versions of a series that may be removed, lowest number first.

    A version may be removed when its cutoff is older than `VERSIONS_KEPT_FOR`. Kept are monthly
    versions, which backfills use, the newest `NEWEST_VERSIONS_KEPT` of each method, and the
    ``named``.

    Args:
        versions: all versions of the series.
        named: names of versions that forecasts, roles or evaluations refer to.
        now: time that the age is measured to.
    """
    by_number = sorted(versions, key=lambda version: version.number)
    newest = {
        version.number
        for method in METHODS
        for version in [each for each in by_number if each.method == method][-NEWEST_VERSIONS_KEPT:]
    }
    return [
        version
        for version in by_number
        if version.number not in newest
        and version.cutoff < now - VERSIONS_KEPT_FOR
        and version.cutoff != month_start(version.cutoff)
        and version.name not in named
    ]
