"""What a session and an httpx client of a user's own both promise: each promise is one function that asks through them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import attrs
import pytest
from aiohttp import web

from _api import JANE, ApiFlow, hang_up, serve
from _marks import displays, held, leaks, ours
from _planted import planted
from _raw import RawServer, Step, head_of, http
from vendorauth import (
    ApiClient,
    ConfigurationError,
    InvalidCredentials,
    MemoryTokenStore,
    PasswordCredentials,
    ProGloveClient,
    ProtogridClient,
    Replayed,
    Send,
    TokenEvent,
    TokenSource,
)
from vendorauth.client import BaseClient
from vendorauth.messages import Response
from vendorauth.proglove import ProGloveFlow
from vendorauth.testing import FakeProGlove, FakeProtogrid

APPS = "/api/v2/apps"


@attrs.frozen
class Answered:
    """Be an answer, read whole, and the headers of the request that it belongs to."""

    status: int
    body: bytes
    sent: Mapping[str, str]


class Ask(Protocol):
    """Send one request; *chunks* is a body that can be sent once."""

    def __call__(self, method: str, url: str, *, chunks: bool = False, **options: Any) -> Awaitable[Answered]:
        """Send it, and give its answer."""
        ...


Opened = Callable[[TokenSource], AbstractAsyncContextManager[Ask]]
Promise = Callable[[Opened], Awaitable[None]]
PROMISES: list[Promise] = []


def promise(function: Promise) -> Promise:
    """Note one of them."""
    PROMISES.append(function)
    return function


def glove_client(fake: FakeProGlove) -> ProGloveClient:
    """Make a client whose token source is lent."""
    jane = PasswordCredentials(fake.username, fake.password)
    return ProGloveClient(fake.base_url, fake.customer_id, jane, cognito_url=fake.cognito_url)


def grid_client(fake: FakeProtogrid, password: str | None = None, **options: Any) -> ProtogridClient:
    """Make a client whose token source is lent."""
    return ProtogridClient(fake.base_url, PasswordCredentials(fake.username, password or fake.password), **options)


def devices(fake: FakeProGlove) -> str:
    """Say where devices are."""
    return f"{fake.base_url}/{fake.customer_id}/devices"


@promise
async def one_renewal_for_fifty(opened: Opened) -> None:
    """Rule 2: fifty callers whose token has ended share one renewal, and each is replayed."""
    async with FakeProGlove() as fake, glove_client(fake) as client, opened(client.tokens) as ask:
        assert 200 == (await ask("GET", devices(fake))).status
        fake.expire_all()
        answers = await asyncio.gather(*(ask("GET", devices(fake)) for _ in range(50)))
        assert {200} == {one.status for one in answers}
        assert (1, 1) == (fake.count.logins, fake.count.refreshes)


@promise
async def a_refused_token_is_replayed_once(opened: Opened) -> None:
    """Rules 12 and 13: one renewal, the same body once more, one event."""
    events: list[TokenEvent] = []
    async with serve() as api, api.client(on_event=events.append) as client, opened(client.tokens) as ask:
        api.refused.add("token-1")
        answer = await ask("POST", f"{api.url}/x?q=1", json={"a": 1})
        assert (200, ["token-1", "token-2"]) == (answer.status, api.used)
        assert api.bodies[0] == api.bodies[1] != b""
        await asyncio.sleep(0)
        replayed = [event for event in events if isinstance(event, Replayed)]
        assert [Replayed(account="jane@api", method="POST", path="/base/x", status=401)] == replayed


@promise
async def refused_for_good(opened: Opened) -> None:
    """Rule 12: the refusal of a renewed token is the caller's, readable; for a while nothing is renewed for it."""
    async with FakeProGlove() as fake, glove_client(fake) as client, opened(client.tokens) as ask:
        fake.permitted = False
        for _ in range(3):
            answer = await ask("GET", devices(fake))
            assert (403, b"{") == (answer.status, answer.body[:1])
        assert (1, 1, 4) == (fake.count.logins, fake.count.refreshes, fake.count.api)


