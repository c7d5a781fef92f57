"""Prove the Cognito half of the fake ProGlove, with a plain HTTP client."""

import base64
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, DummyCookieJar

from _pool import Pool
from vendorauth.testing import FakeProGlove, ManualClock


def claims(token: str) -> dict[str, Any]:
    header, payload, signature = token.split(".")
    assert "JWT" == json.loads(base64.urlsafe_b64decode(header + "=="))["typ"]
    assert signature
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return decoded


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def pool(clock: ManualClock) -> AsyncIterator[Pool]:
    async with FakeProGlove(clock=clock.timestamp) as fake, ClientSession(cookie_jar=DummyCookieJar()) as session:
        yield Pool(fake, session)


async def test_login_as_documented(pool: Pool) -> None:
    """A right password brings the documented answer, and tokens that the API takes."""
    reply = await pool.login()
    assert 200 == reply.status
    assert "application/x-amz-json-1.1" == reply.headers["Content-Type"]
    assert reply.headers["x-amzn-RequestId"]
    assert {"AuthenticationResult", "ChallengeParameters"} == set(reply.body)
    assert {"AccessToken", "ExpiresIn", "IdToken", "RefreshToken", "TokenType"} == set(reply.result)
    assert (3600, "Bearer") == (reply.result["ExpiresIn"], reply.result["TokenType"])
    assert await pool.lives(reply.result["IdToken"])
    assert (1, 1, 0) == (pool.fake.count.logins, pool.fake.count.password_attempts, pool.fake.count.passwords_refused)
    assert {reply.result[name] for name in ("AccessToken", "IdToken", "RefreshToken")} == set(pool.fake.issued)


async def test_login_by_user_id(pool: Pool) -> None:
    """The pool's own name for the user logs in as well."""
    assert 200 == (await pool.login(USERNAME=pool.fake.user_id)).status


async def test_tokens_are_jwts(pool: Pool) -> None:
    """A token's ``exp - iat`` is its configured life, whole or not, and each token is unique."""
    first = claims((await pool.login()).result["IdToken"])
    assert (3600, "id", pool.fake.client_id) == (first["exp"] - first["iat"], first["token_use"], first["aud"])
    assert isinstance(first["exp"], int)
    pool.fake.token_life = 2.5
    reply = await pool.login()
    second = claims(reply.result["AccessToken"])
    assert (2.5, "access") == (second["exp"] - second["iat"], second["token_use"])
    assert 3 == reply.result["ExpiresIn"]
    assert first["jti"] != second["jti"]
    assert first["sub"] == second["sub"] == pool.fake.user_id


async def test_tokens_end(pool: Pool, clock: ManualClock) -> None:
    """A token lives for *token_life*, an id token for *id_token_life* where it is set."""
    pool.fake.id_token_life = 5
    reply = await pool.login()
    assert (3600, 5) == (reply.result["ExpiresIn"], (c := claims(reply.result["IdToken"]))["exp"] - c["iat"])
    clock.advance(4.9)
    assert await pool.lives(reply.result["IdToken"])
    clock.advance(0.1)
    assert not await pool.lives(reply.result["IdToken"])
    pool.fake.accepts = "access"
    assert await pool.lives(reply.result["AccessToken"])


async def test_opaque_tokens(pool: Pool) -> None:
    """Tokens need not be JWTs."""
    pool.fake.opaque_tokens = True
    token = (await pool.login()).result["IdToken"]
    assert "." not in token
    assert await pool.lives(token)


@pytest.mark.parametrize("wrong", [{"PASSWORD": "other"}, {"USERNAME": "john@example.com"}])
async def test_wrong_password(pool: Pool, wrong: dict[str, str]) -> None:
    """A wrong password is answered as Cognito does: 400, its code in body and header."""
    reply = await pool.login(**wrong)
    assert 400 == reply.status
    assert {"__type": "NotAuthorizedException", "message": "Incorrect username or password."} == reply.body
    assert "NotAuthorizedException:" == reply.headers["x-amzn-ErrorType"]
    assert reply.headers["x-amzn-RequestId"]
    assert (1, 1) == (pool.fake.count.password_attempts, pool.fake.count.passwords_refused)


@pytest.mark.parametrize(
    ("spelling", "body", "header"),
    [
        (
            "namespaced",
            "com.amazonaws.cognito.identity.idp.model#NotAuthorizedException",
            "NotAuthorizedException:http",
        ),
        ("header", None, "NotAuthorizedException:"),
    ],
)
async def test_error_spellings(pool: Pool, spelling: Any, body: str | None, header: str) -> None:
    """Error codes come in every spelling that has been seen."""
    pool.fake.error_spelling = spelling
    reply = await pool.login(PASSWORD="other")
    assert body == reply.body.get("__type")
    assert reply.headers["x-amzn-ErrorType"].startswith(header)


