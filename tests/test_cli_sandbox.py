"""Prove the sandbox: what it prints logs in, and it ends when it is told to."""

import asyncio
import json
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from vendorauth import Challenge, InvalidCredentials, PasswordCredentials, ProGloveClient, ProtogridClient
from vendorauth.cli.sandbox import environment, run_sandbox
from vendorauth.testing import FakeProGlove, FakeProtogrid

COMMAND = "from vendorauth.cli import main; main()"


class Told:
    """Hold what the sandbox said, and what it runs in."""

    def __init__(self) -> None:
        self.lines: asyncio.Queue[str] = asyncio.Queue()

    async def until(self, start: str) -> list[str]:
        """Give the lines up to the first that begins with *start*."""
        lines = [await self.lines.get()]
        while not lines[-1].startswith(start):
            lines.append(await self.lines.get())
        return lines


def exported(lines: list[str]) -> dict[str, str]:
    """Read what a shell would export, as a shell would."""
    pairs = (shlex.split(line)[1].partition("=") for line in lines if line.startswith("export "))
    return {name: value for name, _, value in pairs}


async def ask_both() -> tuple[int, int]:
    """Log in to both with what is in the environment; count what comes."""
    async with ProGloveClient.from_env() as glove, ProtogridClient.from_env() as grid:
        return len([device async for device in glove.devices()]), len(await grid.apps())


@asynccontextmanager
async def running(token_life: float = 3600.0) -> AsyncIterator[Told]:
    """Run a sandbox in this process; it must be told to stop before this ends."""
    told = Told()
    task = asyncio.create_task(run_sandbox(0, 0, token_life, told.lines.put_nowait))
    yield told
    await task


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_what_it_prints_logs_in(monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    """The exported variables are all that the clients need; a signal ends both fakes and leaves no handler."""
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    async with running() as told:
        lines = await told.until("# They run until Ctrl-C.")
        for name, value in exported(lines).items():
            monkeypatch.setenv(name, value)
        assert (5, 2) == await ask_both()
        os.kill(os.getpid(), number)
        await told.until("# Both have stopped.")
    assert before == [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]


async def test_it_says_that_its_passwords_are_fakes() -> None:
    """The only command that shows passwords says what they are worth; whatever is no export is a comment."""
    async with running() as told:
        lines = await told.until("# They run until Ctrl-C.")
        os.kill(os.getpid(), signal.SIGTERM)
    assert "fakes" in lines[0]
    assert all(line.startswith(("#", "export ")) for line in lines)


async def test_the_environment_is_complete() -> None:
    """Every variable that a client needs is there, and each is right: a wrong password is refused."""
    async with FakeProGlove() as glove, FakeProtogrid() as grid:
        given = environment(glove, grid)
        credentials = PasswordCredentials(given["PROGLOVE_USERNAME"], "wrong")
        async with ProGloveClient(
            given["PROGLOVE_BASE_URL"],
            given["PROGLOVE_CUSTOMER_ID"],
            credentials,
            cognito_url=given["PROGLOVE_COGNITO_URL"],
        ) as client:
            with pytest.raises(InvalidCredentials):
                await client.tokens.token()


@asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the command in a process of its own; kill it when the test fails."""
    # Not -X dev: on a busy machine asyncio would tell of slow steps.
    command = (sys.executable, "-W", "error", "-c", COMMAND, "sandbox", *arguments)
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    """Piped, its output comes at once; a signal while a client is connected ends it cleanly, with exit code 0."""
    async with process("--token-life", "0.5") as child:
        assert child.stdout is not None
        lines: list[str] = []
        while not lines or not lines[-1].startswith("# They run"):
            lines.append((await child.stdout.readline()).decode().rstrip())
        for name, value in exported(lines).items():
            monkeypatch.setenv(name, value)
        async with ProtogridClient.from_env() as grid:
            assert 2 == len(await grid.apps())
            child.send_signal(number)
            rest, errors = await child.communicate()
    assert (0, b"# Both have stopped.\n", b"") == (child.returncode, rest.replace(b"\r", b""), errors)


async def test_the_ports_can_be_chosen() -> None:
    """A port that is given is the one that is taken."""
    async with FakeProGlove() as fake:
        port = int(fake.origin.rpartition(":")[2])
    told = Told()
    task = asyncio.create_task(run_sandbox(port, 0, 60.0, told.lines.put_nowait))
    lines = await told.until("# They run until Ctrl-C.")
    assert f"http://127.0.0.1:{port}/latest" == exported(lines)["PROGLOVE_BASE_URL"]
    os.kill(os.getpid(), signal.SIGTERM)
    await task


async def test_tokens_live_as_long_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both vendors' tokens end after ``--token-life`` seconds."""
    async with running(token_life=0.2) as told:
        for name, value in exported(await told.until("# They run until Ctrl-C.")).items():
            monkeypatch.setenv(name, value)
        async with ProGloveClient.from_env() as glove:
            token = await glove.tokens.token()
        os.kill(os.getpid(), signal.SIGTERM)
    assert token.expires_at is not None
    assert 1 >= (token.expires_at - token.issued_at).total_seconds()


async def test_a_second_factor_and_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``--mfa`` ProGlove asks for that code; with ``--json`` what to export comes as one object."""
    told = Told()
    task = asyncio.create_task(run_sandbox(0, 0, 60.0, told.lines.put_nowait, mfa="4711", as_json=True))
    for name, value in json.loads(await told.lines.get()).items():
        monkeypatch.setenv(name, value)

    async def answer(_: Challenge) -> dict[str, str]:
        return {"SOFTWARE_TOKEN_MFA_CODE": "4711"}

    async with ProGloveClient.from_env(on_challenge=answer) as glove:
        assert (await glove.tokens.token()).value
    os.kill(os.getpid(), signal.SIGTERM)
    await task
    assert told.lines.empty()
