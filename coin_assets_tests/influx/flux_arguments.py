"""The arguments of a call, asked for by name and type."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

from coin_assets_tests.influx.refusal import Refusal

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Arguments:
    """Evaluated arguments.

    Attributes:
        at: the place of the call.
        asked: names that the function knows.
    """

    at: str
    values: dict[str, Any]
    asked: set[str] = field(default_factory=set)

    def need(self, name: str, kind: type[Kind]) -> Kind:
        if name not in self.values:
            raise Refusal("invalid", f"error {self.at}: missing required argument {name}")
        given: Kind = self.get(name, kind, self.values[name])
        return given

    def get(self, name: str, kind: type[Kind], otherwise: Kind) -> Kind:
        self.asked.add(name)
        value: object = self.values.get(name, otherwise)
        no_number = kind is int and isinstance(value, bool)
        if no_number or not isinstance(value, kind):
            found = f"expected {kind.__name__} but found {type(value).__name__}"
            raise Refusal("invalid", f"error {self.at}: {found} (argument {name})")
        return value

    def names(self, name: str, otherwise: list[str] | None = None) -> list[str]:
        found = self.need(name, list) if otherwise is None else self.get(name, list, otherwise)
        if not all(isinstance(each, str) for each in found):
            raise Refusal("invalid", f"error {self.at}: expected [string] (argument {name})")
        return found

    def refuse_others(self) -> None:
        for name in self.values.keys() - self.asked - {"tables"}:
            raise Refusal("invalid", f"error {self.at}: found unexpected argument {name}")
