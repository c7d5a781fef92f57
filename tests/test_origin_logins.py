"""Passwords and refresh tokens go to the configured hosts only, whatever these answer (DESIGN 7)."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import attrs
import msgspec
import pytest

from _origin import API, BASE, COGNITO, JANE, KINDS, LOGIN, STATUSES, Net, PlainFlow, redirect, run_net
from _raw import http
from vendorauth import (
    ApiClient,
    Challenge,
    ChallengeRequired,
    LoggedOut,
    MemoryTokenStore,
    ProGloveClient,
    ProtocolError,
    RefreshTokenCredentials,
    VendorAuthError,
)
from vendorauth.client import BaseClient
from vendorauth.messages import Request

AUTHENTICATE = "/latest/api/v2/authenticate"
SAME = "/latest/there"
TARGETS = [SAME, f"https://{API}{SAME}", "//evil.test/x", "https://evil.test/x", f"http://{API}/x", "", "http://["]


@pytest.fixture
async def net() -> AsyncGenerator[Net, None]:
    async with run_net() as one:
        yield one


async def log_in(client: BaseClient) -> None:
    """Send the password, or for the schemes that send it with each request, ask whether it is good."""
    token = await client.login()
    if not token.value:
        await client.tokens.renew(token)


async def failure(client: BaseClient, call: Any) -> str:
    with pytest.raises(VendorAuthError) as caught:
        await call
    assert "MARK" not in str(caught.value)
    return type(caught.value).__name__


LOGINS = {
    "api": ("api", "/latest/login"),
    "proglove": ("login", "/login"),
    "cookie": ("api", AUTHENTICATE),
    "headers": ("api", AUTHENTICATE),
    "basic": ("api", AUTHENTICATE),
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_login_follows_no_redirect(net: Net, kind: str, status: int) -> None:
    """Pitfall 34: a password that is answered with a redirect is sent once; not there, not here at another path."""
    who, path = LOGINS[kind]
    host = getattr(net, who)
    for location in [*TARGETS, *net.locations]:
        host.routes[path] = redirect(location, status)
        host.heard.clear()
        async with net.client(kind) as client:
            assert "ProtocolError" == await failure(client, log_in(client))
        assert [path] == [one for one in host.paths if one != "/latest/auth-information"]
        assert [{"MARK-password"}] == [host.marks]
    assert [] == net.leaks


@pytest.mark.parametrize("status", STATUSES)
async def test_auth_information_follows_no_redirect(net: Net, status: int) -> None:
    """Where to log in is asked at the base URL and nowhere else; no password is sent to anybody then."""
    for location in [*TARGETS, *net.locations]:
        net.api.routes["/latest/auth-information"] = redirect(location, status)
        async with net.client("proglove") as client:
            assert "ProtocolError" == await failure(client, client.login())
    assert {"/latest/auth-information"} == set(net.api.paths)
    assert (set(), 0) == (net.api.marks, net.login.connections)
    assert [] == net.leaks


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(("kind", "who", "path"), [("api", "api", "/latest/refresh"), ("proglove", "login", "/login")])
async def test_a_refresh_follows_no_redirect(net: Net, kind: str, who: str, path: str, status: int) -> None:
    """Pitfall 34: a refresh token that is answered with a redirect goes nowhere else, and is kept."""
    host = getattr(net, who)
    for location in [*TARGETS, *net.locations]:
        host.routes.clear()
        store = MemoryTokenStore()
        async with net.client(kind, store=store) as client:
            token = await client.login()
            host.routes[path] = redirect(location, status)
            host.heard.clear()
            assert "ProtocolError" == await failure(client, client.tokens.renew(token))
            kept = await store.load(client.tokens.flow.account)
        assert kept is not None
        assert token.refresh_token == kept.refresh_token
        assert [path] == host.paths
        assert {"MARK-refresh"} == host.marks
    assert [] == net.leaks


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(("kind", "who", "path"), [("api", "api", "/latest/revoke"), ("proglove", "login", "/login")])
async def test_a_revocation_follows_no_redirect(net: Net, kind: str, who: str, path: str, status: int) -> None:
    """A logout's token goes where it came from; a redirect is a failure that is reported, and it is forgotten here."""
    host = getattr(net, who)
    for location in [*TARGETS, *net.locations]:
        host.routes.clear()
        events: list[object] = []
        async with net.client(kind, on_event=events.append) as client:
            await client.login()
            host.routes[path] = redirect(location, status)
            host.heard.clear()
            await client.logout()
            assert client.tokens.peek() is None
        assert ([path], {"MARK-refresh"}) == (host.paths, host.marks)
        assert [False] == [one.revoked for one in events if isinstance(one, LoggedOut)]
    assert [] == net.leaks


