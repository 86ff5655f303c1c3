"""Fields of settings: parsed from their notation, defaults too."""

from collections.abc import Callable, Iterable
from typing import Any

from pydantic import Field, PlainValidator, ValidationInfo

from coin_assets.config.rules import Given
from coin_assets.errors import ConfigurationError

Rule = Callable[[Any, Given], Iterable[str]]


def parsed_by(parse: Callable[[Any], Any], rule: Rule | None = None) -> PlainValidator:
    """Validator that applies ``parse``, then ``rule``."""

    def validate(value: Any, info: ValidationInfo) -> Any:
        try:
            parsed = parse(value)
        except ConfigurationError as error:
            raise ValueError(str(error)) from None
        except OSError as error:
            raise ValueError(
                f"'{value}' cannot be looked at ({error.strerror}); correct the path."
            ) from error
        if problems := list(rule(parsed, info.data) if rule else ()):
            raise ValueError("\n".join(problems))
        return parsed

    return PlainValidator(validate)


def setting(default: str | None, meaning: str) -> Any:
    """Field whose default is in notation, and is parsed and validated like a value."""
    return Field(default=default, validate_default=True, description=meaning)
