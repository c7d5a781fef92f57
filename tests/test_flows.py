"""What `BaseLoginFlow` gives a new vendor: defaults that do nothing wrong."""

from datetime import UTC, datetime

import pytest

from vendorauth.errors import ConfigurationError, ReauthenticationRequired
from vendorauth.flows import BaseLoginFlow
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