class Careless(PlainFlow):
    """Log in, refresh and revoke in the clear."""

    def _post(self, name: str, body: object) -> Request:
        return attrs.evolve(super()._post(name, body), url=f"http://{API}/latest/{name}")


async def test_a_flow_in_the_clear(net: Net) -> None:
    """DESIGN 7: a flow whose API is https does not get a password out over plain http."""
    async with ApiClient(Careless(), JANE, session=net.session) as client:
        assert "ConfigurationError" == await failure(client, client.login())
        assert "ConfigurationError" == await failure(client, client.request("GET", "/x"))
    assert [] == net.lookups


async def test_each_secret_has_one_host(net: Net) -> None:
    """ProGlove: password and refresh token go to Cognito only, the IdToken to the API only, the access token nowhere."""
    async with net.client("proglove") as client:
        token = await client.login()
        await client.request("GET", "/x")
        await client.tokens.renew(token)
        await client.request("GET", "/x")
        await client.logout()
    assert {"MARK-id"} == net.api.marks
    assert {"MARK-password", "MARK-refresh"} == net.login.marks
    assert {API} == {one.headers["host"][0] for one in net.api.heard}
    assert {COGNITO} == {one.headers["host"][0] for one in net.login.heard}
    assert [] == net.leaks


# What auth-information may say.

REGIONS: list[object] = [
    "eu-west-1.evil.test",
    "eu-west-1.evil.test/#",
    "eu-west-1.evil.test/?",
    "eu-west-1.evil.test\\",
    "evil.test/eu-west-1",
    "evil.test#eu-west-1",
    "evil.test:443/eu-west-1",
    "eu-west-1@evil.test",
    "@evil.test/eu-west-1",
    "eu-west-1:8443",
    "eu-west-1:x@evil.test:443/",
    "eu-west-1\n",
    "eu-west-1\r\nHost: evil.test",
    "eu-west-1\x00.evil.test",
    " eu-west-1",
    "eu-west-1.",
    ".eu-west-1",
    "..",
    "",
    "EU-WEST-1",
    "Eu-west-1",
    "eu-west-\N{ARABIC-INDIC DIGIT ONE}",
    "eu-west-\N{FULLWIDTH DIGIT ONE}",
    "eu-west-\N{SUPERSCRIPT ONE}",
    "eu-w\N{CYRILLIC SMALL LETTER IE}st-1",
    "eu-west-1\N{IDEOGRAPHIC FULL STOP}evil.test",
    "eu\N{SOFT HYPHEN}-west-1",
    "eu-west-1%2eevil.test",
    "eu-west-1%2fevil",
    "eu-" + "a" * 60 + "-1",
    "evil-west-1",
    "eu-west",
    "eu--1",
    "us-east-1,eu-west-1",
    None,
    1,
    True,
    [],
    ["eu-west-1"],
    {"region": "eu-west-1"},
]


