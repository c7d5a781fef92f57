"""What `BaseLoginFlow` gives a new vendor: defaults that do nothing wrong; and what reads a vendor's answers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from _fuzz import proper
from _proglove import answered, jwt
from vendorauth.errors import (
    AuthError,
    AuthServiceUnavailable,
    ConfigurationError,
    InvalidCredentials,
    ProtocolError,
    ReauthenticationRequired,
)
from vendorauth.flows import BaseLoginFlow, raise_for_refusal, token_from
from vendorauth.messages import Response
from vendorauth.testing.play import play
from vendorauth.tokens import Challenge, Token

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOKEN = Token(value="MARK", issued_at=NOW, refresh_token="MARK")
FLOW = BaseLoginFlow()


def test_no_challenges() -> None:
    """A vendor that asks nothing has nothing to be answered; the error names the challenge, not the answers."""
    challenge = Challenge(name="SMS_MFA", account="jane", hidden={"session": "MARK"})
    with pytest.raises(ConfigurationError) as caught:
        play(FLOW.answer(challenge, {"SMS_MFA_CODE": "MARK"}, now=NOW))
    assert "SMS_MFA: this vendor has no challenges to answer" == str(caught.value)


def test_no_refresh() -> None:
    """Without refresh tokens, renewing means logging in: the engine takes that from this error (rule 8)."""
    with pytest.raises(ReauthenticationRequired) as caught:
        play(FLOW.refresh(TOKEN, now=NOW))
    assert "this vendor has no refresh tokens" == str(caught.value)


@pytest.mark.parametrize(("expected", "status"), [(True, 401), (False, 403), (False, 200), (False, 500)])
@pytest.mark.parametrize("body", [None, b"", b"{}"])
def test_401_rejects(expected: bool, status: int, body: bytes | None) -> None:
    """401 alone says "that token is no good", read or unread."""
    assert expected is FLOW.rejects(Response(status, {}, body))


def test_nothing_rolls() -> None:
    """No answer changes the token."""
    assert TOKEN is FLOW.absorb(TOKEN, Response(200, {"Set-Cookie": "session=new"}), now=NOW)


def test_nothing_to_revoke() -> None:
    """Revoking sends nothing."""
    played = play(FLOW.revoke(TOKEN))
    assert [] == played.requests


LABEL = "POST /token"


@pytest.mark.parametrize("refused", [InvalidCredentials, ReauthenticationRequired])
@pytest.mark.parametrize(
    ("kind", "text", "status", "body"),
    [
        (None, "400 invalid_grant", 400, {"error": "invalid_grant", "error_description": "MARK"}),
        (None, "400 invalid_client", 400, {"error": "invalid_client"}),
        (None, "401 invalid_client", 401, {"error": "invalid_client"}),
        (None, "401 a-code_of.theirs", 401, {"error": "a-code_of.theirs"}),
        (None, "401", 401, {"error": "MARK, two words"}),
        (None, "401", 401, ["MARK"]),
        (AuthError, "400 invalid_scope", 400, {"error": "invalid_scope"}),
        (AuthError, "403", 403, {}),
        (AuthError, "404 not_here", 404, {"error": "not_here"}),
        (AuthServiceUnavailable, "429", 429, {}),
        (AuthServiceUnavailable, "503 invalid_grant", 503, {"error": "invalid_grant"}),
        (ProtocolError, "307, and redirects are not followed", 307, {}),
        (ProtocolError, "400, which names no error that can be read", 400, {"error": {"code": "MARK"}}),
        (ProtocolError, "404, which names no error that can be read", 404, None),
    ],
)
def test_refusals(kind: type[Exception] | None, text: str, status: int, body: object, refused: Any) -> None:
    """What an answer of OAuth2's token endpoint means (RFC 6749, section 5.2); only the error's name is repeated."""
    headers = {"X-Request-ID": "request-1", "Retry-After": "7"}
    with pytest.raises((AuthError, ProtocolError)) as caught:
        raise_for_refusal(answered(body, status, headers), LABEL, refused, now=NOW)
    error = caught.value
    assert (refused if kind is None else kind, f"{LABEL}: {text}") == (type(error), str(error))
    assert error is proper(error)
    if isinstance(error, AuthError):
        assert ("request-1", [None, *text.split()[1:]][-1]) == (error.request_id, error.code)
    if isinstance(error, AuthServiceUnavailable):
        assert 7.0 == error.retry_after


@pytest.mark.parametrize("status", [200, 201, 204])
def test_no_refusal(status: int) -> None:
    """A success raises nothing, whatever is in it."""
    raise_for_refusal(answered({"error": "invalid_grant"}, status), LABEL, InvalidCredentials, now=NOW)


@pytest.mark.parametrize(
    ("seconds", "value", "expires_in"),
    [
        (3600, "opaque", 3600),
        (1.5, "opaque", 1.5),
        (None, "opaque", None),
        (None, "opaque", 0),
        (None, "opaque", -1),
        (None, "opaque", 1e308),
        (600, jwt(600), None),
        (600, jwt(600), 3600),
        (300, jwt(600), 300),
    ],
)
def test_how_long_a_token_lives(seconds: float | None, value: str, expires_in: float | None) -> None:
    """As long as the answer says, or the JWT, whichever is shorter; what can't be true counts as nothing (rule 11)."""
    expires_at = None if seconds is None else NOW + timedelta(seconds=seconds)
    expected = Token(value=value, issued_at=NOW, expires_at=expires_at)
    assert expected == token_from(value, LABEL, now=NOW, expires_in=expires_in)


@pytest.mark.parametrize("value", ["", " ", "MARK\r\n", "MARK MARK", "MARK\N{SNOWMAN}"])
def test_a_token_that_can_not_be_sent(value: str) -> None:
    """It is no token: a header would be refused, or changed on the way."""
    with pytest.raises(ProtocolError) as caught:
        token_from(value, LABEL, now=NOW)
    assert "POST /token: the answer has no token that can be sent" == str(caught.value)