@promise
async def at_most_two_replays(opened: Opened) -> None:
    """Rule 12: with a newer token that is there already, then with a renewed one, then no more."""
    async with serve() as api, api.client() as client, opened(client.tokens) as ask:

        async def meanwhile(request: web.Request) -> web.StreamResponse:
            await client.login()
            return web.json_response({}, status=401)

        api.script.append(meanwhile)
        api.refused |= {"token-2", "token-3"}
        assert 401 == (await ask("GET", f"{api.url}/x")).status
        assert ["token-1", "token-2", "token-3"] == api.used


@promise
async def an_envelope_refuses(opened: Opened) -> None:
    """Rule 12: a refusal counts in the envelope of a 200 as well; the body is read for that and still there."""
    events: list[TokenEvent] = []
    async with (
        FakeProtogrid() as fake,
        grid_client(fake, on_event=events.append) as client,
        opened(client.tokens) as ask,
    ):
        fake.refuses_with = "200-envelope"
        url = fake.base_url + APPS
        await ask("GET", url)
        fake.expire_all()
        answer = await ask("GET", url)
        assert (200, True, 2) == (answer.status, b'"app_id"' in answer.body, fake.count.logins)
        fake.permitted = False
        for _ in range(2):
            assert b"403" in (await ask("GET", url)).body
        assert 3 == fake.count.logins
    assert [401, 403] == [event.status for event in events if isinstance(event, Replayed)]


@promise
async def strangers_get_nothing(opened: Opened) -> None:
    """Another origin never sees the token, asked directly or by a redirect; nobody logs in for it (pitfall 34)."""
    async with RawServer() as stranger, serve() as api, api.client() as client, opened(client.tokens) as ask:
        assert 200 == (await ask("GET", stranger.origin)).status
        assert client.tokens.peek() is None
        for status in (302, 307):
            api.script.append(web.Response(status=status, headers={"Location": f"{stranger.origin}/x"}))
            assert 200 == (await ask("GET", f"{api.url}/x")).status
        assert (3, ["token-1"] * 2) == (len(stranger.received), api.used)
        assert not any("authorization" in head_of(one) or b"token-" in one for one in stranger.received)


@promise
async def a_refusal_of_strangers_is_theirs(opened: Opened) -> None:
    """A 401 from where a redirect has led says nothing about the token."""
    async with RawServer(http(b"{}", "401 Unauthorized")) as stranger, serve() as api, api.client() as client:
        api.script.append(web.Response(status=302, headers={"Location": f"{stranger.origin}/x"}))
        async with opened(client.tokens) as ask:
            assert 401 == (await ask("GET", f"{api.url}/x")).status
        assert ["token-1"] == api.used


@promise
async def redirects_within_the_origin_keep_it(opened: Opened) -> None:
    """A redirect to the same origin carries the token; a refusal there is replayed there."""
    async with serve() as api, api.client() as client, opened(client.tokens) as ask:
        api.script.append(web.Response(status=302, headers={"Location": "/base/y"}))
        api.script.append(web.json_response({}, status=401))
        assert 200 == (await ask("GET", f"{api.url}/x")).status
        assert ["token-1", "token-1", "token-2"] == api.used
        assert ["/base/x", "/base/y", "/base/y"] == [one.path for one in api.seen]


@promise
async def redirects_within_the_origin_keep_cookies(opened: Opened) -> None:
    """So does one whose token is a cookie, which an httpx client takes away."""
    async with FakeProtogrid() as fake, grid_client(fake) as client, opened(client.tokens) as ask:
        fake.fail_next(1, 302, headers={"Location": f"{fake.base_url}{APPS}"}, on="api")
        answer = await ask("GET", f"{fake.base_url}/api/v2/old")
        assert (200, 1) == (answer.status, fake.count.logins)


