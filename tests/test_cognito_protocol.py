"""What goes to Cognito is what the vendors' pages document, to the byte, and what comes back is a token or an error."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from vendorauth._wire import Seconds
from vendorauth.cognito.protocol import AppClient, TokenKind, check, read_answer, token_from
from vendorauth.cognito.shapes import AuthenticationResult
from vendorauth.errors import AuthError, ConfigurationError, InvalidCredentials, ProtocolError
from vendorauth.messages import Request, Response

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LOGIN = URL("https://cognito-idp.eu-west-1.amazonaws.com/login")
CLIENT = AppClient(LOGIN, "client1")


def jwt(life: float, mark: str = "") -> str:
    """Make a JWT that lives *life* seconds."""
    claims = json.dumps({"iat": 1_000_000, "exp": 1_000_000 + life, "mark": mark}).encode()
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c2ln"


@pytest.mark.parametrize(
    ("request_", "operation", "body"),
    [
        (
            CLIENT.password_login("jane@example.com", 's3cret"\u00e4'),
            "InitiateAuth",
            (
                '{"AuthFlow":"USER_PASSWORD_AUTH","ClientId":"client1",'
                '"AuthParameters":{"USERNAME":"jane@example.com","PASSWORD":"s3cret\\"\u00e4"}}'
            ),
        ),
        (
            CLIENT.refresh("refresh1"),
            "InitiateAuth",
            '{"AuthFlow":"REFRESH_TOKEN","ClientId":"client1","AuthParameters":{"REFRESH_TOKEN":"refresh1"}}',
        ),
        (
            CLIENT.refresh("refresh1", "eu-west-1_d1"),
            "InitiateAuth",
            (
                '{"AuthFlow":"REFRESH_TOKEN","ClientId":"client1",'
                '"AuthParameters":{"REFRESH_TOKEN":"refresh1","DEVICE_KEY":"eu-west-1_d1"}}'
            ),
        ),
        (
            CLIENT.get_tokens("refresh1"),
            "GetTokensFromRefreshToken",
            '{"RefreshToken":"refresh1","ClientId":"client1"}',
        ),
        (
            CLIENT.get_tokens("refresh1", "eu-west-1_d1"),
            "GetTokensFromRefreshToken",
            '{"RefreshToken":"refresh1","ClientId":"client1","DeviceKey":"eu-west-1_d1"}',
        ),
        (
            CLIENT.respond("SMS_MFA", {"USERNAME": "jane", "SMS_MFA_CODE": "123456"}, "session1"),
            "RespondToAuthChallenge",
            (
                '{"ClientId":"client1","ChallengeName":"SMS_MFA","Session":"session1",'
                '"ChallengeResponses":{"USERNAME":"jane","SMS_MFA_CODE":"123456"}}'
            ),
        ),
        (
            CLIENT.respond("SMS_MFA", {"USERNAME": "jane"}, None),
            "RespondToAuthChallenge",
            '{"ClientId":"client1","ChallengeName":"SMS_MFA","ChallengeResponses":{"USERNAME":"jane"}}',
        ),
        (CLIENT.revoke("refresh1"), "RevokeToken", '{"Token":"refresh1","ClientId":"client1"}'),
    ],
)
def test_requests_are_as_documented(request_: Request, operation: str, body: str) -> None:
    """Method, URL, headers and JSON are those of ProGlove's page and the AWS API reference, and nothing else is sent."""
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": f"AWSCognitoIdentityProviderService.{operation}",
    }
    assert ("POST", LOGIN, headers, body) == (
        request_.method,
        request_.url,
        dict(request_.headers),
        request_.body.decode(),
    )


def test_half_a_character_is_a_configuration_error() -> None:
    """A password that no JSON can carry is named as that, and shown nowhere."""
    with pytest.raises(ConfigurationError) as raised:
        CLIENT.password_login("jane", "MARKED\ud800")
    assert "MARKED" not in str(raised.value)
    assert raised.value.__context__ is None


@pytest.mark.parametrize("body", [b"{}", b'{"ChallengeParameters":{}}', b'{"ChallengeName":""}', b'{"__type":"X"}'])
def test_neither_result_nor_challenge_is_a_protocol_error(body: bytes) -> None:
    """A success that brings nothing is no success."""
    with pytest.raises(ProtocolError) as raised:
        read_answer(Response(200, {}, body), "POST /login", "login")
    assert str(raised.value) == "POST /login: the answer (200) has neither a result nor a challenge"


