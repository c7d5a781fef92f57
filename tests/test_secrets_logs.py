"""No secret in any log, asyncio's debug mode included (DESIGN 7)."""

from __future__ import annotations

import asyncio
import gc
import logging
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

import _secret_paths
import _secret_paths_api
from _marks import BODY, CODE, PLANTED, SENT, leaks
from _planted import APPS, DEVICES, ECHO, JANE, PATHS, BuggyFlow, Planted, jane, planted, raised
from _raw import RawServer, http
from vendorauth import ApiClient, Challenge, ChallengeRequired, FileTokenStore, PasswordCredentials
from vendorauth.events import TokenEvent

PLACES = (_secret_paths, _secret_paths_api)
"""What fills PATHS when it is imported."""


SOME = (
    "api_fails",
    "api_forbids",
    "api_hangs_up",
    "basic_is_refused",
    "bug_in_a_flows_login",
    "callable_fails",
    "cancelled_mid_request",
    "cancelled_while_logging_in",
    "challenged",
    "disk_that_fails",
    "login_has_a_wrong_form",
    "login_is_lost",
    "refused",
    "store_of_a_user_that_fails",
    "stream_fails",
    "timeout_of_a_user",
    "wrong_code_from_a_callable",
)
"""Paths that differ in what is logged on the way."""


class Book(logging.Handler):
    """Keep every record: its text as it is printed, its traceback included, and its arguments."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.names: set[str] = set()
        self.setFormatter(
            logging.Formatter("%(name)s %(threadName)s %(taskName)s %(message)s", defaults={"taskName": ""})
        )

    def emit(self, record: logging.LogRecord) -> None:
        self.names.add(record.name)
        self.lines += [self.format(record), repr(record.args)]

    def leaking(self, secrets: tuple[str, ...]) -> list[str]:
        """Give the lines that show one; at first they are searched all at once, which is faster."""
        found = leaks("\n".join(self.lines), secrets)
        return [line for line in self.lines if leaks(line, found)] if found else []


@pytest.fixture
def book() -> Generator[Book]:
    """Log everything, at DEBUG, everywhere."""
    made, root = Book(), logging.getLogger()
    level = root.level
    root.addHandler(made)
    root.setLevel(logging.DEBUG)
    yield made
    root.removeHandler(made)
    root.setLevel(level)


def watch_closely() -> None:
    """Let asyncio log each step of each task, as one that was slow."""
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0.0


async def the_whole_life(world: Planted, folder: Path) -> None:
    """Log in, answer, ask, renew, replay, roll, refuse, store, log out, and hang up, with both vendors."""

    async def on_challenge(_: Challenge) -> dict[str, str]:
        return {"SOFTWARE_TOKEN_MFA_CODE": CODE}

    async def credentials() -> PasswordCredentials:
        return PasswordCredentials(JANE, world.grid.password)

    world.glove.require("SOFTWARE_TOKEN_MFA", code=CODE)
    world.glove.rotation = world.grid.rolling = True
    glove = world.proglove(store=FileTokenStore(folder), on_challenge=on_challenge)
    grid = world.protogrid(credentials, account=JANE, store=FileTokenStore(folder))
    await asyncio.gather(*(glove.get(DEVICES) for _ in range(3)), *(grid.get(APPS) for _ in range(3)))
    for fake in (world.glove, world.grid):
        fake.expire_all()
    await grid.post(ECHO, json={"pin": SENT}, headers={"X-Key": SENT}, params={"key": SENT})
    await asyncio.gather(*(glove.get(DEVICES) for _ in range(3)))
    async with grid.stream("POST", ECHO, data=SENT) as raw:
        await raw.read()
    for client in (glove, grid):
        await client.logout()


async def test_a_whole_life_at_debug(book: Book, tmp_path: Path) -> None:
    """DESIGN 7: nothing that asyncio's debug mode, aiohttp or this package log shows a secret."""
    watch_closely()
    async with planted() as world:
        await the_whole_life(world, tmp_path)
        secrets = world.secrets
    assert 10 <= len(secrets)
    assert {"asyncio", "vendorauth.engine.keeping"} <= book.names
    assert [] == book.leaking(secrets)


@pytest.mark.parametrize("name", SOME)
async def test_errors_at_debug(book: Book, name: str) -> None:
    """DESIGN 7: nor does what is logged on the way to an error."""
    watch_closely()
    async with planted() as world:
        logging.getLogger("user").error("it failed", exc_info=await raised(PATHS[name][1], world))
        secrets = world.secrets
    gc.collect()
    assert [] == book.leaking(secrets)


async def test_what_nobody_retrieves(book: Book) -> None:
    """DESIGN 7: an exception that is never retrieved and a coroutine that is never awaited show no secret."""
    watch_closely()
    async with planted() as world:
        world.glove.password = "another"
        client = world.proglove()
        task = asyncio.ensure_future(client.post(DEVICES, json={"pin": SENT}))
        await asyncio.wait({task})
        del task
        gc.collect()
        assert any("Task exception was never retrieved" in line for line in book.lines)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            client.post(DEVICES, json={"pin": SENT})  # type: ignore[unused-coroutine]  # a slip
            client.tokens.answer(Challenge(name="X", account=JANE), {"X": CODE})  # type: ignore[unused-coroutine]  # a slip
            gc.collect()
        told = [str(warning.message) for warning in caught]
        assert ["never awaited"] * 2 == [text[-13:] if "\n" not in text else "never awaited" for text in told]
        assert set() == leaks("\n".join([*told, *book.lines]), world.secrets)


async def test_a_hook_that_fails(book: Book) -> None:
    """DESIGN 7: the loop logs a hook that fails together with the event that it was told."""

    def on_event(event: TokenEvent) -> None:
        raise ZeroDivisionError

    watch_closely()
    async with planted() as world:
        world.glove.require("SOFTWARE_TOKEN_MFA")
        with pytest.raises(ChallengeRequired):
            await world.proglove(on_event=on_event).get(DEVICES)
        await asyncio.sleep(0)
        assert any("ChallengeRaised" in line and "Exception in callback" in line for line in book.lines)
        assert [] == book.leaking(world.secrets)


@pytest.mark.parametrize("bug", ["rejects", "absorb"])
async def test_a_flow_that_fails_leaves_no_stream_open(book: Book, bug: str) -> None:
    """DESIGN 7: of an answer that nobody closes aiohttp logs all headers, so a flow's bug leaves none open."""
    watch_closely()
    half = http(BODY.encode(), "200 OK", f"Set-Cookie: session={CODE}", length=1000)
    async with RawServer(half) as server, ApiClient(BuggyFlow(server.origin, bug), jane()) as client:
        with pytest.raises(ZeroDivisionError):
            await client.stream("POST", ECHO, json=SENT).__aenter__()
        gc.collect()
    assert not [line for line in book.lines if "Unclosed" in line]
    assert [] == book.leaking(PLANTED)


def messages(caught: Iterator[Any]) -> list[str]:
    """Give the texts of warnings."""
    return [str(one.message) for one in caught]


async def test_a_client_that_was_never_closed() -> None:
    """DESIGN 7: the warnings about it name no secret."""
    async with planted() as world:
        client = world.proglove()
        await client.get(DEVICES)
        world.clients.clear()
        secrets = world.secrets
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del client
            gc.collect()
            await asyncio.sleep(0)
        told = messages(iter(caught))
        assert any("never closed" in text for text in told)
        assert set() == leaks("\n".join(told), secrets)
