"""Protogrid's login, as requests and answers without a network."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

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
from vendorauth.protogrid import ProtogridFlow
from vendorauth.protogrid.credentials import LoginWith, Scheme
from vendorauth.testing.play import play
from vendorauth.tokens import Challenge, Credentials, PasswordCredentials, RefreshTokenCredentials, Token

NOW = datetime(2024, 4, 20, 12, 0, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
BASE = "https://example.protogrid.com"
AUTHENTICATE = f"{BASE}/api/v2/authenticate"
JANE = PasswordCredentials("tester@test.com", "test_password")
LABEL = "POST /api/v2/authenticate"

SUCCESS = b'{"errors": [], "protogrid_environment_version": "1.3.9", "result": "Login successful!"}'
REFUSED = (
    b'{"errors": [{"code": 401, "message": "MARK Your login wasn\xe2\x80\x99t recognized."}],'
    b' "protogrid_environment_version": "1.3.9", "result": {}}'
)


def flow(
    scheme: Scheme = "cookie",
    login_with: LoginWith = "headers",
    base_url: str | URL = BASE,
) -> ProtogridFlow:
    return ProtogridFlow(base_url, account="protogrid:jane", scheme=scheme, login_with=login_with)


def success(cookie: str = "session=abc.def; HttpOnly; Path=/", **headers: str) -> Response:
    return Response(200, {"Set-Cookie": cookie, "Content-Type": "application/json", **headers}, SUCCESS)


def answer(status: int, body: bytes = SUCCESS, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, {"Set-Cookie": "session=MARK", **(headers or {})}, body)


def failed(code: Any, status: int = 200) -> Response:
    body = {"errors": [{"code": code, "message": "MARK"}], "result": {}}
    return answer(status, json.dumps(body).encode())


def login(response: Response, using: ProtogridFlow | None = None) -> Token:
    token = play((using or flow()).login(JANE, now=NOW), response).result
    assert isinstance(token, Token)
    return token


class TestLogin:
    """What comes of the answer to a login."""

    def test_session(self) -> None:
        """A success with a session is a token without an end (none is documented), issued before the request (rule 11)."""
        assert Token(value="abc.def", issued_at=NOW) == login(success())

    @pytest.mark.parametrize(
        ("expected", "attributes", "headers"),
        [
            (timedelta(hours=1), "Max-Age=3600", {}),
            (timedelta(hours=1), "Expires=Sat, 20 Apr 2024 13:00:00 GMT", {}),
            (timedelta(hours=1), "Expires=Sat, 20-Apr-2024 13:00:00 GMT", {}),
            (timedelta(hours=2), "Expires=Sat, 20 Apr 2024 13:00:00 GMT", {"Date": "Sat, 20 Apr 2024 11:00:00 GMT"}),
            (timedelta(hours=1), "Expires=Sat, 20 Apr 2024 13:00:00 GMT", {"Date": "today"}),
        ],
    )
    def test_end(self, expected: timedelta, attributes: str, headers: dict[str, str]) -> None:
        """A cookie's Max-Age or Expires counts from before the request (rule 11), by the server's clock if it tells."""
        token = login(success(f"session=abc.def; {attributes}", **headers))
        assert Token(value="abc.def", issued_at=NOW, expires_at=NOW + expected) == token

    def test_several_set_cookies(self) -> None:
        """The session may stand in any of several Set-Cookie headers."""
        headers = CIMultiDict([("Set-Cookie", "lang=de"), ("set-cookie", "session=abc"), ("Set-Cookie", "x=y")])
        assert Token(value="abc", issued_at=NOW) == login(Response(200, CIMultiDictProxy(headers), SUCCESS))

    def test_result_text_does_not_count(self) -> None:
        """Success is told by status, errors and cookie, never by a text."""
        body = b'{"errors": [], "result": "Anmeldung erfolgreich"}'
        assert Token(value="MARK", issued_at=NOW) == login(answer(201, body))

    @pytest.mark.parametrize(
        "response",
        [
            Response(200, {}, SUCCESS),
            success("other=MARK"),
            success("session="),
            success("session=MARK; Max-Age=0"),
            success("session=MARK; Expires=Thu, 01-Jan-1970 00:00:00 GMT"),
            success("session=MA\x01RK"),
        ],
    )
    def test_no_session(self, response: Response) -> None:
        """A success without a session that lives is no login."""
        with pytest.raises(ProtocolError, match=f"^{LABEL}: .*no session cookie") as caught:
            login(response)
        assert "MARK" not in str(caught.value)

    @pytest.mark.parametrize(
        ("error", "response"),
        [
            (InvalidCredentials, answer(200, REFUSED)),
            (InvalidCredentials, answer(403, b"")),
            (AuthServiceUnavailable, answer(503, b"")),
            (ProtocolError, answer(200, b"<html>")),
            (ProtocolError, answer(307)),
            (AuthError, failed(400)),
        ],
    )
    def test_failures(self, error: type[VendorAuthError], response: Response) -> None:
        """A cookie alone is no login: status and errors count first."""
        with pytest.raises(error, match=f"^{LABEL}: ") as caught:
            login(response)
        assert error is type(caught.value)
        assert "MARK" not in f"{caught.value} {caught.value!r} {caught.value.args}"

    @given(
        st.integers(200, 599),
        st.binary() | st.sampled_from([SUCCESS, REFUSED]),
        st.text(st.characters(exclude_characters="\r\n")),
        st.text(),
    )
    def test_any_answer(self, status: int, body: bytes, cookie: str, date: str) -> None:
        """Any answer is a token that can be sent back, or one of our errors."""
        response = Response(status, {"Set-Cookie": f"session={cookie}", "Date": date, "Retry-After": date}, body)
        try:
            token = login(response)
        except VendorAuthError:
            return
        assert token.value.isascii()
        assert response.ok


class TestBeforeAnythingIsSent:
    """Options and credentials that can't be used."""

    @pytest.mark.parametrize(
        ("name", "options"),
        [
            ("scheme", {"scheme": "oauth"}),
            ("login_with", {"login_with": "form"}),
            ("user_header", {"user_header": "x"}),
        ],
    )
    def test_unknown_option(self, name: str, options: dict[str, Any]) -> None:
        """An option with a value that does not exist is refused when the flow is made."""
        with pytest.raises(ConfigurationError, match=f"^{name} must be one of "):
            ProtogridFlow(BASE, account="a", **options)

    @pytest.mark.parametrize(
        ("using", "credentials"),
        [
            (flow(), PasswordCredentials("p\xe4t", "x")),
            (flow(), RefreshTokenCredentials("x")),
            (flow(login_with="basic"), PasswordCredentials("a:b", "x")),
            (flow(login_with="body"), PasswordCredentials("a", "\ud800")),
            (flow("headers"), PasswordCredentials("a", " x")),
            (flow("headers", "body"), PasswordCredentials("a", " x")),
            (flow("basic"), PasswordCredentials("a:b", "x")),
            (flow("basic"), RefreshTokenCredentials("x")),
        ],
    )
    def test_credentials_that_can_not_be_sent(self, using: ProtogridFlow, credentials: Credentials) -> None:
        """They are refused by check() and by login(), which sends nothing: a mangled password locks the account."""
        with pytest.raises(ConfigurationError):
            using.check(credentials)
        with pytest.raises(ConfigurationError):
            play(using.login(credentials, now=NOW))

    @pytest.mark.parametrize("using", [flow("cookie"), flow("headers"), flow("basic"), flow("cookie", "body")])
    def test_fine(self, using: ProtogridFlow) -> None:
        """Ordinary credentials go every way."""
        using.check(JANE)


