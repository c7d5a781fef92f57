"""Logging in to ProGlove: the documented requests, and an answer to everything that can come back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from yarl import URL

from _proglove import (
    ASK,
    BASE,
    INFORMATION,
    INFORMED,
    JANE,
    LATER,
    NOW,
    REMEMBERED,
    SERVICE,
    answered,
    flow,
    granted,
    jwt,
    refreshing,
    refused,
    seen,
    sent,
    token,
)
from vendorauth.errors import (
    AuthError,
    AuthServiceUnavailable,
    ConfigurationError,
    InvalidCredentials,
    ProtocolError,
    ReauthenticationRequired,
    VendorAuthError,
)
from vendorauth.flows import LoginFlow
from vendorauth.messages import Response
from vendorauth.proglove import ProGloveFlow
from vendorauth.testing.play import play
from vendorauth.tokens import PasswordCredentials, RefreshTokenCredentials, Token

PASSWORD_LOGIN = sent(
    "InitiateAuth",
    {
        "AuthFlow": "USER_PASSWORD_AUTH",
        "ClientId": "client1",
        "AuthParameters": {"USERNAME": "jane@example.com", "PASSWORD": "s3cret"},
    },
)


def test_it_is_a_login_flow() -> None:
    """The class has every member of the protocol, and shows no secret."""
    one: LoginFlow = flow()
    assert (one.account, one.base_url) == ("jane", URL(BASE))
    assert repr(one) == f"ProGloveFlow({BASE!r}, account='jane')"
    assert one.absorb(token(), Response(200), now=NOW) == token()


def test_a_password_login_is_as_documented() -> None:
    """auth-information, then InitiateAuth, byte for byte; the IdToken is the token, its own ``exp`` the end."""
    result, requests = play(flow().login(JANE, now=NOW), INFORMED, granted(RefreshToken="refresh1"))
    assert [seen(one) for one in requests] == [ASK, PASSWORD_LOGIN]
    assert result == Token(
        value=jwt(600),
        issued_at=NOW,
        expires_at=NOW + timedelta(seconds=600),
        refresh_token="refresh1",
        details={"auth_information": REMEMBERED, "username": "jane@example.com"},
    )


def test_the_access_token_is_an_option() -> None:
    """``token_kind="access"`` sends the AccessToken and goes by its life (ProGlove, Get endpoint data)."""
    result, _ = play(flow(token_kind="access").login(JANE, now=NOW), INFORMED, granted())
    assert isinstance(result, Token)
    assert (jwt(1800), NOW + timedelta(seconds=1800), None) == (result.value, result.expires_at, result.refresh_token)


@pytest.mark.parametrize(
    ("base", "customer_id", "url"),
    [
        ("https://x.example/latest/", "demo0001", "https://x.example/latest/auth-information?id=demo0001"),
        ("https://x.example", "demo0001", "https://x.example/auth-information?id=demo0001"),
        (
            "https://x.example/",
            "a/b?c&d=e#f+g h",
            "https://x.example/auth-information?id=a%2Fb%3Fc%26d%3De%23f%2Bg%20h",
        ),
        (URL("https://x.example/a/b"), "\u00e4{0}%", "https://x.example/a/b/auth-information?id=%C3%A4%7B0%7D%25"),
    ],
)
def test_the_base_keeps_its_path(base: str | URL, customer_id: str, url: str) -> None:
    """The base URL is joined by concatenation, the customer id percent-encoded."""
    login = ProGloveFlow(base, customer_id, account="jane").login(JANE, now=NOW)
    assert url == str(next(login).url)


@pytest.mark.parametrize(
    "options",
    [
        {"token_kind": "both"},
        {"refresh_with": "magic"},
        {"authorization_scheme": "Bearer "},
        {"authorization_scheme": "B\u00e4rer"},
        {"authorization_scheme": "A\r\nB"},
    ],
)
def test_wrong_options_are_a_configuration_error(options: dict[str, str]) -> None:
    """An option that can't be right is refused when the flow is made, by its name."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        flow(**options)


@pytest.mark.parametrize("customer_id", ["", " ", "\ud800"])
def test_a_customer_id_can_stand_in_a_url(customer_id: str) -> None:
    """An empty customer id, or half a character, is refused when the flow is made."""
    with pytest.raises(ConfigurationError, match="customer_id"):
        ProGloveFlow(BASE, customer_id, account="jane")


