"""Prove the command as a person meets it: processes of their own, at a terminal, from the login to the logout."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pexpect
import pytest

import vendorauth
from _command import glove, place, run
from vendorauth.testing import FakeProGlove

__all__ = ["glove", "place"]

COMMAND = "from vendorauth.cli import main; main()"
START = datetime(2026, 3, 1, tzinfo=UTC)
EXPORT = (
    *("export", "w", "events", "--since", START.isoformat()),
    *("--until", (START + timedelta(minutes=5)).isoformat(), "--out"),
)


def spawn(*arguments: str) -> pexpect.spawn[str]:
    """Start the command at a terminal of its own."""
    package = str(Path(vendorauth.__file__).resolve().parents[1])  # the working directory is another one
    return pexpect.spawn(
        sys.executable,
        ["-c", COMMAND, *arguments],
        env={**os.environ, "TERM": "xterm-256color", "PYTHONPATH": package},
        dimensions=(40, 160),
        encoding="utf-8",
        timeout=50,
    )


def rest(child: pexpect.spawn[str]) -> str:
    """Give what is still printed; it must end well."""
    text: str = child.read()
    child.close()
    assert 0 == child.exitstatus, text
    return text


def answer(child: pexpect.spawn[str], question: str, text: str) -> None:
    child.expect_exact(question)
    child.sendline(text)


def log_in(glove: FakeProGlove) -> str:
    child = spawn("login", "w", "--cognito-url", glove.cognito_url)
    answer(child, "Vendor (proglove, protogrid) [proglove]:", "")
    answer(child, "Base URL:", glove.base_url)
    answer(child, "Customer id:", glove.customer_id)
    answer(child, "User name:", glove.username)
    answer(child, "Store (file) [file]:", "")
    answer(child, "Password of jane@example.com:", glove.password)
    answer(child, "The vendor asks for software token mfa code (phone):", "123456")
    before: str = child.before or ""
    return before + rest(child)


def kill_in_the_middle(glove: FakeProGlove, out: str) -> None:
    """Kill an export with SIGKILL once a part of it is on the disk."""
    glove.delays["api"] = 0.2
    child, state = spawn(*EXPORT, out), Path(f"{out}.state")
    give_up = time.monotonic() + 50
    while not state.exists() or not json.loads(state.read_bytes())["events"]:
        assert time.monotonic() < give_up
        time.sleep(0.01)
    child.kill(signal.SIGKILL)
    child.wait()
    assert -signal.SIGKILL == -(child.signalstatus or 0)
    child.close()
    glove.delays.clear()


@pytest.mark.timeout(180)
@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_session(place: Path, glove: FakeProGlove, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A login with a second factor, status, get, an export that is killed and goes on, logout.

    The export's result is that of one that nobody stopped; the password is not shown as it is typed.
    """
    monkeypatch.chdir(place)
    glove.require("SOFTWARE_TOKEN_MFA", code="123456")
    first = int(START.timestamp()) * 1000
    glove.events = [{"id": f"e{i}", "type": "scan", "created": first + i * 3000, "gateway_id": "g"} for i in range(101)]
    told = log_in(glove)
    assert "w is logged in, until" in told
    assert "(mode 0600, not encrypted)" in told
    assert glove.password not in told
    status = rest(spawn("status", "w"))
    assert "jane@example.com, customer demo0001" in status
    assert "\x1b[32m  fresh" in status
    page = json.loads(rest(spawn("get", "w", "/{customer_id}/devices", "--param", "limit=2")))
    assert glove.devices[:2] == page["items"]
    assert 0 == run(*EXPORT, "whole.ndjson").code
    kill_in_the_middle(glove, "events.ndjson")
    assert not Path("events.ndjson").exists()
    resumed = rest(spawn(*EXPORT, "events.ndjson"))
    assert "Going on from" in resumed
    assert "101 events" in resumed
    assert Path("whole.ndjson").read_bytes() == Path("events.ndjson").read_bytes()
    assert "w is logged out." in rest(spawn("logout", "w"))
    assert 0 == glove.refreshable_logins
    assert 3 == run("status", "w").code
