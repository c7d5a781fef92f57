"""Run a fake vendor on the loopback interface: what both fakes have in common."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Self

import attrs
from aiohttp import web
from multidict import CIMultiDict

from vendorauth.testing._records import Answer, Count, Kind, Seen
from vendorauth.testing._switches import Amendment, Fault, Hold, first_taken
from vendorauth.testing._threads import LoopThread
from vendorauth.tokens import JSON

HOST: Final = "127.0.0.1"
KEPT: Final = 10_000
"""How many requests, and how many secrets, a fake remembers."""
LARGEST_BODY: Final = 64 * 2**20
SHUTDOWN: Final = 5.0


class LoopbackServer(abc.ABC):
    """
    Be a real HTTP server on 127.0.0.1 that records what it sees and misbehaves on request.

    All switches may be turned while it runs, from any thread. ``async with`` starts and stops it in the event loop that is
    running; ``with`` in a thread of its own, for tests that have none, or have another one. *port* 0 takes a free one.
    *clock* gives seconds since the epoch.
    """

    permitted: bool = True
    """Whether the user may do what API requests ask for; if not, living tokens are answered with 403."""
    delay: float = 0.0
    """Seconds of real time that every answer takes."""
    delays: dict[Kind, float]
    """Seconds that answers to requests of one kind take in addition."""

    def __init__(self, *, port: int, clock: Callable[[], float]) -> None:
        self.count: Count = Count()
        """What it saw."""
        self.requests: deque[Seen] = deque(maxlen=KEPT)
        """The last 10,000 requests, the oldest first."""
        self.issued: deque[str] = deque(maxlen=KEPT)
        """The last 10,000 secrets that it handed out, for tests that search for leaks."""
        self.holds: dict[Kind | None, Hold] = {}
        """The holds that `hold` made, by what they are on."""
        self.delays = {}
        self._clock = clock
        self._port = port
        self._faults: list[Fault] = []
        self._amendments: list[Amendment] = []
        self._runner: web.AppRunner | None = None
        self._closing = asyncio.Event()
        self._thread: LoopThread | None = None
        self._answers = 0

    # What a vendor fills in.

    @abc.abstractmethod
    def _kind(self, path: str, headers: Mapping[str, str], body: bytes) -> Kind:
        """Tell what a request is for."""
        ...

    @abc.abstractmethod
    def _respond(self, seen: Seen) -> Answer:
        """Do what *seen* asks for, wholly, and answer it."""
        ...

    @abc.abstractmethod
    def _has_password(self, seen: Seen) -> bool:
        """Tell whether *seen* carries a password."""
        ...

    def _at_once(self, seen: Seen) -> bool:
        """Tell whether *seen* is processed when it is read, before any hold or delay."""
        del seen
        return False

    # What a test uses.

    @property
    def origin(self) -> str:
        """
        Where it listens, such as ``http://127.0.0.1:40123``.

        Raises:
            RuntimeError: It was never started and has no port yet.
        """
        if not self._port:
            message = "this fake has not been started: use `async with`"
            raise RuntimeError(message)
        return f"http://{HOST}:{self._port}"

    @property
    def running(self) -> bool:
        """Whether it listens at this moment."""
        return self._runner is not None

    @property
    def connections(self) -> int:
        """How many connections are open at this moment."""
        return len(_transports(self._runner))

    async def start(self) -> None:
        """
        Listen; after `stop`, on the same port and with the same memory.

        Raises:
            RuntimeError: It runs already.
            OSError: The port is taken.
        """
        await (self._start() if self._thread is None else self._thread.do(self._start()))

    async def stop(self) -> None:
        """Hang up on everybody and stop listening; connections are refused then. Harmless when it does not run."""
        await (self._stop() if self._thread is None else self._thread.do(self._stop()))

    async def _start(self) -> None:
        if self._runner is not None:
            message = "this fake runs already"
            raise RuntimeError(message)
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_route("*", "/{tail:.*}", self._serve)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN)
        self._closing = asyncio.Event()
        await runner.setup()
        try:
            await web.TCPSite(runner, HOST, self._port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._port = runner.addresses[0][1]
        self._runner = runner

    async def _stop(self) -> None:
        runner, self._runner = self._runner, None
        self._closing.set()
        self._let_go()
        # A graceful end would wait for who does not read, and would leave a connection open.
        for transport in _transports(runner):
            transport.abort()
        if runner is not None:
            await runner.cleanup()

    def __enter__(self) -> Self:
        thread = LoopThread()
        try:
            thread.run(self.start())
        except BaseException:
            thread.close()
            raise
        self._thread = thread
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        thread, self._thread = self._thread, None
        assert thread is not None
        try:
            thread.run(self.stop())
        finally:
            thread.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    def hold(self, on: Kind | None = None, *, limit: int | None = None, processed: bool = False) -> Hold:
        """
        Keep requests of the kind *on* (``None``: all) waiting, at most *limit* of them, until ``release()``.

        They are processed after the release; with *processed* when they arrive, so that only their answers wait. A new
        hold takes the place of the last one for *on*, which lets go.
        """
        if (last := self.holds.get(on)) is not None:
            last.release()
        self.holds[on] = hold = Hold(limit=limit, processed=processed)
        return hold

    def fail_next(
        self,
        n: int = 1,
        status: int = 500,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        on: Kind | None = None,
    ) -> None:
        """Answer the next *n* requests of the kind *on* (``None``: any) with this, and do nothing for them."""
        given = CIMultiDict(headers or {})
        content_type = given.pop("Content-Type", "text/plain")
        answer = Answer(status=status, body=body, headers=tuple(given.items()), content_type=content_type)
        self._faults.append(Fault(on=on, left=n, answer=answer))

    def lose_next(self, n: int = 1, *, on: Kind | None = None, processed: bool = True) -> None:
        """
        Close the connection instead of answering the next *n* requests of the kind *on* (``None``: any).

        They are processed wholly before (a refresh token is spent), unless *processed* is false. A client of
        aiohttp's own sends a GET, PUT or DELETE once more by itself then: lose two. Those of this package do not.
        """
        self._faults.append(Fault(on=on, left=n, processed=processed))

    def amend(self, on: Kind, change: Callable[[JSON], JSON], *, times: int | None = None) -> None:
        """
        Send what *change* makes of the JSON of successful answers to *on*, for the next *times* (``None``: always).

        Each request was processed before. Where *change* returns bytes, they are sent as they are.
        """
        self._amendments.append(Amendment(on=on, change=change, left=times))

    def heal(self) -> None:
        """Forget every `fail_next`, `lose_next` and `amend` still to come, every hold and every delay."""
        self._faults.clear()
        self._amendments.clear()
        self._let_go()
        self.delays.clear()
        self.delay = 0.0

    def _let_go(self) -> None:
        for hold in tuple(self.holds.values()):
            hold.release()
        self.holds.clear()

    # How a request goes through.

    async def _serve(self, request: web.Request) -> web.Response:
        seen = await self._see(request)
        fault = first_taken(self._faults, seen.kind)
        if fault is not None and not fault.processed:
            return _hang_up(request)
        hold = next((hold for on in (seen.kind, None) if (hold := self.holds.get(on)) and hold.take()), None)
        early = self._at_once(seen) or (hold is not None and hold.processed)
        answer = self._answer(seen, fault) if early else None
        await self._wait(seen.kind, hold)
        if self._closing.is_set():
            return _hang_up(request)
        answer = answer or self._answer(seen, fault)
        if fault is not None and fault.answer is None:
            answer.written()
            return _hang_up(request)
        return await _write(request, answer)

    async def _see(self, request: web.Request) -> Seen:
        body = await request.read()
        path, _, query = request.raw_path.partition("?")
        seen = Seen(
            kind=self._kind(path, request.headers, body),
            method=request.method,
            path=path,
            query=query,
            headers=request.headers,
            body=body,
        )
        self.requests.append(seen)
        self.count.arrived(seen.kind)
        self.count.password_attempts += self._has_password(seen)
        return seen

    def _answer(self, seen: Seen, fault: Fault | None) -> Answer:
        if fault is not None and fault.answer is not None:
            return fault.answer
        answer = self._respond(seen)
        if answer.status < 300 and (amendment := first_taken(self._amendments, seen.kind)) is not None:  # noqa: PLR2004
            answer = attrs.evolve(answer, body=amendment.change(answer.body))
        return answer

    async def _wait(self, kind: Kind, hold: Hold | None) -> None:
        if hold is not None:
            await hold.over()
        delay = self.delay + self.delays.get(kind, 0.0)
        if delay:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), delay)

    def _request_id(self) -> str:
        self._answers += 1
        return str(uuid.UUID(int=self._answers))


def _transports(runner: web.AppRunner | None) -> list[asyncio.Transport]:
    """List what is open; any thread may ask."""
    server = None if runner is None else runner.server
    open_ones = () if server is None else server.connections
    return [transport for one in open_ones if (transport := one.transport) is not None]


def _gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()  # which can no longer be sent


async def _write(request: web.Request, answer: Answer) -> web.Response:
    headers = CIMultiDict(answer.headers)
    headers["Content-Type"] = answer.content_type
    response = web.Response(status=answer.status, body=answer.content, headers=headers)
    if not _gone(request):
        await response.prepare(request)
        await response.write_eof()
        answer.written()
    return response
