"""Every error that Cognito's model lists has one meaning, and nothing else that comes goes without one."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vendorauth.cognito.errors import Step, failure, request_id, retry_after, vendor_code
from vendorauth.errors import (
    AuthError,
    AuthServiceUnavailable,
    InvalidCredentials,
    ProtocolError,
    ReauthenticationRequired,
)
from vendorauth.messages import Response, is_passing

STEPS: tuple[Step, ...] = ("login", "answer", "refresh", "revoke")

REFUSED = (InvalidCredentials, InvalidCredentials, ReauthenticationRequired, AuthError)
DENIED = (InvalidCredentials, InvalidCredentials, AuthError, AuthError)
PASSING = (AuthServiceUnavailable,) * 4
FAULT = (AuthError, AuthError, AuthServiceUnavailable, AuthServiceUnavailable)
SETTINGS = (AuthError,) * 4
UNUSABLE = (AuthError, AuthError, ReauthenticationRequired, AuthError)

TABLE: dict[str, tuple[type[AuthError], ...]] = {
    "AliasExistsException": DENIED,
    "CodeMismatchException": DENIED,
    "ExpiredCodeException": DENIED,
    "FeatureUnavailableInTierException": SETTINGS,
    "ForbiddenException": FAULT,
    "InternalErrorException": PASSING,
    "InvalidEmailRoleAccessPolicyException": SETTINGS,
    "InvalidLambdaResponseException": FAULT,
    "InvalidParameterException": UNUSABLE,
    "InvalidPasswordException": DENIED,
    "InvalidSmsRoleAccessPolicyException": SETTINGS,
    "InvalidSmsRoleTrustRelationshipException": SETTINGS,
    "InvalidUserPoolConfigurationException": SETTINGS,
    "MFAMethodNotFoundException": DENIED,
    "NotAuthorizedException": REFUSED,
    "OperationNotEnabledException": UNUSABLE,
    "PasswordHistoryPolicyViolationException": DENIED,
    "PasswordResetRequiredException": REFUSED,
    "RefreshTokenReuseException": REFUSED,
    "ResourceNotFoundException": SETTINGS,
    "SoftwareTokenMFANotFoundException": DENIED,
    "TooManyRequestsException": PASSING,
    "UnauthorizedException": SETTINGS,
    "UnexpectedLambdaException": FAULT,
    "UnsupportedOperationException": UNUSABLE,
    "UnsupportedTokenTypeException": UNUSABLE,
    "UserLambdaValidationException": DENIED,
    "UserNotConfirmedException": REFUSED,
    "UserNotFoundException": REFUSED,
    "LimitExceededException": PASSING,
    "SerializationException": SETTINGS,
    "ThrottlingException": PASSING,
    "UnknownOperationException": SETTINGS,
}


def refused(code: str = "NotAuthorizedException", status: int = 400, headers: dict[str, str] | None = None) -> Response:
    """Be a refusal as real Cognito sends it."""
    body = msgspec.json.encode({"__type": code, "message": "MARKED vendor text"})
    return Response(status, headers or {}, body)


@pytest.mark.parametrize("code", TABLE)
@pytest.mark.parametrize("status", [400, 403, 429, 500])
def test_the_code_decides_and_not_the_status(code: str, status: int) -> None:
    """Each listed exception gives its class at each step, whatever the status says."""
    found = tuple(type(failure(refused(code, status), "POST /login", step)) for step in STEPS)
    assert TABLE[code] == found


def test_only_definite_refusals_end_a_session() -> None:
    """Five codes say that a refresh token is dead, four that it can't be used this way; nothing else ends a session."""
    definite = {code for code in TABLE if type(failure(refused(code), "x", "refresh")) is ReauthenticationRequired}
    assert definite == {
        "NotAuthorizedException",
        "UserNotFoundException",
        "PasswordResetRequiredException",
        "UserNotConfirmedException",
        "RefreshTokenReuseException",
        "InvalidParameterException",
        "OperationNotEnabledException",
        "UnsupportedOperationException",
        "UnsupportedTokenTypeException",
    }


def test_the_text_names_method_path_status_and_code_only() -> None:
    """A refusal's text has a hint of ours, and nothing of the vendor's but the code; the rest is in attributes."""
    error = failure(refused(headers={"x-amzn-RequestId": "0a-1b"}), "POST /login", "refresh")
    assert str(error) == (
        "POST /login: 400 NotAuthorizedException "
        "(the refresh token is expired, revoked, of another client id, or the pool wants a device that it knows)"
    )
    assert isinstance(error, AuthError)
    assert (error.code, error.request_id) == ("NotAuthorizedException", "0a-1b")
    assert "MARKED" not in repr(error) + str(error.args)


