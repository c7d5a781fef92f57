"""Protogrid's login on the wire, byte for byte as its wiki documents it."""

import base64
import json
from datetime import UTC, datetime

import pytest
from yarl import URL

from vendorauth.messages import Request, Response
from vendorauth.protogrid import ProtogridFlow
from vendorauth.protogrid.credentials import LoginWith, UserHeader
from vendorauth.testing.play import play
from vendorauth.tokens import PasswordCredentials

NOW = datetime(2024, 4, 20, 12, 0, 0, tzinfo=UTC)
BASE = "https://example.protogrid.com"
AUTHENTICATE = f"{BASE}/api/v2/authenticate"
JANE = PasswordCredentials("tester@test.com", "test_password")
SUCCESS = Response(200, {"Set-Cookie": "session=abc"}, b'{"errors": [], "result": "Login successful!"}')


def flow(
    login_with: LoginWith = "headers", user_header: UserHeader = "user_id", base_url: str | URL = BASE
) -> ProtogridFlow:
    return ProtogridFlow(base_url, account="protogrid:jane", login_with=login_with, user_header=user_header)


def only_request(using: ProtogridFlow, credentials: PasswordCredentials = JANE) -> Request:
    (request,) = play(using.login(credentials, now=NOW), SUCCESS).requests
    return request


def sent(using: ProtogridFlow, credentials: PasswordCredentials = JANE) -> dict[str, str]:
    return dict(only_request(using, credentials).headers)


def test_headers_of_both_generations() -> None:
    """The default login is the wiki's request, in the header names of 2017 and of 2022 at once, with no body."""
    request = only_request(flow())
    assert ("POST", URL(AUTHENTICATE), b"") == (request.method, request.url, request.body)
    expected = {
        "Accept": "application/json",
        "user_id": "tester@test.com",
        "user_secret": "test_password",
        "username": "tester@test.com",
        "password": "test_password",
    }
    assert expected == dict(request.headers)


def test_user_email() -> None:
    """The wiki's other old name takes the place of user_id: one of the two is sent, never both."""
    expected = {
        "Accept": "application/json",
        "user_email": "tester@test.com",
        "user_secret": "test_password",
        "username": "tester@test.com",
        "password": "test_password",
    }
    assert expected == sent(flow(user_header="user_email"))


def test_basic() -> None:
    """HTTP Basic is sent alone, with an empty body."""
    request = only_request(flow(login_with="basic"))
    assert ("POST", URL(AUTHENTICATE), b"") == (request.method, request.url, request.body)
    assert {
        "Accept": "application/json",
        "Authorization": "Basic " + base64.b64encode(b"tester@test.com:test_password").decode(),
    } == dict(request.headers)


def test_basic_password_with_colon() -> None:
    """A colon is allowed in the password (RFC 7617)."""
    assert (
        "Basic " + base64.b64encode(b"jane:a:b").decode()
        == sent(flow(login_with="basic"), PasswordCredentials("jane", "a:b"))["Authorization"]
    )


def test_body() -> None:
    """The JSON body of 2022 has the credentials, the headers don't; any text goes through unchanged."""
    body = {"username": "j\xe4ne:", "password": ' p\xe4ss"\N{SNOWMAN} '}
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    request = only_request(flow(login_with="body"), PasswordCredentials(body["username"], body["password"]))
    assert ("POST", URL(AUTHENTICATE)) == (request.method, request.url)
    assert headers == dict(request.headers)
    assert body == json.loads(request.body)


@pytest.mark.parametrize(
    ("expected", "base_url"),
    [
        (AUTHENTICATE, BASE + "/"),
        (AUTHENTICATE, URL(BASE)),
        (f"{BASE}/sub/api/v2/authenticate", f"{BASE}/sub/"),
        (f"{BASE}/a%2Fb/api/v2/authenticate", URL(f"{BASE}/a%2Fb")),
        ("http://127.0.0.1:8080/api/v2/authenticate", "http://127.0.0.1:8080"),
    ],
)
def test_joined_to_the_base_url(expected: str, base_url: str | URL) -> None:
    """The path of the base URL is kept, its last slash is not doubled."""
    assert expected == str(only_request(flow(base_url=base_url)).url)


def test_secrets_are_not_in_repr() -> None:
    """Neither the flow nor its request shows a password."""
    using = flow()
    assert "test_password" not in repr(only_request(using)) + repr(using)
