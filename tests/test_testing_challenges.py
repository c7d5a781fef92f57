"""Prove the challenges of the fake ProGlove's Cognito, with a plain HTTP client."""

import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, DummyCookieJar

from _pool import Pool
from vendorauth.testing import FakeProGlove, ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def pool(clock: ManualClock) -> AsyncIterator[Pool]:
    async with FakeProGlove(clock=clock.timestamp) as fake, ClientSession(cookie_jar=DummyCookieJar()) as session:
        yield Pool(fake, session)


FIELDS = [
    ("SOFTWARE_TOKEN_MFA", "SOFTWARE_TOKEN_MFA_CODE"),
    ("SMS_MFA", "SMS_MFA_CODE"),
    ("SMS_OTP", "SMS_OTP_CODE"),
    ("EMAIL_OTP", "EMAIL_OTP_CODE"),
    ("WHATEVER_COMES_NEXT", "ANSWER"),
]


@pytest.mark.parametrize(("name", "field"), FIELDS)
async def test_codes(pool: Pool, name: str, field: str) -> None:
    """A challenge is asked after the password; a wrong code can be mended, the right one logs in."""
    pool.fake.require(name, code="654321")
    asked = await pool.login()
    assert name == asked.body["ChallengeName"]
    assert asked.body["ChallengeParameters"]["USER_ID_FOR_SRP"] == pool.fake.user_id
    assert "AuthenticationResult" not in asked.body
    assert "CodeMismatchException" == (await pool.answer(asked, **{field: "000000"})).code
    assert "InvalidParameterException" == (await pool.answer(asked)).code
    assert await pool.lives((await pool.answer(asked, **{field: "654321"})).result["IdToken"])
    assert (3, 1) == (pool.fake.count.challenge_answers, pool.fake.count.challenges_answered)
    assert asked.body["Session"] in pool.fake.issued


async def test_challenge_sessions(pool: Pool, clock: ManualClock) -> None:
    """A challenge's session works once, for its user and its name, and not for ever."""
    pool.fake.require("SMS_MFA", parameters={"CODE_DELIVERY_DESTINATION": "+1"})
    asked = await pool.login()
    assert {"USER_ID_FOR_SRP": pool.fake.user_id, "CODE_DELIVERY_DESTINATION": "+1"} == (
        asked.body["ChallengeParameters"]
    )
    right = {"SMS_MFA_CODE": "123456"}
    assert "NotAuthorizedException" == (await pool.answer(asked, USERNAME="john", **right)).code
    assert "InvalidParameterException" == (await pool.answer(asked, "EMAIL_OTP", **right)).code
    assert 200 == (await pool.answer(asked, **right)).status
    assert "NotAuthorizedException" == (await pool.answer(asked, **right)).code
    late = await pool.login()
    clock.advance(pool.fake.challenge_life)
    assert "NotAuthorizedException" == (await pool.answer(late, **right)).code


async def test_several_challenges(pool: Pool) -> None:
    """Challenges follow one another, each with a session of its own, until nothing is required any more."""
    pool.fake.require("SMS_MFA", code="1")
    pool.fake.require("CUSTOM_CHALLENGE", code="2")
    first = await pool.login()
    second = await pool.answer(first, SMS_MFA_CODE="1")
    assert "CUSTOM_CHALLENGE" == second.body["ChallengeName"]
    assert first.body["Session"] != second.body["Session"]
    assert (await pool.answer(second, ANSWER="2")).result
    pool.fake.require_nothing()
    assert (await pool.login()).result


async def test_new_password(pool: Pool) -> None:
    """A new password is asked for once, must be long enough, and is the user's from then on."""
    pool.fake.require("NEW_PASSWORD_REQUIRED")
    asked = await pool.login()
    assert json.loads(asked.body["ChallengeParameters"]["userAttributes"])["email"]
    assert "InvalidPasswordException" == (await pool.answer(asked, NEW_PASSWORD="short")).code
    assert (await pool.answer(asked, NEW_PASSWORD="long enough")).result
    assert "long enough" == pool.fake.password
    assert (await pool.login()).result


async def test_select_mfa_type(pool: Pool) -> None:
    """A choice brings the challenge that was chosen; an unknown choice is refused."""
    pool.fake.require("SELECT_MFA_TYPE")
    asked = await pool.login()
    assert ["SMS_MFA", "SOFTWARE_TOKEN_MFA"] == json.loads(asked.body["ChallengeParameters"]["MFAS_CAN_CHOOSE"])
    assert "InvalidParameterException" == (await pool.answer(asked, ANSWER="CARRIER_PIGEON")).code
    chosen = await pool.answer(asked, ANSWER="SOFTWARE_TOKEN_MFA")
    assert "SOFTWARE_TOKEN_MFA" == chosen.body["ChallengeName"]
    assert (await pool.answer(chosen, SOFTWARE_TOKEN_MFA_CODE="123456")).result