@pytest.mark.parametrize(
    ("state", "code", "refreshes"),
    [
        ("locked", "NotAuthorizedException", True),
        ("disabled", "NotAuthorizedException", False),
        ("not-found", "UserNotFoundException", False),
        ("unconfirmed", "UserNotConfirmedException", False),
        ("reset-required", "PasswordResetRequiredException", False),
    ],
)
async def test_user_states(pool: Pool, state: Any, code: str, *, refreshes: bool) -> None:
    """A user who is locked out, gone or disabled can't log in; only a locked one can still refresh."""
    token = (await pool.login()).result["RefreshToken"]
    pool.fake.user_state = state
    assert code == (await pool.login()).code
    assert refreshes == ((await pool.refresh(token)).status == 200)


async def test_throttled(pool: Pool) -> None:
    """Throttling answers every operation, and 400 as Cognito does."""
    pool.fake.throttled = True
    for reply in (await pool.login(), await pool.refresh("x"), await pool.revoke("x")):
        assert (400, "TooManyRequestsException") == (reply.status, reply.code)


async def test_requests_that_cannot_be_right(pool: Pool) -> None:
    """Cognito's front door refuses unknown operations, other content types, no JSON, and unknown flows."""
    assert "UnknownOperationException" == (await pool.post("Nonsense", {})).code
    assert "UnknownOperationException" == (await pool.post("InitiateAuth", {}, "application/json")).code
    assert "SerializationException" == (await pool.post("InitiateAuth", b"{")).code
    assert "InvalidParameterException" == (await pool.initiate("USER_SRP_AUTH")).code
    assert "InvalidParameterException" == (await pool.initiate("USER_PASSWORD_AUTH", USERNAME="x")).code


async def test_client_id_changes(pool: Pool) -> None:
    """A client id that the vendor has replaced is no longer found."""
    old, pool.fake.client_id = pool.fake.client_id, "another"
    body = {"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": old, "AuthParameters": {}}
    assert "ResourceNotFoundException" == (await pool.post("InitiateAuth", body)).code


@pytest.mark.parametrize("flow", ["REFRESH_TOKEN", "REFRESH_TOKEN_AUTH"])
async def test_refresh_as_documented(pool: Pool, flow: str) -> None:
    """A refresh brings new tokens and no refresh token; the old one goes on working."""
    first = (await pool.login()).result
    for _ in range(2):
        reply = await pool.initiate(flow, REFRESH_TOKEN=first["RefreshToken"])
        assert {"AccessToken", "ExpiresIn", "IdToken", "TokenType"} == set(reply.result)
        assert first["IdToken"] != reply.result["IdToken"]
        assert await pool.lives(reply.result["IdToken"])
    assert (1, 2, 1) == (pool.fake.count.logins, pool.fake.count.refreshes, pool.fake.count.password_attempts)


async def test_get_tokens_without_rotation(pool: Pool) -> None:
    """GetTokensFromRefreshToken works with rotation off and brings no refresh token."""
    reply = await pool.get_tokens((await pool.login()).result["RefreshToken"])
    assert "RefreshToken" not in reply.result
    assert 1 == pool.fake.count.refreshes


async def test_unknown_refresh_token(pool: Pool) -> None:
    """A refresh token that was never issued, or none, is refused."""
    assert "NotAuthorizedException" == (await pool.refresh("nonsense")).code
    assert "NotAuthorizedException" == (await pool.initiate("REFRESH_TOKEN")).code


async def test_refresh_token_ends(pool: Pool, clock: ManualClock) -> None:
    """A refresh token's life counts from the login."""
    pool.fake.refresh_token_life = 100
    token = (await pool.login()).result["RefreshToken"]
    clock.advance(99)
    assert 200 == (await pool.refresh(token)).status
    clock.advance(1)
    assert "NotAuthorizedException" == (await pool.refresh(token)).code


async def test_expire_all(pool: Pool) -> None:
    """All id and access tokens die at once, and can be renewed."""
    first = (await pool.login()).result
    pool.fake.expire_all()
    assert not await pool.lives(first["IdToken"])
    assert await pool.lives((await pool.refresh(first["RefreshToken"])).result["IdToken"])


@pytest.mark.parametrize("refresh_only", [True, False])
async def test_revoke_all(pool: Pool, *, refresh_only: bool) -> None:
    """All refresh tokens die at once; id tokens live on only when asked for."""
    first = (await pool.login()).result
    pool.fake.revoke_all(refresh_only=refresh_only)
    assert "NotAuthorizedException" == (await pool.refresh(first["RefreshToken"])).code
    assert refresh_only == await pool.lives(first["IdToken"])
    assert 0 == pool.fake.refreshable_logins


