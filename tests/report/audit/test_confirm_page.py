"""The page in a browser: keys, going back, a kill, and on from there."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from report.audit import command
from report.audit.folder import open_audit, read_decisions
from tests.report.audit.wrongly_labelled import write_wrong

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Chromium")]
ROOT = Path(__file__).parents[3]


def serve(audit: Path) -> tuple[subprocess.Popen[str], str]:
    """The command as a process of its own, and where its page is."""
    words = [sys.executable, "-m", "report.audit.confirm", "--audit", str(audit), "--port", "0"]
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ})
    assert process.stdout
    place = re.search(r"http://\S+", process.stdout.readline())
    assert place
    return process, place[0]


def decided(page: Page, count: int) -> None:
    expect(page.locator("#count")).to_have_text(re.compile(f"^{count} of "))
    expect(page.locator("#photos img").first).to_be_visible()


def test_keys_decide_go_back_and_a_kill_loses_nothing(tmp_path: Path) -> None:
    write_wrong(tmp_path)
    out = tmp_path / "audit"
    command.run(command.AuditSettings(cache=tmp_path / "cache", runs=tmp_path / "runs" / "sure", out=out))
    audit = open_audit(out)
    first, second, third = audit.numbers[:3]
    process, place = serve(out)
    with sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page()
        failed: list[str] = []
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.goto(place)
        decided(page, 0)
        page.keyboard.press("ArrowRight")
        decided(page, 1)
        page.keyboard.press("ArrowLeft")
        decided(page, 2)
        page.keyboard.press("Backspace")
        decided(page, 1)
        assert read_decisions(audit) == {first: "change"}
        page.keyboard.press("1")  # the first of the other values
        decided(page, 2)
        assert read_decisions(audit).keys() == {first, second}
        assert read_decisions(audit)[second] not in ("keep", "change")
        process.send_signal(signal.SIGKILL)
        process.wait()
        page.keyboard.press("ArrowRight")
        expect(page.locator("#saved")).to_contain_text("Not saved")
        decided(page, 2)
        process, place = serve(out)
        page.goto(place)
        decided(page, 2)
        for count in range(3, len(audit.numbers) + 1):
            page.keyboard.press("ArrowLeft")
            expect(page.locator("#count")).to_have_text(re.compile(f"^{count} of "))
        expect(page.locator("#end")).to_be_visible()
        expect(page.locator("#next")).to_contain_text("make preprocess")
        browser.close()
    assert failed == []
    assert {*read_decisions(audit)} == {*audit.numbers} and read_decisions(audit)[third] == "keep"
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert f"{len(audit.numbers)} of {len(audit.numbers)} decided" in told and "next: make preprocess" in told
