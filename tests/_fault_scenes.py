"""Bring a client, a fake vendor and a fault together, for one cell of the table at a time."""

from __future__ import annotations

import re
import socket
import ssl
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

import aiohttp
import attrs
import pytest
from yarl import URL

from _fault_plays import play_of, variants
from _fault_table import Cell, Row, rows
from _faults import Door, LoopTime, Names, Watch
from _raw import RawServer
from _tls import loopback_contexts
from vendorauth import MemoryTokenStore, PasswordCredentials, ProGloveClient, ProtogridClient, Token, VendorAuthError
from vendorauth.proglove import Page
from vendorauth.testing import FakeProGlove, FakeProtogrid, ManualClock

LIFE: Final = 3600.0
PASSWORD: Final = "MARK-Correct-Horse-7"
PAUSE: Final = 61.0
"""Seconds after which a passing trouble's pause is over, however long it was."""
COOLDOWN: Final = 301.0
"""Seconds after which a login that was definitely refused once may be tried again."""

MOST_READ: Final = 2 * 2**20
"""Bytes that the server of an auth answer gets rid of at most: 1 MiB is read, and some more waits in buffers."""

_MARK: Final = "MARK"
_SMALL: Final = 64 * 1024

Contexts: TypeAlias = tuple[ssl.SSLContext, ssl.SSLContext, ssl.SSLContext]
"""The server's, another server's, and one for clients that trust the first."""


@attrs.frozen(kw_only=True)
class Case:
    """Be one cell: what happens in *row*, in the form *variant*, to the request that *column* names."""

    column: str
    row: Row
    variant: str = ""

    @property
    def cell(self) -> Cell:
        """What is expected."""
        return dict(self.row.cells())[self.column]

    @property
    def status(self) -> str:
        """The status that the answer has, where that matters."""
        found = re.match(r"(\d{3})(?! before)", self.row.fault)
        return found[1] if found else ""

    @property
    def is_login(self) -> bool:
        """Whether the request is part of a renewal."""
        return self.column not in {"get", "post"}

    @property
    def renews(self) -> bool:
        """Whether the API's answer makes the client renew its token."""
        return self.cell.why.startswith("12")

    def __str__(self) -> str:
        return f"{self.row.fault}{': ' if self.variant else ''}{self.variant}"


def cases(column: str) -> list[Case]:
    """List all cells of *column* that can be."""
    return [
        Case(column=column, row=row, variant=variant)
        for row in rows()
        if not dict(row.cells())[column].cannot
        for variant in variants(row.fault, column)
    ]


def one_of_each(found: list[Case]) -> list[Case]:
    """Choose the first case of each outcome."""
    return list({case.cell: case for case in reversed(found)}.values())


def case_of(column: str, fault: str) -> Case:
    """Give the one cell of *column* for *fault*."""
    return next(case for case in cases(column) if str(case) == fault)


@attrs.define(kw_only=True)
class Scene:
    """Be a client that logged in, just before the request called *label* goes wrong at *door*."""

    case: Case
    watch: Watch
    names: Names
    elsewhere: RawServer
    forgetful: bool
    clock: ManualClock = attrs.field(factory=ManualClock)
    store: MemoryTokenStore = attrs.field(factory=MemoryTokenStore)
    events: list[object] = attrs.field(factory=list)
    fake: FakeProGlove | FakeProtogrid = attrs.field(init=False)
    door: Door = attrs.field(init=False)
    client: ProGloveClient | ProtogridClient = attrs.field(init=False)
    label: str = attrs.field(init=False)
    call: Callable[[], Awaitable[object]] = attrs.field(init=False)

    async def held(self) -> tuple[Token | None, Token | None]:
        """Give the tokens in the store and in memory."""
        return await self.store.load(self.client.tokens.flow.account), self.client.tokens.peek()

    async def break_(self, *, times: int | None = None) -> None:
        """Let the fault begin; it ends by itself when it was played so often."""
        case = self.case
        fault = play_of(case.row.fault, case.column, case.variant, self.elsewhere.origin)
        self.names.broken = fault.where == "name"
        self.watch.begun = 0
        await self.door.play(fault, times)

    async def heal(self, seconds: float = PAUSE) -> None:
        """Let the fault end, and the pause after it pass."""
        self.names.broken = False
        await self.door.heal()
        self.clock.advance(seconds)

    async def fail(self) -> VendorAuthError:
        """Call, and give the error."""
        with pytest.raises(VendorAuthError) as caught:
            await self.call()
        return caught.value

    def leaks(self, error: VendorAuthError) -> list[str]:
        """List the secrets that *error*, its chain or an event shows."""
        shown = "".join(traceback.format_exception(error)) + f"{error!r}{self.events!r}"
        return [one for one in (_MARK, PASSWORD, *self.fake.issued) if one in shown]


