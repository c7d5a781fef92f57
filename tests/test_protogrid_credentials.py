"""What of credentials can be sent to Protogrid unchanged."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vendorauth.errors import ConfigurationError, ReauthenticationRequired
from vendorauth.protogrid.credentials import LoginWith, basic, checked, credentials_in
from vendorauth.tokens import PasswordCredentials, RefreshTokenCredentials, Token

NOW = datetime(2024, 4, 20, 12, 0, 0, tzinfo=UTC)
MANGLED = [" MARK", "MARK ", "M\xc4RK", "MA\nRK", "MA\tRK", "MARK\x7f", "MARK\n", "MARK\ud800", " "]


def of(field: str, text: str) -> PasswordCredentials:
    return PasswordCredentials(**{"username": "fine", "password": "fine", field: text})


@pytest.mark.parametrize("sent_with", ["headers", "basic", "body"])
def test_refresh_token(sent_with: LoginWith) -> None:
    """Protogrid has no refresh tokens; the error does not show it."""
    with pytest.raises(ConfigurationError, match="no refresh tokens") as caught:
        checked(RefreshTokenCredentials("MARK"), sent_with)
    assert "MARK" not in str(caught.value)


@pytest.mark.parametrize("sent_with", ["headers", "basic"])
@pytest.mark.parametrize("field", ["username", "password"])
@pytest.mark.parametrize("text", MANGLED)
def test_what_a_header_would_mangle(sent_with: LoginWith, field: str, text: str) -> None:
    """Text that a header changes is refused; the error names the field and the way out, not the value."""
    with pytest.raises(ConfigurationError, match=f'^{field} .*login_with="body"') as caught:
        checked(of(field, text), sent_with)
    assert "MA" not in str(caught.value)


def test_colon_in_basic() -> None:
    """HTTP Basic can't tell where a user name with a colon ends."""
    with pytest.raises(ConfigurationError, match=r'^username has a colon.*login_with="body"') as caught:
        checked(of("username", "MA:RK"), "basic")
    assert "MA" not in str(caught.value)


@pytest.mark.parametrize("field", ["username", "password"])
def test_lone_surrogates(field: str) -> None:
    """A body takes any text but what UTF-8 can't carry."""
    with pytest.raises(ConfigurationError, match=f"^{field} ") as caught:
        checked(of(field, "MARK\ud800"), "body")
    assert "MARK" not in str(caught.value)


@pytest.mark.parametrize(
    ("sent_with", "credentials"),
    [
        ("headers", PasswordCredentials("a:b", "! x ~")),
        ("headers", PasswordCredentials("1957f847-f298-4f14-a031-7ffbe31aeb47", "x")),
        ("basic", PasswordCredentials("a", ":")),
        ("body", PasswordCredentials(" \xe4:\n", "\N{SNOWMAN}\t")),
    ],
)
def test_fine(sent_with: LoginWith, credentials: PasswordCredentials) -> None:
    """Printable ASCII goes into a header, any text into a body, and what went in comes out."""
    assert credentials is checked(credentials, sent_with)


@given(st.text(min_size=1))
def test_any_password(text: str) -> None:
    """A password passes for a header exactly when the header brings it unchanged."""
    try:
        checked(of("password", text), "headers")
    except ConfigurationError:
        assert not text.isascii() or not text.isprintable() or text.strip() != text
    else:
        assert text.encode("ascii").decode() == text.strip()


def test_basic() -> None:
    """The pair is UTF-8 in base64; a password may have colons (RFC 7617)."""
    expected = {"Authorization": "Basic " + base64.b64encode("jane:p\xe4:b".encode()).decode()}
    assert expected == basic(PasswordCredentials("jane", "p\xe4:b"))


def test_credentials_in_a_token() -> None:
    """A token's details give the credentials back."""
    token = Token(value="", issued_at=NOW, details={"username": "a", "password": "b", "other": 1})
    assert PasswordCredentials("a", "b") == credentials_in(token)


@pytest.mark.parametrize(
    "details", [{}, {"username": "a"}, {"username": "a", "password": 5}, {"username": "", "password": "b"}]
)
def test_no_credentials_in_a_token(details: dict[str, Any]) -> None:
    """A token that another scheme made is of no use: log in again."""
    with pytest.raises(ReauthenticationRequired):
        credentials_in(Token(value="abc", issued_at=NOW, details=details))