@pytest.mark.parametrize("region", REGIONS, ids=ascii)
async def test_no_region_makes_a_host(net: Net, region: object) -> None:
    """DESIGN 7: the region is part of the host that gets the password: unless it is AWS's, not a byte is sent."""
    net.vendor.information["region"] = region
    async with net.client("proglove") as client:
        assert "ProtocolError" == await failure(client, client.login())
    assert (["/latest/auth-information"], 0) == (net.api.paths, net.login.connections)
    assert {(API, 443)} == set(net.lookups)
    assert [] == net.leaks


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("us-east-1", "cognito-idp.us-east-1.amazonaws.com"),
        ("cn-north-1", "cognito-idp.cn-north-1.amazonaws.com.cn"),
        ("eu-evil-1", "cognito-idp.eu-evil-1.amazonaws.com"),
    ],
)
async def test_a_region_leads_to_aws(net: Net, region: str, host: str) -> None:
    """Any region that looks like AWS's, invented ones included, leads to a host below AWS's domain, and to no other."""
    net.vendor.information["region"] = region
    net.names[host, 443] = net.login
    async with net.client("proglove") as client:
        await client.login()
    assert [(API, 443), (host, 443)] == net.lookups
    assert {"MARK-password"} == net.login.marks
    assert [] == net.leaks


@pytest.mark.parametrize("region", ["eu-west-1", "eu-west-1.evil.test/#", "", None])
async def test_a_cognito_url_of_the_users(net: Net, region: str | None) -> None:
    """With *cognito_url*, the password goes there whatever the region says, and nowhere else."""
    net.vendor.information["region"] = region
    async with net.client("proglove", cognito_url=f"https://{LOGIN}/pool/login?") as client:
        token = await client.login()
        await client.tokens.renew(token)
        await client.request("GET", "/x")
        await client.logout()
    assert [(API, 443), (LOGIN, 443)] == list(dict.fromkeys(net.lookups))
    assert ["/pool/login"] * 3 == net.login.paths
    assert ({"MARK-id"}, {"MARK-password", "MARK-refresh"}) == (net.api.marks, net.login.marks)
    assert [] == net.leaks


HOSTILE = {
    "customer_id:": "someone-else",
    "customer_id": "someone-else",
    "user_pool_id": "eu-west-1.evil.test/_Pool",
    "websocket_url": "wss://evil.test/latest/",
    "authentication_endpoints": [{"type": "COGNITO", "url": "https://evil.test/login"}],
    "customersimulator_url": "https://evil.test/",
    "profile": "https://evil.test/",
    "endpoint": "https://evil.test/",
    "cognito_url": "https://evil.test/",
    "base_url": "https://evil.test/",
}


@pytest.mark.parametrize(
    "client_id",
    [
        'x","AuthFlow":"ADMIN_NO_SRP_AUTH',
        "x\r\nHost: evil.test\r\n\r\n",
        "../../evil",
        "//evil.test/",
        "\x00\N{SNOWMAN}",
        "x" * 10_000,
        "",
    ],
    ids=range(7),
)
async def test_hostile_auth_information(net: Net, client_id: str) -> None:
    """No URL in auth-information is ever asked; an odd client id is one JSON string in one request to Cognito."""
    net.vendor.information |= {**HOSTILE, "user_pool_client_id": client_id}
    async with net.client("proglove") as client:
        token = await client.login()
        await client.tokens.renew(token)
        await client.request("GET", "/x")
    assert {"/login"} == set(net.login.paths)
    assert [COGNITO] * 2 == [one.headers["host"][0] for one in net.login.heard]
    for one in net.login.heard:
        body = json.loads(one.body)
        assert {"AuthFlow", "ClientId", "AuthParameters"} == body.keys()
        assert client_id == body["ClientId"]
    assert [] == net.leaks


@pytest.mark.parametrize("client_id", [None, 5, ["x"], {"url": "https://evil.test"}])
async def test_no_client_id(net: Net, client_id: object) -> None:
    """Without a client id that is text, no password is sent."""
    net.vendor.information["user_pool_client_id"] = client_id
    async with net.client("proglove") as client:
        assert "ProtocolError" == await failure(client, client.login())
    assert 0 == net.login.connections