@lru_cache(maxsize=1)
def _contexts() -> Contexts:
    with TemporaryDirectory() as folder:
        server, client = loopback_contexts(Path(folder))
        other, _ = loopback_contexts(Path(folder))
    return server, other, client


@asynccontextmanager
async def scene(case: Case, monkeypatch: pytest.MonkeyPatch, *, forgetful: bool = False) -> AsyncGenerator[Scene, None]:
    """
    Log in, and where the request of *case* is part of a renewal, make that due.

    The token has no refresh token where the request belongs to a login; with *forgetful* it has one, and does not know
    any more where it came from.
    """
    monkeypatch.setattr("vendorauth._sender._BACKOFF", (0.0, 0.0))
    time, watch, names = LoopTime(monkeypatch), Watch(), Names()
    fault = case.row.fault
    is_tls = "TLS" in fault or "certificate" in fault
    async with AsyncExitStack() as stack:
        elsewhere = await stack.enter_async_context(RawServer())
        made = Scene(case=case, watch=watch, names=names, elsewhere=elsewhere, forgetful=forgetful)
        options = _options(made, await stack.enter_async_context(_session(made)), is_tls=is_tls)

        async def open_door() -> Door:
            port = URL(made.fake.origin).port
            assert port is not None
            door = Door(port, time, watch, keep="kept" in fault, contexts=_contexts()[:2] if is_tls else None)
            return await stack.enter_async_context(door)

        def url_of(door: Door) -> str:
            named = "name" in fault and door is made.door
            return door.origin.replace("127.0.0.1", "localhost") if named else door.origin

        if case.column == "protogrid":
            made.fake = await stack.enter_async_context(_protogrid(made))
            made.door = await open_door()
            credentials = PasswordCredentials(made.fake.username, PASSWORD)
            made.client = ProtogridClient(url_of(made.door), credentials, **options)
            made.label, made.call = "POST /api/v2/authenticate", made.client.tokens.token
        else:
            made.fake = await stack.enter_async_context(_proglove(made))
            credentials = PasswordCredentials(made.fake.username, PASSWORD)
            api, cognito = await open_door(), await open_door()
            made.door = cognito if case.column in {"login", "refresh"} else api
            base, login = f"{url_of(api)}/latest", f"{url_of(cognito)}/login"
            made.client = glove = ProGloveClient(base, made.fake.customer_id, credentials, cognito_url=login, **options)
            made.label, made.call = _request_of(glove, case.column)
        await stack.enter_async_context(made.client)
        await _log_in(made)
        yield made


def _session(made: Scene) -> aiohttp.ClientSession:
    small = _small_socket if made.case.is_login and "50 MB" in made.case.row.fault else None
    connector = aiohttp.TCPConnector(resolver=made.names, use_dns_cache=False, socket_factory=small)
    return aiohttp.ClientSession(connector=connector, trace_configs=[made.watch.config])


def _options(made: Scene, session: aiohttp.ClientSession, *, is_tls: bool) -> dict[str, Any]:
    return {
        "store": made.store,
        "session": session,
        "clock": made.clock,
        "on_event": made.events.append,
        "ssl": _contexts()[2] if is_tls else None,
    }


