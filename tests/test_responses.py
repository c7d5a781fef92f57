"""What the API answered, and the errors that are made of it."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vendorauth.errors import (
    ApiError,
    ConfigurationError,
    NotFound,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    ServerError,
    Unauthorized,
)
from vendorauth.messages import Response
from vendorauth.responses import ApiResponse, api_error, phrase, request_id

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def answer(body: bytes | None = b"", status: int = 200, **headers: str) -> ApiResponse:
    return ApiResponse(
        Response(status, {name.replace("_", "-"): text for name, text in headers.items()}, body), "GET /x"
    )


def test_what_there_is() -> None:
    """Status, headers, body, request id and label are what came."""
    response = answer(b'{"a": 1}', 201, x_amzn_requestid="id-1")
    assert (201, b'{"a": 1}', "id-1", "GET /x") == (
        response.status,
        response.content,
        response.request_id,
        response.label,
    )
    assert "id-1" == response.headers["X-Amzn-RequestId"]


def test_repr_shows_no_content() -> None:
    """The repr tells status, request and length."""
    response = answer(b"MARK", set_cookie="MARK")
    assert "<ApiResponse 200 to GET /x, 4 bytes>" == repr(response) == str(response)


def test_no_body() -> None:
    """A body that was not read is empty."""
    assert b"" == answer(None).content


@pytest.mark.parametrize(
    ("expected", "headers"),
    [
        ("a", {"x_amzn_RequestId": "a", "x_amz_apigw_id": "b", "X_Request_ID": "c"}),
        ("b", {"x_amz_apigw_id": "b", "X_Request_ID": "c"}),
        ("c", {"x_request_id": "c"}),
        (None, {}),
    ],
)
def test_request_id(expected: str | None, headers: dict[str, str]) -> None:
    """What the vendor's support asks for, under whichever of its names."""
    assert expected == request_id(answer(b"", 200, **headers).message)


def test_json() -> None:
    """JSON comes as it is, or as the model that is asked for."""
    response = answer(b'{"a": [1, 2]}')
    assert {"a": [1, 2]} == response.json()
    assert {"a": [1, 2]} == response.json(dict[str, list[int]])


@pytest.mark.parametrize("body", [b"", b"not JSON"])
def test_no_content(body: bytes) -> None:
    """A 204 has nothing, whatever stands in it."""
    assert answer(body, 204).json() is None
    given_model: object = answer(body, 204).json(dict[str, int])
    assert given_model is None


@pytest.mark.parametrize("body", [b"", b"MARK", b'{"a":'])
def test_no_json(body: bytes) -> None:
    """Anything else that is no JSON is a ProtocolError that does not show it."""
    with pytest.raises(ProtocolError) as caught:
        answer(body).json()
    assert "GET /x: the answer (200) is not JSON" == str(caught.value)


def test_null() -> None:
    """A JSON null is a value."""
    assert answer(b"null").json() is None


def test_another_form() -> None:
    """JSON of another form is a ProtocolError naming the path; a model that can't be is a ConfigurationError."""
    with pytest.raises(ProtocolError, match=r"^GET /x: the answer \(200\) does not have the expected form: "):
        answer(b'{"a": "MARK"}').json(dict[str, int])
    with pytest.raises(ConfigurationError):
        answer(b"5").json(complex)


@pytest.mark.parametrize(("expected", "status"), [("404 Not Found", 404), ("599", 599), ("0", 0)])
def test_phrase(expected: str, status: int) -> None:
    """A status is named as the standard does, or not at all."""
    assert expected == phrase(status)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (Unauthorized, 401),
        (PermissionDenied, 403),
        (NotFound, 404),
        (RateLimited, 429),
        (ServerError, 500),
        (ServerError, 503),
        (ServerError, 599),
        (ApiError, 400),
        (ApiError, 304),
        (ApiError, 418),
    ],
)
def test_classes(kind: type[ApiError], status: int) -> None:
    """Each status has the class that tells what to do."""
    error = api_error("GET /x", Response(status, {}, b"MARK"), now=NOW)
    assert (kind, status, f"GET /x: {phrase(status)}") == (type(error), error.status, str(error))
    assert (None, None, (), None) == (error.code, error.request_id, error.errors, error.retry_after)


def test_redirects() -> None:
    """A redirect that was not followed says why."""
    error = api_error("POST /x", Response(302, {}, b""), now=NOW)
    assert "POST /x: 302 Found; a redirect is followed for GET and HEAD only, and to nobody else" == str(error)


def test_what_comes_along() -> None:
    """Code, request id, and the seconds to wait are attributes; the code is without the gateway's address."""
    headers = {
        "x-amzn-ErrorType": "TooManyRequestsException:http://internal.amazon.com/x/",
        "x-amzn-RequestId": "id-1",
        "Retry-After": "7",
    }
    error = api_error("GET /x", Response(429, headers), now=NOW, why="; call later")
    assert ("TooManyRequestsException", "id-1", 7.0) == (error.code, error.request_id, error.retry_after)
    assert "GET /x: 429 Too Many Requests; call later" == str(error)


def test_retry_after_as_a_date() -> None:
    """A date in Retry-After becomes seconds from now."""
    date = format_datetime(NOW + timedelta(seconds=30), usegmt=True)
    assert 30.0 == api_error("GET /x", Response(503, {"Retry-After": date}), now=NOW).retry_after


@pytest.mark.parametrize(
    ("kind", "told", "text"),
    [
        (PermissionDenied, 403, "GET /x: 200 OK, with error 403"),
        (ServerError, 503, "GET /x: 200 OK, with error 503"),
        (ApiError, 499, "GET /x: 200 OK, with error 499"),
        (ApiError, 200, "GET /x: 200 OK"),
    ],
)
def test_envelopes(kind: type[ApiError], told: int, text: str) -> None:
    """An envelope's code chooses the class and is the code; HTTP's status stays; its items come along, unshown."""
    error = api_error("GET /x", Response(200), now=NOW, status=told, errors=["MARK"])
    assert (kind, 200, text, ["MARK"]) == (type(error), error.status, str(error), error.errors)
    assert (None if told == 200 else str(told)) == error.code


@given(st.integers(100, 999), st.dictionaries(st.sampled_from(["Retry-After", "x-amzn-ErrorType"]), st.text()))
def test_any_answer(status: int, headers: dict[str, str]) -> None:
    """Any answer becomes an error, whatever its headers say."""
    error = api_error("GET /x", Response(status, headers), now=NOW)
    assert error.status == status
    assert error.retry_after is None or error.retry_after >= 0
