"""Tokens and passwords that went where they should not in other clients: pitfalls 34 to 37."""

from __future__ import annotations

import asyncio
import base64
import logging
import pickle
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from _raw import RawServer, head_of, http
from vendorauth import (
    ApiError,
    FileTokenStore,
    InvalidCredentials,
    PasswordCredentials,
    ProGloveClient,
    ProtocolError,
    ProtogridClient,
    VendorAuthError,
)
from vendorauth.stores._files import RecordFile
from vendorauth.stores._names import stored_name
from vendorauth.testing import FakeProGlove, FakeProtogrid

DEVICES = "/{customer_id}/devices"
APPS = "/api/v2/apps"


@pytest.fixture
async def thief() -> AsyncGenerator[RawServer, None]:
    """A server of somebody else, who writes down all that comes."""
    async with RawServer() as server:
        yield server


@pytest.fixture
async def fake() -> AsyncGenerator[FakeProGlove, None]:
    async with FakeProGlove() as server:
        yield server


@pytest.fixture
async def grid() -> AsyncGenerator[FakeProtogrid, None]:
    async with FakeProtogrid() as server:
        yield server


def proglove_of(fake: FakeProGlove, password: str | None = None, **options: Any) -> ProGloveClient:
    known = PasswordCredentials(fake.username, password or fake.password)
    return ProGloveClient(fake.base_url, fake.customer_id, known, cognito_url=fake.cognito_url, **options)


def protogrid_of(fake: FakeProtogrid, password: str | None = None, **options: Any) -> ProtogridClient:
    return ProtogridClient(fake.base_url, PasswordCredentials(fake.username, password or fake.password), **options)


def jar_with(cookies: dict[str, str], *origins: str) -> aiohttp.CookieJar:
    jar = aiohttp.CookieJar(unsafe=True)
    for origin in origins:
        jar.update_cookies(cookies, URL(origin))
    return jar


def in_jar(jar: Iterable[Any]) -> dict[str, str]:
    return {cookie.key: cookie.value for cookie in jar}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_call_that_is_redirected_to_another_host(fake: FakeProGlove, thief: RawServer, status: int) -> None:
    """Pitfall 34: A call that is redirected to another host sends nothing there, and the redirect is the answer."""
    async with proglove_of(fake) as client:
        await client.get(DEVICES)
        fake.fail_next(2, status, headers={"Location": f"{thief.origin}/latest/demo0001/devices"}, on="api")
        for call in (client.get(DEVICES), client.post(DEVICES, json={"a": 1})):
            with pytest.raises(ApiError) as caught:
                await call
            assert status == caught.value.status
    assert 0 == thief.connections


@pytest.mark.parametrize("status", [302, 307, 308])
@pytest.mark.parametrize("step", ["auth-information", "login"])
async def test_a_login_that_is_redirected(fake: FakeProGlove, thief: RawServer, status: int, step: Any) -> None:
    """Pitfall 34: No step of a login follows a redirect: the password is not sent once more, here or elsewhere."""
    async with proglove_of(fake) as client:
        fake.fail_next(1, status, headers={"Location": f"{thief.origin}/login"}, on=step)
        with pytest.raises(ProtocolError):
            await client.get(DEVICES)
        attempts = fake.count.password_attempts
        fake.fail_next(1, status, headers={"Location": fake.cognito_url}, on=step)
        with pytest.raises(ProtocolError):
            await client.login()
    assert (int(step == "login"), int(step == "login") * 2) == (attempts, fake.count.logins)
    assert 0 == thief.connections


@pytest.mark.parametrize("scheme", ["cookie", "headers", "basic"])
async def test_password_headers_are_not_redirected(grid: FakeProtogrid, thief: RawServer, scheme: Any) -> None:
    """Pitfall 34: A password in a header of any name goes to the vendor's own host only, whoever redirects it."""
    async with protogrid_of(grid, scheme=scheme) as client:
        grid.fail_next(1, 307, headers={"Location": thief.origin})
        with pytest.raises(VendorAuthError):
            await client.get(APPS)
    assert 0 == thief.connections


async def test_a_refresh_that_is_redirected(fake: FakeProGlove, thief: RawServer) -> None:
    """Pitfall 34: A refresh does not follow a redirect either, and the refresh token is kept for the next try."""
    async with proglove_of(fake) as client:
        await client.get(DEVICES)
        fake.expire_all()
        fake.fail_next(1, 307, headers={"Location": thief.origin}, on="refresh")
        with pytest.raises(ProtocolError):
            await client.get(DEVICES)
    assert (0, 1, 1) == (thief.connections, fake.count.logins, fake.refreshable_logins)