@promise
async def what_can_be_sent_once_is(opened: Opened) -> None:
    """Rule 13: such a body is not sent again, but the token is renewed for the next call (pitfall 49)."""
    async with serve() as api, api.client() as client, opened(client.tokens) as ask:
        api.refused.add("token-1")
        assert 401 == (await ask("POST", f"{api.url}/x", chunks=True)).status
        assert [b"chunks"] == api.bodies
        assert 200 == (await ask("POST", f"{api.url}/x", chunks=True)).status
        assert ["token-1", "token-2"] == api.used


@promise
async def a_header_of_the_callers_is_not_replaced(opened: Opened) -> None:
    """Nobody's Authorization is overwritten: it is said before anything is sent."""
    async with serve() as api, api.client() as client, opened(client.tokens) as ask:
        with pytest.raises(ConfigurationError) as caught:
            await ask("GET", f"{api.url}/x", headers={"authorization": "MARK"})
        assert "the header 'Authorization' is what proves the login; it can't be given" == str(caught.value)
        assert [] == api.seen


@promise
async def cookies_of_the_callers_stay(opened: Opened) -> None:
    """Cookies go along with the session, but for another session; a new one of the vendor's is taken over (rule 17)."""
    async with FakeProtogrid() as fake, grid_client(fake) as client, opened(client.tokens) as ask:
        fake.rolling, fake.old_cookie_lives = True, False
        for number in range(3):
            token = await client.tokens.token()
            answer = await ask("GET", fake.base_url + APPS, headers={"Cookie": "a=1; session=other; b=2"})
            assert (200, f"a=1; b=2; session={token.value}") == (answer.status, fake.requests[-1].headers["Cookie"])
            assert token.value not in answer.sent["Cookie"]
            assert (number + 2) == len(fake.issued)
        assert 1 == fake.count.logins


@promise
async def cancelling_cancels_only_waiting(opened: Opened) -> None:
    """Rule 3, pitfall 8: the first caller is cancelled while the login is under way; the second gets its token."""
    async with FakeProGlove() as fake, glove_client(fake) as client, opened(client.tokens) as ask:
        with fake.hold("login") as hold:
            first, second = (asyncio.ensure_future(ask("GET", devices(fake))) for _ in range(2))
            await hold.arrived()
            first.cancel()
            await asyncio.wait({first})
        assert first.cancelled()
        assert (200, 1) == ((await second).status, fake.count.logins)


@promise
async def a_wrong_password_is_tried_by_one(opened: Opened) -> None:
    """Rule 10: of thirty callers with a wrong password in every request one goes first; all hear what came of it."""
    async with FakeProtogrid() as fake, grid_client(fake, "wr0ng", scheme="basic") as client:
        async with opened(client.tokens) as ask:
            asked = (ask("GET", fake.base_url + APPS) for _ in range(30))
            errors = await asyncio.gather(*asked, return_exceptions=True)
        assert {InvalidCredentials} == {type(one) for one in errors}
        assert 2 == fake.count.passwords_refused
    async with FakeProtogrid() as fake, grid_client(fake, scheme="basic") as client, opened(client.tokens) as ask:
        fake.fail_next(1, 503, on="api")
        fake.lose_next(2, on="api")
        asked = (ask("GET", fake.base_url + APPS) for _ in range(10))
        ended = await asyncio.gather(*asked, return_exceptions=True)
        assert 7 <= sum(isinstance(one, Answered) and one.status == 200 for one in ended)
        assert client.tokens.trial is None


@promise
async def a_bug_in_a_flow_leaves_nothing_open(opened: Opened) -> None:
    """What a flow raises comes out, and the answer that it was asked about is closed."""

    class Buggy(ApiFlow):
        def rejects(self, response: Response) -> bool:
            raise ZeroDivisionError

    async with serve() as api, ApiClient(Buggy(api.url), JANE) as client, opened(client.tokens) as ask:
        with pytest.raises(ZeroDivisionError):
            await ask("GET", f"{api.url}/x")


