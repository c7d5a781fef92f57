"""
Draw the picture of a terminal session: ``python docs/terminal.py`` writes ``docs/terminal.svg``.

The commands are run for real, at a pseudo-terminal, against the fakes. What differs from run to run (ports, times, rates)
is replaced, so that the picture changes only where the command does. It needs the tests' dependencies.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pexpect
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

import vendorauth
from vendorauth.testing import FakeProGlove

PICTURE: Final = Path(__file__).resolve().with_name("terminal.svg")
_WIDTH: Final = 112
_COMMAND: Final = "from vendorauth.cli import main; main()"
_PACKAGE: Final = str(Path(vendorauth.__file__).resolve().parents[1])  # the working directory is another one
_START: Final = datetime(2026, 3, 2, 6, tzinfo=UTC)
_URL: Final = "https://abc123.execute-api.eu-west-1.amazonaws.com/latest"
_FONTS: Final = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)
_CURSOR: Final = re.compile(r"\x1b\[[0-9;?]*[A-HJ-Zf-ln-z]")


class Session:
    """Run commands at a terminal, and keep what is to be seen of them."""

    def __init__(self, place: Path, replaced: Mapping[str, str]) -> None:
        self._place = place
        self._replaced = replaced
        self.console: Final = Console(
            record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor"
        )

    def run(self, shown: str, *hidden: str, answers: Mapping[str, str] | None = None, killed: bool = False) -> None:
        """Run the command line *shown* (with what is *hidden*), and give *answers* when it asks for them."""
        self.console.print(Text.assemble(("$ ", "bold green"), (f"vendorauth {shown}", "bold")))
        child: pexpect.spawn[str] = pexpect.spawn(
            sys.executable,
            ["-c", _COMMAND, *shown.split(), *hidden],
            cwd=str(self._place),
            env={**os.environ, "TERM": "xterm-256color", "TZ": "UTC", "PYTHONPATH": _PACKAGE},
            encoding="utf-8",
            dimensions=(40, _WIDTH),
            timeout=300,
        )
        text = ""
        for question, answer in (answers or {}).items():
            child.expect_exact(question)
            text += f"{child.before}{question}"
            child.sendline(answer)
        if killed:
            self._kill(child)
        text += child.read()
        child.close()
        self._show(text, killed=killed)

    def say(self, text: str) -> None:
        """Show a comment."""
        self.console.print(Text(f"# {text}", style="dim"))

    def _kill(self, child: pexpect.spawn[str]) -> None:
        state = self._place / "events.csv.state"
        while not state.exists() or b'"events":0' in state.read_bytes():
            time.sleep(0.01)
        child.kill(signal.SIGKILL)

    def _show(self, text: str, *, killed: bool) -> None:
        for old, new in self._replaced.items():
            text = text.replace(old, new)
        text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC(?= \()", "2026-03-02 13:00:00 UTC", text)
        text = re.sub(r"until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "until 2026-03-02 13:00:00 UTC", text)
        text = re.sub(r"after \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "after 2026-03-02 12:48:00 UTC", text)
        text = re.sub(r"\(.* left\)", "(59 min 58 s left)", text)
        lines = [_CURSOR.sub("", line.rsplit("\r", 1)[-1]) for line in text.replace("\r\n", "\n").split("\n")]
        for line in lines:
            if line.strip() and not re.search(r"\d+%", line):
                self.console.print(Text.from_ansi(line))
        if killed:
            self.console.print(Text("Killed", style="bold red"))


def _events() -> list[dict[str, object]]:
    first = int(_START.timestamp()) * 1000
    return [
        {
            "id": f"e{i}",
            "type": "scan",
            "created": first + i * 5_000,
            "gateway_id": "g",
            "scan_code": f"{4006381333931 + i}",
        }
        for i in range(240)
    ]


def _tell(session: Session, fake: FakeProGlove) -> None:
    answers = {
        "Vendor (proglove, protogrid) [proglove]:": "",
        "Base URL:": fake.base_url,
        "Customer id:": fake.customer_id,
        "User name:": fake.username,
        "Store (file) [file]:": "",
        "Password of jane@example.com:": fake.password,
        "The vendor asks for software token mfa code (phone):": "123456",
    }
    session.run("login warehouse", "--cognito-url", fake.cognito_url, answers=answers)
    session.run("status warehouse")
    session.run("get warehouse /{customer_id}/features")
    span = ("--since", _START.isoformat(), "--until", (_START + timedelta(minutes=20)).isoformat())
    export = "export warehouse events --out events.csv"
    fake.delays["api"] = 0.1
    session.run(export, *span, killed=True)
    fake.delays.clear()
    session.say("Nothing is lost: the same command goes on.")
    session.run(export, *span)
    session.run("logout warehouse")


async def _record() -> Console:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        os.environ |= {
            "VENDORAUTH_CONFIG": str(place / "profiles.toml"),
            "VENDORAUTH_STATE": str(place / "state"),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        }
        async with FakeProGlove() as fake:
            fake.require("SOFTWARE_TOKEN_MFA")
            fake.events = list(_events())
            session = Session(place, {fake.base_url: _URL, str(place / "state"): "~/.local/state/vendorauth"})
            await asyncio.to_thread(_tell, session, fake)
            return session.console


def main() -> None:
    """Write the picture."""
    console = asyncio.run(_record())
    # Without the fonts, which would come from another host.
    form = _FONTS.sub("", CONSOLE_SVG_FORMAT)
    PICTURE.write_text(console.export_svg(title="vendorauth", code_format=form, unique_id="session"), "utf-8")


if __name__ == "__main__":
    main()
