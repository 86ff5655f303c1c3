"""Who forecasts: which model version holds a role, and which one held it at any earlier origin.

The record is a history. Appointments are added at its end and count from a time on that is never
before the last one, so that what was said of an origin stays true.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol, Self, TypeVar

from coin_assets.domain.forecasting.frame import (
    CHALLENGER,
    CHAMPION,
    ROLES,
    HasCutoff,
    eligible_version,
)
from coin_assets.domain.timeframes import just_after, month_start
from coin_assets.errors import CorruptArtefact, DataRefused

# `RoleChange.by` of a training that follows the champion of its method, and of a first champion.
AUTOMATIC = SUCCESSION, FIRST = "succession", "update"


class NamedVersion(HasCutoff, Protocol):
    """A model version, as far as roles are concerned."""

    @property
    def name(self) -> str: ...


Version = TypeVar("Version", bound=NamedVersion)


@dataclass(frozen=True)
class RoleChange:
    """One appointment.

    Attributes:
        role: one of `ROLES`.
        version: name of the version that holds the role from then on; None leaves it vacant.
        since: first origin that it counts for.
        reason: why, for people.
        by: who or what did it.
        recorded_at: when it was written down; nothing depends on it.
    """

    role: str
    version: str | None
    since: datetime
    reason: str
    by: str
    recorded_at: datetime


@dataclass(frozen=True)
class Roles:
    """All appointments of one key, in the order they were recorded.

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
        return not self.changes

    @property
    def appointed(self) -> frozenset[str]:
        """Every version that ever held a role."""
        return frozenset(each.version for each in self.changes if each.version is not None)

    def last_change(self, role: str) -> RoleChange | None:
        """The change that says who holds ``role`` now; None if there never was one."""
        return next((each for each in reversed(self.changes) if each.role == role), None)

    def change_at(self, role: str, origin: datetime) -> RoleChange | None:
        """The change that says who held ``role`` at ``origin``; None if there was none by then."""
        return next(
            (each for each in reversed(self.changes) if each.role == role and each.since <= origin),
            None,
        )

    def holder(self, role: str) -> str | None:
        """Name of the version that holds ``role`` now."""
        return _version_of(self.last_change(role))

    def holder_at(self, role: str, origin: datetime) -> str | None:
        """Name of the version that held ``role`` at ``origin``."""
        return _version_of(self.change_at(role, origin))

    @property
    def reign(self) -> tuple[RoleChange, ...]:
        """How the champion's method got its place, then each training that followed it there."""
        reign: list[RoleChange] = []
        for change in self.changes:
            if change.role == CHAMPION:
                reign = [*reign, change] if change.by == SUCCESSION else [change]
        return tuple(reign)

    def previous_champion(self) -> str | None:
        """The champion that a rollback appoints; None if there is no way back.

        Who was champion before counts, not when: to return to one takes back what came after it,
        so that a second rollback goes one further.
        """
        status: list[str | None] = []
        for change in self.changes:
            if change.role != CHAMPION:
                continue
            if change.version in status:
                del status[status.index(change.version) + 1 :]
            else:
                status.append(change.version)
        return status[-2] if len(status) > 1 else None

    def with_change(self, change: RoleChange, cutoff: datetime | None) -> Self:
        """The record with ``change`` at its end, or as it is if the role is held so already.

        A challenger that becomes champion is challenger no more: its role is left vacant.

        Args:
            cutoff: that of the version; None if the role is left vacant.

        Raises:
            DataRefused: the version knows candles after ``since``, is champion and shall become
                challenger, or the change breaks a rule of the record.
        """
        if change.version == self.holder(change.role):
            return self
        if cutoff is not None and cutoff > change.since:
            raise DataRefused(
                f"Version {change.version} knows candles up to {_time(cutoff)} and cannot be "
                f"{change.role} from {_time(change.since)} on. Appoint it from its cutoff on or "
                "later."
            )
        challenges = change.role == CHALLENGER and change.version is not None
        if challenges and change.version == self.holder(CHAMPION):
            raise DataRefused(
                f"Version {change.version} is champion and cannot be challenger too. Appoint "
                "another version."
            )
        changes = [*self.changes, change]
        challenge = self.last_change(CHALLENGER)
        if change.role == CHAMPION and challenge and challenge.version == change.version:
            since = max(change.since, challenge.since)
            changes.append(replace(change, role=CHALLENGER, version=None, since=since))
        return replace(self, changes=tuple(changes))


