"""No secret in what an object shows of itself (DESIGN 7)."""

from __future__ import annotations

import asyncio
import inspect
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

import vendorauth
from _marks import BODY, CODE, PASSWORD, PLANTED, SENT, displays, leaks, spellings
from _planted import APPS, DEVICES, JANE, Planted, jane, planted
from vendorauth import (
    ApiResponse,
    Challenge,
    ChallengeRequired,
    FileTokenStore,
    MemoryTokenStore,
    RefreshPolicy,
    RefreshTokenCredentials,
    Request,
    Response,
    Token,
    TokenEvent,
    VendorAuthError,
)
from vendorauth._calls import prepare
from vendorauth._sender import Answer
from vendorauth._wire import structure
from vendorauth.cognito.shapes import AuthAnswer, AuthenticationResult, NewDeviceMetadata
from vendorauth.engine.account import Refusal
from vendorauth.engine.freshness import NEVER
from vendorauth.engine.single_flight import Outcome
from vendorauth.errors import InvalidCredentials
from vendorauth.events import Renewed
from vendorauth.proglove.flow import _Memory
from vendorauth.proglove.models import Page
from vendorauth.protogrid.cookies import SessionCookie
from vendorauth.protogrid.models import ProtogridErrorItem, ProtogridResponse
from vendorauth.stores._records import _TokenOne
from vendorauth.testing._records import Seen

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HIDDEN = {"session": SENT, "password": PASSWORD}
HEADERS = {"Authorization": PASSWORD, "Set-Cookie": f"session={CODE}"}


def token() -> Token:
    """Make a token of secrets."""
    return Token(value=CODE, issued_at=NOW, expires_at=NOW, refresh_token=SENT, details=HIDDEN)


def things() -> list[object]:
    """Make one of everything that holds a secret, by hand."""
    challenge = Challenge(name="X", account=JANE, hidden=HIDDEN)
    response = Response(200, HEADERS, BODY.encode())
    request = Request("POST", f"https://vendor.example/x?key={CODE}", HEADERS, BODY.encode())
    options: Any = {"json": {"pin": SENT}, "headers": {"X-Key": SENT}, "params": {"key": SENT}}
    refused = InvalidCredentials("POST /login: 400 no", "NotAuthorizedException", "request-1")
    raw: Any = CODE
    seen: Any = {"kind": "api", "method": "GET", "path": "/x", "query": SENT, "headers": HEADERS, "body": BODY.encode()}
    result = AuthenticationResult(id_token=CODE, access_token=CODE, refresh_token=CODE)
    return [
        jane(),
        RefreshTokenCredentials(SENT),
        token(),
        challenge,
        ChallengeRequired(challenge),
        request,
        response,
        ApiResponse(response, "GET /x"),
        Answer(raw, response),
        prepare("POST", lambda _: request.url, "/x", options),
        ProtogridResponse(result={"a": BODY}, errors=(ProtogridErrorItem(code=7, message=BODY, extra={"a": BODY}),)),
        SessionCookie(value=CODE, lifetime=timedelta(1)),
        result,
        NewDeviceMetadata(device_key=CODE, device_group_key=SENT),
        AuthAnswer(authentication_result=result, challenge_session=SENT, challenge_parameters=HIDDEN),
        _Memory(username=JANE, device_key=CODE, challenge_session=SENT, challenge_parameters=HIDDEN),
        structure({"items": [{"id": BODY}], "metadata": BODY, "more": BODY}, Page, "a page"),
        Refusal(refused, jane(), NEVER, 1.0, 1.0),
        Outcome(token(), ChallengeRequired(challenge)),
        _TokenOne(value=CODE, issued_at=NOW, expires_at=NOW, refresh_token=SENT, generation=1, details=HIDDEN),
        Seen(**seen),
        Renewed(account=JANE, how="login", generation=1, expires_at=NOW, seconds=1.0),
        RefreshPolicy(),
    ]


@pytest.mark.parametrize("thing", things(), ids=lambda thing: type(thing).__name__)
def test_things_made_of_secrets(thing: object) -> None:
    """DESIGN 7: repr, str, format, pprint and rich show none, of the thing itself and inside of others."""
    for shown in displays(thing):
        assert set() == leaks(shown, PLANTED), shown


