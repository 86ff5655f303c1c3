"""Roles of model versions: champion and challengers, now and at any earlier origin.

The record is append-only. Each appointment takes effect at an origin not before the last one, so
the role holder of an earlier origin never changes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, Self, TypeVar

from coin_assets.domain.forecasting.frame import HasCutoff, eligible_version
from coin_assets.domain.methods import (
    CHALLENGER_ROLES,
    CHAMPION,
    DEFAULT_METHOD,
    METHODS,
    ROLES,
    Method,
)
from coin_assets.domain.timeframes import just_after, month_start
from coin_assets.errors import CorruptArtefact, DataRefused

# `RoleChange.by` of a monthly rollover, and of the first champion, as stored in ``roles.json``.
AUTOMATIC = MONTHLY_ROLLOVER, FIRST = "succession", "update"


class NamedVersion(HasCutoff, Protocol):
    """A model version with its name and method."""

    @property
    def name(self) -> str:
        """Name in forecasts and roles, unique within its series."""
        ...

    @property
    def method(self) -> str:
        """Name of its method, one of `METHODS`."""
        ...


Version = TypeVar("Version", bound=NamedVersion)


@dataclass(frozen=True)
class RoleChange:
    """One appointment.

    Attributes:
        role: one of `ROLES`.
        version: name of the version that gets the role; None leaves it vacant.
        since: first origin that the appointment applies to.
        reason: text for operators.
        by: what made the appointment, for example ``gate`` or ``operator``.
        recorded_at: time of the record; nothing depends on it.
    """

    role: str
    version: str | None
    since: datetime
    reason: str
    by: str
    recorded_at: datetime


@dataclass(frozen=True)
class Roles:
    """All appointments of one series, in the order of their record.

    Raises:
        DataRefused: a change breaks a rule of the record.
    """

    changes: tuple[RoleChange, ...] = ()

    def __post_init__(self) -> None:
        last: dict[str, datetime] = {}
        for change in self.changes:
            _require_sound(change, last.get(change.role))
            last[change.role] = change.since

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever appointed."""
        return not self.changes

    @property
    def appointed(self) -> frozenset[str]:
        """Names of all versions that ever held a role."""
        return frozenset(each.version for each in self.changes if each.version is not None)

    def last_change(self, role: str) -> RoleChange | None:
        """The newest change of ``role``; None if there is none."""
        return next((each for each in reversed(self.changes) if each.role == role), None)

    def change_at(self, role: str, origin: datetime) -> RoleChange | None:
        """The change of ``role`` in effect at ``origin``; None if there was none by then."""
        return next(
            (each for each in reversed(self.changes) if each.role == role and each.since <= origin),
            None,
        )

    def holder(self, role: str) -> str | None:
        """Name of the version that holds ``role`` now; None if it is vacant."""
        change = self.last_change(role)
        return None if change is None else change.version

    @property
    def tenure(self) -> tuple[RoleChange, ...]:
        """The champion's tenure: its appointment, then the monthly rollovers since."""
        tenure: list[RoleChange] = []
        for change in self.changes:
            if change.role == CHAMPION:
                tenure = [*tenure, change] if change.by == MONTHLY_ROLLOVER else [change]
        return tuple(tenure)

    def previous_champion(self) -> str | None:
        """Name of the version that a rollback appoints; None if there is none.

        Appointing an earlier champion again undoes the appointments after it, so a second rollback
        goes one champion further back.
        """
        line: list[str | None] = []
        for change in self.changes:
            if change.role != CHAMPION:
                continue
            if change.version in line:
                del line[line.index(change.version) + 1 :]
            else:
                line.append(change.version)
        return line[-2] if len(line) > 1 else None

    def with_change(self, change: RoleChange, cutoff: datetime | None) -> Self:
        """The record with ``change`` appended, or unchanged if the version holds the role already.

        When a challenger becomes champion, its challenger's role becomes vacant.

        Args:
            change: the appointment.
            cutoff: of the appointed version; None if the role becomes vacant.

        Raises:
            DataRefused: the version saw candles after ``since``, the champion would become
                challenger, or the change breaks a rule of the record.
        """
        if change.version == self.holder(change.role):
            return self
        if cutoff is not None and cutoff > change.since:
            raise DataRefused(
                f"Version {change.version} saw candles up to {_time(cutoff)} and cannot be "
                f"{change.role} from {_time(change.since)} on. Appoint it from its cutoff on or "
                "later."
            )
        challenges = change.role != CHAMPION and change.version is not None
        if challenges and change.version == self.holder(CHAMPION):
            raise DataRefused(
                f"Version {change.version} is champion and cannot be challenger too. Appoint "
                "another version."
            )
        changes = [*self.changes, change]
        for role in CHALLENGER_ROLES if change.role == CHAMPION else ():
            challenge = self.last_change(role)
            if challenge and challenge.version == change.version:
                since = max(change.since, challenge.since)
                changes.append(replace(change, role=role, version=None, since=since))
        return replace(self, changes=tuple(changes))


