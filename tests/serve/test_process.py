"""The service as a process: it begins, and ends when it is told to, with what it was answering answered."""

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.serve.load import Asked, ask, is_up
from serve.command import ServeSettings
from tests.serve.conftest import grey


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_when_told_to(plain: Path, told: signal.Signals) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "serve", f"--model={plain}", f"--port={port}"]
    service = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        while not is_up(port):
            assert service.poll() is None
            time.sleep(0.05)
        asked = Asked()
        assert ask(port, [grey(9)], 5, 2, asked) == 5 and not asked.failed
        service.send_signal(told)
        out, err = service.communicate(timeout=60)
    finally:
        service.kill()
    assert service.returncode == 0 and err == ""
    assert re.fullmatch(rf"hats answers at http://127\.0\.0\.1:{port}/ until Ctrl\+C\nstopped\n", out)


def test_only_this_machine_is_answered_unless_asked_otherwise() -> None:
    assert ServeSettings(model=Path("a")).host == "127.0.0.1"


@pytest.mark.parametrize(
    "wrong", [{}, {"model": Path("a"), "ensemble": Path("b")}, {"model": Path("a"), "port": 0}]
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"MODEL=|port=0"):
        ServeSettings(**wrong)  # type: ignore[arg-type]