async def test_revoke_token(pool: Pool) -> None:
    """RevokeToken ends that login alone, answers with nothing, and forgives an unknown token."""
    first, second = (await pool.login()).result, (await pool.login()).result
    reply = await pool.revoke(first["RefreshToken"])
    assert (200, None) == (reply.status, reply.body)
    assert "NotAuthorizedException" == (await pool.refresh(first["RefreshToken"])).code
    assert not await pool.lives(first["IdToken"])
    assert 200 == (await pool.refresh(second["RefreshToken"])).status
    assert 200 == (await pool.revoke("unknown")).status
    assert (2, 1) == (pool.fake.count.revocations, pool.fake.refreshable_logins)
    assert not pool.fake.revoke("unknown")


async def test_rotation_and_reuse(pool: Pool) -> None:
    """Rotation spends a refresh token at its first use; its second use ends the whole login."""
    pool.fake.rotation = True
    first = (await pool.login()).result
    second = (await pool.get_tokens(first["RefreshToken"])).result
    third = (await pool.refresh(second["RefreshToken"])).result
    assert 3 == len({r["RefreshToken"] for r in (first, second, third)})
    assert 1 == pool.fake.refreshable_logins
    assert "RefreshTokenReuseException" == (await pool.get_tokens(first["RefreshToken"])).code
    assert "NotAuthorizedException" == (await pool.get_tokens(third["RefreshToken"])).code
    assert not await pool.lives(third["IdToken"])
    assert (1, 0) == (pool.fake.count.reuse, pool.fake.refreshable_logins)


async def test_grace_period(pool: Pool, clock: ManualClock) -> None:
    """Within the grace period a spent refresh token still works, counted from its first use."""
    pool.fake.rotation, pool.fake.grace = True, 10
    token = (await pool.login()).result["RefreshToken"]
    assert 200 == (await pool.refresh(token)).status
    clock.advance(9)
    assert 200 == (await pool.refresh(token)).status
    clock.advance(1)
    assert "RefreshTokenReuseException" == (await pool.refresh(token)).code
    assert (1, 1) == (pool.fake.count.grace_uses, pool.fake.count.reuse)


async def test_strict_rotation(pool: Pool) -> None:
    """A client with rotation may be refused by InitiateAuth, as AWS says, and not by GetTokensFromRefreshToken."""
    pool.fake.rotation = pool.fake.strict_rotation = True
    token = (await pool.login()).result["RefreshToken"]
    assert "NotAuthorizedException" == (await pool.refresh(token)).code
    assert 200 == (await pool.get_tokens(token)).status


async def test_device_tracking(pool: Pool) -> None:
    """With device tracking a login names the device, and a refresh without it is refused."""
    pool.fake.device_key = "eu-west-1_0a1b"
    first = (await pool.login()).result
    assert {"DeviceKey": "eu-west-1_0a1b", "DeviceGroupKey": "-fake"} == first["NewDeviceMetadata"]
    assert "NotAuthorizedException" == (await pool.refresh(first["RefreshToken"])).code
    reply = await pool.refresh(first["RefreshToken"], DEVICE_KEY="eu-west-1_0a1b")
    assert "NewDeviceMetadata" not in reply.result


MISSING = object()


@pytest.mark.parametrize(
    ("wrong", "field", "value"),
    [
        ("access-token-missing", "AccessToken", MISSING),
        ("expires-in-missing", "ExpiresIn", MISSING),
        ("expires-in-nonsense", "ExpiresIn", "soon"),
        ("expires-in-null", "ExpiresIn", None),
        ("expires-in-string", "ExpiresIn", "3600"),
        ("id-token-missing", "IdToken", MISSING),
        ("id-token-null", "IdToken", None),
        ("id-token-number", "IdToken", 5),
        ("refresh-token-missing", "RefreshToken", MISSING),
        ("refresh-token-number", "RefreshToken", 5),
        ("token-type-missing", "TokenType", MISSING),
    ],
)
async def test_wrong_types(pool: Pool, wrong: Any, field: str, value: object) -> None:
    """Each named mistake spoils its own field."""
    pool.fake.wrong_types = {wrong}
    assert value == (await pool.login()).result.get(field, MISSING)


async def test_result_missing(pool: Pool) -> None:
    """An answer may have neither result nor challenge."""
    pool.fake.wrong_types = {"result-missing"}
    assert {"ChallengeParameters": {}} == (await pool.login()).body


async def test_only_post(pool: Pool) -> None:
    """Cognito takes POST, at ``/login`` and at ``/``."""
    async with pool.session.get(pool.fake.cognito_url) as response:
        assert 405 == response.status
    headers = {"X-Amz-Target": "AWSCognitoIdentityProviderService.InitiateAuth"}
    async with pool.session.post(f"{pool.fake.origin}/", headers=headers, data=b"") as response:
        assert 400 == response.status


async def test_request_ids_differ(pool: Pool) -> None:
    """Each answer has a request id of its own."""
    ids = [(await pool.login()).headers["x-amzn-RequestId"] for _ in range(2)]
    assert all(a != b for a, b in itertools.pairwise(ids))