class TestCookieScheme:
    """A session as the proof of a request."""

    def test_headers(self) -> None:
        """The session goes back as it came."""
        expected = {"Cookie": 'session="abc=="'}
        assert expected == flow().headers(Token(value='"abc=="', issued_at=NOW))

    def test_refresh(self) -> None:
        """A session can't be refreshed: nothing is sent (rule 8)."""
        with pytest.raises(ReauthenticationRequired):
            play(flow().refresh(Token(value="abc", issued_at=NOW), now=LATER))

    def test_revoke(self) -> None:
        """No way to log out is documented: nothing is sent."""
        assert not play(flow().revoke(Token(value="abc", issued_at=NOW))).requests

    def test_answer(self) -> None:
        """Protogrid asks nothing that could be answered."""
        with pytest.raises(ConfigurationError):
            play(flow().answer(Challenge(name="SMS", account="a"), {}, now=NOW))

    def test_is_a_login_flow(self) -> None:
        """It is one, for the type checkers, and names its account and its base URL."""
        using: LoginFlow = flow(base_url=f"{BASE}/sub/")
        assert ("protogrid:jane", URL(f"{BASE}/sub")) == (using.account, using.base_url)


@pytest.mark.parametrize("scheme", ["headers", "basic"])
class TestCredentialsWithEveryRequest:
    """The credentials as the proof of a request."""

    def token(self, scheme: Scheme) -> Token:
        """Log in; the engine's generation is added to see that it is kept."""
        played = play(flow(scheme).login(JANE, now=NOW))
        assert not played.requests
        assert isinstance(played.result, Token)
        return attrs.evolve(played.result, generation=7)

    def test_login(self, scheme: Scheme) -> None:
        """A login sends nothing and gives a token with the credentials and no value (rule 10)."""
        details = {"username": "tester@test.com", "password": "test_password"}
        token = self.token(scheme)
        assert Token(value="", issued_at=NOW, details=details, generation=7) == token
        assert "test_password" not in repr(token)

    def test_headers(self, scheme: Scheme) -> None:
        """Every request has the credentials, in the names of 2022 or as HTTP Basic."""
        basic = {"Authorization": "Basic " + base64.b64encode(b"tester@test.com:test_password").decode()}
        expected = {"headers": {"username": "tester@test.com", "password": "test_password"}, "basic": basic}[scheme]
        assert expected == flow(scheme).headers(self.token(scheme))

    def test_refresh(self, scheme: Scheme) -> None:
        """A refresh asks /authenticate once with the same credentials; no cookie is needed (rule 10)."""
        sent = {
            "headers": {
                "user_id": "tester@test.com",
                "user_secret": "test_password",
                "username": "tester@test.com",
                "password": "test_password",
            },
            "basic": {"Authorization": "Basic " + base64.b64encode(b"tester@test.com:test_password").decode()},
        }[scheme]
        token = self.token(scheme)
        played = play(flow(scheme).refresh(token, now=LATER), Response(200, {}, SUCCESS))
        (request,) = played.requests
        assert attrs.evolve(token, issued_at=LATER) == played.result
        assert ("POST", URL(AUTHENTICATE), b"") == (request.method, request.url, request.body)
        assert {"Accept": "application/json", **sent} == dict(request.headers)

    @pytest.mark.parametrize(
        ("error", "response"),
        [
            (InvalidCredentials, answer(200, REFUSED)),
            (InvalidCredentials, answer(403, b"")),
            (AuthServiceUnavailable, answer(503, b"")),
            (ProtocolError, answer(200, b"<html>")),
            (ProtocolError, answer(307, SUCCESS)),
            (AuthError, failed(400)),
        ],
    )
    def test_refresh_fails(self, scheme: Scheme, error: type[VendorAuthError], response: Response) -> None:
        """It tells a wrong password from everything else, as a login does (rule 10)."""
        with pytest.raises(error, match=f"^{LABEL}: ") as caught:
            play(flow(scheme).refresh(self.token(scheme), now=LATER), response)
        assert error is type(caught.value)

    def test_token_without_credentials(self, scheme: Scheme) -> None:
        """A token that another scheme made is of no use: log in again."""
        token = Token(value="abc", issued_at=NOW)
        with pytest.raises(ReauthenticationRequired):
            flow(scheme).headers(token)
        with pytest.raises(ReauthenticationRequired):
            play(flow(scheme).refresh(token, now=LATER))

    def test_absorb(self, scheme: Scheme) -> None:
        """A session that comes along is not taken: the credentials are the proof."""
        token = self.token(scheme)
        assert flow(scheme).absorb(token, success(), now=LATER) is token