def version_for(
    role: str, versions: Iterable[Version], roles: Roles, origin: datetime
) -> Version | None:
    """The version that forecasts ``origin`` in ``role``; None if there is none.

    This is the version that held the role at the origin. Before the first record the champion is
    the newest eligible version of `DEFAULT_METHOD` (`eligible_version`); there is no challenger.

    Args:
        role: one of `ROLES`.
        versions: all versions of the series, lowest number first.
        roles: record of the series.
        origin: close of a candle.

    Raises:
        CorruptArtefact: the recorded version is missing, or saw candles after ``origin``. No other
            version replaces it.
    """
    change = roles.change_at(role, origin)
    if change is None:
        usual = (each for each in versions if each.method == DEFAULT_METHOD)
        return eligible_version(usual, origin) if role == CHAMPION else None
    if change.version is None:
        return None
    found = next((each for each in versions if each.name == change.version), None)
    subject = f"Model version {change.version}, {role} since {_time(change.since)},"
    if found is None:
        raise CorruptArtefact(
            f"{subject} is not in the registry. Restore its folder from a backup, or launch "
            "promote_champion with override and another version."
        )
    if found.cutoff > origin:
        raise CorruptArtefact(
            f"{subject} saw candles up to {_time(found.cutoff)} and must not forecast "
            f"{_time(origin)}. roles.json or the folder's name was changed; restore it."
        )
    return found


def rollover_candidates(
    versions: Iterable[Version], roles: Roles, origin: datetime
) -> list[Version]:
    """Monthly versions that may replace the champion at ``origin``, newest first.

    Candidates have a later cutoff than the champion, and their month begins after its appointment.
    So a promotion or rollback lasts until the next month, also one from the first instant of a
    month on. Without a champion there is no candidate.

    Args:
        versions: all versions of the series.
        roles: record of the series.
        origin: close of a candle.
    """
    last, known = roles.last_change(CHAMPION), list(versions)
    if last is None:
        return []
    cutoff = next((each.cutoff for each in known if each.name == last.version), None)
    if cutoff is None:
        return []
    first = last.since if last.by in AUTOMATIC else just_after(last.since)
    candidates = [
        each
        for each in known
        if max(just_after(cutoff), first) <= each.cutoff <= origin
        and each.cutoff == month_start(each.cutoff)
    ]
    return sorted(candidates, key=lambda version: version.cutoff, reverse=True)


def next_challenger(
    versions: Sequence[Version],
    roles: Roles,
    champion: Version,
    method: Method = METHODS[DEFAULT_METHOD],
) -> Version | None:
    """The version to appoint challenger of a method: the one with the newest cutoff.

    Args:
        versions: all versions of the series, lowest number first.
        roles: record of the series.
        champion: version that is champion.
        method: whose versions are considered.

    Returns:
        None without a champion on record, while the method has a challenger, and if no version of
        the method that never held a role is new: it has a later cutoff than the champion, or the
        same one if the champion is of another method. A reference does not challenge itself.
    """
    if roles.holder(CHAMPION) is None or roles.holder(method.role) is not None:
        return None
    is_own = champion.method == method.name
    if is_own and method.is_reference:
        return None
    first = just_after(champion.cutoff) if is_own else champion.cutoff
    fresh = [
        version
        for version in versions
        if version.method == method.name
        and version.cutoff >= first
        and version.name not in roles.appointed
    ]
    return max(reversed(fresh), key=lambda version: version.cutoff, default=None)


def _require_sound(change: RoleChange, last: datetime | None) -> None:
    subject = f"The change of {change.role} to version {change.version} since {change.since}"
    if change.role not in ROLES:
        raise DataRefused(f"{subject} names an unknown role. Use one of {', '.join(ROLES)}.")
    if change.since.tzinfo is None or change.recorded_at.tzinfo is None:
        raise DataRefused(f"{subject} has times without a time zone. Use UTC.")
    if change.version is None and change.role == CHAMPION:
        raise DataRefused(f"{subject} leaves no champion. Appoint another version instead.")
    if last is not None and change.since < last:
        raise DataRefused(
            f"{subject} lies before the last one, {_time(last)}, and would change the holder at "
            "origins in between. Choose that time or a later one."
        )


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"
