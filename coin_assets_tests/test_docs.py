"""The documentation: every link leads somewhere, every page is listed, the README stays short."""

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from coin_assets.config.settings import settings_table
from coin_assets_tests.contract_dump import RECORDED
from coin_assets_tests.test_release_home import RELEASE_HOME
from coin_assets_tests.webui import ROOT

DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
# The page of the forecasting methods follows its modules by hand.
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_modules_that_exist(page: Path) -> None:
    for named in re.findall(r"`((?:\w+/)*\w+\.py)`", page.read_text()):
        assert named in names_of_modules(), f"{page.name} names {named}"


@cache
def names_of_modules() -> set[str]:
    """Paths of all modules, and the ends of these paths."""
    folders = ("coin_assets", "coin_assets_tests", "benchmarks", "docs")
    code = [path.relative_to(ROOT) for each in folders for path in (ROOT / each).rglob("*.py")]
    return {"/".join(path.parts[-length:]) for path in code for length in range(1, 6)}


def test_pre_commit_runs_what_make_lint_runs() -> None:
    recipe = (ROOT / "Makefile").read_text().split("\nlint:")[1].split("\n\n")[0]
    linted = re.findall(r"^\t\$\(BIN\)/python (.+)$", recipe, re.MULTILINE)
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    committed = [hook["entry"].removeprefix(".venv/bin/python ") for hook in hooks]
    assert committed == [command.removesuffix(" .") for command in linted]


def test_runbooks_that_alerts_name_exist() -> None:
    code = "".join(path.read_text() for path in (ROOT / "coin_assets").rglob("*.py"))
    named = set(re.findall(r"\bdocs/[\w/]+\.md", code))
    assert len(named) >= 5
    assert {path for path in named if not (ROOT / path).exists()} == set()


def test_the_settings_page_has_the_table_of_all_settings() -> None:
    page = (DOCS / "settings.md").read_text()
    assert settings_table() in page, "print settings_table() into docs/settings.md"


def test_the_commands_page_lists_every_job() -> None:
    recorded = json.loads(RECORDED.read_text())["definitions"]["jobs"]
    page = (DOCS / "commands.md").read_text()
    assert [job for job in recorded if f"| `{job}` |" not in page] == []


def test_the_commands_page_lists_every_target_of_make() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    page = (DOCS / "commands.md").read_text()
    assert [target for target in targets if f"`make {target}`" not in page] == []


SNIPPET = re.compile(r"^ *python - <<'END'\n(.*?)^ *END$", re.MULTILINE | re.DOTALL)
SNIPPETS = [
    text
    for text in SNIPPET.findall((DOCS / "operations/alerts.md").read_text())
    if "serve_forever" not in text
]


@pytest.mark.parametrize("text", SNIPPETS, ids=range(len(SNIPPETS)))
def test_snippets_run_on_a_home(tmp_path: Path, text: str) -> None:
    home = shutil.copytree(RELEASE_HOME, tmp_path / "home")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)],
        cwd=ROOT,
        env={**os.environ, "COIN_HOME": str(home), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_published_files_of_the_readme_validate(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines by which readers validate a manifest, on that of the release's home."""
    page = (DOCS / "contract/README.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    code = code.replace("var/demo", str(RELEASE_HOME))
    assert "validate(manifest)" in code
    monkeypatch.chdir(ROOT)
    exec(compile(code, "contract/README.md", "exec"), {})  # noqa: S102 (our own documentation)