@pytest.mark.parametrize("body", [b"<html>", b"", b"null", b"[]", b'"MARKED"', b'{"AuthenticationResult":"MARKED"}'])
def test_a_success_that_cannot_be_read_is_a_protocol_error(body: bytes) -> None:
    """A captive portal's page with status 200 is no login; its text is not repeated."""
    with pytest.raises(ProtocolError, match=r"^POST /login: the answer") as raised:
        read_answer(Response(200, {}, body), "POST /login", "login")
    assert "MARKED" not in str(raised.value)


def test_refusals_raise() -> None:
    """Both readers hand refusals to the table; an empty success is enough for `check`."""
    refused = Response(400, {}, b'{"__type":"NotAuthorizedException"}')
    with pytest.raises(InvalidCredentials):
        read_answer(refused, "POST /login", "login")
    with pytest.raises(AuthError):
        check(refused, "POST /login", "revoke")
    check(Response(200), "POST /login", "revoke")


@pytest.mark.parametrize(
    ("kind", "result", "life"),
    [
        ("id", AuthenticationResult(id_token=jwt(5), access_token=jwt(7), expires_in=Seconds(3600)), 5.0),
        ("access", AuthenticationResult(id_token=jwt(5), access_token=jwt(7), expires_in=Seconds(3600)), 7.0),
        ("id", AuthenticationResult(id_token="opaque", access_token=jwt(7), expires_in=Seconds(60)), 60.0),
        ("id", AuthenticationResult(id_token=jwt(0), expires_in=Seconds(60)), 60.0),
        ("id", AuthenticationResult(id_token=jwt(-1)), 3600.0),
        ("id", AuthenticationResult(id_token=jwt(10**10), expires_in=Seconds(10**10)), 3600.0),
        ("id", AuthenticationResult(id_token="opaque", expires_in=Seconds(0)), 3600.0),
        ("id", AuthenticationResult(id_token="opaque", expires_in=Seconds(-5)), 3600.0),
        ("id", AuthenticationResult(id_token="opaque"), 3600.0),
    ],
)
def test_the_end_is_that_of_the_token_that_is_sent(kind: TokenKind, result: AuthenticationResult, life: float) -> None:
    """Rule 11: ``exp - iat`` of the token that is sent, else ``ExpiresIn``, else one hour, from *now* on."""
    token = token_from(result, kind=kind, now=NOW, label="x", details={})
    assert (NOW, NOW + timedelta(seconds=life)) == (token.issued_at, token.expires_at)


@pytest.mark.parametrize(("brought", "kept"), [("new", "new"), (None, "old"), ("", "old")])
def test_a_refresh_token_is_kept_unless_a_new_one_comes(brought: str | None, kept: str) -> None:
    """Rule 6: an answer without a refresh token keeps the old one, a new one replaces it."""
    result = AuthenticationResult(id_token="id", refresh_token=brought)
    token = token_from(result, kind="id", now=NOW, label="x", refresh_token="old", details={"a": 1})
    assert ("id", kept, {"a": 1}, 0) == (token.value, token.refresh_token, token.details, token.generation)


@pytest.mark.parametrize("value", [None, "", "a b", "a\r\nX: 1", "\u00e4", " a", "a\n"])
@pytest.mark.parametrize(("kind", "name"), [("id", "IdToken"), ("access", "AccessToken")])
def test_a_missing_token_is_a_protocol_error(kind: TokenKind, name: str, value: str | None) -> None:
    """The token that the API wants is there and fits into a header, or the answer is none."""
    result = AuthenticationResult(
        id_token=value if kind == "id" else "other", access_token=value if kind == "access" else "other"
    )
    with pytest.raises(ProtocolError) as raised:
        token_from(result, kind=kind, now=NOW, label="POST /login", details={})
    assert str(raised.value) == f"POST /login: the answer has no {name} that can be sent"


names = st.sampled_from(["AuthenticationResult", "IdToken", "AccessToken", "ExpiresIn", "ChallengeName", "__type"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(names, inner),
)


@given(status=st.sampled_from([200, 204, 400, 500]), body=st.binary() | anything.map(msgspec.json.encode))
def test_any_answer_gives_a_token_or_a_documented_error(status: int, body: bytes) -> None:
    """Property: any bytes with any status give an answer, and a token of it, or a documented error."""
    try:
        answer = read_answer(Response(status, {}, body), "POST /login", "login")
        if answer.authentication_result is not None:
            token = token_from(answer.authentication_result, kind="id", now=NOW, label="x", details={})
            assert token.expires_at is not None
            assert token.expires_at > NOW
    except (AuthError, ProtocolError):
        pass
