"""Each example of ``docs/contract/readers.md`` runs, and finds what was published.

A tool that is not installed skips its example.
"""

import ast
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from coin_assets.client import open_published
from coin_assets_tests.client.folder import publish
from coin_assets_tests.client.served import served
from coin_assets_tests.realdata import REPOSITORY as ROOT

PAGE = ROOT / "docs/contract/readers.md"
BLOCKS: dict[str, str] = {
    name: code
    for _, name, code in re.findall(
        r"^```(\w+) ([\w-]+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
}
SERIES = ("BTC/USDT", "4h")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is fresh by the clock of this machine."""
    folder = tmp_path_factory.mktemp("readers") / "published"
    publish(folder, datetime.now(UTC))
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with served(folder) as (address, _):
        yield address


@pytest.fixture(scope="module")
def forecasts(folder: Path) -> pd.DataFrame:
    return open_published(folder).archive("forecasts", *SERIES)


def block(name: str, folder: Path, address: str) -> str:
    """An example for this folder and server."""
    code = BLOCKS[name]
    for documented, here in (
        ("var/demo/published", str(folder)),
        ("http://127.0.0.1:8088", address),
    ):
        code = code.replace(documented, here)
    return code


def run(name: str, folder: Path, address: str) -> dict[str, Any]:
    """Names that a Python example defines."""
    names: dict[str, Any] = {}
    code = compile(block(name, folder, address), f"{PAGE.name} {name}", "exec")
    exec(code, names)  # noqa: S102 (our own documentation)
    return names


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def test_every_example_is_run() -> None:
    tested = {"client", "pandas", "polars", "duckdb", "duckdb-http", "jsonlite", "arrow", "fetch"}
    assert set(BLOCKS) == tested


def test_the_page_lists_the_errors_of_the_client() -> None:
    from coin_assets import client

    errors = [
        name
        for name in client.__all__
        if isinstance(found := getattr(client, name), type) and issubclass(found, Exception)
    ]
    page = PAGE.read_text()
    assert [name for name in errors if f"`{name}`" not in page] == []


def test_client(folder: Path, address: str) -> None:
    found = run("client", folder, address)
    assert "refused" not in found
    assert len(found["forecast"]) == 24
    assert found["history"]["timestamp"].iloc[-1] < found["forecast"]["timestamp"].iloc[0]


def test_pandas(folder: Path, address: str, forecasts: pd.DataFrame) -> None:
    scored = run("pandas", folder, address)["scored"]
    assert set(scored["horizon"]) == set(range(1, 25))
    newest = forecasts["origin_time"].max()
    assert len(scored) == (forecasts["target_time"] <= newest).sum() > 1000
    assert scored["pinball"].between(0, 0.1).all()


def test_polars(folder: Path, address: str, forecasts: pd.DataFrame) -> None:
    medians = run("polars", folder, address)["medians"].collect()
    expected = forecasts[forecasts["output_type_id"] == 0.5]
    assert medians.height == len(expected)
    assert medians["value"].sum() == pytest.approx(expected["value"].sum())


def test_duckdb(
    folder: Path, address: str, forecasts: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    run("duckdb", folder, address)
    rows = {row[:2]: row[2:] for row in ast.literal_eval(capsys.readouterr().out)}
    assert rows[SERIES] == ("champion", "live", forecasts["origin_time"].nunique())
    assert set(rows) == {SERIES, ("BTC/USDT", "1d")}


def test_duckdb_over_http(
    folder: Path, address: str, forecasts: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    run("duckdb-http", folder, address)
    found = dict(ast.literal_eval(capsys.readouterr().out))
    medians = forecasts[forecasts["output_type_id"] == 0.5]
    assert found == pytest.approx(medians.groupby("horizon")["value"].mean().to_dict())


def test_duckdb_over_http_refuses_a_file_that_is_not_the_listed_one(
    folder: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "published"))
    other = copy / "archive/forecasts/symbol=BTC_USDT/timeframe=1d"
    for path in (copy / "archive/forecasts/symbol=BTC_USDT/timeframe=4h").rglob("*.parquet"):
        shutil.copy(next(other.rglob("*.parquet")), path)
    with served(copy) as (damaged, _), pytest.raises(SystemExit, match="is not the listed one"):
        run("duckdb-http", copy, damaged)


def in_r(code: str, *packages: str) -> subprocess.CompletedProcess[str]:
    """What R makes of an example; it is skipped where R or a package is not installed."""
    rscript, names = program("Rscript"), ", ".join(f'"{each}"' for each in packages)
    probe = f"quit(status = !all(sapply(c({names}), requireNamespace, quietly = TRUE)))"
    if subprocess.run([rscript, "-e", probe], capture_output=True, check=False).returncode:
        pytest.skip(f"the R packages {' and '.join(packages)} are not installed")
    return subprocess.run([rscript, "-e", code], capture_output=True, text=True, check=False)


def test_jsonlite(folder: Path, address: str) -> None:
    done = in_r(block("jsonlite", folder, address), "jsonlite", "digest")
    assert done.returncode == 0, done.stderr
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["close_time", "price", "lower_bound", "upper_bound"]
    steps = json.loads((folder / "prediction_BTC_USDT_4h.json").read_bytes())["forecast"]
    shown = [[float(number) for number in row.split()[-3:]] for row in rows]
    expected = [[each[name] for name in head.split()[1:]] for each in steps]
    assert shown == [pytest.approx(each, rel=1e-5) for each in expected]


def test_jsonlite_refuses_a_file_that_is_not_the_listed_one(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "published"))
    for path in (copy / "objects").iterdir():
        path.write_bytes(b"{}")
    with served(copy) as (damaged, _):
        done = in_r(block("jsonlite", copy, damaged), "jsonlite", "digest")
    assert done.returncode != 0
    assert "is not what the manifest lists" in done.stderr


def test_arrow(folder: Path, address: str) -> None:
    done = in_r(block("arrow", folder, address), "arrow", "dplyr")
    assert done.returncode == 0, done.stderr
    assert "24" in done.stdout


def test_fetch(folder: Path, address: str) -> None:
    done = subprocess.run(
        [program("node"), "--input-type=module", "-"],
        input=block("fetch", folder, address),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    last = json.loads((folder / "prediction_BTC_USDT_4h.json").read_bytes())["forecast"][-1]
    time, lower, upper = done.stdout.split()
    assert (time, float(lower), float(upper)) == (
        last["close_time"],
        last["lower_bound"],
        last["upper_bound"],
    )


def test_fetch_refuses_a_file_that_is_not_the_listed_one(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "published"))
    for path in (copy / "objects").iterdir():
        path.write_bytes(b"{}")
    with served(copy) as (damaged, _):
        done = subprocess.run(
            [program("node"), "--input-type=module", "-"],
            input=block("fetch", copy, damaged),
            capture_output=True,
            text=True,
            check=False,
        )
    assert "is not what the manifest lists" in done.stderr