def version_for(
    role: str, versions: Iterable[Version], roles: Roles, origin: datetime
) -> Version | None:
    """The version that forecasts ``origin`` in ``role``: whoever held the role then.

    Of the time before the first champion there is no record; then it is the newest version that
    may forecast the origin at all (`eligible_version`). There is no challenger without a record.

    Args:
        versions: all that exist, oldest number first.

    Raises:
        CorruptArtefact: the version of the record is not there, or knows candles after
            ``origin``. No other one takes its place.
    """
    change = roles.change_at(role, origin)
    if change is None:
        return eligible_version(versions, origin) if role == CHAMPION else None
    if change.version is None:
        return None
    found = next((each for each in versions if each.name == change.version), None)
    said = f"Model version {change.version}, {role} since {_time(change.since)} by the record,"
    if found is None:
        raise CorruptArtefact(
            f"{said} is not in the registry. Bring its folder back from a backup, or launch "
            "promote_champion with override and another version."
        )
    if found.cutoff > origin:
        raise CorruptArtefact(
            f"{said} knows candles up to {_time(found.cutoff)} and must not forecast "
            f"{_time(origin)}. The record or the folder's name was changed; bring it back."
        )
    return found


def possible_successors(
    versions: Iterable[Version], roles: Roles, origin: datetime
) -> list[Version]:
    """Anchors of months that may take the place of the champion at ``origin``, newest first.

    None may before there is a champion. They know more than it does, and begin after it was
    appointed: a promotion or a rollback holds until the next month, also one that counts from the
    first instant of a month on.
    """
    last, known = roles.last_change(CHAMPION), list(versions)
    if last is None:
        return []
    cutoff = next((each.cutoff for each in known if each.name == last.version), None)
    if cutoff is None:
        return []
    first = last.since if last.by in AUTOMATIC else just_after(last.since)
    anchors = [
        each
        for each in known
        if max(just_after(cutoff), first) <= each.cutoff <= origin
        and each.cutoff == month_start(each.cutoff)
    ]
    return sorted(anchors, key=lambda version: version.cutoff, reverse=True)


def next_challenger(
    versions: Sequence[Version], roles: Roles, champion_cutoff: datetime
) -> Version | None:
    """The version that shall challenge the champion now: the one that knows most.

    Args:
        versions: all that exist, oldest number first.
        champion_cutoff: that of the present champion.

    Returns:
        None while there is no champion, while there is a challenger, and if no version that never
        held a role knows more than the champion.
    """
    if roles.holder(CHAMPION) is None or roles.holder(CHALLENGER) is not None:
        return None
    fresh = [
        version
        for version in versions
        if version.cutoff > champion_cutoff and version.name not in roles.appointed
    ]
    return max(reversed(fresh), key=lambda version: version.cutoff, default=None)


def _require_sound(change: RoleChange, last: datetime | None) -> None:
    said = f"The change of {change.role} to version {change.version} since {change.since}"
    if change.role not in ROLES:
        raise DataRefused(f"{said} names an unknown role. Use one of {', '.join(ROLES)}.")
    if change.since.tzinfo is None or change.recorded_at.tzinfo is None:
        raise DataRefused(f"{said} has times without a time zone. Use UTC.")
    if change.version is None and change.role == CHAMPION:
        raise DataRefused(f"{said} leaves no champion. Appoint another version instead.")
    if last is not None and change.since < last:
        raise DataRefused(
            f"{said} lies before the last one, {_time(last)}, and would change what was said of "
            "origins in between. Choose that time or a later one."
        )


def _version_of(change: RoleChange | None) -> str | None:
    return None if change is None else change.version


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M}"
