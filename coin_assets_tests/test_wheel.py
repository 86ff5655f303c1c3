"""The built package is whole: schemas, page and client are in it, and the client needs no Dagster.

The wheel is built from a copy of the sources and extracted into an empty folder. The client runs
from there in a process that finds nothing but the packages of the optional set ``client``.
"""

import json
import shutil
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from coin_assets_tests.client.folder import publish
from coin_assets_tests.realdata import REPOSITORY as ROOT

PACKAGED = ("pyproject.toml", "README.md", "LICENSE", "coin_assets", "docs/contract")

CODE = """
import importlib.resources, json, sys
sys.path[:0] = sys.argv[2:]
from coin_assets import client

published = client.open_published(sys.argv[1])
try:
    import dagster
except ImportError:
    dagster = None
schema = importlib.resources.files("coin_assets.contract") / "manifest.schema.json"
print(json.dumps({
    "file": client.__file__,
    "dagster": dagster is not None,
    "series": len(published.series()),
    "steps": len(published.forecast("BTC/USDT", "4h")),
    "archived": len(published.archive("candles", "BTC/USDT", "4h")),
    "schema": json.loads(schema.read_text())["$id"],
}))
"""


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The content of the wheel of this checkout."""
    work = tmp_path_factory.mktemp("wheel")
    source, wheels, content = (work / name for name in ("source", "wheels", "content"))
    for name in PACKAGED:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, source / name)
        else:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=ignored)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", wheels, source],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = wheels.glob("coin_assets-*.whl")
    zipfile.ZipFile(wheel).extractall(content)
    return content


def linked_requirements(extracted: Path, folder: Path, extra: str) -> set[str]:
    """Names of the packages that an optional set of the wheel needs, linked into ``folder``."""
    (metadata,) = extracted.glob("*.dist-info")
    wanted = _requirements(PathDistribution(metadata), extra)
    names = set[str]()
    while wanted:
        name = wanted.pop()
        if name in names:
            continue
        names.add(name)
        package = distribution(name)
        wanted += _requirements(package)
        for top in {file.parts[0] for file in package.files or ()} - {"..", "__pycache__"}:
            (folder / top).symlink_to(Path(str(package.locate_file(top))))
    return names


def _requirements(package: Distribution, extra: str = "") -> list[str]:
    """Requirements of a package: its own, or those that ``extra`` adds."""
    found = [Requirement(each) for each in package.requires or ()]
    return [
        each.name
        for each in found
        if (each.marker.evaluate({"extra": extra}) if each.marker else not extra)
        and (not extra or not each.marker or not each.marker.evaluate({"extra": ""}))
    ]


def test_the_schemas_are_in_it(extracted: Path) -> None:
    schemas = sorted((ROOT / "docs/contract").glob("*.schema.json"))
    assert len(schemas) >= 3
    for schema in schemas:
        assert (
            extracted / "coin_assets/contract" / schema.name
        ).read_bytes() == schema.read_bytes()


def test_the_page_is_in_it(extracted: Path) -> None:
    page = ROOT / "coin_assets/site"
    if not (page / "index.html").exists():
        pytest.skip("coin_assets/site/index.html is not built in this checkout")
    for path in page.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            packed = extracted / path.relative_to(ROOT)
            assert packed.read_bytes() == path.read_bytes()


def test_the_client_works_from_it_without_dagster(extracted: Path, tmp_path: Path) -> None:
    site, folder = tmp_path / "site", tmp_path / "published"
    site.mkdir()
    names = linked_requirements(extracted, site, "client")
    assert {"pandas", "pyarrow", "numpy"} <= names
    assert "dagster" not in names
    publish(folder, datetime.now(UTC))
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CODE, folder, extracted, site],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert Path(found.pop("file")).is_relative_to(extracted)
    assert found == {
        "dagster": False,
        "series": 4,
        "steps": 24,
        "archived": 60,
        "schema": "manifest.schema.json",
    }
