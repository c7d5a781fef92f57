"""Challenges of ProGlove's Cognito pool (DESIGN §4, rule 10a)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from _proglove import (
    INFORMED,
    JANE,
    LATER,
    NOW,
    SERVICE,
    Seen,
    answered,
    exchange,
    flow,
    granted,
    refused,
    responses,
    seen,
    sent,
    token,
)
from vendorauth.errors import (
    AuthError,
    ConfigurationError,
    InvalidCredentials,
    ProtocolError,
)
from vendorauth.messages import Response
from vendorauth.testing.play import play
from vendorauth.tokens import Challenge, PasswordCredentials, RefreshTokenCredentials, Token


def challenged(name: str = "SMS_MFA", **parameters: str) -> Challenge:
    """Log in until Cognito asks *name*."""
    asked = answered({"ChallengeName": name, "Session": "session1", "ChallengeParameters": parameters})
    challenge, _ = play(flow().login(JANE, now=NOW), INFORMED, asked)
    assert isinstance(challenge, Challenge)
    return challenge


def responding(name: str, responses: dict[str, str], session: str = "session1") -> Seen:
    """Say what the answer to a challenge must be."""
    body = {"ClientId": "client1", "ChallengeName": name, "Session": session, "ChallengeResponses": responses}
    return sent("RespondToAuthChallenge", body)


def test_a_challenge_is_handed_on() -> None:
    """Name, fields, hint and end are there to show, the rest is hidden; it survives being written down."""
    challenge = challenged(CODE_DELIVERY_DESTINATION="+*******1234")
    assert ("SMS_MFA", "jane", ("SMS_MFA_CODE",), "+*******1234", NOW + timedelta(minutes=3)) == (
        challenge.name,
        challenge.account,
        challenge.fields,
        challenge.hint,
        challenge.expires_at,
    )
    assert "session1" not in repr(challenge)
    assert "jane@example.com" not in repr(challenge)
    assert "s3cret" not in challenge.to_json()
    assert Challenge.from_json(challenge.to_json()) == challenge


def test_an_answer_brings_the_token() -> None:
    """The user name, the answers and the session go back; the token remembers what a login's does."""
    challenge = Challenge.from_json(challenged().to_json())
    answers = {"SMS_MFA_CODE": "123456"}
    result, requests = play(flow().answer(challenge, answers, now=LATER), granted(RefreshToken="refresh1"))
    assert [responding("SMS_MFA", {"USERNAME": "jane@example.com", **answers})] == [seen(one) for one in requests]
    assert result == token(issued_at=LATER, expires_at=LATER + timedelta(seconds=600))


def test_the_pools_own_user_name_answers() -> None:
    """A new password goes back under ``USER_ID_FOR_SRP``, with the attributes that are required."""
    challenge = challenged(
        "NEW_PASSWORD_REQUIRED", USER_ID_FOR_SRP="sub-1", requiredAttributes='["userAttributes.name"]'
    )
    answers = {"NEW_PASSWORD": "n3w", "userAttributes.name": "Jane"}
    result, requests = play(flow().answer(challenge, answers, now=LATER), granted())
    assert responding("NEW_PASSWORD_REQUIRED", {"USERNAME": "sub-1", **answers}) == seen(requests[0])
    assert isinstance(result, Token)
    assert result.details["username"] == "sub-1"


def test_one_challenge_may_follow_another() -> None:
    """The next one has its own session and its own three minutes."""
    asked = answered({"ChallengeName": "SOFTWARE_TOKEN_MFA", "Session": "session2"})
    second, _ = play(flow().answer(challenged("SELECT_MFA_TYPE"), {"ANSWER": "SOFTWARE_TOKEN_MFA"}, now=LATER), asked)
    assert isinstance(second, Challenge)
    assert ("SOFTWARE_TOKEN_MFA", LATER + timedelta(minutes=3)) == (second.name, second.expires_at)
    answers = {"SOFTWARE_TOKEN_MFA_CODE": "123456"}
    _, requests = play(flow().answer(second, answers, now=LATER), granted())
    expected = responding("SOFTWARE_TOKEN_MFA", {"USERNAME": "jane@example.com", **answers}, "session2")
    assert expected == seen(requests[0])


def test_an_unknown_challenge_can_be_answered() -> None:
    """Any keys go to a challenge of tomorrow, and its parameters are there for whoever knows it."""
    challenge = challenged("TOMORROW", riddle="?")
    assert (challenge.fields, challenge.hidden["challenge_parameters"]) == ((), {"riddle": "?"})
    _, requests = play(flow().answer(challenge, {"X": "1", "Y": "2"}, now=LATER), granted())
    assert responding("TOMORROW", {"USERNAME": "jane@example.com", "X": "1", "Y": "2"}) == seen(requests[0])


@pytest.mark.parametrize(
    "code",
    [
        "CodeMismatchException",
        "ExpiredCodeException",
        "InvalidPasswordException",
        "PasswordHistoryPolicyViolationException",
        "NotAuthorizedException",
    ],
)
def test_a_wrong_answer_is_to_be_given_again(code: str) -> None:
    """What the person gave is not accepted."""
    with pytest.raises(InvalidCredentials) as raised:
        play(flow().answer(challenged(), {"SMS_MFA_CODE": "1"}, now=LATER), refused(code))
    assert code == raised.value.code


@pytest.mark.parametrize(
    ("spoiled", "text"),
    [
        (lambda c: Challenge(name=c.name, account="joe", hidden=c.hidden), "another account's"),
        (lambda c: Challenge(name=c.name, account="jane"), "hidden part"),
        (lambda c: Challenge(name=c.name, account="jane", hidden={"username": "jane"}), "hidden part"),
        (lambda c: Challenge(name=c.name, account="jane", hidden={**c.hidden, "username": None}), "hidden part"),
        (lambda c: Challenge(name=c.name, account="jane", hidden={**c.hidden, "username": 5}), "hidden part"),
    ],
)
def test_a_challenge_that_cannot_be_answered(spoiled: Callable[[Challenge], Challenge], text: str) -> None:
    """Another account's challenge, or half of one, is a `ConfigurationError`, and nothing is sent."""
    with pytest.raises(ConfigurationError, match=text):
        play(flow().answer(spoiled(challenged()), {"SMS_MFA_CODE": "1"}, now=LATER))


@pytest.mark.parametrize("answers", [{}, {"CODE": "1"}, {"SMS_MFA_CODE": "1", "CODE": "1"}])
def test_answers_must_fit_the_fields(answers: dict[str, str]) -> None:
    """A missing field or a surplus key is named, and nothing is sent."""
    with pytest.raises(ConfigurationError, match="CODE"):
        play(flow().answer(challenged(), answers, now=LATER))


# anything at all


@given(first=st.just(INFORMED) | responses, second=responses, credentials=st.sampled_from([JANE, SERVICE]))
def test_any_answers_to_a_login_give_a_documented_outcome(
    first: Response, second: Response, credentials: PasswordCredentials | RefreshTokenCredentials
) -> None:
    """Property: any bytes give a token, a challenge, an AuthError or a ProtocolError; what comes out can be stored."""
    try:
        outcome = exchange(flow().login(credentials, now=NOW), first, second)
    except (AuthError, ProtocolError):
        return
    if isinstance(outcome, Challenge):
        assert Challenge.from_json(outcome.to_json()) == outcome
    elif outcome is not None:
        assert msgspec.json.decode(msgspec.json.encode(outcome.details)) == outcome.details