def _protogrid(made: Scene) -> FakeProtogrid:
    fake = FakeProtogrid(clock=made.clock.timestamp, session_life=LIFE)
    fake.max_age, fake.password = int(LIFE), PASSWORD
    return fake


def _proglove(made: Scene) -> FakeProGlove:
    fake = FakeProGlove(clock=made.clock.timestamp, token_life=LIFE)
    fake.password = PASSWORD
    if made.case.column in {"information", "login"} and not made.forgetful:
        fake.amend("login", _without_refresh_token, times=1)
    return fake


def _without_refresh_token(answer: Any) -> Any:
    del answer["AuthenticationResult"]["RefreshToken"]
    return answer


def _request_of(client: ProGloveClient, column: str) -> tuple[str, Callable[[], Awaitable[object]]]:
    async def get() -> object:
        return await client.get("/{customer_id}/devices", model=Page)

    async def post() -> object:
        return await client.post("/{customer_id}/echo", json={"a": 1})

    if column == "get":
        return "GET /latest/demo0001/devices", get
    if column == "post":
        return "POST /latest/demo0001/echo", post
    return "GET /latest/auth-information" if column == "information" else "POST /login", client.tokens.token


async def _log_in(made: Scene) -> None:
    token = await made.client.tokens.token()
    if made.forgetful:
        older = attrs.evolve(token, details={}, generation=token.generation + 1)
        await made.store.save(made.client.tokens.flow.account, older)
    if made.case.is_login:
        made.clock.advance(LIFE)


def _small_socket(address: Any) -> socket.socket:
    family, kind, proto, *_ = address
    made = socket.socket(family, kind, proto)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
    return made


async def examine(made: Scene) -> None:
    """Let the fault begin, call, and look at everything that the table promises; then let it end, and call again."""
    cell = made.case.cell
    before = await made.held()
    await made.break_()
    if cell.error:
        await _examine_failure(made, before)
    else:
        await made.call()
        assert made.door.arrived == cell.sent
    assert made.elsewhere.connections == 0
    await made.heal(COOLDOWN if cell.error in {"InvalidCredentials", "AuthError"} else PAUSE)
    await made.call()
    stored, current = await made.held()
    assert current is not None
    assert current == stored
    assert current.value in made.fake.issued
    assert _expected_passwords(made) == made.fake.count.password_attempts


async def _examine_failure(made: Scene, before: tuple[Token | None, Token | None]) -> None:
    case, cell = made.case, made.case.cell
    error = await made.fail()
    assert (cell.error, cell.sent) == (type(error).__name__, made.door.arrived)
    assert _expected_requests(case) == made.watch.begun
    assert str(error).startswith(made.label)
    assert case.status in str(error)
    assert [] == made.leaks(error)
    if not case.renews:
        assert before == await made.held()
    if case.is_login:
        assert MOST_READ * max(cell.sent, 1) >= made.door.written
        assert ("MB" in case.row.fault) is ("is longer than" in str(error))
        await _examine_pause(made, error)


async def _examine_pause(made: Scene, error: VendorAuthError) -> None:
    """Call again at once: the same kind of error, and nothing is sent for it (rules 9 and 10)."""
    sent = made.door.arrived, made.watch.begun
    assert type(error) is type(await made.fail())
    assert sent == (made.door.arrived, made.watch.begun)


def _expected_requests(case: Case) -> int:
    """Count all that is begun: before a login stands the auth-information, and rule 12 renews."""
    begun = case.cell.sent if case.cell.tries is None else case.cell.tries
    return begun + (case.column == "login") + case.renews


def _expected_passwords(made: Scene) -> int:
    """Count what the vendor must have seen of passwords: the first login's, the fault's, and one after it."""
    cell, column = made.case.cell, made.case.column
    if column == "information":
        return 1 if made.forgetful else 2
    return 1 + cell.sent + bool(cell.error) if column in {"login", "protogrid"} else 1