@pytest.mark.parametrize(("scheme", "value"), [("", "id.token"), ("Bearer", "Bearer id.token")])
def test_the_token_goes_raw_into_authorization(scheme: str, value: str) -> None:
    """No word before it unless asked for."""
    assert {"Authorization": value} == flow(authorization_scheme=scheme).headers(token(value="id.token"))


@pytest.mark.parametrize(("status", "dead"), [(401, True), (403, True), (400, False), (404, False), (200, False)])
def test_401_and_403_reject_a_token(status: int, dead: bool) -> None:
    """The gateway may say either when a token is over."""
    assert dead is flow().rejects(Response(status, {}, None))


# auth-information


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_auth_information_may_come_later(status: int) -> None:
    """A passing failure is one, and says when to come back."""
    with pytest.raises(AuthServiceUnavailable) as raised:
        play(flow().login(JANE, now=NOW), Response(status, {"Retry-After": "9"}, b"<html>MARKED"))
    assert (9.0, f"GET /latest/auth-information: {status}") == (raised.value.retry_after, str(raised.value))


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_auth_information_may_be_refused(status: int) -> None:
    """A refusal points at the two things that can be wrong; it is not passing, and ends no session."""
    headers = {"x-amzn-ErrorType": "MissingAuthenticationTokenException", "x-amzn-RequestId": "r1"}
    with pytest.raises(AuthError) as raised:
        play(flow().refresh(token(details={}), now=NOW), Response(status, headers, b'{"message":"MARKED"}'))
    assert type(raised.value) is AuthError
    assert (raised.value.code, raised.value.request_id) == ("MissingAuthenticationTokenException", "r1")
    assert str(raised.value) == (
        f"GET /latest/auth-information: {status} MissingAuthenticationTokenException; "
        "are the base URL and the customer id right?"
    )


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    """Wherever a redirect points, neither question nor password goes there."""
    moved = Response(status, {"Location": "https://MARKED.example"})
    for answers in ([moved], [INFORMED, moved]):
        with pytest.raises(ProtocolError, match="redirects are not followed"):
            play(flow().login(JANE, now=NOW), *answers)


@pytest.mark.parametrize("body", [b"<html>", b"", b"null", b"{}", b'{"user_pool_client_id":5}'])
def test_auth_information_that_cannot_be_read(body: bytes) -> None:
    """What is no auth-information is a `ProtocolError`, and no password is sent."""
    with pytest.raises(ProtocolError, match="GET /latest/auth-information"):
        play(flow().login(JANE, now=NOW), Response(200, {}, body))


@pytest.mark.parametrize("region", [None, "", "evil.example/", "eu-west-1.evil.example", "EU-WEST-1", "eu-west-1\n"])
@pytest.mark.parametrize("credentials", [JANE, SERVICE])
def test_no_password_goes_to_a_region_that_is_none(
    credentials: PasswordCredentials | RefreshTokenCredentials, region: str | None
) -> None:
    """DESIGN section 7: a bad region is a `ProtocolError` before a byte is sent."""
    with pytest.raises(ProtocolError) as raised:
        play(flow().login(credentials, now=NOW), answered({**INFORMATION, "region": region}))
    assert str(raised.value) == "GET /latest/auth-information: the answer: the region is none of AWS's"


@pytest.mark.parametrize("region", [None, "evil.example/", "us-east-1"])
def test_with_a_cognito_url_the_region_plays_no_part(region: str | None) -> None:
    """``cognito_url`` is the complete URL that is posted to, for logins and refreshes alike."""
    other = flow(cognito_url="http://127.0.0.1:5000/")
    first, logins = play(other.login(JANE, now=NOW), answered({**INFORMATION, "region": region}), granted())
    assert isinstance(first, Token)
    _, refreshes = play(other.refresh(token(details=first.details), now=LATER), granted())
    assert [URL("http://127.0.0.1:5000/")] * 2 == [logins[-1].url, refreshes[-1].url]


# logging in


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("NotAuthorizedException", InvalidCredentials),
        ("UserNotFoundException", InvalidCredentials),
        ("PasswordResetRequiredException", InvalidCredentials),
        ("UserNotConfirmedException", InvalidCredentials),
        ("UserLambdaValidationException", InvalidCredentials),
        ("TooManyRequestsException", AuthServiceUnavailable),
        ("InternalErrorException", AuthServiceUnavailable),
        ("LimitExceededException", AuthServiceUnavailable),
        ("UnexpectedLambdaException", AuthError),
        ("ResourceNotFoundException", AuthError),
        ("InvalidParameterException", AuthError),
    ],
)
def test_a_refused_password_is_sent_once(code: str, kind: type[AuthError]) -> None:
    """Each refusal has its class; the flow ends with it, whatever it was, and repeats nothing of the vendor's text."""
    with pytest.raises(AuthError) as raised:
        play(flow().login(JANE, now=NOW), INFORMED, refused(code))
    assert kind is type(raised.value)
    assert str(raised.value).startswith(f"POST /login: 400 {code}")
    assert (code, "request-1") == (raised.value.code, raised.value.request_id)
    assert "MARKED" not in repr(raised.value)


