"""Which incidents of the one database belong to a shard.

Every shard's `health_alerts` looks at its own symbols, and all keep one database: a symbol that
moves to another shard takes its open incidents, acknowledgements and mutes along. What is about a
shard's own sensors and jobs has its number in the subject, but for shard 0. What is about the
machine is left to shard 0, so that it is reported once.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from coin_assets.alerts.conditions import Condition
from coin_assets.alerts.incidents import Incident
from coin_assets.domain.shards import ALONE, Shard
from coin_assets.domain.symbols import symbol_problem

_OF_MACHINE = ("alert channels", "alerts database", "clock", "Dagster's records", "disk", "store")
_DAEMON = "daemon "
_NUMBERED = re.compile(r"(.+) \(shard ([0-9]+)\)")


@dataclass(frozen=True)
class ShardSubjects:
    """The subjects of one shard, as its conditions and as the database name them."""

    shard: Shard = ALONE

    def named(self, conditions: Iterable[Condition]) -> list[Condition]:
        """Conditions under their names in the database, without what another shard reports."""
        found = [(self._name_of(each.subject), each) for each in conditions]
        return [replace(each, subject=name) for name, each in found if name is not None]

    def owns(self, name: str) -> bool:
        """Whether the shard opens and ends the incident of this name.

        Shard 0 also ends those of shards that are no more.
        """
        symbol = name.rpartition(" ")[0]
        if symbol_problem(symbol) is None:
            return self.shard.owns(symbol)
        numbered = _NUMBERED.fullmatch(name)
        number = int(numbered[2]) if numbered else 0
        return self.shard.number == (number if number < self.shard.count else 0)

    def own(self, incidents: Mapping[str, Incident]) -> dict[str, Incident]:
        """The shard's incidents, by the subjects of its conditions."""
        found: dict[str, Incident] = {}
        for name, incident in incidents.items():
            if self.owns(name):
                numbered = _NUMBERED.fullmatch(name)
                subject = numbered[1] if numbered else name
                condition = replace(incident.condition, subject=subject)
                found.setdefault(subject, replace(incident, condition=condition))
        return found

    def _name_of(self, subject: str) -> str | None:
        """Name in the database; None for what shard 0 reports for all."""
        if self.shard.is_first or symbol_problem(subject.rpartition(" ")[0]) is None:
            return subject
        if subject in _OF_MACHINE or subject.startswith(_DAEMON):
            return None
        return f"{subject} (shard {self.shard.number})"
