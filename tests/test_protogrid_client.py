"""Protogrid through the shipped fake, on real loopback servers."""

import asyncio
from typing import Any

import pytest

from vendorauth import (
    ApiError,
    ConfigurationError,
    InvalidCredentials,
    MemoryTokenStore,
    NotFound,
    PasswordCredentials,
    PermissionDenied,
    ProtocolError,
    ProtogridClient,
    ProtogridResponse,
    RefreshTokenCredentials,
    ServerError,
)
from vendorauth.protogrid import App, ProtogridErrorItem
from vendorauth.testing import FakeProtogrid, ManualClock

APPS = "/api/v2/apps"
ECHO = "/api/v2/echo"


def client_of(fake: FakeProtogrid, credentials: Any = None, **options: Any) -> ProtogridClient:
    credentials = credentials or PasswordCredentials(fake.username, fake.password)
    return ProtogridClient(fake.base_url, credentials, **options)


async def many(client: ProtogridClient, count: int) -> list[object]:
    return await asyncio.gather(*(client.get(APPS) for _ in range(count)), return_exceptions=True)


@pytest.mark.parametrize("generation", ["2017", "2022", "2024", "all"])
async def test_default_login_works_on_every_documented_server(generation: str) -> None:
    """Both generations of header names go in one request."""
    async with FakeProtogrid() as fake, client_of(fake) as client:
        fake.generation = generation  # type: ignore[assignment]  # one of them
        answers = await many(client, 200)
        assert not [one for one in answers if isinstance(one, Exception)]
        assert (1, 200) == (fake.count.logins, fake.count.api)


@pytest.mark.parametrize("options", [{"login_with": "basic"}, {"login_with": "body"}, {"user_header": "user_email"}])
async def test_other_ways_to_log_in(options: dict[str, str]) -> None:
    """They are selectable."""
    async with FakeProtogrid() as fake, client_of(fake, **options) as client:
        assert await client.apps()


@pytest.mark.parametrize("scheme", ["headers", "basic"])
async def test_credentials_on_every_request(scheme: str) -> None:
    """No login, nothing stored under the account."""
    store = MemoryTokenStore()
    async with FakeProtogrid() as fake, client_of(fake, scheme=scheme, store=store) as client:
        assert await client.apps()
        assert (0, 1) == (fake.count.logins, fake.count.api)
        assert await store.load(client.tokens.flow.account) is None


@pytest.mark.parametrize("scheme", ["cookie", "headers", "basic"])
@pytest.mark.parametrize("refuses_with", ["403-envelope", "200-envelope", "401-plain"])
async def test_wrong_password(scheme: str, refuses_with: str) -> None:
    """Rule 10, for every scheme and every way to refuse: a true error, and silence for five minutes."""
    clock = ManualClock()
    async with (
        FakeProtogrid() as fake,
        client_of(fake, PasswordCredentials("jane@example.com", "wrong"), scheme=scheme, clock=clock) as client,
    ):
        fake.refuses_with = refuses_with  # type: ignore[assignment]  # one of them
        with pytest.raises(InvalidCredentials):
            await client.get(APPS)
        attempts = fake.count.password_attempts
        assert attempts == (1 if scheme == "cookie" else 2)
        for _ in range(10):
            with pytest.raises(InvalidCredentials):
                await client.get(APPS)
        assert attempts == fake.count.password_attempts
        clock.advance(300)
        with pytest.raises(InvalidCredentials):
            await client.get(APPS)
        assert 2 * attempts == fake.count.password_attempts


@pytest.mark.parametrize("scheme", ["cookie", "headers"])
async def test_missing_permission_is_no_wrong_password(scheme: str) -> None:
    """Rules 10, 12: a 403 that asking again does not help is PermissionDenied, and asked about once a minute."""
    async with FakeProtogrid() as fake, client_of(fake, scheme=scheme) as client:
        fake.permitted = False
        answers = await many(client, 20)
        assert {PermissionDenied} == {type(one) for one in answers}
        logins = fake.count.logins
        await many(client, 20)
        assert logins == fake.count.logins
        fake.permitted = True
        assert await client.apps()


