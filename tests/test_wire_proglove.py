"""Each documented request to ProGlove and Cognito, exactly: as handed to aiohttp, and once as bytes on a socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aioresponses import aioresponses
from yarl import URL

from _mocked import Asked, Mocked
from _raw import RawServer, head_of, http
from vendorauth import PasswordCredentials, ProGloveClient, RefreshTokenCredentials
from vendorauth.engine.sessions import USER_AGENT
from vendorauth.errors import ChallengeRequired

API = "https://abc123.execute-api.eu-west-1.amazonaws.com/latest"
ASK = f"{API}/auth-information?id=demo0001"
COGNITO = "https://cognito-idp.eu-west-1.amazonaws.com/login"
JANE = PasswordCredentials("jane@example.com", "s3cret")
INFORMATION = {
    "region": "eu-west-1",
    "customer_id:": "demo0001",
    "user_pool_client_id": "client1",
    "user_pool_id": "eu-west-1_Pool",
}
TOKENS = {
    "AccessToken": "access1",
    "ExpiresIn": 3600,
    "IdToken": "id1",
    "RefreshToken": "refresh1",
    "TokenType": "Bearer",
}
LOGIN_RESULT = {"AuthenticationResult": TOKENS, "ChallengeParameters": {}}
REFRESH_RESULT = {"AuthenticationResult": {"AccessToken": "access2", "ExpiresIn": 3600, "IdToken": "id2"}}


@pytest.fixture
def vendor() -> Iterator[Mocked]:
    with aioresponses() as responses:
        one = Mocked(responses)
        one.answer("GET", ASK, INFORMATION)
        yield one


def client(credentials: Any = JANE, **options: Any) -> ProGloveClient:
    return ProGloveClient(API, "demo0001", credentials, account="jane", **options)


def cognito(operation: str, body: object, url: str = COGNITO) -> Asked:
    """Be one of Cognito's operations, its body decoded."""
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"AWSCognitoIdentityProviderService.{operation}",
    }
    return Asked("POST", URL(url), headers, body)


def initiate(flow: str, **parameters: str) -> Asked:
    return cognito("InitiateAuth", {"AuthFlow": flow, "ClientId": "client1", "AuthParameters": parameters})


def read(asked: Asked) -> Asked:
    return asked._replace(body=json.loads(asked.body)) if isinstance(asked.body, bytes) else asked


ASKED = Asked("GET", URL(ASK), {}, None)
LOGGED_IN = initiate("USER_PASSWORD_AUTH", USERNAME="jane@example.com", PASSWORD="s3cret")


async def test_login(vendor: Mocked) -> None:
    """A login is auth-information, then InitiateAuth with the password, as the vendor documents both."""
    vendor.answer("POST", COGNITO, LOGIN_RESULT)
    async with client() as proglove:
        assert "id1" == (await proglove.tokens.token()).value
    assert [ASKED, LOGGED_IN] == [read(one) for one in vendor.asked]


async def test_refresh(vendor: Mocked) -> None:
    """A refresh is InitiateAuth with the refresh token; auth-information is remembered."""
    vendor.answer("POST", COGNITO, LOGIN_RESULT)
    vendor.answer("POST", COGNITO, REFRESH_RESULT)
    async with client() as proglove:
        token = await proglove.tokens.renew(await proglove.tokens.token())
    assert ("id2", "refresh1") == (token.value, token.refresh_token)
    assert [ASKED, LOGGED_IN, initiate("REFRESH_TOKEN", REFRESH_TOKEN="refresh1")] == [
        read(one) for one in vendor.asked
    ]


async def test_a_service_with_a_refresh_token(vendor: Mocked) -> None:
    """A refresh token alone logs in with the same operation."""
    vendor.answer("POST", COGNITO, REFRESH_RESULT)
    async with client(RefreshTokenCredentials("given1")) as proglove:
        await proglove.tokens.token()
    assert [ASKED, initiate("REFRESH_TOKEN", REFRESH_TOKEN="given1")] == [read(one) for one in vendor.asked]