def test_throttling_says_when_to_come_back() -> None:
    """A passing error carries the seconds that the vendor asks for."""
    error = failure(refused("TooManyRequestsException", headers={"Retry-After": "7"}), "POST /login", "login")
    assert isinstance(error, AuthServiceUnavailable)
    assert (error.retry_after, str(error)) == (7.0, "POST /login: 400 TooManyRequestsException")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": " 2.5 "}, 2.5),
        ({"x-amz-retry-after": "1500"}, 1.5),
        ({"Retry-After": "3", "x-amz-retry-after": "1500"}, 3.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"Retry-After": "soon", "x-amz-retry-after": "250"}, 0.25),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "1e9"}, None),
        ({"Retry-After": "9999999999"}, None),
        ({"Retry-After": "\u0661"}, None),
    ],
)
def test_two_headers_say_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    """``Retry-After`` counts seconds, ``x-amz-retry-after`` milliseconds; what is no number is none."""
    assert seconds == retry_after(Response(429, headers))


@pytest.mark.parametrize(
    ("body", "header", "code"),
    [
        (b'{"__type":"A"}', None, "A"),
        (b'{"__type":"ns#A"}', None, "A"),
        (b'{"__type":"com.amazonaws.cognito#A:http://internal/"}', None, "A"),
        (b'{"__type":"A:http://internal#B"}', None, "A"),
        (b'{"code":"A"}', None, "A"),
        (b"{}", "A:", "A"),
        (b"{}", "A:http://internal.amazon.com/coral/", "A"),
        (b"{}", "A, B", "A"),
        (b'{"__type":"A","code":"B"}', "C:", "A"),
        (b'{"code":"B"}', "C:", "B"),
        (b'{"__type":5,"code":"B"}', "C:", "B"),
        (b'{"__type":"","code":null}', "C:", "C"),
        (b'{"__type":"no name at all"}', None, None),
        (b'{"__type":"eyJhbGciOi.J9\\nX-Injected: 1"}', None, None),
        (b"[]", "C", "C"),
        (b"<html>", "C", "C"),
        (b"<html>", None, None),
        (b"", None, None),
        (b"null", None, None),
    ],
)
def test_the_code_has_three_places_and_two_spellings(body: bytes, header: str | None, code: str | None) -> None:
    """Body ``__type``, body ``code``, header, in this order; the ``:`` tail goes first, then the ``#`` head."""
    headers = {} if header is None else {"X-Amzn-Errortype": header}
    assert code == vendor_code(Response(400, headers, body))


@pytest.mark.parametrize(
    ("value", "shown"), [("0a1b-2c", "0a1b-2c"), ("Abc_=", "Abc_="), ("", None), ("a b", None), ("a" * 129, None)]
)
def test_a_request_id_is_shown_only_if_it_is_one(value: str, shown: str | None) -> None:
    """Support gets the id; nobody gets whatever else stands in the header."""
    assert shown == request_id(Response(400, {"x-amzn-requestid": value}))
    assert request_id(Response(400)) is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, AuthError), (401, AuthError), (403, AuthError), (404, AuthError)]
    + [(status, AuthServiceUnavailable) for status in (408, 425, 429, 500, 501, 502, 503, 504, 529)],
)
@pytest.mark.parametrize("step", STEPS)
def test_an_unknown_code_goes_by_its_status(status: int, kind: type[AuthError], step: Step) -> None:
    """What a later Cognito may say is passing only if the status says so, and never ends a session."""
    error = failure(refused("BrandNewException", status), "POST /login", step)
    assert kind is type(error)
    assert str(error) == f"POST /login: {status} BrandNewException"


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"[]", b"null", b"\xff", b"{"])
def test_without_a_code_only_the_status_is_left(body: bytes, step: Step) -> None:
    """A gateway's page is passing if its status is; else nobody at Cognito has said anything."""
    assert type(failure(Response(503, {}, body), "x", step)) is AuthServiceUnavailable
    assert str(failure(Response(503, {}, body), "POST /login", step)) == "POST /login: 503"
    assert type(failure(Response(403, {}, body), "x", step)) is ProtocolError


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_protocol_error(status: int) -> None:
    """No redirect is followed, and where it points to is not told."""
    error = failure(Response(status, {"Location": "https://MARKED.example"}, b""), "POST /login", "login")
    assert type(error) is ProtocolError
    assert str(error) == f"POST /login: the answer is a {status}, and redirects are not followed"


def test_passing_statuses() -> None:
    """408, 425, 429 and 5xx pass; other refusals do not."""
    assert [status for status in (200, 400, 401, 404, 408, 418, 425, 429, 499, 500, 599) if is_passing(status)] == [
        408,
        425,
        429,
        500,
        599,
    ]


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["__type", "code", "x"]), inner),
)


@given(
    status=st.integers(300, 599),
    body=st.binary() | anything.map(msgspec.json.encode),
    header=st.text(),
    step=st.sampled_from(STEPS),
)
def test_any_refusal_gives_a_documented_error(status: int, body: bytes, header: str, step: Step) -> None:
    """Property: any bytes, header and status give an AuthError or a ProtocolError, with a code that can be shown."""
    headers = {"x-amzn-ErrorType": header, "x-amzn-RequestId": header, "Retry-After": header}
    error = failure(Response(status, headers, body), "POST /login", step)
    assert isinstance(error, AuthError | ProtocolError)
    assert str(error).startswith("POST /login: ")
    assert str(error).isprintable()