async def test_rolling_cookie_whose_login_dies_under_fifty_callers() -> None:
    """Rules 12, 17: one login, no error."""
    async with FakeProtogrid() as fake, client_of(fake) as client:
        fake.rolling = True
        for _ in range(3):
            await client.get(APPS)
        fake.expire_all()
        answers = await many(client, 50)
        assert not [one for one in answers if isinstance(one, Exception)]
        assert 2 == fake.count.logins


async def test_rolling_cookie_whose_old_value_dies_at_once() -> None:
    """Rules 12, 17: who is refused with an older value is replayed with the one absorbed since; nobody logs in."""
    async with FakeProtogrid() as fake, client_of(fake) as client:
        fake.rolling, fake.old_cookie_lives = True, False
        for _ in range(5):
            await client.get(APPS)
        assert (1, 0) == (fake.count.logins, fake.count.refused)


async def test_rolled_cookie_is_saved_at_close() -> None:
    """Rule 17: a restart goes on with the last value."""
    store = MemoryTokenStore()
    async with FakeProtogrid() as fake:
        fake.rolling, fake.old_cookie_lives = True, False
        async with client_of(fake, store=store) as client:
            await client.get(APPS)
            await client.get(APPS)
        async with client_of(fake, store=store) as client:
            await client.get(APPS)
        assert (1, 0) == (fake.count.logins, fake.count.refused)


async def test_cookie_with_an_end_is_renewed_before_it() -> None:
    """Max-Age counts: no call is refused."""
    clock = ManualClock()
    async with FakeProtogrid(clock=clock.timestamp, session_life=600.0) as fake, client_of(fake, clock=clock) as client:
        fake.max_age = 600
        for _ in range(20):
            await client.get(APPS)
            clock.advance(100)
        assert 0 == fake.count.refused
        assert 3 <= fake.count.logins <= 4


@pytest.mark.parametrize("cookie", ["empty", "missing"])
async def test_login_without_a_cookie_is_no_login(cookie: str) -> None:
    """Success needs 2xx, no errors, and a session cookie."""
    async with FakeProtogrid() as fake, client_of(fake) as client:
        fake.cookie = cookie  # type: ignore[assignment]  # one of them
        with pytest.raises(ProtocolError):
            await client.get(APPS)


async def test_verbs_answer_the_envelope() -> None:
    """Each verb gives a ProtogridResponse."""
    async with FakeProtogrid() as fake, client_of(fake) as client:
        for verb in ("get", "post", "put", "patch", "delete"):
            answer = await getattr(client, verb)(ECHO)
            assert isinstance(answer, ProtogridResponse)
            assert verb.upper() == answer.result["method"]
            assert fake.environment_version == answer.environment_version
            assert () == answer.errors


async def test_result_is_structured_into_the_model() -> None:
    """*model* is for the result; a version that is missing is None."""
    async with FakeProtogrid() as fake, client_of(fake) as client:
        fake.environment_version = None
        answer = await client.get(APPS, model=list[App])
        assert answer.environment_version is None
        assert [app.app_id for app in answer.result] == [app.app_id for app in await client.apps()]
        with pytest.raises(ProtocolError, match=r"^GET /api/v2/apps: .*\$"):
            await client.get(APPS, model=App)


async def test_one_app() -> None:
    """By id, or by name on older servers; percent-encoded."""
    async with FakeProtogrid() as fake, client_of(fake) as client:
        app = (await client.apps())[0]
        assert app == await client.app(app.app_id)
        with pytest.raises(NotFound):
            await client.app("no/such app")


async def test_errors_of_an_envelope_raise_also_on_200() -> None:
    """Non-empty errors are a failure, whatever the status; the items are there, and not in the text."""
    errors = [{"code": 500, "message": "secret words"}, {"message": "more"}]
    async with FakeProtogrid() as fake, client_of(fake) as client:
        fake.amend("api", lambda body: {**body, "errors": errors})
        with pytest.raises(ServerError, match=r"^GET /api/v2/apps: 200 OK, with error 500$") as caught:
            await client.get(APPS)
        assert [500, None] == [item.code for item in caught.value.errors if isinstance(item, ProtogridErrorItem)]
        assert "secret" not in repr(caught.value)
        assert ("500", 200) == (caught.value.code, caught.value.status)
        fake.heal()
        fake.amend("api", lambda body: {**body, "errors": [{"message": "no code"}]})
        with pytest.raises(ApiError):
            await client.get(APPS)