async def test_devices_with_a_refresh_token(vendor: Mocked) -> None:
    """A pool that tracks devices names one at login; it goes along with the refresh token."""
    device = {"NewDeviceMetadata": {"DeviceKey": "device1", "DeviceGroupKey": "group1"}}
    vendor.answer("POST", COGNITO, {"AuthenticationResult": TOKENS | device})
    vendor.answer("POST", COGNITO, REFRESH_RESULT)
    async with client() as proglove:
        await proglove.tokens.renew(await proglove.tokens.token())
    expected = initiate("REFRESH_TOKEN", REFRESH_TOKEN="refresh1", DEVICE_KEY="device1")
    assert expected == read(vendor.asked[-1])


async def test_get_tokens(vendor: Mocked) -> None:
    """Pools that rotate want GetTokensFromRefreshToken; its new refresh token is kept."""
    vendor.answer("POST", COGNITO, LOGIN_RESULT)
    vendor.answer("POST", COGNITO, {"AuthenticationResult": {"IdToken": "id2", "RefreshToken": "refresh2"}})
    async with client(refresh_with="get-tokens") as proglove:
        token = await proglove.tokens.renew(await proglove.tokens.token())
    assert "refresh2" == token.refresh_token
    expected = cognito("GetTokensFromRefreshToken", {"RefreshToken": "refresh1", "ClientId": "client1"})
    assert expected == read(vendor.asked[-1])


async def test_revoke(vendor: Mocked) -> None:
    """Logging out revokes the refresh token."""
    vendor.answer("POST", COGNITO, LOGIN_RESULT)
    vendor.answer("POST", COGNITO, {})
    async with client() as proglove:
        await proglove.tokens.token()
        await proglove.logout()
    assert cognito("RevokeToken", {"Token": "refresh1", "ClientId": "client1"}) == read(vendor.asked[-1])


async def test_answering_a_challenge(vendor: Mocked) -> None:
    """A challenge is answered with its name, the session as it came, the user name and the answers."""
    vendor.answer(
        "POST",
        COGNITO,
        {"ChallengeName": "SMS_MFA", "Session": "session1", "ChallengeParameters": {"USER_ID_FOR_SRP": "user-1"}},
    )
    vendor.answer("POST", COGNITO, LOGIN_RESULT)
    async with client() as proglove:
        with pytest.raises(ChallengeRequired) as caught:
            await proglove.tokens.token()
        await proglove.tokens.answer(caught.value.challenge, {"SMS_MFA_CODE": "123456"})
    body = {
        "ClientId": "client1",
        "ChallengeName": "SMS_MFA",
        "Session": "session1",
        "ChallengeResponses": {"USERNAME": "user-1", "SMS_MFA_CODE": "123456"},
    }
    assert cognito("RespondToAuthChallenge", body) == read(vendor.asked[-1])


async def test_another_cognito_url(vendor: Mocked) -> None:
    """A given Cognito URL is posted to as it is; region and partition play no part."""
    vendor.answer("POST", "https://login.example.com/pool", LOGIN_RESULT)
    async with client(cognito_url="https://login.example.com/pool") as proglove:
        await proglove.tokens.token()
    assert URL("https://login.example.com/pool") == vendor.asked[-1].url


@pytest.mark.parametrize(
    ("expected", "options"),
    [
        ("id1", {}),
        ("access1", {"token_kind": "access"}),
        ("Bearer id1", {"authorization_scheme": "Bearer"}),
        ("Bearer access1", {"token_kind": "access", "authorization_scheme": "Bearer"}),
    ],
)
async def test_authorization(expected: str, options: dict[str, Any], vendor: Mocked) -> None:
    """The IdToken goes raw into Authorization; kind and scheme can be chosen, because the vendor's pages disagree."""
    vendor.answer("POST", COGNITO, LOGIN_RESULT)
    vendor.answer("GET", f"{API}/demo0001/devices", {"items": []})
    async with client(**options) as proglove:
        assert {"items": []} == await proglove.get("/{customer_id}/devices")
    assert Asked("GET", URL(f"{API}/demo0001/devices"), {"Authorization": expected}, None) == vendor.asked[-1]


