"""A headless Chromium, for looking at the web UI as a person would."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
requires_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"
)
# How long a page takes to show something says more about the machine than about the page.
expect.set_options(timeout=30_000)
# The browser's own background traffic would leave the machine.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def page() -> Iterator[Page]:
    """One page of 1600 x 1000 pixels."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            opened = browser.new_page(viewport={"width": 1600, "height": 1000})
            opened.set_default_timeout(60_000)
            yield opened
        finally:
            browser.close()
