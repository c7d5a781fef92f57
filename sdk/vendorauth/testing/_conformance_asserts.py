"""Run the event loop of a conformance check, and say in a sentence what a store got wrong."""

from __future__ import annotations

import asyncio
import reprlib
import sys
import threading
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn, TypeAlias

import attrs

from vendorauth._tracebacks import place_of
from vendorauth.stores import TokenStore
from vendorauth.tokens import Token

MakeStore: TypeAlias = Callable[[], AbstractAsyncContextManager[TokenStore]]
"""Make one more store over the same storage, and close it."""

StoreCheck: TypeAlias = Callable[[MakeStore], None]
"""Check one promise of the stores that it is given; raises ``AssertionError``."""

PATIENCE: Final = 20.0
"""Seconds after which something counts as stuck: twice a lease of `RedisTokenStore`."""

_NOW: Final = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def run(check: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run *check* on an event loop in a thread of its own, because a store that blocks the loop can't be timed from it."""
    errors = list[BaseException]()

    def work() -> None:
        try:
            asyncio.run(_bounded(check))
        except BaseException as error:  # noqa: BLE001  raised below, where the caller is
            errors.append(error)

    thread = threading.Thread(target=work, name="vendorauth conformance", daemon=True)
    thread.start()
    thread.join(2.5 * PATIENCE)
    if thread.is_alive():
        fail(f"the event loop stands still, in {_whereabouts(thread)}")
    for error in errors:
        raise error


async def _bounded(check: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async with soon("the whole check", 2 * PATIENCE):
        await check()


def _whereabouts(thread: threading.Thread) -> str:
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001  documented, for this purpose
    return (
        "an unknown place" if frame is None else f"{frame.f_code.co_name}, {frame.f_code.co_filename}:{frame.f_lineno}"
    )


def account() -> str:
    """Name an account that no other check uses."""
    return f"conformance {uuid.uuid4()}"


def token(*, generation: int = 1, value: str = "a value") -> Token:
    """Make a token up."""
    return Token(
        value=value,
        issued_at=_NOW,
        expires_at=_NOW + timedelta(days=36500),
        refresh_token="a refresh token",  # noqa: S106  no secret
        generation=generation,
    )


def generation_of(found: Token | None) -> int:
    """Give the generation of *found*, -1 where nothing was found."""
    return -1 if found is None else found.generation


async def pass_moments(number: int) -> None:
    """Let others run: for a few turns of the event loop, then for fractions of a millisecond, from 0 to about 20."""
    turns = 10
    for _ in range(min(number, turns)):
        await asyncio.sleep(0)
    if number >= turns:
        await asyncio.sleep(0.0003 * 1.4 ** (number - turns))


def fail(message: str) -> NoReturn:
    """Raise ``AssertionError``."""
    raise AssertionError(message)


def equal(expected: object, found: object, what: str) -> None:
    """Expect *found* to be as *expected*; of two tokens, name the first field that differs: these hold no secrets."""
    if expected == found:
        return
    if isinstance(expected, Token) and isinstance(found, Token):
        differing = (one.name for one in attrs.fields(Token) if getattr(expected, one.name) != getattr(found, one.name))
        name = next(differing)
        what, expected, found = f"{what}: {name}", getattr(expected, name), getattr(found, name)
    fail(f"{what}: expected {reprlib.repr(expected)}, found {reprlib.repr(found)}")


async def raises(kind: type[BaseException], call: Awaitable[object], what: str) -> None:
    """Expect awaiting *call* to raise *kind*, soon."""
    try:
        async with soon(what):
            await call
    except kind:
        return
    except AssertionError:
        raise
    except BaseException as error:
        message = f"{what}: expected {kind.__name__}, got {type(error).__name__}, raised in {place_of(error)}"
        raise AssertionError(message) from error
    fail(f"{what}: expected {kind.__name__}, got none")


@asynccontextmanager
async def soon(what: str, seconds: float | None = None) -> AsyncGenerator[None]:
    """Expect the body not to get stuck."""
    patience = PATIENCE if seconds is None else seconds
    bound = asyncio.timeout(patience)
    try:
        async with bound:
            yield
    except TimeoutError:
        if not bound.expired():
            raise
        late = f"{what} was not done after {patience:g} s"
    else:
        return
    fail(late)
