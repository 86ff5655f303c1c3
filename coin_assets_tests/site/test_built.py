"""The built page: what the sources build, small, and without anything from elsewhere."""

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from coin_assets_tests.site.sources import BUILT, REPOSITORY, differences

LIMIT = 250_000  # bytes by gzip, of everything
SITE = REPOSITORY / "site"


def test_the_built_page_is_what_the_sources_build() -> None:
    assert differences() == []


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("site/src/main.tsx", "differs"),
        ("coin_assets/site/index.html", "differs"),
        ("coin_assets/site/assets/more.js", "is not listed"),
        ("site/src/data/more.ts", "is not listed"),
    ],
)
def test_a_changed_or_new_file_is_noticed(tmp_path: Path, name: str, state: str) -> None:
    shutil.copytree(SITE, tmp_path / "site", ignore=shutil.ignore_patterns("node_modules"))
    shutil.copytree(BUILT, tmp_path / "coin_assets" / "site")
    assert differences(tmp_path) == []
    with (tmp_path / name).open("a") as file:
        file.write(" ")
    assert differences(tmp_path) == [f"{name} {state} since the last build"]
    (tmp_path / "site/src/style.css").unlink()
    assert "site/src/style.css is gone since the last build" in differences(tmp_path)


def test_everything_together_is_small() -> None:
    sizes = {
        path.name: len(gzip.compress(path.read_bytes()))
        for path in BUILT.rglob("*")
        if path.is_file()
    }
    assert set(sizes) == {"index.html", "page.js", "page.css", "icon.svg", "licenses.txt"}
    assert sum(sizes.values()) < LIMIT, sizes


def test_the_page_loads_from_its_own_folder_alone() -> None:
    index = (BUILT / "index.html").read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', index)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'")
    assert "unsafe" not in policy[1]
    assert "http" not in policy[1]
    addresses = re.findall(r'(?:src|href)="([^"]+)"', index)
    assert addresses
    assert all(re.match(r"assets/|manifest\.json$", each) for each in addresses)
    assert "<style" not in index
    assert not re.search(r"<script(?![^>]* src=)", index)
    assert "http" not in (BUILT / "assets" / "page.css").read_text()


def test_the_licences_of_what_is_built_in_are_there() -> None:
    licences = (BUILT / "assets" / "licenses.txt").read_text()
    for text in ("lightweight-charts", "fancy-canvas", "preact", "TradingView", "Apache License"):
        assert text in licences
    assert "tradingview.com" in (BUILT / "assets" / "page.js").read_text()


def test_the_lock_file_names_no_registry() -> None:
    lock = (SITE / "package-lock.json").read_text()
    assert '"integrity"' in lock
    assert "http" not in re.sub(r'"(?:url|funding)": "[^"]*"', "", lock)


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("npm") is None or not (SITE / "node_modules").is_dir(),
    reason="no node, or no packages: run npm ci in site/",
)
def test_a_rebuild_gives_the_same_bytes(tmp_path: Path) -> None:
    subprocess.run(["npm", "run", "build", "--", str(tmp_path)], cwd=SITE, check=True)
    for path in BUILT.rglob("*"):
        if path.is_file():
            assert (tmp_path / path.relative_to(BUILT)).read_bytes() == path.read_bytes(), path
    assert (tmp_path / "SOURCES.sha256").read_bytes() == (SITE / "SOURCES.sha256").read_bytes()
