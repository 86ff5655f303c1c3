"""Verdicts of the clock checks: a status word, a sentence, and facts to plot."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from coin_assets.domain.durations import duration_text
from coin_assets.domain.future_data import why_ahead
from coin_assets.domain.limits import FreshnessLimits
from coin_assets.domain.publishing.manifest import (
    CORRUPT,
    FRESH,
    HARD_STALE,
    INSUFFICIENT_DATA,
    STALE,
)
from coin_assets.orchestration.metadata import rounded

STATUS, CHECKED_AT = "status", "checked_at"
_MINUTE = timedelta(minutes=1)
_WARNINGS = (FRESH, STALE, INSUFFICIENT_DATA)


@dataclass(frozen=True)
class CheckVerdict:
    """Result of a clock check; it passes only with the status ``fresh``.

    Attributes:
        status: a status word of the manifest.
        text: a sentence for people.
        metadata: facts for the UI.
    """

    status: str
    text: str
    metadata: dict[str, Any] = field(default_factory=dict)

    def evaluation(
        self, asset: dg.AssetKey, name: str, limits: FreshnessLimits, now: datetime
    ) -> dg.AssetCheckEvaluation:
        """The check result: a warning if the data is still served, else an error."""
        warning = self.status in _WARNINGS
        return dg.AssetCheckEvaluation(
            asset_key=asset,
            check_name=name,
            passed=self.status == FRESH,
            severity=dg.AssetCheckSeverity.WARN if warning else dg.AssetCheckSeverity.ERROR,
            description=self.text,
            metadata={
                STATUS: self.status,
                "soft_minutes": limits.soft / _MINUTE,
                "hard_minutes": limits.hard / _MINUTE,
                **self.metadata,
                CHECKED_AT: dg.MetadataValue.timestamp(now),
            },
        )


def age_verdict(what: str, as_of: datetime, limits: FreshnessLimits, now: datetime) -> CheckVerdict:
    """Verdict on the age of data of ``as_of``; ``what`` begins its text, as in ``data ends``."""
    age = now - as_of
    ahead = why_ahead(as_of, now)
    status = HARD_STALE if age > limits.hard else STALE if age > limits.soft else FRESH
    status = status if ahead is None else CORRUPT
    limit = f"limit {duration_text(limits.soft)}"
    if status == HARD_STALE:
        limit += f", hard limit {duration_text(limits.hard)}"
    when = (
        f"{duration_text(age)} ago"
        if age >= timedelta(0)
        else f"{duration_text(-age)} ahead of the clock"
    )
    why = "" if ahead is None else f": {ahead}"
    facts = {"as_of": dg.MetadataValue.timestamp(as_of), "age_minutes": rounded(age / _MINUTE)}
    return CheckVerdict(status, f"{what} {as_of:%Y-%m-%d %H:%M}, {when} ({limit}){why}", facts)
