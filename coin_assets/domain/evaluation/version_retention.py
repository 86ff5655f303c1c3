"""Which model versions are kept."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from coin_assets.domain.evaluation.roles import NamedVersion
from coin_assets.domain.timeframes import month_start

VERSIONS_KEPT_FOR = timedelta(days=90)
NEWEST_VERSIONS_KEPT = 10


class NumberedVersion(NamedVersion, Protocol):
    """A model version, as far as retention is concerned."""

    @property
    def number(self) -> int: ...


Version = TypeVar("Version", bound=NumberedVersion)


def expendable_versions(
    versions: Sequence[Version], named: Collection[str], now: datetime
) -> list[Version]:
    """Which of all model versions of a key need not be kept.

    Those with a cutoff older than `VERSIONS_KEPT_FOR`, but for the anchors of the months (a
    backfill depends on them), the newest `NEWEST_VERSIONS_KEPT`, and the ``named``.

    Args:
        named: names of versions that something refers to.
    """
    by_number = sorted(versions, key=lambda version: version.number)
    return [
        version
        for version in by_number[:-NEWEST_VERSIONS_KEPT]
        if version.cutoff < now - VERSIONS_KEPT_FOR
        and version.cutoff != month_start(version.cutoff)
        and version.name not in named
    ]
