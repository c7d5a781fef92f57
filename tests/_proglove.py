"""What the tests of ProGlove's flow share: the vendor's answers, and what is expected of requests."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import msgspec
from hypothesis import strategies as st
from yarl import URL

from vendorauth.messages import Flow, Request, Response
from vendorauth.proglove import ProGloveFlow
from vendorauth.tokens import Challenge, PasswordCredentials, RefreshTokenCredentials, Token

NOW = datetime(2026, 1, 1, tzinfo=UTC)


LATER = NOW + timedelta(hours=1)


BASE = "https://abc123.execute-api.eu-west-1.amazonaws.com/latest"


Seen: TypeAlias = tuple[str, URL, dict[str, str], bytes]


ASK: Seen = "GET", URL(f"{BASE}/auth-information?id=demo0001"), {}, b""


LOGIN = URL("https://cognito-idp.eu-west-1.amazonaws.com/login")


JANE = PasswordCredentials("jane@example.com", "s3cret")


SERVICE = RefreshTokenCredentials("refresh0")


INFORMATION = {
    "region": "eu-west-1",
    "customer_id:": "demo0001",
    "user_pool_client_id": "client1",
    "user_pool_id": "eu-west-1_Pool",
}


def answered(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Be an answer with *body* as JSON."""
    return Response(status, headers or {}, msgspec.json.encode(body))


def refused(code: str, status: int = 400) -> Response:
    """Be a refusal as real Cognito sends it."""
    return answered({"__type": code, "message": "MARKED"}, status, {"x-amzn-RequestId": "request-1"})


def jwt(life: int, mark: str = "") -> str:
    """Make a JWT that lives *life* seconds."""
    claims = json.dumps({"iat": 1_000_000, "exp": 1_000_000 + life, "mark": mark}).encode()
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c2ln"


def granted(**extra: object) -> Response:
    """Be a login's answer as ProGlove's page shows it."""
    result = {"AccessToken": jwt(1800), "ExpiresIn": 3600, "IdToken": jwt(600), "TokenType": "Bearer", **extra}
    return answered({"AuthenticationResult": result, "ChallengeParameters": {}})


INFORMED = answered(INFORMATION)


REMEMBERED = {
    "region": "eu-west-1",
    "customer_id": "demo0001",
    "user_pool_client_id": "client1",
    "user_pool_id": "eu-west-1_Pool",
}


def flow(**options: Any) -> ProGloveFlow:
    """Make the flow of Jane."""
    return ProGloveFlow(BASE, "demo0001", **{"account": "jane", **options})


def token(**parts: Any) -> Token:
    """Make a token as a login leaves it."""
    details = {"auth_information": REMEMBERED, "username": "jane@example.com"}
    return Token(**{"value": jwt(600), "issued_at": NOW, "refresh_token": "refresh1", "details": details, **parts})


def seen(request: Request) -> Seen:
    """Give all of a request."""
    return request.method, request.url, dict(request.headers), request.body


def sent(operation: str, body: object) -> Seen:
    """Say what a request to Cognito must be."""
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"AWSCognitoIdentityProviderService.{operation}",
    }
    return "POST", LOGIN, headers, msgspec.json.encode(body)


def refreshing(refresh_token: str, client_id: str = "client1", **device: str) -> Seen:
    """Say what the documented refresh must be."""
    parameters = {"REFRESH_TOKEN": refresh_token, **device}
    return sent("InitiateAuth", {"AuthFlow": "REFRESH_TOKEN", "ClientId": client_id, "AuthParameters": parameters})


names = st.sampled_from(
    [
        "AuthenticationResult",
        "IdToken",
        "RefreshToken",
        "ExpiresIn",
        "ChallengeName",
        "Session",
        "ChallengeParameters",
        "NewDeviceMetadata",
        "DeviceKey",
        "__type",
        "code",
        "region",
        "user_pool_client_id",
        "customer_id:",
    ]
)


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.just("eu-west-1"),
    lambda inner: st.lists(inner) | st.dictionaries(names, inner),
)


responses = st.builds(
    lambda status, body: Response(status, {}, body),
    st.sampled_from([200, 204, 302, 400, 403, 429, 500]),
    st.binary() | anything.map(msgspec.json.encode),
)


def exchange(started: Flow[Token | Challenge], *answers: Response) -> Token | Challenge | None:
    """Play until the answers are used up; ``None`` where the flow wants more."""
    try:
        next(started)
        for answer in answers:
            started.send(answer)
    except StopIteration as done:
        result: Token | Challenge = done.value
        return result
    return None
