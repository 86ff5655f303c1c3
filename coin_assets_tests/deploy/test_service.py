"""The unit of systemd: what it starts exists, and it is as closed as it says."""

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from coin_assets_tests.webui import ROOT

UNIT = ROOT / "deploy" / "coin_assets.service"


def section(name: str) -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNIT)
    return parser[name]


def test_it_starts_what_make_up_starts() -> None:
    service = section("Service")
    shell, script, default, *command = shlex.split(service["ExecStart"])
    assert (shell, (ROOT / script).is_file()) == ("/bin/sh", True)
    makefile = (ROOT / "Makefile").read_text()
    assert f"sh {script} {default}" in makefile
    assert command[:3] == [".venv/bin/python", "-m", "coin_assets.up"]
    assert f"PORT={3000}" in service["Environment"].split()
    assert ".venv/.runtime" in UNIT.read_text()
    assert re.search(r"^\$\(RUNTIME\):", makefile, re.MULTILINE)


def test_it_is_kept_running_and_stopped_in_order() -> None:
    service = section("Service")
    assert service["Restart"] == "always"
    # SIGTERM to make up alone, which then ends the others.
    assert service["KillMode"] == "mixed"
    assert service["NoNewPrivileges"] == service["PrivateTmp"] == "yes"
    assert service["ProtectSystem"] == "strict"
    home = service["Environment"].split()[0].partition("=")[2]
    assert home == service["ReadWritePaths"] == f"/var/lib/{service['StateDirectory']}"
    assert service["User"] != "root"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_accepts_it(tmp_path: Path) -> None:
    copy = shutil.copy(UNIT, tmp_path)
    done = subprocess.run(
        ["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
