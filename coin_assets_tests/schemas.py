"""The published contract, as tests use it: the JSON Schemas of ``docs/contract``."""

import json
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator

from coin_assets_tests.realdata import REPOSITORY

KINDS = ("history", "prediction", "manifest", "archive")
SCHEMAS = (*KINDS, "evaluation", "root")
CONTRACT = REPOSITORY / "docs" / "contract"


@lru_cache
def schema_of(kind: str) -> dict[str, Any]:
    """The schema of one kind of file, itself checked; see `SCHEMAS`."""
    schema: dict[str, Any] = json.loads((CONTRACT / f"{kind}.schema.json").read_bytes())
    Draft202012Validator.check_schema(schema)
    return schema


def broken_rules(kind: str, document: object) -> list[str]:
    """Where and how ``document`` breaks the schema of ``kind``; empty if it keeps it."""
    checker = Draft202012Validator.FORMAT_CHECKER
    assert "date-time" in checker.checkers, "install rfc3339-validator to check times"
    errors = Draft202012Validator(schema_of(kind), format_checker=checker).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in errors]


def assert_valid(kind: str, document: object) -> None:
    """Check that ``document`` keeps the schema of ``kind``, and name every broken rule if not."""
    broken = broken_rules(kind, document)
    assert not broken, f"{kind} document breaks its schema: " + "; ".join(broken)