@promise
async def what_goes_wrong_on_the_way_is_the_callers(opened: Opened) -> None:
    """An error of the network comes out as whoever sends makes it, without the token in it."""
    async with serve() as api, api.client() as client, opened(client.tokens) as ask:
        api.script += [hang_up, hang_up]
        with pytest.raises(Exception, match=r"(?i)disconnected") as caught:
            await ask("POST", f"{api.url}/x")
        assert "token-1" not in f"{caught.value!r}"
        request = getattr(caught.value, "request", None)
        assert request is None or "token-1" not in str(request.headers.raw)


@promise
async def an_answer_that_breaks_off_shows_no_session(opened: Opened) -> None:
    """DESIGN 7: the error of an answer that breaks off is the caller's; none of our frames holds its new cookie."""
    first, rolled = "F1rst-session-2718281828", "R0lled-session-3141592653"
    body, json = b'{"result": [], "errors": []}', "Content-Type: application/json"
    whole = http(body, "200 OK", f"Set-Cookie: session={first}", json)
    short = http(body, "200 OK", f"Set-Cookie: session={rolled}", json, length=999)
    async with RawServer(whole, Step(short, close=True)) as server:
        client = ProtogridClient(server.origin, PasswordCredentials("jane", "s3cret"))
        async with client, opened(client.tokens) as ask:
            with pytest.raises(Exception, match=r"(?i)complete") as caught:
                await ask("POST", server.origin + APPS)
    assert f"session={first}" in server.received[1].decode()
    assert [] == [one for one in ours(caught.value) if leaks(one, [first, rolled])]


def glove_source(fake: FakeProGlove, send: Send, **options: Any) -> TokenSource:
    """Make a source that logs in by *send*."""
    flow = ProGloveFlow(fake.base_url, fake.customer_id, account="jane", cognito_url=fake.cognito_url)
    jane = PasswordCredentials(fake.username, fake.password)
    return TokenSource(flow, jane, store=MemoryTokenStore(), send=send, **options)


async def no_recursion(fake: FakeProGlove, source: TokenSource, ask: Ask) -> None:
    """Log in, renew and log out by requests that go through the same session, without a token and without an end."""
    async with asyncio.timeout(20), source:
        assert 200 == (await ask("GET", devices(fake))).status
        fake.expire_all()
        assert 200 == (await ask("GET", devices(fake))).status
        fake.revoke_all()
        assert 200 == (await ask("GET", devices(fake))).status
        await source.logout()
    assert (2, 2, 1) == (fake.count.logins, fake.count.refreshes, fake.count.revocations)
    asked = [one for one in fake.requests if one.kind != "api"]
    assert not any("Authorization" in one.headers for one in asked)
    assert "auth-information" in {one.kind for one in asked}


async def everything_that_tells(opened: Opened, caplog: pytest.LogCaptureFixture) -> None:
    """Log in, renew, be refused and fail, at both vendors, with every logger at DEBUG: no secret is seen anywhere."""
    caplog.set_level(logging.DEBUG)
    shown: list[object] = []
    async with planted() as world:
        clients: list[tuple[Any, BaseClient, str]] = [
            (world.glove, world.proglove(), devices(world.glove)),
            (world.grid, world.protogrid(), world.grid.base_url + APPS),
        ]
        for fake, client, url in clients:
            async with opened(client.tokens) as ask:
                await ask("GET", url)
                fake.expire_all()
                fake.permitted = False
                answers = [await ask("GET", url), await ask("POST", url, chunks=True)]
                assert [403, 403] == [one.status for one in answers]
                shown += [one.sent for one in answers]
                fake.lose_next(3, on="api")
                error = await _error(ask("POST", url))
                shown += [*displays(error), *held(error)]
                fake.heal()
                shown += [ask, client.tokens]
        shown += [*world.events, *(record.__dict__ for record in caplog.records), caplog.text]
        assert [] == [one for one in shown if leaks(str(one), world.secrets)]


async def _error(call: Awaitable[object]) -> BaseException:
    with pytest.raises(Exception, match=r"(?i)disconnected") as caught:
        await call
    return caught.value
