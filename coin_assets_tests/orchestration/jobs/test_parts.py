"""The loop of jobs that run part by part."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from coin_assets.errors import CoinAssetsError, ConfigurationError, PartsFailed, StoreRefused
from coin_assets.orchestration.jobs.parts import Parts, run_parts

CONTEXT: Any = SimpleNamespace(log=Mock())


def run(errors: dict[str, CoinAssetsError]) -> Parts[str]:
    def part(name: str) -> str:
        if name in errors:
            raise errors[name]
        return name.upper()

    return run_parts(CONTEXT, ["a", "b", "c"], part)


def test_a_failing_part_leaves_the_others_and_is_named() -> None:
    parts = run({"b": StoreRefused("no bucket")})
    assert parts.results == ["A", "C"]
    with pytest.raises(PartsFailed, match=r"^1 of 3 symbols failed: b: no bucket Try again\.$"):
        parts.require_all_done("symbols", "Try again.")


def test_no_failure_raises_nothing() -> None:
    run({}).require_all_done("symbols")


def test_wrong_settings_alone_are_a_configuration_error() -> None:
    parts = run({"a": ConfigurationError("unknown"), "c": ConfigurationError("unknown")})
    with pytest.raises(ConfigurationError, match="2 of 3 symbols failed"):
        parts.require_all_done("symbols")
    with pytest.raises(PartsFailed):
        run({"a": ConfigurationError("x"), "b": StoreRefused("y")}).require_all_done("symbols")


def test_other_exceptions_end_the_loop() -> None:
    def broken(_name: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_parts(CONTEXT, ["a"], broken)
