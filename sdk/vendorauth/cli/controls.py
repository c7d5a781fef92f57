"""Let tests in any language turn the fakes' switches, and read their counters, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from inspect import Parameter, signature
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeAlias, TypeVar, cast, final, get_type_hints

import attrs
import msgspec
from aiohttp import web
from yarl import URL

from vendorauth._urls import is_loopback
from vendorauth.testing import FakeProGlove, FakeProtogrid
from vendorauth.testing._records import Kind
from vendorauth.testing._server import HOST, LARGEST_BODY, LoopbackServer
from vendorauth.testing._switches import Hold
from vendorauth.tokens import JSON

Fake: TypeAlias = FakeProGlove | FakeProtogrid
FakeT = TypeVar("FakeT", bound=Fake)
T = TypeVar("T")

SHUTDOWN: Final = 0.1


def fail_next(
    fake: Fake,
    n: int = 1,
    status: int = 500,
    body: JSON = "",
    headers: Mapping[str, str] | None = None,
    on: Kind | None = None,
) -> None:
    """Answer the next *n* requests with *status* and *body*: text as it is, else JSON."""
    content = body.encode() if isinstance(body, str) else msgspec.json.encode(body)
    fake.fail_next(n, status, content, headers, on=on)


async def arrived(fake: Fake, n: int = 1, on: Kind | None = None) -> None:
    """Wait until *n* requests are held."""
    await _held(fake, on).arrived(n)


def release(fake: Fake, on: Kind | None = None) -> None:
    """Let go what is held."""
    _held(fake, on).release()
    del fake.holds[on]


def reset_count(fake: Fake) -> None:
    """Set all counters to 0."""
    fake.count.reset()
    fake.asked.clear()


def revoke(fake: FakeProGlove, refresh_token: str) -> None:
    """End one login."""
    if not fake.revoke(refresh_token):
        message = "no login has this refresh token"
        raise ValueError(message)


def _shape(fields: Mapping[str, tuple[Any, Any]]) -> type[msgspec.Struct]:
    """Make the shape of a JSON object from the types and defaults of its *fields*; it has no others."""
    given = [
        (name, kind) if default is Parameter.empty else (name, kind, default)
        for name, (kind, default) in fields.items()
    ]
    return msgspec.defstruct("Told", given, forbid_unknown_fields=True)


@final
@attrs.frozen
class Switch:
    """Be one switch: what it does, and the *shape* of what it is told."""

    turn: Callable[..., Any]
    shape: type[msgspec.Struct]

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Switch:
        """Make one that calls *function* with a fake."""
        types = get_type_hints(function)
        _, *parameters = signature(function).parameters.values()
        return cls(function, _shape({one.name: (types[one.name], one.default) for one in parameters}))


_COMMON: Final = (
    *(LoopbackServer.start, LoopbackServer.stop, LoopbackServer.hold, LoopbackServer.lose_next, LoopbackServer.heal),
    *(arrived, fail_next, release, reset_count),
)
_TABLE: Final[Mapping[type[object], tuple[Callable[..., Any], ...]]] = {
    FakeProGlove: (
        *_COMMON,
        *(FakeProGlove.expire_all, FakeProGlove.revoke_all, revoke),
        *(FakeProGlove.require, FakeProGlove.require_nothing),
    ),
    FakeProtogrid: (*_COMMON, FakeProtogrid.expire_all),
}
"""All switches: each is named after its function, whose parameters are what its JSON object may have."""

_SWITCHES: Final[Mapping[type[object], Mapping[str, Switch]]] = {
    kind: {one.__name__: Switch.of(one) for one in functions} for kind, functions in _TABLE.items()
}
_SETTINGS: Final[Mapping[type[object], type[msgspec.Struct]]] = {
    # What its class annotates is there to be set; counters and records are annotated elsewhere.
    kind: _shape({name: (hint, msgspec.UNSET) for name, hint in get_type_hints(kind).items()})
    for kind in _TABLE
}
_NOTHING: Final = _shape({})


@final
class Stand(Generic[FakeT]):
    """
    Keep one fake running: another one, on the same port, after a reset.

    *make* gives one for a port, of which 0 is any that is free.
    """

    def __init__(self, make: Callable[[int], FakeT], port: int) -> None:
        self.fake: FakeT = make(port)
        kind = type(self.fake)
        self.switches: dict[str, Switch] = {**_SWITCHES[kind], "reset": Switch(self._reset, _NOTHING)}
        self._settings = _SETTINGS[kind]
        self._make = make
        self._resetting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.fake.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.fake.stop()

    async def turn(self, name: str, told: bytes) -> None:
        """Turn one switch."""
        switch = _found("switch", name, self.switches)
        arguments = msgspec.structs.asdict(msgspec.json.decode(told or b"{}", type=switch.shape))
        done = switch.turn(self.fake, **arguments)
        if isinstance(done, Awaitable):
            await cast("Awaitable[object]", done)

    def set(self, told: bytes) -> None:
        """Change settings, all that are *told* or none."""
        given = msgspec.json.decode(told, type=self._settings)
        for name, value in msgspec.structs.asdict(given).items():
            if value is not msgspec.UNSET:
                setattr(self.fake, name, value)

    def settings(self) -> JSON:
        """Give all settings."""
        return {name: getattr(self.fake, name) for name in self._settings.__struct_fields__}

    def state(self) -> dict[str, JSON]:
        """Tell what the fake saw, and what it is about."""
        fake = self.fake
        refreshable = {"refreshable_logins": fake.refreshable_logins} if isinstance(fake, FakeProGlove) else {}
        return {
            "base_url": fake.base_url,
            "running": fake.running,
            "connections": fake.connections,
            "count": attrs.asdict(fake.count),
            "asked": fake.asked,
            "held": {on or "any": hold.count for on, hold in fake.holds.items()},
            **refreshable,
        }

    async def _reset(self, _: FakeT) -> None:
        async with self._resetting:
            await self.fake.stop()
            self.fake = self._make(URL(self.fake.origin).port or 0)
            await self.fake.start()


@asynccontextmanager
async def serving(stands: Mapping[str, Stand[Any]], port: int) -> AsyncGenerator[str]:
    """
    Serve *stands* by their names on the loopback interface, and give the URL.

    Raises:
        OSError: The port is taken.
    """
    runner = web.AppRunner(_app(stands), access_log=None, shutdown_timeout=SHUTDOWN)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        yield f"http://{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _app(stands: Mapping[str, Stand[Any]]) -> web.Application:
    def stand(request: web.Request) -> Stand[Any]:
        return _found("fake", request.match_info["fake"], stands)

    async def show_all(_: web.Request) -> web.Response:
        return _answer({name: one.state() for name, one in stands.items()})

    async def show(request: web.Request) -> web.Response:
        return _answer(stand(request).state())

    async def turn(request: web.Request) -> web.Response:
        one = stand(request)
        await one.turn(request.match_info["switch"], await request.read())
        return _answer(one.state())

    async def show_settings(request: web.Request) -> web.Response:
        return _answer(stand(request).settings())

    async def change_settings(request: web.Request) -> web.Response:
        one = stand(request)
        one.set(await request.read())
        return _answer(one.settings())

    app = web.Application(middlewares=[_explain, _keep_pages_out], client_max_size=LARGEST_BODY)
    app.router.add_get("/", show_all)
    app.router.add_get("/{fake}", show)
    app.router.add_get("/{fake}/settings", show_settings)
    app.router.add_patch("/{fake}/settings", change_settings)
    app.router.add_post("/{fake}/{switch}", turn)
    return app


@web.middleware
async def _explain(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Say what was wrong with a request, as JSON."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _answer({"error": error.text}, error.status)
    except (ValueError, RecursionError) as error:
        return _answer({"error": str(error)}, HTTPStatus.BAD_REQUEST)
    except (OSError, RuntimeError) as error:
        return _answer({"error": str(error) or "the requests did not arrive in time"}, HTTPStatus.CONFLICT)


@web.middleware
async def _keep_pages_out(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse what a page in this machine's browser sends, and one whose name was made to mean this machine."""
    if "Origin" in request.headers or not _is_here(request.host):
        raise web.HTTPForbidden(text="web pages may not use this; the host has to be localhost or 127.0.0.1")
    return await handler(request)


def _is_here(host: str) -> bool:
    try:
        return is_loopback(URL(f"http://{host}").host or "")
    except ValueError:
        return False


def _answer(body: JSON, status: int = HTTPStatus.OK) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


def _found(what: str, name: str, known: Mapping[str, T]) -> T:
    if name not in known:
        raise web.HTTPNotFound(text=f'there is no {what} "{name}"; there are: {", ".join(sorted(known))}')
    return known[name]


def _held(fake: Fake, on: Kind | None) -> Hold:
    if on not in fake.holds:
        message = f'nothing is held on "{on or "any"}"'
        raise ValueError(message)
    return fake.holds[on]