async def test_answers_that_are_no_envelope() -> None:
    """A helper says so; request() gives them."""
    async with FakeProtogrid() as fake, client_of(fake) as client:
        fake.amend("api", lambda _: b"<html>")
        with pytest.raises(ProtocolError, match="is not JSON"):
            await client.get(APPS)
        assert b"<html>" == (await client.request("GET", APPS)).content


def test_credentials_that_a_header_would_mangle() -> None:
    """A mangled password locks the account: refused when the client is made, naming what helps."""
    for credentials in (PasswordCredentials("jane", "pässword"), PasswordCredentials("jane ", "x")):
        for options in ({}, {"scheme": "headers"}, {"scheme": "basic"}, {"login_with": "basic"}):
            with pytest.raises(ConfigurationError, match='login_with="body"'):
                ProtogridClient("https://example.protogrid.com", credentials, **options)  # type: ignore[arg-type]  # all are right
        ProtogridClient("https://example.protogrid.com", credentials, login_with="body")
    with pytest.raises(ConfigurationError, match="no refresh tokens"):
        ProtogridClient("https://example.protogrid.com", RefreshTokenCredentials("r"), account="a")


async def test_credentials_of_a_callable_are_checked_before_they_are_sent() -> None:
    """The same for a callable: before the login is sent."""

    async def credentials() -> PasswordCredentials:
        return PasswordCredentials("jane", "pässword")

    async with FakeProtogrid() as fake, client_of(fake, credentials, account="jane") as client:
        with pytest.raises(ConfigurationError, match="password"):
            await client.get(APPS)
        assert [] == list(fake.requests)


def test_accounts() -> None:
    """DESIGN 3: vendor, base URL, user name, and a scheme that is not the default."""
    jane = PasswordCredentials("jane", "s3cret")
    url = "https://example.protogrid.com"
    assert f"protogrid|{url}|jane" == ProtogridClient(url, jane).tokens.flow.account
    assert f"protogrid|{url}|jane|basic" == ProtogridClient(url, jane, scheme="basic").tokens.flow.account
    assert "mine" == ProtogridClient(url, account="mine").tokens.flow.account
    for account in (None, ""):
        with pytest.raises(ConfigurationError, match="account"):
            ProtogridClient(url, account=account)


async def test_from_env(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment has all that is needed; what is missing is named."""
    async with FakeProtogrid() as fake:
        monkeypatch.setenv("GRID_BASE_URL", fake.base_url)
        monkeypatch.setenv("GRID_USERNAME", fake.username)
        with pytest.raises(ConfigurationError, match="GRID_PASSWORD is not set"):
            ProtogridClient.from_env("GRID")
        monkeypatch.setenv("GRID_PASSWORD", fake.password)
        async with ProtogridClient.from_env("GRID") as client:
            assert await client.apps()


async def test_stream_of_a_dead_session_is_replayed() -> None:
    """Rule 12: on a stream HTTP's status tells."""
    async with FakeProtogrid() as fake, client_of(fake) as client:
        await client.get(APPS)
        fake.expire_all()
        async with client.stream("GET", APPS) as response:
            assert 200 == response.status
        assert 2 == fake.count.logins


async def test_cookies_that_die_at_once_under_fifty_callers() -> None:
    """Rules 12, 17: calls that kill each other's cookies are renewed for, and do not look like missing permissions."""
    async with FakeProtogrid() as fake, client_of(fake) as client:
        fake.rolling, fake.old_cookie_lives = True, False
        await many(client, 50)
        assert 1 < fake.count.logins
        fake.rolling = False
        fake.expire_all()
        assert await client.apps()


async def test_answer_without_content() -> None:
    """204 gives a result of None, with a model and without."""
    async with FakeProtogrid() as fake, client_of(fake) as client:
        await client.apps()
        fake.fail_next(2, 204, on="api")
        assert ProtogridResponse(result=None) == await client.delete(ECHO)
        assert (await client.delete(ECHO, model=App)).result is None
