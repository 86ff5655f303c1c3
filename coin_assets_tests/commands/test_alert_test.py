"""``make alert-test``: each channel gets a test message; answers are shown without secrets."""

import re
from collections.abc import Iterator

import pytest

from coin_assets.commands import alert_test
from coin_assets_tests.alerts.receiver import SECRET, Receiver, Reply

pytestmark = pytest.mark.usefixtures("empty_home")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def test_every_channel_that_accepts_is_named(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hooks = [f"{kind}+{receiver.url}" for kind in ("discord", "slack", "json")]
    monkeypatch.setenv("COIN_ALERT_WEBHOOKS", ",".join(hooks))
    assert alert_test.main([]) == 0
    lines = sorted(capsys.readouterr().out.splitlines())
    for line, kind in zip(lines, ("discord", "json", "slack"), strict=True):
        assert re.fullmatch(rf"{kind} http://127\.0\.0\.1/\.\.\.: accepted after \d+ ms", line)
    (plain,) = [body for body in receiver.accepted if "id" in body]
    assert (plain["kind"], plain["severity"]) == ("test", "info")
    (discord,) = [body for body in receiver.accepted if "content" in body]
    assert discord["content"].startswith("[TEST] test of the alert channels\n")


def test_all_are_asked_at_once_and_one_that_refuses_is_told(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Receiver() as down:
        down.always, receiver.always = Reply(403, seconds=0.5), Reply(seconds=0.5)
        hooks = [f"json+{down.url}", f"slack+{down.url}", f"json+{receiver.url}"]
        monkeypatch.setenv("COIN_ALERT_WEBHOOKS", ",".join(hooks))
        assert alert_test.main([]) == 1
    printed = capsys.readouterr().out
    assert SECRET not in printed
    assert "tried again" not in printed
    assert "Check COIN_ALERT_WEBHOOKS" in printed
    assert len(re.findall(r": refused after \d+ ms: .* HTTP 403\.", printed)) == 2
    (accepted,) = re.findall(r": accepted after (\d+) ms", printed)
    assert 500 <= int(accepted) < 1000


def test_nobody_would_be_alerted(capsys: pytest.CaptureFixture[str]) -> None:
    assert alert_test.main([]) == 2
    assert "COIN_ALERT_WEBHOOKS is empty" in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        alert_test.main(["--help"])
    assert ended.value.code == 0
    assert "COIN_ALERT_WEBHOOKS" in capsys.readouterr().out
