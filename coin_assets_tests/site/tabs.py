"""Tabs of a real browser on a served folder: quiet, and on this machine alone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from coin_assets_tests.browser import CHROMIUM, QUIET
from coin_assets_tests.site.documents import NOW

# A name of this machine that is no secure context: browsers offer no Web Crypto there.
PLAIN = "published.test"
# The published folder is in a sub-path, as behind a proxy.
SUB_PATH = "some/where"
# What was read is rendered, and then asks for files.
_TWO_FRAMES = """() => new Promise(
    done => requestAnimationFrame(() => requestAnimationFrame(done))
)"""


@dataclass
class Watched:
    """A tab, and what it complained about or asked other hosts for.

    Attributes:
        excused: of complaints that a test causes, as a regular expression.
        asked: requests that have not ended.
    """

    tab: Page
    url: str
    excused: str = r"(?!)"
    complaints: list[str] = field(default_factory=list)
    asked: set[Request] = field(default_factory=set)

    def at(self, address: str = "") -> Page:
        """The tab after it opened a view, for example ``#/status``."""
        self.tab.goto(f"{self.url}{address}")
        self.tab.locator("h1").wait_for()
        expect(self.tab.locator("main")).not_to_contain_text("Reading the")
        return self.tab

    def advance(self, time: str) -> None:
        """Let ``time`` (``"hh:mm:ss"``) pass in the page at once, as if a computer had slept.

        The time limit of requests follows the same clock, so the page is let come to rest before.
        """
        update = self.tab.get_by_role("button", name="Update")
        expect(update).to_have_attribute("aria-disabled", "false")
        self.tab.evaluate(_TWO_FRAMES)
        for _ in range(500):
            if not self.asked:
                break
            self.tab.wait_for_timeout(20)
        assert not self.asked, "requests do not end"
        self.tab.clock.fast_forward(time)

    def keep_message(self, message: ConsoleMessage) -> None:
        """Keep an error or a warning of the console."""
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} {message.location.get('url', '')}")

    def keep_foreign(self, request: Request, host: str) -> None:
        """Keep a request to another host than ``host``; addresses of blobs have none."""
        if urlsplit(request.url).netloc not in (host, ""):
            self.complaints.append(f"a request to {request.url}")

    def require_quiet(self) -> None:
        """Check that nothing was complained about that is not excused."""
        assert [each for each in self.complaints if not re.search(self.excused, each)] == []


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*QUIET, f"--host-resolver-rules=MAP {PLAIN} 127.0.0.1"]
        )
        try:
            yield started
        finally:
            started.close()


@contextmanager
def watched(
    started: Browser,
    port: int,
    *,
    now: datetime | None = NOW,
    name: str = "127.0.0.1",
    **options: object,
) -> Iterator[Watched]:
    """A tab whose clock starts at ``now``; at its end, nothing may have gone wrong.

    Args:
        now: None leaves the clock of the machine.
        name: of this machine in the address.
        options: of Playwright's ``new_context``, for example ``color_scheme="dark"``.
    """
    host = f"{name}:{port}"
    chosen = {"viewport": {"width": 1280, "height": 900}, "timezone_id": "Europe/Berlin"} | options
    context = started.new_context(**chosen)  # type: ignore[arg-type]  # the options are many
    try:
        tab = context.new_page()
        tab.set_default_timeout(10_000)
        if now is not None:
            tab.clock.install(time=now)
        found = Watched(tab, f"http://{host}/{SUB_PATH}/")
        tab.on("console", found.keep_message)
        tab.on("pageerror", lambda error: found.complaints.append(str(error)))
        context.on("request", lambda request: found.keep_foreign(request, host))
        context.on("request", lambda request: found.asked.add(request))
        context.on("requestfinished", lambda request: found.asked.discard(request))
        context.on("requestfailed", lambda request: found.asked.discard(request))
        yield found
        found.require_quiet()
    finally:
        context.close()
