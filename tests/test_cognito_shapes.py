"""Cognito's answers are read strictly where it matters, and ask for almost nothing."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vendorauth._wire import Seconds, read, structure
from vendorauth.cognito.shapes import AuthAnswer, AuthenticationResult, NewDeviceMetadata
from vendorauth.errors import ProtocolError
from vendorauth.messages import Response


@pytest.mark.parametrize(("wire", "seconds"), [(3600, 3600), ("3600", 3600), (0, 0), (None, None)])
def test_expires_in_is_a_number_or_digits(wire: object, seconds: int | None) -> None:
    """``ExpiresIn`` is an integer in Cognito and a string on ProGlove's page; both are read."""
    assert structure({"ExpiresIn": wire}, AuthenticationResult, "x").expires_in == seconds


@pytest.mark.parametrize("wire", ["...", "", "3600.0", "-1", 36.5, True, [], {}, "9" * 19])
def test_other_lives_are_a_protocol_error(wire: object) -> None:
    """What is no number of seconds is not guessed at."""
    with pytest.raises(ProtocolError, match=r"ExpiresIn|expires_in"):
        structure({"ExpiresIn": wire}, AuthenticationResult, "x")


def test_everything_may_be_missing() -> None:
    """Nothing is required of an answer but that it is an object."""
    assert AuthAnswer() == structure({"Unknown": 1}, AuthAnswer, "x")
    assert AuthenticationResult() == structure({}, AuthenticationResult, "x")


def test_an_answer_as_the_page_shows_it() -> None:
    """The documented answer is read whole, a new device included."""
    wire = {
        "AuthenticationResult": {
            "AccessToken": "access",
            "ExpiresIn": 3600,
            "IdToken": "id",
            "RefreshToken": "refresh",
            "TokenType": "Bearer",
            "NewDeviceMetadata": {"DeviceKey": "key", "DeviceGroupKey": "group"},
        },
        "ChallengeParameters": {},
        "AvailableChallenges": ["PASSWORD"],
    }
    assert structure(wire, AuthAnswer, "x") == AuthAnswer(
        authentication_result=AuthenticationResult(
            id_token="id",
            access_token="access",
            refresh_token="refresh",
            expires_in=Seconds(3600),
            token_type="Bearer",
            new_device_metadata=NewDeviceMetadata(device_key="key", device_group_key="group"),
        ),
        challenge_parameters={},
        available_challenges=("PASSWORD",),
    )


def test_no_secret_is_in_a_repr() -> None:
    """Tokens, the challenge's session and its parameters stay out of ``repr``."""
    answer = structure(
        {
            "AuthenticationResult": {
                "AccessToken": "MARKED",
                "IdToken": "MARKED",
                "RefreshToken": "MARKED",
                "NewDeviceMetadata": {"DeviceKey": "MARKED", "DeviceGroupKey": "MARKED"},
            },
            "Session": "MARKED",
            "ChallengeParameters": {"USERNAME": "MARKED"},
        },
        AuthAnswer,
        "x",
    )
    assert "MARKED" not in repr(answer)


keys = st.sampled_from(["AuthenticationResult", "IdToken", "ExpiresIn", "ChallengeName", "Session", "x"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner),
)


@given(st.binary() | anything.map(msgspec.json.encode))
def test_any_bytes_are_an_answer_or_a_protocol_error(body: bytes) -> None:
    """Property: any body gives an answer or a `ProtocolError`."""
    try:
        answer = read(Response(200, {}, body), AuthAnswer, "POST /login")
    except ProtocolError as error:
        assert error.__cause__ is None and error.__context__ is None  # noqa: PT018, PT017  both hold or neither
    else:
        assert isinstance(answer, AuthAnswer)