def test_get_tokens_is_an_option() -> None:
    """``refresh_with="get-tokens"`` uses GetTokensFromRefreshToken, with the device in its own field."""
    old = token(details={**token().details, "device_key": "eu-west-1_d1"})
    new, requests = play(flow(refresh_with="get-tokens").refresh(old, now=LATER), granted(RefreshToken="refresh2"))
    body = {"RefreshToken": "refresh1", "ClientId": "client1", "DeviceKey": "eu-west-1_d1"}
    assert [sent("GetTokensFromRefreshToken", body)] == [seen(one) for one in requests]
    assert new.refresh_token == "refresh2"


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"username": "jane@example.com"},
        {"auth_information": {}},
        {"auth_information": 5},
        {"auth_information": {"user_pool_client_id": "client1"}},
        {"auth_information": {"user_pool_client_id": "client1", "region": "evil.example/"}},
    ],
)
def test_what_was_not_remembered_is_asked_again(details: dict[str, Any]) -> None:
    """Details that say nothing usable cost one question, and are whole afterwards."""
    new, requests = play(flow().refresh(token(details=details), now=LATER), INFORMED, granted())
    assert [ASK, refreshing("refresh1")] == [seen(one) for one in requests]
    assert new.details["auth_information"] == REMEMBERED
    assert details.get("username") == new.details.get("username")


@pytest.mark.parametrize(
    "code",
    [
        "NotAuthorizedException",
        "UserNotFoundException",
        "PasswordResetRequiredException",
        "UserNotConfirmedException",
        "RefreshTokenReuseException",
    ],
)
def test_definite_refusals_end_the_session(code: str) -> None:
    """Rule 8: these five, and no others, say that the refresh token is dead."""
    with pytest.raises(ReauthenticationRequired) as raised:
        play(flow().refresh(token(), now=LATER), refused(code))
    assert code == raised.value.code


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (refused("TooManyRequestsException"), AuthServiceUnavailable),
        (refused("InternalErrorException", 500), AuthServiceUnavailable),
        (refused("UnexpectedLambdaException"), AuthServiceUnavailable),
        (Response(503, {}, b"<html>"), AuthServiceUnavailable),
        (refused("InvalidParameterException"), ReauthenticationRequired),
        (refused("InvalidUserPoolConfigurationException"), AuthError),
        (refused("UserLambdaValidationException"), AuthError),
        (Response(200, {}, b"<html>"), ProtocolError),
        (Response(200, {}, b"{}"), ProtocolError),
        (Response(400, {}, b"<html>"), ProtocolError),
        (answered({"AuthenticationResult": {"AccessToken": "a"}}), ProtocolError),
        (answered({"AuthenticationResult": {"IdToken": 5}}), ProtocolError),
    ],
)
def test_anything_else_keeps_the_session(response: Response, kind: type[VendorAuthError]) -> None:
    """Rule 9: what is no definite refusal is something else, whatever it is."""
    with pytest.raises(VendorAuthError) as raised:
        play(flow().refresh(token(), now=LATER), response)
    assert kind is type(raised.value)


def test_a_logout_asks_where_to_if_it_must() -> None:
    """Without details the question comes first."""
    _, requests = play(flow().revoke(token(details={})), INFORMED, Response(200))
    assert [ASK, sent("RevokeToken", {"Token": "refresh1", "ClientId": "client1"})] == [seen(one) for one in requests]


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (refused("UnauthorizedException", 401), AuthError),
        (refused("UnsupportedTokenTypeException"), AuthError),
        (refused("TooManyRequestsException"), AuthServiceUnavailable),
        (Response(302), ProtocolError),
    ],
)
def test_a_logout_that_fails_says_so(response: Response, kind: type[VendorAuthError]) -> None:
    """The table speaks for RevokeToken as well."""
    with pytest.raises(VendorAuthError) as raised:
        play(flow().revoke(token()), response)
    assert kind is type(raised.value)


# challenges
