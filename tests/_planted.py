"""Both fakes with planted secrets, and clients for them: what the tests of secrets share."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import attrs
from yarl import URL

from _marks import BODY, PASSWORD, PLANTED
from vendorauth import (
    ApiClient,
    BaseLoginFlow,
    Challenge,
    Credentials,
    Flow,
    PasswordCredentials,
    ProGloveClient,
    ProtogridClient,
    Token,
    TokenEvent,
)
from vendorauth.testing import FakeProGlove, FakeProtogrid
from vendorauth.testing._records import Kind

JANE = "jane@example.com"
DEVICES = "/{customer_id}/devices"
APPS = "/api/v2/apps"
ECHO = "/api/v2/echo"


@attrs.define(repr=False)
class Planted:
    """Two vendors whose user has a planted password, and whose answers have a planted text in them."""

    glove: FakeProGlove
    grid: FakeProtogrid
    events: list[TokenEvent] = attrs.field(factory=list)
    clients: list[Any] = attrs.field(factory=list)

    @property
    def secrets(self) -> tuple[str, ...]:
        """All that was planted, and all that was issued since."""
        return (*PLANTED, *self.glove.issued, *self.grid.issued)

    def proglove(self, credentials: Any = None, **options: Any) -> ProGloveClient:
        """Make a client for ProGlove."""
        url, customer, given = self.glove.base_url, self.glove.customer_id, credentials or jane()
        made = ProGloveClient(url, customer, given, cognito_url=self.glove.cognito_url, **self._options(options))
        self.clients.append(made)
        return made

    def protogrid(self, credentials: Any = None, **options: Any) -> ProtogridClient:
        """Make a client for Protogrid."""
        made = ProtogridClient(self.grid.base_url, credentials or jane(), **self._options(options))
        self.clients.append(made)
        return made

    def api(self, flow: Any = None, **options: Any) -> ApiClient:
        """Make a client for a flow of a user's, which has Protogrid's address."""
        made = ApiClient(flow or BuggyFlow(self.grid.base_url), jane(), **self._options(options))
        self.clients.append(made)
        return made

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        return {"on_event": self.events.append, "retries": 0, **options}


@asynccontextmanager
async def planted() -> AsyncGenerator[Planted, None]:
    """Run both fakes; close all clients at the end."""
    async with FakeProGlove() as glove, FakeProtogrid() as grid:
        glove.opaque_tokens = True
        glove.password = grid.password = PASSWORD
        glove.device_key = "eu-west-1_device"
        glove.devices[0]["note"] = grid.apps[0]["note"] = BODY
        world = Planted(glove, grid)
        try:
            yield world
        finally:
            glove.heal()
            grid.heal()
            for client in world.clients:
                await client.aclose()


def jane() -> PasswordCredentials:
    """Give the right credentials."""
    return PasswordCredentials(JANE, PASSWORD)


class BuggyFlow(BaseLoginFlow):
    """Be a user's flow that fails, or does whatever a test wants, at *bug*."""

    def __init__(self, base_url: str, bug: str = "") -> None:
        self.account = JANE
        self.base_url = URL(base_url)
        self._bug = bug

    def login(self, credentials: Credentials, *, now: datetime) -> Flow[Token | Challenge]:
        """Log in without asking anybody."""
        del credentials
        self._at("login")
        return Token(value=PASSWORD, issued_at=now, expires_at=now + timedelta(hours=1), refresh_token=PASSWORD)
        yield  # a generator, like every flow

    def headers(self, token: Token) -> Mapping[str, str]:
        """Prove the token."""
        self._at("headers")
        return {"username": JANE, "password": token.value}

    def rejects(self, response: Any) -> bool:
        """Reject nothing."""
        self._at("rejects")
        return False

    def absorb(self, token: Token, response: Any, *, now: datetime) -> Token:
        """Absorb nothing."""
        self._at("absorb")
        return token

    def _at(self, place: str) -> None:
        if self._bug == place:
            message = f"a bug in {place}"
            raise ZeroDivisionError(message)


async def raised(path: Callable[[Planted], Awaitable[object]], world: Planted) -> BaseException:
    """Give what *path* raises."""
    try:
        await path(world)
    except BaseException as error:  # noqa: BLE001  a cancellation as well
        return error
    message = "nothing was raised"
    raise AssertionError(message)


async def cancelled(fake: FakeProGlove | FakeProtogrid, kind: Kind, call: Any) -> None:
    """Cancel *call* once its request of *kind* has arrived at *fake*; raises its cancellation."""
    with fake.hold(kind) as hold:
        task = asyncio.ensure_future(call)
        await hold.arrived()
        task.cancel()
        await asyncio.wait({task})
    await task


Path = Callable[[Planted], Awaitable[object]]
PATHS: dict[str, tuple[type[BaseException], Path]] = {}


def path(kind: type[BaseException]) -> Callable[[Path], Path]:
    """Note one way to an error of *kind*."""

    def note(function: Path) -> Path:
        PATHS[function.__name__] = kind, function
        return function

    return note


def failure() -> bytes:
    """Write an envelope whose errors repeat what they should not."""
    return json.dumps({"errors": [{"code": 7, "message": BODY, "given": BODY}, BODY], "result": BODY}).encode()


async def glove_get(world: Planted, /, *args: Any, **options: Any) -> object:
    """GET the devices."""
    return await world.proglove(*args).get(DEVICES, **options)


async def grid_get(world: Planted, /, **options: Any) -> object:
    """GET the apps."""
    return await world.protogrid(**options).get(APPS)
