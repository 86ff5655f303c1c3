"""The contract of a release in compact form: definitions, settings and published fields.

``python -m coin_assets_tests.contract_dump`` writes ``contract_dump.json`` anew. Do so only where a
release changes the contract on purpose, and name the change in ``CHANGELOG.md``.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coin_assets.config.settings import Settings, variable_of
from coin_assets_tests.webui import ROOT

RECORDED = Path(__file__).parent / "contract_dump.json"
SCHEMAS = ROOT / "docs/contract"


def dg(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``dg`` in the checkout, with the environment that ``make env`` prints."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("COIN_")}
    records = home / "dagster"
    records.mkdir(parents=True, exist_ok=True)
    where = {
        "COIN_HOME": str(home),
        "COIN_DAGSTER_HOME": str(records),
        "DAGSTER_HOME": str(ROOT),
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    return subprocess.run(
        ["dg", *words],
        cwd=ROOT,
        env=kept | where | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def definitions(listed: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The contract part of ``dg list defs --json``: names, groups, tags, dependencies.

    Descriptions and the classes of resources are no contract.
    """
    return {
        "assets": {
            asset["asset_key"]: {
                "group": asset["group_name"],
                "kinds": sorted(asset["kinds"]),
                "tags": {tag["key"]: tag["value"] for tag in asset["tags"]},
                "dependencies": sorted(asset["dependency_keys"]),
                "executable": asset["is_executable"],
            }
            for asset in sorted(listed["assets"], key=lambda asset: str(asset["asset_key"]))
        },
        "asset_checks": {
            asset: sorted(
                check["name"] for check in listed["asset_checks"] if check["asset_key"] == asset
            )
            for asset in sorted({check["asset_key"] for check in listed["asset_checks"]})
        },
        "jobs": sorted(job["name"] for job in listed["jobs"]),
        "schedules": {
            schedule["name"]: schedule["cron_schedule"] for schedule in listed["schedules"]
        },
        "sensors": sorted(sensor["name"] for sensor in listed["sensors"]),
        "resources": sorted(resource["name"] for resource in listed["resources"]),
    }


def settings() -> dict[str, str]:
    """Every variable with its default, as text."""
    return {
        variable_of(name): str(field.default or "") for name, field in Settings.model_fields.items()
    }


def fields() -> dict[str, dict[str, list[str]]]:
    """Required fields of each object in each JSON Schema, and the words of each enumeration."""
    return {
        path.name: dict(_places(json.loads(path.read_text()), "$"))
        for path in sorted(SCHEMAS.glob("*.schema.json"))
    }


def _places(node: object, place: str) -> Iterator[tuple[str, list[str]]]:
    if isinstance(node, list):
        for index, each in enumerate(node):
            yield from _places(each, f"{place}[{index}]")
    if not isinstance(node, dict):
        return
    for name in ("required", "enum"):
        if isinstance(node.get(name), list):
            yield f"{place}.{name}", [str(word) for word in node[name]]
    for name, each in node.items():
        yield from _places(each, f"{place}.{name}")


def dump(listed: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The whole contract of this checkout, from what ``dg list defs --json`` printed."""
    return {"definitions": definitions(listed), "settings": settings(), "fields": fields()}


def as_text(contract: dict[str, Any]) -> str:
    """One line an asset, one a series of checks; small, and readable in a diff."""
    text = json.dumps(contract, sort_keys=True, separators=(",", ":"))
    for end in ('},"', '],"'):
        text = text.replace(end, end[:2] + '\n"')
    return text + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        listed_now = dg(Path(folder), "list", "defs", "--json")
        RECORDED.write_text(as_text(dump(json.loads(listed_now.stdout))))
