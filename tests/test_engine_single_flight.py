"""One piece of work at a time, for all who want its outcome, and by none of them (rules 2 and 3)."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from datetime import UTC, datetime

import pytest

from vendorauth._tracebacks import place_of
from vendorauth.engine.single_flight import Flight, Kind, Outcome, SingleFlight
from vendorauth.errors import AuthServiceUnavailable, ProtocolError, RequestTimeout
from vendorauth.tokens import Token

TOKEN = Token(value="MARK", issued_at=datetime(2026, 1, 1, tzinfo=UTC))
request_id: ContextVar[str] = ContextVar("request_id", default="none")


class Log:
    """Start flights, note what is settled, and when."""

    def __init__(self) -> None:
        self.flights = SingleFlight()
        self.settled: list[Outcome] = []
        self.free: list[bool] = []

    def start(self, work: Callable[[], Awaitable[Token | None]], kind: Kind = Kind.RENEWAL) -> Flight:
        """Start what *work* makes."""

        async def run() -> Token | None:
            return await work()

        return self.flights.start(kind, run(), self._settle)

    def _settle(self, outcome: Outcome) -> None:
        self.settled.append(outcome)
        self.free.append(self.flights.current is None)


class Gate:
    """Be work that tells when it has begun, and waits to be let go."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.task: asyncio.Task[object] | None = None

    async def __call__(self) -> Token | None:
        """Be the work."""
        self.task = asyncio.current_task()
        self.begun.set()
        await self.go.wait()
        return TOKEN


async def raising(error: BaseException) -> Token | None:
    raise error


async def test_all_waiters_get_the_outcome() -> None:
    """Everybody who waits gets the one outcome, and the slot is free by then (rule 2)."""
    log, gate = Log(), Gate()
    flight = log.start(gate)
    assert flight is log.flights.current
    waiters = [asyncio.create_task(flight.outcome()) for _ in range(10)]
    await gate.begun.wait()
    gate.go.set()
    assert [Outcome(token=TOKEN)] * 10 == await asyncio.gather(*waiters)
    assert ([Outcome(token=TOKEN)], [True]) == (log.settled, log.free)
    assert Outcome(token=TOKEN) == await flight.outcome()


async def test_cancelling_waiters_cancels_nothing() -> None:
    """However many waiters are cancelled, the first included, the work ends for those who stay (rule 3)."""
    log, gate = Log(), Gate()
    flight = log.start(gate)
    waiters = [asyncio.create_task(flight.outcome()) for _ in range(3)]
    await gate.begun.wait()
    for waiter in waiters[:2]:
        waiter.cancel()
    await asyncio.wait(waiters[:2])
    assert [True, True, False] == [waiter.cancelled() for waiter in waiters]
    gate.go.set()
    assert Outcome(token=TOKEN) == await waiters[2]


async def test_nobody_waits() -> None:
    """With all waiters cancelled the work goes on to its end and is settled (rule 3)."""
    log, gate = Log(), Gate()
    waiter = asyncio.create_task(log.start(gate).outcome())
    await gate.begun.wait()
    waiter.cancel()
    await asyncio.wait([waiter])
    flight = log.flights.current
    assert flight is not None
    gate.go.set()
    await flight.outcome()
    assert [Outcome(token=TOKEN)] == log.settled


async def test_the_next_one_after_it() -> None:
    """A settled flight makes room for the next, of any kind."""
    log = Log()
    error = RequestTimeout("no")
    assert Outcome(error=error) == await log.start(lambda: raising(error)).outcome()
    gate = Gate()
    gate.go.set()
    flight = log.start(gate, Kind.LOGIN)
    assert Kind.LOGIN is flight.kind
    assert Outcome(token=TOKEN) == await flight.outcome()


async def test_it_belongs_to_no_request() -> None:
    """The work sees none of its starter's context variables (rule 3), and has a name to be found by."""
    request_id.set("mine")
    seen: list[str] = []

    async def look() -> Token | None:
        task = asyncio.current_task()
        assert task is not None
        seen.extend((request_id.get(), task.get_name()))
        return None

    assert Outcome() == await Log().start(look, Kind.AHEAD).outcome()
    assert ["none", "vendorauth renewal ahead of expiry"] == seen


async def test_a_cancelled_task() -> None:
    """Work that is cancelled with its loop is told as an error that passes, not as anybody's cancellation."""
    log, gate = Log(), Gate()
    flight = log.start(gate)
    await gate.begun.wait()
    assert gate.task is not None
    gate.task.cancel()
    outcome = await flight.outcome()
    assert isinstance(outcome.error, AuthServiceUnavailable)
    assert outcome.error.temporary
    assert log.flights.current is None


async def test_a_foreign_exception() -> None:
    """A bug in somebody's flow becomes a ProtocolError that names its place only: its text may hold secrets."""

    async def buggy() -> Token | None:
        return await raising(KeyError("MARK"))

    error = (await Log().start(buggy).outcome()).error
    assert isinstance(error, ProtocolError)
    assert str(error).startswith("KeyError in raising, ")
    assert __file__ in str(error)
    assert "MARK" not in f"{error!r}"
    assert (None, None) == (error.__cause__, error.__context__)


def test_an_exception_without_a_place() -> None:
    """An exception that was never raised has no place to tell."""
    assert "an unknown place" == place_of(KeyError("MARK"))


async def test_settling_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """Should settling have a bug, the loop tells of it, and nobody waits for ever."""

    async def work() -> Token | None:
        return TOKEN

    def settle(_: Outcome) -> None:
        raise ZeroDivisionError

    flights = SingleFlight()
    assert Outcome(token=TOKEN) == await flights.start(Kind.RENEWAL, work(), settle).outcome()
    assert flights.current is None
    await asyncio.sleep(0)
    assert ["asyncio"] == [one.name for one in caplog.records]


@pytest.mark.parametrize("error", [RequestTimeout("no"), KeyError("MARK")])
async def test_nobody_retrieves_it(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """An error for which nobody waits is retrieved all the same: no "exception was never retrieved" in the log."""
    log = Log()
    log.start(lambda: raising(error))
    while log.flights.current is not None:
        await asyncio.sleep(0)
    gc.collect()
    await asyncio.sleep(0)
    assert 1 == len(log.settled)
    assert [] == caplog.records


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
@pytest.mark.parametrize("late", [False, True])
async def test_eager_tasks(late: bool) -> None:
    """With eager tasks, work that ends before it is held is settled once, and leaves the slot free (rule 3)."""
    loop = asyncio.get_running_loop()
    factory = getattr(asyncio, "eager_task_factory")  # noqa: B009  3.11 has none
    loop.set_task_factory(factory)
    try:
        log, held = Log(), list[bool]()

        async def work() -> Token | None:
            held.append(log.flights.current is not None)
            if late:
                await asyncio.sleep(0)
            return TOKEN

        flight = log.start(work)
        assert Outcome(token=TOKEN) == await flight.outcome()
        assert ([True], [Outcome(token=TOKEN)], None) == (held, log.settled, log.flights.current)
    finally:
        loop.set_task_factory(None)
