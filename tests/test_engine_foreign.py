"""Awaiting what a user handed in, with an end, and without waiting for oneself."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from vendorauth.engine.account import Account
from vendorauth.engine.foreign import Foreign, refuse_from_inside

LONG = 60.0
request_id: ContextVar[str] = ContextVar("request_id", default="none")


def account() -> Account:
    return Account(asyncio.get_running_loop(), None)


class Person:
    """Be a callable that waits for its gate; *stubborn* ones ignore being cancelled once."""

    def __init__(self, *, stubborn: bool = False) -> None:
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.cancelled = False
        self._stubborn = stubborn

    async def __call__(self) -> str:
        """Be the callable."""
        self.begun.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            if not self._stubborn:
                raise
            await self.go.wait()
        return "answer"


async def test_the_reply_comes_back() -> None:
    """What a callable gave, or raised, is in the reply, which shows nothing of it."""

    async def good() -> str:
        return "answer"

    async def bad() -> str:
        raise KeyError

    reply = await Foreign(account()).run(good, LONG)
    assert ("answer", True, None) == (reply.value, reply.returned, reply.error)
    assert "answer" not in f"{reply!r}{reply}"
    reply = await Foreign(account()).run(bad, None)
    assert isinstance(reply.error, KeyError)
    assert not reply.returned


async def test_a_context_of_its_own() -> None:
    """A callable runs for the account, not for the request that happened to need it."""
    request_id.set("mine")

    async def look() -> str:
        task = asyncio.current_task()
        assert task is not None
        return f"{request_id.get()} {task.get_name()}"

    assert "none vendorauth callable" == (await Foreign(account()).run(look, LONG)).value


async def test_too_long() -> None:
    """After its seconds a callable is cancelled, and has ended when the TimeoutError comes."""
    person = Person()
    with pytest.raises(TimeoutError):
        await Foreign(account()).run(person, 0.01)
    assert person.cancelled


async def test_one_that_does_not_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ignores being cancelled is left behind after a second: nobody waits for ever."""
    monkeypatch.setattr("vendorauth.engine.foreign._STOPPING", 0.01)
    person = Person(stubborn=True)
    with pytest.raises(TimeoutError):
        await Foreign(account()).run(person, 0.01)
    assert person.cancelled
    person.go.set()
    await asyncio.sleep(0)


async def test_whoever_waits_is_cancelled() -> None:
    """Cancelling the waiting cancels the callable, which has ended by then."""
    person, one = Person(), account()
    task = asyncio.create_task(Foreign(one).run(person, LONG, person=True))
    await person.begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert person.cancelled
    assert one.person is None


async def test_a_person_can_be_sent_away() -> None:
    """While a person is asked, the account knows the task; who cancels that ends the waiting."""
    person, one = Person(), account()
    task = asyncio.create_task(Foreign(one).run(person, None, person=True))
    await person.begun.wait()
    assert one.person is not None
    one.person.cancel()
    reply = await task
    assert (False, None) == (reply.returned, reply.error)
    assert one.person is None


async def test_a_secret_manager_is_no_person() -> None:
    """Only who asks a person can be sent away; a credentials callable has its seconds."""
    person, one = Person(), account()
    task = asyncio.create_task(Foreign(one).run(person, LONG))
    await person.begun.wait()
    assert one.person is None
    person.go.set()
    assert "answer" == (await task).value


async def test_from_inside() -> None:
    """A call from inside a callable, or from a task that it started, would wait for itself: RuntimeError (rule 10a)."""
    one = account()

    async def call() -> str:
        refuse_from_inside(one)
        return "went on"

    async def in_a_task() -> str:
        return await asyncio.create_task(call())

    for work in (call, in_a_task):
        error = (await Foreign(one).run(work, LONG)).error
        assert isinstance(error, RuntimeError)
        assert "called from inside on_challenge, a credentials callable or send, which this call would wait for" == str(
            error
        )


async def test_from_elsewhere() -> None:
    """Outside of callables, from inside another account's, and after the end, calls are fine."""
    one, other = account(), account()
    refuse_from_inside(one)
    later: list[asyncio.Task[None]] = []
    gate = asyncio.Event()

    async def call_later() -> None:
        await gate.wait()
        refuse_from_inside(one)

    async def work() -> str:
        refuse_from_inside(other)
        later.append(asyncio.create_task(call_later()))
        return "fine"

    assert "fine" == (await Foreign(one).run(work, LONG)).value
    gate.set()
    await later[0]
