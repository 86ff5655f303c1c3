"""`WarmRunLauncher` with real processes: how runs start, what they inherit, how launches fail."""

import os
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.errors import DagsterLaunchFailedError

from coin_assets.orchestration.run_processes import RunProcess, process_of
from coin_assets_tests.orchestration.launcher.launching import (
    CODE,
    Daemon,
    children,
    handles,
    lives,
    until,
)

# ------------------------------------------------------------------------------------------ starts


def test_a_run_starts_in_a_process_like_a_new_one(daemon: Daemon) -> None:
    os.environ["LAUNCHED_WORD"] = "of the daemon"
    lock = (daemon.folder / ".up.lock").open("w")  # as make up leaves it to what it becomes
    os.set_inheritable(lock.fileno(), True)
    try:
        run_id = daemon.launch()
        process = daemon.description(run_id)
        assert Path(f"/proc/{daemon.server}/status").read_text().count("\nThreads:\t1\n") == 1
    finally:
        del os.environ["LAUNCHED_WORD"]
        lock.close()
    assert process["parent"] == daemon.server
    assert process["group"] == os.getpgrp()  # Ctrl-C in a terminal reaches it
    assert process["environment"]["LAUNCHED_WORD"] == "of the daemon"
    assert "JE_ARROW_MALLOC_CONF" not in process["environment"]
    assert process["directory"] == str(Path.cwd())
    assert process["threads"] == ["MainThread"]
    assert process["sklearn"]
    assert (process["blocked"], process["child_signal"]) == ([], True)
    assert not [name for name in process["handles"] if ".up.lock" in name]
    shared = handles(daemon.server) & set(process["handles"])  # stdin, stdout, stderr
    assert not [name for name in shared if name.startswith("socket:")]
    recorded = process_of(daemon.instance, daemon.run(run_id))
    assert recorded is not None
    assert recorded.start == RunProcess.recorded(process["pid"]).start
    daemon.go()
    assert daemon.end(run_id) == "SUCCESS"
    until(lambda: children(daemon.server) == [])  # not even a zombie
    logs = daemon.folder.glob(f"storage/{run_id}/compute_logs/*.out")
    assert f"{run_id} speaks" in "".join(log.read_text() for log in logs)


def test_five_runs_at_once_have_processes_and_chance_of_their_own(daemon: Daemon) -> None:
    runs = [daemon.launch() for _ in range(5)]
    found = [daemon.description(run_id) for run_id in runs]
    assert len({each["pid"] for each in found}) == 5
    assert len({each["random"] for each in found}) == 5
    assert {each["parent"] for each in found} == {daemon.server}
    daemon.go()
    assert [daemon.end(run_id) for run_id in runs] == ["SUCCESS"] * 5
    until(lambda: children(daemon.server) == [])


def test_settings_are_read_when_a_run_starts(daemon: Daemon) -> None:
    daemon.go()
    first = daemon.description(daemon.launch())
    server = daemon.server
    (daemon.folder / "coin_assets.toml").write_text('COIN_SYMBOLS = "ADA/USDT"\n')
    second = daemon.description(daemon.launch())
    assert daemon.server == server
    assert "ADA/USDT" not in first["symbols"]
    assert second["symbols"] == ["ADA/USDT"]


def test_changed_code_is_imported_by_a_new_server(daemon: Daemon) -> None:
    daemon.go()
    first = daemon.launch()
    server = daemon.server
    assert daemon.description(first)["code"] == "old"
    (daemon.folder / CODE).write_text("word = 'changed'")
    second = daemon.launch()
    assert daemon.server != server
    assert daemon.description(second)["code"] == "changed"
    until(lambda: not lives(server))


# ---------------------------------------------------------------------------------------- failures


def test_a_location_that_does_not_load_fails_the_run_with_the_cause(daemon: Daemon) -> None:
    (daemon.folder / "broken").touch()
    run_id = daemon.launch()
    assert daemon.end(run_id) == "FAILURE"
    assert "Could not load job definition" in daemon.messages(run_id)
    assert "this location cannot be loaded" in daemon.messages(run_id)
    (daemon.folder / "broken").unlink()
    daemon.go()
    assert daemon.end(daemon.launch()) == "SUCCESS"


def test_a_failing_run_fails(daemon: Daemon) -> None:
    run_id = daemon.launch("failing")
    assert daemon.end(run_id) == "FAILURE"
    assert "the run fails" in daemon.messages(run_id)
    assert "unexpectedly exited" not in daemon.messages(run_id)


def test_a_server_that_cannot_start_fails_the_launch(daemon: Daemon) -> None:
    daemon.launcher.dispose()
    broken = daemon.folder / "sklearn.py"
    broken.write_text("raise RuntimeError('sklearn is broken')")
    run_id = daemon.create()
    with pytest.raises(DagsterLaunchFailedError, match="sklearn is broken"):
        daemon.instance.launch_run(run_id, None)  # type: ignore[arg-type]
    broken.unlink()
    assert daemon.run(run_id).status is dg.DagsterRunStatus.FAILURE
    assert "sklearn is broken" in daemon.messages(run_id)
    daemon.go()
    assert daemon.end(daemon.launch()) == "SUCCESS"


def test_an_environment_may_have_several_paths(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    daemon.go()
    linked = tmp_path / "linked"
    linked.symlink_to(Path(sys.executable).parent)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", str(linked / "python3"))  # as the web server has it
        run_id = daemon.create()
    daemon.instance.launch_run(run_id, None)  # type: ignore[arg-type]
    assert daemon.end(run_id) == "SUCCESS"


def test_code_of_another_interpreter_is_refused(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = daemon.create()
    monkeypatch.setattr(sys, "executable", "/elsewhere/python")
    with pytest.raises(DagsterLaunchFailedError, match="Remove run_launcher from dagster"):
        daemon.instance.launch_run(run_id, None)  # type: ignore[arg-type]
