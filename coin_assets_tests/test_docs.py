"""The documentation: every link leads somewhere, every page is listed, the README stays short."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from coin_assets_tests.webui import ROOT

DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
# The page of the forecasting methods follows its modules by hand.
NAMING_MODULES = [page for page in PAGES if page != DOCS / "forecasting.md"]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """Anchors of the headings of ``page``, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {text.replace(" ", "-") for text in words}


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Target file and anchor of each link of ``page`` that stays in the repository."""
    for target in LINK.findall(page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        yield ((page.parent / path).resolve() if path else page), anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target, anchor in links(page):
        assert target.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(target), f"{page.name} links to {target.name}#{anchor}"


def test_the_table_of_contents_lists_every_page() -> None:
    listed = {target for target, _ in links(DOCS / "index.md")}
    assert {*DOCS.rglob("*.md"), *DOCS.rglob("*.json")} - {DOCS / "index.md"} <= listed


def test_the_readme_is_short_and_begins_with_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) < 150
    first, second = (readme.index(f"make {command}") for command in ("demo", "test"))
    assert first < second < readme.index("make up")


def test_each_decision_has_date_context_decision_and_consequences() -> None:
    decisions = (DOCS / "decisions.md").read_text().split("\n### ")[1:]
    assert len(decisions) > 50
    parts = (
        r"[^\n]+\n\n\*\d{4}-\d\d-\d\d\*\n\n",
        r"- \*\*Context:",
        r"Decision:",
        r"Consequences:",
    )
    for decision in decisions:
        assert re.match(".*".join(parts), decision, re.DOTALL), decision


@pytest.mark.parametrize("page", NAMING_MODULES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_modules_that_exist(page: Path) -> None:
    code = [path.relative_to(ROOT) for path in ROOT.rglob("*.py") if ".venv" not in path.parts]
    names = {"/".join(path.parts[-length:]) for path in code for length in range(1, 6)}
    for named in re.findall(r"`((?:\w+/)*\w+\.py)`", page.read_text()):
        assert named in names, f"{page.name} names {named}"


def test_pre_commit_runs_what_make_lint_runs() -> None:
    recipe = (ROOT / "Makefile").read_text().split("\nlint:")[1].split("\n\n")[0]
    linted = re.findall(r"^\t\$\(BIN\)/python (.+)$", recipe, re.MULTILINE)
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    committed = [hook["entry"].removeprefix(".venv/bin/python ") for hook in hooks]
    assert committed == [command.removesuffix(" .") for command in linted]
