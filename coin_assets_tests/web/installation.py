"""A Dagster instance with one run, and requests to the web server on it that try to delete it."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import dagster as dg

from coin_assets_tests.orchestration.records.generated import RUNS
from coin_assets_tests.orchestration.records.homes import open_home
from coin_assets_tests.webui import OWN, WebUi, web_server

DELETION = f'mutation {{ deleteRun(runId: "{RUNS[0]}") {{ __typename }} }}'
BODY = json.dumps({"query": DELETION})
IN_ADDRESS = f"/graphql?query={quote(DELETION)}"
PUBLIC = "coins.example.org"


@dataclass
class Installation:
    instance: dg.DagsterInstance
    ui: WebUi

    @property
    def host(self) -> str:
        return urlsplit(self.ui.url).netloc

    @property
    def port(self) -> int:
        return int(self.host.rpartition(":")[2])

    @property
    def has_run(self) -> bool:
        return self.instance.get_run_by_id(RUNS[0]) is not None

    def send(
        self, method: str, path: str, body: str | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, str]:
        """Status, headers and text of a request with exactly these headers, but for its length."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, names)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()


@contextmanager
def installation(folder: Path, program: str = OWN) -> Iterator[Installation]:
    words = [f"--ui-hosts={PUBLIC}"] if program == OWN else []
    with open_home(folder / "home") as instance:
        instance.add_run(dg.DagsterRun("job", run_id=RUNS[0]))
        with web_server(folder / "home", folder / "log", *words, program=program) as ui:
            yield Installation(instance, ui)
