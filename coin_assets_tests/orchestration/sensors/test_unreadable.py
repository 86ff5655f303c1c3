"""A file of one series that the machine cannot read: the machine is reported, nothing is corrupt.

The fault is real: in the place of the file is a link to /proc/self/mem, whose first page the kernel
refuses to read with EIO (proc(5)), as a disk refuses a bad sector.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from coin_assets_tests.alerts.receiver import Receiver
from coin_assets_tests.orchestration.faults.damages import FILES
from coin_assets_tests.orchestration.faults.watched import NEXT, platform_at, statuses
from coin_assets_tests.platform import BTC, ETH, Platform


def unreadable(path: Path) -> Callable[[], None]:
    """Let the kernel refuse to read a file; returns what ends it."""
    aside = path.with_name(f".{path.name}.aside")
    path.rename(aside)
    path.symlink_to("/proc/self/mem")

    def mend() -> None:
        aside.replace(path)

    return mend


def health(platform: Platform) -> str:
    return platform.tick("health_alerts").skip_message or ""


@pytest.mark.parametrize(
    "kind",
    [
        "ledger",
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in ("roles", "history", "evaluation")
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_the_machines_condition_of_one_series(
    grown: Path, tmp_path: Path, receiver: Receiver, kind: str
) -> None:
    platform = platform_at(Path(shutil.copytree(grown, tmp_path / "home")), receiver)
    platform.tick("publish_due")
    assert health(platform) == "4 fresh"
    path = FILES[kind](platform.settings.home)
    mend = unreadable(path)
    for _ in range(4):  # publish_due reads a series a tick
        platform.tick("publish_due")
    assert "machine machine fault" in (said := health(platform))
    assert "corrupt" not in said
    (alert,) = receiver.accepted
    assert (alert["kind"], alert["subjects"]) == ("alert", ["machine"])
    assert f"{path}: input/output error (EIO). Check the disk" in alert["text"]
    assert "files of single series cannot be read" in alert["text"]
    assert path.is_symlink()
    words = statuses(platform)
    assert words.pop((ETH, "1h")) in ("fresh", "fresh degraded")
    assert set(words.values()) == {"fresh"}
    if kind != "history":
        platform.now = NEXT
        platform.cycle()
        assert platform.entry("1h", BTC)["as_of"] == "2024-02-29T13:00:00Z"
        mend()
    platform.now = NEXT
    for _ in range(2):  # the history of the next candle takes the place of the file
        platform.ahead += 61.0
        platform.cycle()
    for _ in range(4):
        platform.tick("publish_due")
    assert health(platform) == "4 fresh"
    assert set(statuses(platform).values()) == {"fresh"}
    assert platform.entry("1h", ETH)["as_of"] == "2024-02-29T13:00:00Z"
    assert [each["kind"] for each in receiver.accepted] == ["alert", "recovery"]