async def used(world: Planted, folder: Path) -> list[object]:
    """Use clients until they hold all that they ever hold, and give everything that a user can reach."""
    glove = world.proglove(store=FileTokenStore(folder))
    grids = [world.protogrid(scheme=scheme, account=scheme) for scheme in ("cookie", "headers", "basic")]
    page = await glove.get(DEVICES)
    assert leaks(repr(page), [BODY])
    reached: list[object] = [await glove.request("GET", DEVICES), [device async for device in glove.devices()]]
    reached += [event async for event in glove.events()]
    for grid in grids:
        reached += [await grid.get(APPS), await grid.request("GET", APPS), await grid.apps()]
    store = MemoryTokenStore()
    await store.save(JANE, token())
    reached += [store, FileTokenStore(folder), world.glove, world.grid, world.events, *world.glove.requests]
    for client in (glove, *grids):
        source = client.tokens
        reached += [client, source, source.flow, source.status(), source.peek(), await source.token()]
        reached += [*held_by(client), *held_by(source), *held_by(source._account)]
    return reached


def held_by(one: object) -> list[object]:
    """Give what is in *one*'s attributes, slots or not."""
    slots = [name for kind in type(one).__mro__ for name in getattr(kind, "__slots__", ()) if name != "__weakref__"]
    return [*getattr(one, "__dict__", {}).values(), *(getattr(one, name) for name in slots if hasattr(one, name))]


async def test_everything_that_a_user_can_reach(tmp_path: Path) -> None:
    """DESIGN 7: neither clients, sources, flows, status, stores, answers, fakes nor events show what they hold."""
    async with planted() as world:
        reached = await used(world, tmp_path)
        shown = {text: type(one).__name__ for one in reached for text in displays(one)}
        assert {"id", "access", "refresh", "session"} == {
            one.partition("-")[0] for one in world.secrets[len(PLANTED) :]
        }
        assert [] == [name for text, name in shown.items() if leaks(text, world.secrets)]


def test_every_public_class_is_looked_at() -> None:
    """A new public class that holds a secret has to be added here: those that can't are named."""
    harmless = {"BaseLoginFlow", "ClientOptions", "Clock", "LoginFlow", "SourceStatus", "TokenStore"}
    used_above = {"ApiClient", "ProGloveClient", "ProtogridClient", "TokenSource", "FileTokenStore", "MemoryTokenStore"}
    events = {kind.__name__ for kind in get_args(TokenEvent)}
    public = {name for name in vendorauth.__all__ if inspect.isclass(getattr(vendorauth, name))}
    errors = {name for name in public if issubclass(getattr(vendorauth, name), VendorAuthError)}
    known = {type(thing).__name__ for thing in things()} | harmless | used_above | events | errors
    assert set() == public - known


def test_the_search_finds_what_is_hidden() -> None:
    """The search is no use if it finds nothing: each spelling of each secret is found, and prose is not."""
    for secret in PLANTED:
        assert 10 <= len(spellings(secret))
        for spelling in spellings(secret):
            assert {secret} == leaks(f"<{spelling}>", PLANTED)
            assert {secret} == leaks(f"<{spelling}>".encode(), PLANTED)
    source = Path(__file__).with_name("_planted.py").read_text()
    assert set() == leaks(source, PLANTED)


async def test_tasks_have_nothing_to_show() -> None:
    """DESIGN 7: names, coroutines and results of our tasks, as asyncio's debug mode prints them, show nothing."""
    async with planted() as world:
        client = world.proglove()
        seen: list[str] = []
        with world.glove.hold("login") as hold:
            call = asyncio.ensure_future(client.request("GET", DEVICES, headers={"X-Key": SENT}))
            await hold.arrived()
            tasks = asyncio.all_tasks()
            assert "vendorauth renewal" in {task.get_name() for task in tasks}
            seen += [text for task in tasks for text in (repr(task), task.get_name(), repr(task.get_coro()))]
        await call
        seen += [repr(task) for task in tasks]
        assert set() == leaks("\n".join(seen), world.secrets)