async def test_lists(vendor: Mocked) -> None:
    """Events are asked for by milliseconds, and page by page with nothing of the link but its token."""
    first = f"{API}/demo0001/events?end_time_millis=1767225601000&start_time_millis=1767225600000"
    vendor.answer("POST", COGNITO, LOGIN_RESULT)
    vendor.answer("GET", first, {"items": [{"id": "1"}], "links": {"next": "/events?next_token=a%2Fb"}})
    second = f"{API}/demo0001/events?end_time_millis=1767225601000&next_token=a/b&start_time_millis=1767225600000"
    vendor.answer("GET", second, {"items": [{"id": "2"}], "links": {}})
    start = datetime(2026, 1, 1, tzinfo=UTC)
    async with client() as proglove:
        events = [event.id async for event in proglove.events(start=start, end=start.replace(second=1))]
    assert ["1", "2"] == events
    assert [URL(first), URL(second)] == [one.url for one in vendor.asked[2:]]


async def test_the_verbs(vendor: Mocked) -> None:
    """Every verb sends its JSON with its content type and the token."""
    vendor.answer("POST", COGNITO, LOGIN_RESULT)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        vendor.answer(method, f"{API}/x?a=1", {"done": method})
    async with client() as proglove:
        for verb in (proglove.post, proglove.put, proglove.patch, proglove.delete):
            await verb("/x", json={"b": 2}, params={"a": 1}, headers={"X-One": "1"})
    headers = {"Authorization": "id1", "X-One": "1", "Content-Type": "application/json"}
    expected = [Asked(one, URL(f"{API}/x?a=1"), headers, {"b": 2}) for one in ("POST", "PUT", "PATCH", "DELETE")]
    assert expected == [read(one) for one in vendor.asked[2:]]


def body(value: object) -> bytes:
    return http(json.dumps(value).encode(), "200 OK", "Content-Type: application/json")


def common(server: RawServer) -> dict[str, list[str]]:
    """Be the headers that every request has."""
    return {
        "host": [server.origin.removeprefix("http://")],
        "user-agent": [USER_AGENT],
        "accept": ["*/*"],
        "accept-encoding": head_of(server.received[0])["accept-encoding"],
    }


def operation(server: RawServer, name: str, content: bytes) -> tuple[bytes, dict[str, list[str]], bytes]:
    headers = {
        "content-type": ["application/x-amz-json-1.1"],
        "x-amz-target": [f"AWSCognitoIdentityProviderService.{name}"],
        "content-length": [str(len(content))],
    }
    return b"POST /login HTTP/1.1", common(server) | headers, content


def arrived(received: bytes) -> tuple[bytes, dict[str, list[str]], bytes]:
    return received.partition(b"\r\n")[0], head_of(received), received.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("rotating", [False, True])
async def test_the_bytes(rotating: bool) -> None:
    """What really arrives: no header, no byte that was not meant, from auth-information to RevokeToken."""
    steps = [INFORMATION, LOGIN_RESULT, {"items": []}, REFRESH_RESULT, {}]
    async with RawServer(*(body(step) for step in steps)) as server:
        base = f"{server.origin}/latest"
        async with ProGloveClient(
            base,
            "demo0001",
            JANE,
            cognito_url=f"{server.origin}/login",
            refresh_with="get-tokens" if rotating else "initiate-auth",
        ) as proglove:
            await proglove.get("/{customer_id}/devices", params={"limit": 10})
            await proglove.tokens.renew(await proglove.tokens.token())
            await proglove.logout()
        refresh = (
            operation(server, "GetTokensFromRefreshToken", b'{"RefreshToken":"refresh1","ClientId":"client1"}')
            if rotating
            else operation(
                server,
                "InitiateAuth",
                b'{"AuthFlow":"REFRESH_TOKEN","ClientId":"client1","AuthParameters":{"REFRESH_TOKEN":"refresh1"}}',
            )
        )
        expected = [
            (b"GET /latest/auth-information?id=demo0001 HTTP/1.1", common(server), b""),
            operation(
                server,
                "InitiateAuth",
                b'{"AuthFlow":"USER_PASSWORD_AUTH","ClientId":"client1",'
                b'"AuthParameters":{"USERNAME":"jane@example.com","PASSWORD":"s3cret"}}',
            ),
            (b"GET /latest/demo0001/devices?limit=10 HTTP/1.1", common(server) | {"authorization": ["id1"]}, b""),
            refresh,
            operation(server, "RevokeToken", b'{"Token":"refresh1","ClientId":"client1"}'),
        ]
        assert expected == [arrived(one) for one in server.received]
