"""Files, functions and parameter lists stay small enough to read at once."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "coin_assets"
FILES = sorted(PACKAGE.rglob("*.py"))
LINES_OF_FILE, LINES_OF_FUNCTION, PARAMETERS = 300, 60, 6
# A comment beside each says why.
WITH_MORE_PARAMETERS = {"domain/forecasting/har.py __init__", "models/registry.py appoint"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_and_its_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LINES_OF_FILE
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef):
            continue
        name = f"{path.relative_to(PACKAGE)} {node.name}"
        lines = (node.end_lineno or 0) - node.lineno + 1
        assert lines <= LINES_OF_FUNCTION, f"{name}: {lines} lines"
        parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        count = sum(each.arg not in ("self", "cls") for each in parameters)
        is_allowed = count <= PARAMETERS or name in WITH_MORE_PARAMETERS
        assert is_allowed, f"{name}: {count} parameters"
