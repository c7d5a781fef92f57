"""Await what a user handed in: a callable for credentials, a callable for challenges, one that sends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import Context, ContextVar
from inspect import isawaitable
from typing import Final, Generic, TypeVar, final

import attrs

from vendorauth.engine.account import Account
from vendorauth.engine.exchange import Send
from vendorauth.errors import ConfigurationError
from vendorauth.messages import Request, Response

T = TypeVar("T")

_STOPPING: Final = 1.0
"""Seconds that a cancelled callable has to end."""


@attrs.define(eq=False)
class _Inside:
    """Mark that code runs inside a callable that *account* waits for."""

    account: Account
    waiting: bool = True


_inside: Final[ContextVar[_Inside | None]] = ContextVar("vendorauth_inside", default=None)


def is_inside(account: Account) -> bool:
    """Tell whether this runs inside a callable that *account* waits for."""
    inside = _inside.get()
    return inside is not None and inside.waiting and inside.account is account


def refuse_from_inside(account: Account) -> None:
    """
    See to it that a callable does not wait for those who wait for it.

    Raises:
        RuntimeError: This runs inside a callable that *account* waits for.
    """
    if is_inside(account):
        message = "called from inside on_challenge, a credentials callable or send, which this call would wait for"
        raise RuntimeError(message)


def sending_for(account: Account, send: Send) -> Send:
    """Let whatever runs inside *send* know that *account* waits for it."""

    async def sending(request: Request) -> Response:
        inside = _Inside(account)
        before = _inside.set(inside)
        try:
            return await send(request)
        finally:
            inside.waiting = False
            with suppress(ValueError):  # collected after its loop was closed, outside its own context
                _inside.reset(before)

    return sending


@attrs.define(eq=False, repr=False)
class Reply(Generic[T]):
    """
    Hold what a callable gave: *value* once it has *returned*, else its *error*, or neither when it was cancelled.

    It is no task's result, because asyncio's debug log prints those.
    """

    value: T = attrs.field(init=False)
    returned: bool = False
    error: Exception | None = None


@final
class Foreign:
    """
    Run one such callable in a task of its own, with an end.

    One that asks a person is the account's *person* meanwhile, so that `aclose` and `logout` can cancel it.
    """

    def __init__(self, account: Account) -> None:
        self._account = account

    async def run(self, call: Callable[[], Awaitable[T]], seconds: float | None, *, person: bool = False) -> Reply[T]:
        """
        Give what *call* gave.

        Raises:
            TimeoutError: It took longer than *seconds*; it has been cancelled.
        """
        inside, reply = _Inside(self._account), Reply[T]()
        context = Context()
        context.run(_inside.set, inside)
        task = asyncio.get_running_loop().create_task(_call(call, reply), context=context, name="vendorauth callable")
        self._account.person = task if person else None
        try:
            ended, _ = await asyncio.wait({task}, timeout=seconds)
        finally:
            inside.waiting = False
            self._account.person = None
            await _stop(task)
        if not ended:
            raise TimeoutError
        return reply


async def _call(call: Callable[[], Awaitable[T]], reply: Reply[T]) -> None:
    try:
        given: object = call()
        if not isawaitable(given):
            message = "a credentials callable, and on_challenge, must be async"
            raise ConfigurationError(message)  # noqa: TRY301  told like all that such a callable raises
        reply.value = await given
    except Exception as error:  # noqa: BLE001  the seam to a user's callable
        reply.error = error
    else:
        reply.returned = True


async def _stop(task: asyncio.Task[None]) -> None:
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_STOPPING)
