"""Commands that the README and the pages of docs/ show, and how each of them is tested.

A command is run or checked by a named test, or it is not run, for a reason. A new command in the
documentation belongs into one of the two tables.
"""

import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from coin_assets_tests.webui import ROOT, environment

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_SHELLS = {"", "sh", "bash", "shell", "console"}
_FENCE = re.compile(r"\s*```(\w*)")
_COMMENT = re.compile(r"(^|\s+)#\s.*$")
_VARIABLE = re.compile(r"\w+=(\S*|\"[^\"]*\")")


@dataclass(frozen=True)
class Command:
    """A command as written, with the lines that belong to it.

    Attributes:
        page: relative to the repository, such as ``docs/commands.md``.
    """

    page: str
    text: str


def blocks_of(page: Path) -> Iterator[list[str]]:
    """Lines of each block of a shell: fenced without another language, or indented."""
    block: list[str] = []
    fence: str | None = None
    before = ""
    for line in [*page.read_text().splitlines(), ""]:
        if found := _FENCE.match(line):
            if block and (fence is None or fence in _SHELLS):
                yield block
            fence, block = (found[1] if fence is None else None), []
        elif fence is not None or (line.startswith("    ") and (block or not before.strip())):
            block.append(line)
        elif block:
            yield block
            block = []
        before = line


def commands_of(block: Iterable[str]) -> Iterator[str]:
    """Commands and variables of a block, without comments."""
    lines = [line.strip() for line in block]
    while lines:
        text = _COMMENT.sub("", lines.pop(0))
        end = _end_of(text)
        while lines and (text.endswith("\\") or end):
            if text.endswith("\\"):
                text = text[:-1].rstrip() + " "
                text += _COMMENT.sub("", lines.pop(0))
                continue
            line = lines.pop(0)
            text += f"\n{line}"
            if line == end:
                break
        if text:
            yield text


def _end_of(text: str) -> str:
    """Line that ends a here document or a loop; empty text if the command is one line."""
    if found := re.search(r"<<'(\w+)'", text):
        return found[1]
    return "done" if text.startswith("for ") else ""


def is_variable(text: str) -> bool:
    """Whether a line only sets a variable, for the lines after it."""
    return _VARIABLE.fullmatch(text) is not None


def documented() -> list[Command]:
    """All commands of all pages."""
    return [
        Command(str(page.relative_to(ROOT)), text)
        for page in PAGES
        for block in blocks_of(page)
        for text in commands_of(block)
        if not is_variable(text)
    ]


def script_of(page: str, test: str) -> str:
    """The commands of a page that ``test`` of `TESTED` runs, with all variables, for bash."""
    patterns = [pattern for pattern, name in TESTED.items() if name.endswith(f"::{test}")]
    lines = [
        text
        for block in blocks_of(ROOT / page)
        for text in commands_of(block)
        if is_variable(text) or any(re.fullmatch(each, text, re.DOTALL) for each in patterns)
    ]
    return "\n".join(lines)


def bash(script: str, home: Path, folder: Path, **variables: str) -> str:
    """Output of a script that runs in ``folder`` and stops at the first error."""
    done = subprocess.run(
        ["/bin/bash", "-euc", script],
        cwd=folder,
        env=environment(home, **variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


_HERE, _FILES = "test_documented_commands.py::", "test_documented_files.py::"
# Pattern of the whole command: the test that runs it, or checks it without starting anything.
TESTED = {
    "make demo": "test_webui.py::installation",
    "make up": "test_webui.py::installation",
    "make (status|alerts|alert-test|doctor|(backup|restore-check) .+)": (
        f"{_HERE}test_commands_of_operators_run_on_a_home"
    ),
    "make ack( .+)?": f"{_HERE}test_acknowledgements_are_accepted",
    "make compose-secrets": "deploy/test_compose.py::test_every_secret_gets_a_random_value_once",
    r'eval "\$\(make -s env\)"': "test_makefile.py::test_an_odd_home_is_the_one_that_is_used",
    # Those of docs/commands.md are run as well, by test_webui.py.
    "(make|dagster job) launch .+": f"{_HERE}test_launches_are_accepted",
    "dagster asset (materialize|wipe) .+": f"{_HERE}test_selections_choose_assets_and_months",
    "dagster sensor list": f"{_HERE}test_dagster_lists_the_sensors",
    "dagster sensor (start|preview) .+": f"{_HERE}test_dagster_lists_the_sensors",
    "export COIN_ALERT_WEBHOOKS=.+": f"{_HERE}test_webhooks_are_accepted",
    r"python - <<'END'\nimport os\n.+": "test_docs.py::test_snippets_run_on_a_home",
    # rsync only where it is installed.
    "(rsync|mkdir|for part in candles ledger) .+": f"{_FILES}test_a_copy_of_a_home_is_restored",
    r"(\(umask|cp|tar -xzf) .+": f"{_FILES}test_secrets_are_copied_and_restored",
    r"(du|cat|mv|sqlite3) .+": f"{_FILES}test_files_of_a_home_are_shown_and_set_aside",
    r"(for part in candles forecasts|rm -f) .+": f"{_FILES}test_a_symbol_is_deleted",
    r"python -m coin_assets\.watcher( --once)?": "watcher/test_watcher.py::"
    "test_it_reads_the_settings_and_looks_once_on_request",
    r"python -m coin_assets\.commands\.worker .+": "orchestration/workers/test_workers.py::"
    "test_a_run_waits_for_a_worker_of_its_queue",
    "test -n .+": f"{_FILES}test_an_old_heartbeat_is_reported",
    "echo '.+' > .+yaml": f"{_HERE}test_settings_of_copy_store_are_accepted",
}

_DOCKER = "needs Docker"
_INFLUXDB = "needs a server of InfluxDB and its command line"
_POSTGRESQL = "needs a server of PostgreSQL and its administrator"
NOT_RUN = {
    "make test": "it is what runs this test",
    "ssh .+": "needs another machine",
    "curl .+": "needs a web server; test_serving.py asks each one for the same headers",
    "sudo cp deploy/published.+": "needs root; test_serving.py serves by these files",
    "python -m pip .+": "needs a package registry; test_wheel.py builds the wheel and runs from it",
    "COIN_MARKET=ccxt:.+ make up": "needs an exchange",
    r"python - <<'END'\nfrom http.server .+": "serves until it is stopped",
    "(COIN_ARCHIVE=.+ )?docker compose .+": _DOCKER,
    r"\$compose .+": _DOCKER,
    r'tar -C "\$COIN_HOME" .+ \| \$compose .+': _DOCKER,
    "export COMPOSE_FILE=.+": _DOCKER,
    "influx .+": _INFLUXDB,
    "export INFLUXDB_V2_URL=.+": _INFLUXDB,
    "(COIN_STORE=influxdb )?dagster job execute .+": _INFLUXDB,
    "createuser .+": _POSTGRESQL,
    "export DAGSTER_(HOME|POSTGRES_HOST|POSTGRES_PASSWORD)=.+": _POSTGRESQL,
    r"python -m coin_assets\.up": _POSTGRESQL,
    "(df|grep) .+": "shows the file systems of this machine",
}