class TestRejects:
    """Which answers refuse a token."""

    @pytest.mark.parametrize(
        ("expected", "response"),
        [
            (True, answer(401, b"")),
            (True, answer(403, b"<html>")),
            (True, answer(401, SUCCESS)),
            (True, Response(403, {}, None)),
            (True, answer(200, REFUSED)),
            (True, failed("403")),
            (True, failed(401, 500)),
            (True, failed(500, 403)),
            (False, answer(200)),
            (False, Response(200, {}, None)),
            (False, failed(400)),
            (False, failed(None)),
            (False, answer(404, b"")),
            (False, answer(200, b'[{"errors": [{"code": 401}]}]')),
            (False, answer(200, b'{"result": {"errors": [{"code": 401}]}}')),
        ],
    )
    def test_refusals(self, expected: bool, response: Response) -> None:
        """401 and 403 refuse a token, in the status or in the envelope; a result's own errors don't (rule 12)."""
        assert expected is flow().rejects(response)

    @given(st.integers(100, 599), st.none() | st.binary() | st.binary().map(lambda rest: b"{" + rest))
    def test_never_raises(self, status: int, body: bytes | None) -> None:
        """Whatever came back, there is an answer."""
        assert flow().rejects(Response(status, {}, body)) in {True, False}


class TestAbsorb:
    """Sessions that roll."""

    OLD = Token(value="old", issued_at=NOW, expires_at=NOW + timedelta(hours=1), generation=7)

    @pytest.mark.parametrize(
        ("expires_at", "cookie"),
        [(None, "session=new; Path=/"), (LATER + timedelta(minutes=1), "session=new; Max-Age=60")],
    )
    def test_rolls(self, expires_at: datetime | None, cookie: str) -> None:
        """Another session on a success replaces value and end, and keeps the generation (rule 17)."""
        expected = Token(value="new", issued_at=LATER, expires_at=expires_at, generation=7)
        assert expected == flow().absorb(self.OLD, success(cookie), now=LATER)

    @pytest.mark.parametrize(
        "response",
        [
            Response(200, {"Set-Cookie": "session=new"}, b"[1]"),
            Response(200, {"Set-Cookie": "session=new"}, None),
            Response(204, {"Set-Cookie": "session=new"}, b""),
        ],
    )
    def test_success_without_an_envelope(self, response: Response) -> None:
        """A success need not be an envelope: a file, a stream, an empty answer (rule 17)."""
        expected = Token(value="new", issued_at=LATER, generation=7)
        assert expected == flow().absorb(self.OLD, response, now=LATER)

    @pytest.mark.parametrize(
        "response",
        [
            Response(200, {}, SUCCESS),
            success("session=old; Max-Age=60"),
            success("session="),
            success("session=new; Max-Age=0"),
            success("lang=de"),
            answer(403, REFUSED),
            answer(200, REFUSED),
            failed(400),
            answer(302),
            answer(500, b""),
        ],
    )
    def test_stays(self, response: Response) -> None:
        """Without a new session, or without a success, the token is the same object (rule 17)."""
        assert flow().absorb(self.OLD, response, now=LATER) is self.OLD

    def test_costs_nothing_without_a_cookie(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An answer without Set-Cookie is not decoded."""
        monkeypatch.setattr("msgspec.json.decode", lambda _: pytest.fail("it was decoded"))
        assert flow().absorb(self.OLD, Response(200, {}, SUCCESS), now=LATER) is self.OLD
