"""What the type checkers promise users. Nothing here calls anything: the checkers prove it, pytest imports it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypedDict, assert_never, assert_type

import aiohttp
import attrs
import redis.asyncio
from cryptography.fernet import Fernet
from yarl import URL

from vendorauth import (
    ApiClient,
    ApiResponse,
    BaseLoginFlow,
    Challenge,
    Clock,
    Credentials,
    FileTokenStore,
    Flow,
    LoginFlow,
    MemoryTokenStore,
    PasswordCredentials,
    ProGloveClient,
    ProtogridClient,
    ProtogridResponse,
    Request,
    Response,
    Send,
    Token,
    TokenEvent,
    TokenSource,
    TokenStore,
)
from vendorauth.engine.clock import SystemClock
from vendorauth.engine.sessions import Sessions
from vendorauth.engine.transport import Transport
from vendorauth.proglove import (
    Device,
    Event,
    Feature,
    Gateway,
    Listing,
    OrganisationNode,
    Page,
    ProGloveFlow,
    Report,
    ScanEvent,
    TelemetryEvent,
    UnknownEvent,
)
from vendorauth.protogrid import App, Card, ProtogridFlow, ViewPage, ViewRow
from vendorauth.stores import EncryptedTokenStore, KeyringTokenStore, RedisTokenStore
from vendorauth.testing import FakeProGlove, FakeProtogrid, ManualClock, Played, play


@attrs.frozen
class Thing:
    id: str


class Options(TypedDict):
    size: int


class ThirdFlow(BaseLoginFlow):
    """Log in to a third vendor: all that a new one has to write."""

    account = "third"
    base_url = URL("https://third.example")

    def login(self, credentials: Credentials, *, now: datetime) -> Flow[Token | Challenge]:
        """Send the password once."""
        assert isinstance(credentials, PasswordCredentials)
        response = yield Request("POST", self.base_url / "login", {}, credentials.password.encode())
        return Token(value=str(response.json), issued_at=now)

    def headers(self, token: Token) -> Mapping[str, str]:
        """Send the token."""
        return {"X-Token": token.value}


STORES: list[TokenStore] = [
    MemoryTokenStore(),
    FileTokenStore("tokens"),
    FileTokenStore(Path("tokens"), lock_timeout=1),
    EncryptedTokenStore(MemoryTokenStore(), [Fernet.generate_key()]),
    EncryptedTokenStore(FileTokenStore("tokens"), Fernet.generate_key().decode()),
    KeyringTokenStore("service"),
    RedisTokenStore(redis.asyncio.Redis(), lease=5),
]
FLOWS: list[LoginFlow] = [
    ProGloveFlow("https://api.example.com", "demo0001", account="a"),
    ProtogridFlow("https://api.example.com", account="b"),
    ThirdFlow(),
]
CLOCKS: list[Clock] = [SystemClock(), ManualClock()]
SENDS: list[Send] = [Transport(Sessions())]


async def any_vendor(client: ApiClient) -> None:
    """Plain JSON is `Any`; a model's type is the answer's."""
    assert_type(await client.get("/x"), Any)
    assert_type(await client.get("/x", model=Thing), Thing)
    assert_type(await client.get("/x", model=list[Thing], params={"a": 1}, timeout=1.0), list[Thing])
    assert_type(await client.get("/x", model=dict[str, int]), dict[str, int])
    assert_type(await client.get("/x", model=Options), Options)
    assert_type(await client.post("/x", json={"a": 1}), Any)
    assert_type(await client.post("/x", data=b"x", model=Thing), Thing)
    assert_type(await client.put("/x", json=[], model=Thing), Thing)
    assert_type(await client.patch("/x", json=[], model=Thing), Thing)
    assert_type(await client.delete("/x"), Any)
    assert_type(await client.delete("/x", model=Thing), Thing)
    response = await client.request("GET", "/x", headers={"a": "b"})
    assert_type(response, ApiResponse)
    assert_type(response.json(), Any)
    assert_type(response.json(list[Thing]), list[Thing])
    assert_type(response.content, bytes)
    async with client.stream("GET", "/x") as raw:
        assert_type(raw, aiohttp.ClientResponse)
    async with client as entered:
        assert_type(entered, ApiClient)


async def proglove(client: ProGloveClient) -> None:
    """ProGlove's client has the same verbs, and its lists are typed."""
    assert_type(await client.get("/{customer_id}/devices"), Any)
    assert_type(await client.get("/x", model=Thing), Thing)
    assert_type(await client.post("/x", json={}), Any)
    assert_type(await client.post("/x", json={}, model=list[Thing]), list[Thing])
    assert_type(await client.request("GET", "/x"), ApiResponse)
    async with client.stream("GET", "/x") as raw:
        assert_type(raw, aiohttp.ClientResponse)
    assert_type(client.devices(), Listing[Device, Page[Device]])
    assert_type(client.gateways().pages(), AsyncGenerator[Page[Gateway], None])
    assert_type([feature async for feature in client.features()], list[Feature])
    assert_type(await anext(client.organisation()), OrganisationNode)
    assert_type(await client.get("/x", model=Page[Device]), Page[Device])
    async for report in client.reports(level_id="_"):
        assert_type(report.created_at, datetime | None)
    async for page in client.reports("_").pages():
        assert_type(page.items, tuple[Report, ...])
    async for event in client.events(start=None, gateway_id="g", limit=5):
        assert_type(event, Event)
        match event:
            case ScanEvent():
                assert_type(event, ScanEvent)
            case TelemetryEvent():
                assert_type(event.gateway_wifi_ssid, str | None)
            case UnknownEvent():
                assert_type(event.created_at, datetime | None)
            case _:
                assert_never(event)
        assert_type(event.scan_code, str | None)
    assert_type(ProGloveClient.from_env("X", timeout=1.0), ProGloveClient)
    async with client as entered:
        assert_type(entered, ProGloveClient)


