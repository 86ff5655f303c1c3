"""Role holders at earlier origins, for tests of the record."""

from datetime import datetime

from coin_assets.domain.evaluation.roles import Roles


def holder_at(roles: Roles, role: str, origin: datetime) -> str | None:
    """Name of the version that held ``role`` at ``origin``; None if it was vacant."""
    change = roles.change_at(role, origin)
    return None if change is None else change.version
