"""What an answer to a Protogrid login amounts to."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vendorauth.errors import (
    AuthError,
    AuthServiceUnavailable,
    InvalidCredentials,
    ProtocolError,
    VendorAuthError,
)
from vendorauth.messages import Response
from vendorauth.protogrid.answers import raise_for_failure

NOW = datetime(2024, 4, 20, 12, 0, 0, tzinfo=UTC)
LABEL = "POST /api/v2/authenticate"

SUCCESS = b'{"errors": [], "protogrid_environment_version": "1.3.9", "result": "Login successful!"}'
REFUSED = (
    b'{"errors": [{"code": 401, "message": "MARK Your login wasn\xe2\x80\x99t recognized."}],'
    b' "protogrid_environment_version": "1.3.9", "result": {}}'
)


def answer(status: int, body: bytes = SUCCESS, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, {"Set-Cookie": "session=MARK", **(headers or {})}, body)


def failed(code: object, status: int = 200) -> Response:
    body = {"errors": [{"code": code, "message": "MARK"}], "result": {}}
    return answer(status, json.dumps(body).encode())


def judge(response: Response) -> None:
    raise_for_failure(response, LABEL, now=NOW)


def test_documented_success() -> None:
    """The wiki's sample of a success passes, whatever its result says."""
    judge(answer(200))
    judge(answer(201, b'{"errors": [], "result": "Anmeldung erfolgreich"}'))


@pytest.mark.parametrize(
    ("code", "response"),
    [
        ("401", answer(200, REFUSED)),
        ("401", answer(403, REFUSED)),
        ("401", answer(401, REFUSED)),
        ("401", answer(302, REFUSED)),
        ("401", answer(503, REFUSED)),
        ("403", failed(403)),
        ("403", failed("403")),
        ("500", failed(500, 403)),
        (None, answer(401, b"")),
        (None, answer(403, b"<html>MARK</html>")),
        (None, answer(403, SUCCESS)),
    ],
)
def test_refused(code: str | None, response: Response) -> None:
    """401 and 403 are a refusal, in the status or in the envelope of any status; the message is never looked at."""
    with pytest.raises(InvalidCredentials, match=f"^{LABEL}: {response.status}") as caught:
        judge(response)
    assert code == caught.value.code
    assert "MARK" not in f"{caught.value} {caught.value!r} {caught.value.args}"


@pytest.mark.parametrize(
    ("retry_after", "response"),
    [
        (None, answer(500, b"MARK")),
        (120.0, answer(503, b"", {"Retry-After": "120"})),
        (30.0, answer(429, b"", {"Retry-After": "Sat, 20 Apr 2024 12:00:30 GMT"})),
        (None, answer(429, b"", {"Retry-After": "MARK"})),
        (None, failed(500)),
        (None, failed(429)),
        (None, failed(400, 502)),
        (None, answer(599, SUCCESS)),
    ],
)
def test_unavailable(retry_after: float | None, response: Response) -> None:
    """429 and 5xx, in the status or in the envelope, mean later; Retry-After is told in seconds (rule 9)."""
    with pytest.raises(AuthServiceUnavailable, match=f"^{LABEL}: {response.status}") as caught:
        judge(response)
    assert retry_after == caught.value.retry_after
    assert "MARK" not in f"{caught.value} {caught.value.args}"


@pytest.mark.parametrize(
    ("code", "response"),
    [("400", failed(400)), ("17", failed(17, 422)), (None, failed(None)), (None, failed("MARK", 404))],
)
def test_other_errors(code: str | None, response: Response) -> None:
    """Errors with another code, or none, are no login even in a 200; nobody's password is called wrong."""
    with pytest.raises(AuthError, match=f"^{LABEL}: {response.status}.* failed$") as caught:
        judge(response)
    assert AuthError is type(caught.value)
    assert code == caught.value.code
    assert "MARK" not in f"{caught.value} {caught.value.args}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("body", [b"", SUCCESS, b'{"errors": ["MARK"]}'])
def test_redirect(status: int, body: bytes) -> None:
    """A redirect is never followed with a password, and its cookie is no session."""
    with pytest.raises(ProtocolError, match=rf"^{LABEL}: {status}.* redirect") as caught:
        judge(answer(status, body, {"Location": "https://MARK.example.com"}))
    assert "MARK" not in str(caught.value)


@pytest.mark.parametrize(
    "response",
    [
        answer(200, b""),
        answer(200, b"<html>MARK</html>"),
        answer(200, b"[]"),
        answer(200, b"null"),
        answer(200, b'{"errors": []'),
        answer(200, b'{"protogrid_environment_version": []}'),
        answer(204, b""),
        answer(404, b"<html>MARK</html>"),
        answer(400, SUCCESS),
    ],
)
def test_unreadable(response: Response) -> None:
    """No envelope, or a failing status without errors, is a ProtocolError even if a cookie is there."""
    with pytest.raises(ProtocolError, match=rf"^{LABEL}: .*{response.status}") as caught:
        judge(response)
    assert "MARK" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@given(st.integers(100, 599), st.binary() | st.sampled_from([SUCCESS, REFUSED]), st.text())
def test_any_answer(status: int, body: bytes, retry_after: str) -> None:
    """Any answer is a success with an envelope, or one of our errors that keeps to the sentence."""
    response = answer(status, body, {"Retry-After": retry_after})
    try:
        judge(response)
    except VendorAuthError as error:
        assert str(error).startswith(LABEL)  # noqa: PT017  there may be none
        assert "MARK" not in str(error)  # noqa: PT017  likewise
        return
    assert response.ok