async def test_a_lent_sessions_middleware(fake: FakeProGlove, thief: RawServer) -> None:
    """Pitfall 34: Middlewares and default headers of a session that was lent take no part, so none puts a token back."""

    async def put_on(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        request.headers["Authorization"] = "another's"
        return await handler(request)

    headers = {"Authorization": "a default"}
    async with (
        aiohttp.ClientSession(middlewares=(put_on,), headers=headers) as lent,
        proglove_of(fake, session=lent) as client,
    ):
        await client.get(DEVICES)
        fake.fail_next(1, 302, headers={"Location": thief.origin}, on="api")
        with pytest.raises(ApiError):
            await client.get(DEVICES)
    assert [] == [one for one in fake.requests if one.headers.get("Authorization") in {"another's", "a default"}]
    assert 0 == thief.connections


async def _live_through_everything(fake: FakeProGlove, grid: FakeProtogrid, home: Path) -> list[VendorAuthError]:
    """Log in, renew, fail in many ways and log out, with all schemes; give the errors."""
    given: dict[str, Any] = {"store": FileTokenStore(home), "retries": 0}
    clients: list[ProGloveClient | ProtogridClient] = [
        proglove_of(fake, **given),
        proglove_of(fake, "wr0ng-Passw0rd", account="wrong", **given),
        *(protogrid_of(grid, scheme=scheme, **given) for scheme in ("cookie", "headers", "basic")),
        protogrid_of(grid, login_with="body", account="body", **given),
        protogrid_of(grid, "wr0ng-Passw0rd", account="wrong too", **given),
    ]
    errors: list[VendorAuthError | None] = []
    for client in clients:
        server, path = (fake, DEVICES) if isinstance(client, ProGloveClient) else (grid, APPS)
        async with client:
            errors.append(await _outcome(client, path))
            server.expire_all()
            errors.append(await _outcome(client, path))
            server.lose_next(2)
            errors.append(await _outcome(client, path))
            server.fail_next(3)
            errors.append(await _outcome(client, path))
            server.heal()
            held = client.tokens.peek()
            known = PasswordCredentials(server.username, server.password)
            logging.getLogger("test").debug("%r %s %r %s", client, client.tokens, held, known)
            await client.logout()
    return [error for error in errors if error is not None]


async def _outcome(client: ProGloveClient | ProtogridClient, path: str) -> VendorAuthError | None:
    try:
        await client.get(path)
    except VendorAuthError as error:
        logging.getLogger("test").exception("failed: %r", error)  # noqa: TRY401  its repr is what is looked at
        return error
    return None


def _secrets(fake: FakeProGlove, grid: FakeProtogrid) -> set[str]:
    plain = {fake.password, "wr0ng-Passw0rd", *fake.issued, *grid.issued}
    basic = {base64.b64encode(f"{grid.username}:{word}".encode()).decode() for word in (grid.password,)}
    return plain | basic


async def test_nothing_secret_is_logged(
    fake: FakeProGlove, grid: FakeProtogrid, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Pitfall 35: No log record of any level holds a password or a token, whether calls succeed or fail.

    Neither do errors with their tracebacks, nor what asyncio's debug mode tells of every step.
    """
    caplog.set_level(logging.DEBUG)
    loop = asyncio.get_running_loop()
    loop.set_debug(enabled=True)
    loop.slow_callback_duration = 0
    try:
        errors = await _live_through_everything(fake, grid, tmp_path / "tokens")
    finally:
        loop.set_debug(enabled=False)
    said = [caplog.handler.format(record) for record in caplog.records]
    said += [repr((record.msg, record.args, vars(record))) for record in caplog.records]
    loggers = {record.name.partition(".")[0] for record in caplog.records}
    assert {"vendorauth", "asyncio"} <= loggers
    assert 10 < len(errors)
    assert 10 < len(_secrets(fake, grid))
    assert [] == [secret for secret in _secrets(fake, grid) if any(secret in one for one in said)]


async def test_the_cookie_is_a_value(grid: FakeProtogrid) -> None:
    """Pitfall 36: Of all cookies that come, the session alone is kept, and sent as it came; no jar is asked or filled."""
    grid.other_cookies = [
        "tracking=1; Path=/",
        "super=1; Domain=.com; Path=/",
        "session=someone-elses; Domain=.0.0.1; Path=/other",
        "session2=1",
    ]
    jar = jar_with({"session": "planted", "old": "1"}, grid.origin)
    async with aiohttp.ClientSession(cookie_jar=jar) as lent, protogrid_of(grid, session=lent) as client:
        for _ in range(3):
            await client.get(APPS)
        token = client.tokens.peek()
        assert token is not None
        assert grid.issued[-1] == token.value
        sent = [one.headers.get("Cookie") for one in grid.requests if one.kind == "api"]
        assert 3 * [f"session={token.value}"] == sent
        assert [None] == [one.headers.get("Cookie") for one in grid.requests if one.kind == "login"]
        assert {"session": "planted", "old": "1"} == in_jar(jar)
        grid.cookie, grid.other_cookies = "missing", ["tracking=2", "session2=2", "xsession=2"]
        await client.get(APPS)
        assert token == client.tokens.peek()


async def test_cookies_stay_with_their_host(grid: FakeProtogrid, fake: FakeProGlove) -> None:
    """Pitfall 36: A session goes to the host that gave it, not to another port, name or vendor, jar or no jar."""
    async with (
        FakeProtogrid() as other,
        aiohttp.ClientSession(cookie_jar=jar_with({}, grid.origin)) as lent,
        protogrid_of(grid, session=lent) as one,
        protogrid_of(other, session=lent) as two,
        proglove_of(fake, session=lent) as three,
    ):
        for _ in range(2):
            await asyncio.gather(one.get(APPS), two.get(APPS), three.get(DEVICES))
    for server, stranger in ((grid, other), (other, grid), (fake, grid)):
        came = repr([dict(seen.headers) for seen in server.requests])
        assert [] == [secret for secret in stranger.issued if secret in came]


async def test_cookies_of_a_login_are_not_carried_along() -> None:
    """Pitfall 36: A load balancer's cookies are not kept from one step of a login to the next, nor sent to the API."""
    balanced = "Set-Cookie: AWSALB=stick; Path=/"
    information = (
        b'{"region": "eu-west-1", "customer_id:": "demo0001", "user_pool_client_id": "c", "user_pool_id": "p"}'
    )
    result = b'{"AuthenticationResult": {"IdToken": "a.b.c", "RefreshToken": "r"}}'
    async with RawServer(*(http(body, "200 OK", balanced) for body in (information, result, b"{}", b"{}"))) as server:
        known = PasswordCredentials("jane", "s3cret")
        async with ProGloveClient(server.origin, "demo0001", known, cognito_url=f"{server.origin}/login") as client:
            await client.get("/a")
            await client.get("/b")
        assert 4 * [None] == [head_of(one).get("cookie") for one in server.received]


class Planted:
    """Become a call of *touch* when it is unpickled."""

    def __init__(self, flag: Path) -> None:
        self._flag = flag

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (self._flag,)


async def test_nothing_is_unpickled(grid: FakeProtogrid, tmp_path: Path) -> None:
    """Pitfall 36: Stored sessions are JSON: a pickle in place of one is moved aside, and nothing in it is run."""
    home, flag = tmp_path / "tokens", tmp_path / "flag"
    home.mkdir(0o700)
    async with protogrid_of(grid, store=FileTokenStore(home)) as client:
        files = RecordFile(home, stored_name(client.tokens.flow.account))
        files.record.write_bytes(pickle.dumps(Planted(flag)))
        await client.get(APPS)
    assert (False, True) == (flag.exists(), files.corrupt.exists())
    assert files.record.read_bytes().startswith(b'{"version":1')


async def test_two_vendors_and_three_accounts_over_one_session(grid: FakeProtogrid, fake: FakeProGlove) -> None:
    """
    Pitfall 37: Clients of several vendors and accounts can share one session: each sends its own proof and no other.

    Cookies that others left in the session's jar are neither sent nor changed.
    """
    before = {"JSESSIONID": "theirs", "session": "theirs"}
    jar = jar_with(before, grid.origin, fake.origin)
    known = PasswordCredentials(grid.user_id, grid.password)
    async with aiohttp.ClientSession(cookie_jar=jar) as lent:
        async with (
            protogrid_of(grid, session=lent) as jane,
            ProtogridClient(grid.base_url, known, session=lent) as again,
            protogrid_of(grid, session=lent, scheme="basic") as basic,
            proglove_of(fake, session=lent) as scanners,
        ):
            for _ in range(3):
                await asyncio.gather(jane.get(APPS), again.get(APPS), basic.get(APPS), scanners.get(DEVICES))
            values = [client.tokens.peek() for client in (jane, again)]
        assert before == in_jar(jar)
        async with lent.get(f"{grid.base_url}/api/v2/echo") as response:
            assert 403 == response.status
    cookies = [one.headers.getall("Cookie", []) for one in grid.requests if one.kind == "api"]
    mine = [[f"session={value.value}"] for value in values if value is not None]
    assert (2, 3, 3, 3) == (len(mine), cookies.count(mine[0]), cookies.count(mine[1]), cookies.count([]))
    assert [] == [one for one in fake.requests if "Cookie" in one.headers]
    both = [one for one in (*grid.requests, *fake.requests) if {"Cookie", "Authorization"} <= set(one.headers)]
    assert [] == both


async def test_a_refused_account_leaves_the_others_alone(grid: FakeProtogrid) -> None:
    """Pitfall 37: What one account is refused, or logs out of, changes nothing for another one on the same session."""
    async with (
        aiohttp.ClientSession(cookie_jar=jar_with({}, grid.origin)) as lent,
        protogrid_of(grid, session=lent) as jane,
        protogrid_of(grid, "wr0ng", session=lent, account="wrong") as refused,
    ):
        await jane.get(APPS)
        with pytest.raises(InvalidCredentials):
            await refused.get(APPS)
        await refused.logout()
        await jane.get(APPS)
    assert 2 == grid.count.logins
