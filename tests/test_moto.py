"""ProGlove's Cognito part against a Cognito that nobody here wrote: moto's server."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import pytest
from aiohttp import web

from vendorauth import (
    AuthServiceUnavailable,
    ChallengeRequired,
    CredentialsSource,
    InvalidCredentials,
    LoggedOut,
    MemoryTokenStore,
    PasswordCredentials,
    ProGloveClient,
    ReauthenticationRequired,
    RefreshTokenCredentials,
    TokenEvent,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of what moto and boto import
    import boto3  # type: ignore[import-untyped]  # it has no types
    from moto.server import ThreadedMotoServer
    from werkzeug.serving import WSGIRequestHandler

REGION = "eu-west-1"
JANE = PasswordCredentials("jane@example.com", "S3cret-password!")
NEWCOMER = PasswordCredentials("new@example.com", "Temporary-1!")


class Pool(NamedTuple):
    """A user pool, and how to administer it."""

    admin: Any
    url: str
    pool_id: str
    client_id: str


def begin(handler: WSGIRequestHandler, code: int, message: str | None = None) -> None:
    """Begin an answer without werkzeug's ``Server``: moto sends one, too, and with ``-X dev`` aiohttp takes no two."""
    handler.send_response_only(code, message)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """Run moto's server on a free port, and give its URL."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WSGIRequestHandler, "send_response", begin)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
        server.stop()


@pytest.fixture(scope="module")
def pool(moto: str) -> Iterator[Pool]:
    """Make a user pool with Jane, and somebody who has to choose a password first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        admin = boto3.client(
            "cognito-idp",
            region_name=REGION,
            endpoint_url=moto,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        pool_id = admin.create_user_pool(PoolName="insight")["UserPool"]["Id"]
        client = admin.create_user_pool_client(
            UserPoolId=pool_id,
            ClientName="web",
            ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        )
        for user in (JANE, NEWCOMER):
            admin.admin_create_user(UserPoolId=pool_id, Username=user.username, TemporaryPassword=user.password)
        admin.admin_set_user_password(
            UserPoolId=pool_id, Username=JANE.username, Password=JANE.password, Permanent=True
        )
    yield Pool(admin, moto, pool_id, client["UserPoolClient"]["ClientId"])
    admin.close()


class Api:
    """Be ProGlove's side: auth-information, and an endpoint that shows what came in Authorization."""

    def __init__(self, pool: Pool) -> None:
        self.asked = 0
        self.seen: list[str] = []
        self.base_url = ""
        self._pool = pool

    async def information(self, request: web.Request) -> web.Response:
        """Answer auth-information."""
        self.asked += 1
        assert "demo0001" == request.query["id"]
        return web.json_response(
            {
                "region": REGION,
                "customer_id:": "demo0001",
                "user_pool_client_id": self._pool.client_id,
                "user_pool_id": self._pool.pool_id,
            }
        )

    async def devices(self, request: web.Request) -> web.Response:
        """List nothing."""
        self.seen.append(request.headers["Authorization"])
        return web.json_response({"items": []})


@pytest.fixture
async def api(pool: Pool) -> AsyncIterator[Api]:
    one = Api(pool)
    app = web.Application()
    app.router.add_get("/latest/auth-information", one.information)
    app.router.add_get("/latest/demo0001/devices", one.devices)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    one.base_url = f"http://{host}:{port}/latest"
    yield one
    await runner.cleanup()


def client(api: Api, pool: Pool, credentials: CredentialsSource = JANE, **options: Any) -> ProGloveClient:
    return ProGloveClient(api.base_url, "demo0001", credentials, account="jane", cognito_url=pool.url, **options)


async def test_login_and_refresh(api: Api, pool: Pool) -> None:
    """A password gives a JWT with an hour to live; its refresh token gives another, without a second login."""
    async with client(api, pool) as proglove:
        assert {"items": []} == await proglove.get("/{customer_id}/devices")
        first = await proglove.tokens.token()
        assert first.expires_at is not None
        assert 3600 == pytest.approx((first.expires_at - first.issued_at).total_seconds(), abs=60)
        second = await proglove.tokens.renew(first)
        await proglove.get("/{customer_id}/devices")
    assert [first.value, second.value] == api.seen
    assert (True, first.refresh_token) == (second.is_newer_than(first), second.refresh_token)
    assert 1 == api.asked


async def test_an_access_token(api: Api, pool: Pool) -> None:
    """Where the access token is wanted, that is what is sent."""
    async with client(api, pool) as ids, client(api, pool, token_kind="access") as accesses:
        await ids.get("/{customer_id}/devices")
        await accesses.get("/{customer_id}/devices")
    assert 2 == len(set(api.seen))
    assert all(3 == len(one.split(".")) for one in api.seen)


async def test_a_wrong_password(api: Api, pool: Pool) -> None:
    """A refused password is InvalidCredentials with Cognito's code, and does not show the password."""
    async with client(api, pool, PasswordCredentials(JANE.username, "MARK-wrong")) as proglove:
        with pytest.raises(InvalidCredentials) as caught:
            await proglove.tokens.token()
    assert "NotAuthorizedException" == caught.value.code
    assert "MARK" not in f"{caught.value}{caught.value!r}"


async def test_an_unknown_user(api: Api, pool: Pool) -> None:
    """A user that does not exist is InvalidCredentials, too."""
    async with client(api, pool, PasswordCredentials("nobody@example.com", "x")) as proglove:
        with pytest.raises(InvalidCredentials):
            await proglove.tokens.token()


async def test_a_new_password(api: Api, pool: Pool) -> None:
    """A temporary password brings a challenge; its answer, even from another process, brings the token."""
    async with client(api, pool, NEWCOMER) as proglove:
        with pytest.raises(ChallengeRequired) as caught:
            await proglove.tokens.token()
    challenge = caught.value.challenge
    assert ("NEW_PASSWORD_REQUIRED", ("NEW_PASSWORD",)) == (challenge.name, challenge.fields)
    async with client(api, pool, NEWCOMER) as proglove:
        token = await proglove.tokens.answer(
            type(challenge).from_json(challenge.to_json()), {"NEW_PASSWORD": "Chosen-by-me-2!"}
        )
        assert token is await proglove.tokens.token()
    async with client(api, pool, PasswordCredentials(NEWCOMER.username, "Chosen-by-me-2!")) as proglove:
        assert (await proglove.tokens.token()).refresh_token


async def test_a_dead_refresh_token_and_a_password(api: Api, pool: Pool) -> None:
    """A refresh token that Cognito refuses is replaced by a login with the password (rule 8)."""
    store = MemoryTokenStore()
    async with client(api, pool, store=store) as proglove:
        first = await proglove.tokens.token()
        pool.admin.admin_user_global_sign_out(UserPoolId=pool.pool_id, Username=JANE.username)
        second = await proglove.tokens.renew(first)
    assert second.is_newer_than(first)
    assert first.refresh_token != second.refresh_token


async def test_a_dead_refresh_token_alone(api: Api, pool: Pool) -> None:
    """Without a password, a refused refresh token means that a person has to log in again (rule 8)."""
    async with client(api, pool, RefreshTokenCredentials("MARK")) as proglove:
        with pytest.raises(ReauthenticationRequired) as caught:
            await proglove.tokens.token()
    assert not caught.value.temporary
    assert "MARK" not in str(caught.value)


async def test_a_refresh_token_alone(api: Api, pool: Pool) -> None:
    """A service that was given nothing but a refresh token lives on it."""
    async with client(api, pool) as proglove:
        given = (await proglove.tokens.token()).refresh_token
    assert given is not None
    async with client(api, pool, RefreshTokenCredentials(given)) as service:
        assert {"items": []} == await service.get("/{customer_id}/devices")


async def test_logout_where_nothing_can_be_revoked(api: Api, pool: Pool) -> None:
    """A Cognito that fails to revoke (moto can't) does not keep the tokens here: forgotten, and told (rule 14)."""
    store, events = MemoryTokenStore(), list[TokenEvent]()
    async with client(api, pool, store=store, on_event=events.append) as proglove:
        await proglove.tokens.token()
        await proglove.logout()
        assert (None, None) == (proglove.tokens.peek(), await store.load("jane"))
    (told,) = (event for event in events if isinstance(event, LoggedOut))
    assert not told.revoked
    assert isinstance(told.error, AuthServiceUnavailable)