async def protogrid(client: ProtogridClient) -> None:
    """Protogrid's verbs answer envelopes of what the model says."""
    assert_type(await client.get("/x"), ProtogridResponse[Any])
    answer = await client.get("/api/v2/apps", model=list[App])
    assert_type(answer, ProtogridResponse[list[App]])
    assert_type(answer.result, list[App])
    assert_type(answer.environment_version, str | None)
    assert_type(await client.post("/x", json={}), ProtogridResponse[Any])
    assert_type(await client.post("/x", json={}, model=Thing), ProtogridResponse[Thing])
    assert_type(await client.put("/x", model=Thing), ProtogridResponse[Thing])
    assert_type(await client.patch("/x", model=Thing), ProtogridResponse[Thing])
    assert_type(await client.delete("/x", model=Options), ProtogridResponse[Options])
    assert_type(await client.request("GET", "/x"), ApiResponse)
    async with client.stream("GET", "/x") as raw:
        assert_type(raw, aiohttp.ClientResponse)
    assert_type(await client.apps(), list[App])
    assert_type(await client.app("app1"), App)
    assert_type(await client.views("app1"), list[str])
    assert_type(client.view_rows("app1", "v", prefix=["a", 1], limit=5), Listing[ViewRow, ViewPage])
    async for row in client.view_rows("app1", "v", start_key=("a",), end_key=["b", {}]):
        assert_type(row.card_key, str | None)
    card = await client.card("app1", "c")
    assert_type(card, Card)
    assert_type(card.value("f", default=None), Any)
    assert_type((await client.task("t")).is_over, bool)
    assert_type(ProtogridClient.from_env("X", store=MemoryTokenStore()), ProtogridClient)


async def tokens(client: ApiClient, challenge: Challenge) -> None:
    """The token source behind a client is public, and everything that it gives has a type."""
    source = client.tokens
    assert_type(source, TokenSource)
    assert_type(source.status().health, Literal["ok", "degraded", "down"])
    assert_type(source.status().to_json(), dict[str, Any])
    assert_type(await source.token(), Token)
    assert_type(await source.answer(challenge, {"SMS_MFA_CODE": "1"}), Token)
    assert_type(await client.login(), Token)
    assert_type(source.peek(), Token | None)
    assert_type(source.flow, LoginFlow)


def options(session: aiohttp.ClientSession) -> None:
    """Hooks, stores and clocks of users' own are taken by their form."""

    async def on_challenge(challenge: Challenge) -> Mapping[str, str]:
        return dict.fromkeys(challenge.fields, "1")

    async def credentials() -> PasswordCredentials:
        return PasswordCredentials("a", "b")

    def on_event(event: TokenEvent) -> None:
        print(event.account)  # noqa: T201  what a hook does

    for flow, store, clock in zip(FLOWS, STORES, CLOCKS, strict=False):
        ApiClient(
            flow, credentials, store=store, session=session, clock=clock, on_challenge=on_challenge, on_event=on_event
        )


async def fakes() -> None:
    """What is shipped for users' tests is typed, too."""
    async with FakeProGlove() as one, FakeProtogrid() as other:
        assert_type(one, FakeProGlove)
        assert_type(other, FakeProtogrid)
    played = play(ThirdFlow().login(PasswordCredentials("a", "b"), now=datetime.now().astimezone()))
    assert_type(played, Played[Token | Challenge])
    assert_type(played.requests, list[Request])


async def send(request: Request) -> Response:
    """Be a transport of a user's own."""
    return Response(200, {}, request.body)


def test_protocols() -> None:
    """Stores, flows, clocks and transports match their protocols without inheriting from them; a function is a Send."""
    own: Send = send
    awaited: Awaitable[Response] | None = None
    assert (7, 3, 2, None) == (len(STORES), len(FLOWS), len(CLOCKS), awaited)
    assert callable(own)
    assert all(TokenStore not in type(store).__mro__ for store in STORES)