async def test_a_service_logs_in_with_a_refresh_token_only_there(net: Net) -> None:
    """A configured refresh token is a password: same hosts, no redirects, no hostile region."""
    service = RefreshTokenCredentials("MARK-configured")

    def client() -> ProGloveClient:
        return ProGloveClient(BASE, "demo0001", service, account="service", session=net.session)

    async with client() as one:
        await one.login()
    assert {"MARK-configured"} == net.login.marks
    net.login.routes["/login"] = redirect("https://evil.test/", 307)
    async with client() as one:
        assert "ProtocolError" == await failure(one, one.login())
    net.vendor.information["region"] = "eu-west-1.evil.test"
    async with client() as one:
        assert "ProtocolError" == await failure(one, one.login())
    assert 2 == len(net.login.heard)
    assert set() == net.api.marks
    assert [] == net.leaks


# What a store or a web page between two requests may say.


async def test_a_region_in_the_store(net: Net) -> None:
    """A stored token whose region was tampered with sends its refresh token to nobody new: the region is asked anew."""
    store = MemoryTokenStore()
    async with net.client("proglove", store=store) as client:
        token = await client.login()
    details: Any = dict(token.details)
    details["auth_information"] = {**details["auth_information"], "region": "eu-west-1.evil.test/#"}
    tampered = attrs.evolve(token, details=details, generation=token.generation + 1)
    await store.save(client.tokens.flow.account, tampered)
    net.login.heard.clear()
    async with net.client("proglove", store=store) as client:
        await client.tokens.renew(await client.tokens.token())
        await client.tokens.renew(await client.tokens.token())
    assert {"MARK-refresh"} == net.login.marks
    assert {(API, 443), (COGNITO, 443)} == set(net.lookups)
    assert [] == net.leaks


async def test_a_region_in_a_challenge(net: Net) -> None:
    """A challenge that went through a web page and came back with another region: its answer is sent to nobody."""
    asked = {"ChallengeName": "SOFTWARE_TOKEN_MFA", "Session": "MARK-between", "ChallengeParameters": {}}
    net.login.routes["/login"] = http(msgspec.json.encode(asked))
    async with net.client("proglove") as client:
        with pytest.raises(ChallengeRequired) as caught:
            await client.login()
        text = caught.value.challenge.to_json()
        assert "eu-west-1" in text
        for region in ("eu-west-1.evil.test/#", "evil.test:443/x#", "EU-WEST-1"):
            back = Challenge.from_json(text.replace('"eu-west-1"', json.dumps(region)))
            answering = client.tokens.answer(back, {"SOFTWARE_TOKEN_MFA_CODE": "MARK-code"})
            assert "ConfigurationError" == await failure(client, answering)
    assert 1 == len(net.login.heard)
    assert [] == net.leaks


async def test_a_challenges_session_goes_to_cognito_only(net: Net) -> None:
    """An answer to a challenge is a login: one host, no redirects."""
    asked = {"ChallengeName": "SOFTWARE_TOKEN_MFA", "Session": "MARK-between", "ChallengeParameters": {}}
    net.login.routes["/login"] = http(msgspec.json.encode(asked))
    async with net.client("proglove") as client:
        with pytest.raises(ChallengeRequired) as caught:
            await client.login()
        net.login.routes["/login"] = redirect("//evil.test/login", 307)
        with pytest.raises(ProtocolError):
            await client.tokens.answer(caught.value.challenge, {"SOFTWARE_TOKEN_MFA_CODE": "MARK-code"})
    assert {"MARK-password", "MARK-between", "MARK-code"} == net.login.marks
    assert (set(), []) == (net.api.marks, net.leaks)
    assert JANE.password not in str(caught.value.challenge.to_json())
