"""What Cognito asks before it gives a token is handed on in the vendor's own words."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vendorauth.cognito.challenges import challenge_from, check_answers, username_for
from vendorauth.cognito.shapes import AuthAnswer
from vendorauth.errors import ConfigurationError, ProtocolError
from vendorauth.tokens import Challenge

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def asked(name: str, parameters: dict[str, Any] | None = None, available: tuple[str, ...] | None = None) -> Challenge:
    """Make the challenge of an answer that asks *name*."""
    answer = AuthAnswer(challenge_name=name, challenge_parameters=parameters, available_challenges=available)
    return challenge_from(answer, account="jane", now=NOW, label="POST /login", hidden={"username": "jane"})


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("SMS_MFA", ("SMS_MFA_CODE",)),
        ("SOFTWARE_TOKEN_MFA", ("SOFTWARE_TOKEN_MFA_CODE",)),
        ("EMAIL_OTP", ("EMAIL_OTP_CODE",)),
        ("SMS_OTP", ("SMS_OTP_CODE",)),
        ("SELECT_MFA_TYPE", ("ANSWER",)),
        ("SELECT_CHALLENGE", ("ANSWER",)),
        ("CUSTOM_CHALLENGE", ("ANSWER",)),
        ("PASSWORD", ("PASSWORD",)),
        ("NEW_PASSWORD_REQUIRED", ("NEW_PASSWORD",)),
        ("MFA_SETUP", ()),
        ("SOMETHING_OF_TOMORROW", ()),
    ],
)
def test_fields_are_the_vendors_own_keys(name: str, fields: tuple[str, ...]) -> None:
    """Each challenge has the keys that RespondToAuthChallenge documents; one that is not known has none."""
    assert asked(name) == Challenge(
        name=name,
        account="jane",
        fields=fields,
        expires_at=NOW + timedelta(minutes=3),
        hidden={"username": "jane"},
    )


@pytest.mark.parametrize(
    ("required", "fields"),
    [
        ('["userAttributes.email","name","userAttributes.name"]', ("userAttributes.email", "userAttributes.name")),
        ("[]", ()),
        ("[1]", ()),
        ("nonsense", ()),
        (["email"], ()),
        (None, ()),
        ("[" * 100_000, ()),
    ],
)
def test_required_attributes_are_fields(required: object, fields: tuple[str, ...]) -> None:
    """They are JSON inside a text, with the prefix or without; what can't be read asks for none."""
    challenge = asked("NEW_PASSWORD_REQUIRED", {"requiredAttributes": required})
    assert ("NEW_PASSWORD", *fields) == challenge.fields


def test_only_a_new_password_has_attributes() -> None:
    """A challenge that is not known stays one that takes any keys."""
    assert asked("OTHER", {"requiredAttributes": '["email"]'}).fields == ()


@pytest.mark.parametrize(
    ("parameters", "available", "hint"),
    [
        ({"CODE_DELIVERY_DESTINATION": "+*******1234", "CODE_DELIVERY_DELIVERY_MEDIUM": "SMS"}, None, "+*******1234"),
        ({"MFAS_CAN_CHOOSE": json.dumps(["SMS_MFA", "SOFTWARE_TOKEN_MFA"])}, None, "SMS_MFA, SOFTWARE_TOKEN_MFA"),
        ({}, ("PASSWORD", "EMAIL_OTP"), "PASSWORD, EMAIL_OTP"),
        ({"FRIENDLY_DEVICE_NAME": "phone"}, None, "phone"),
        ({"CODE_DELIVERY_DESTINATION": 5}, None, ""),
        (None, None, ""),
    ],
)
def test_the_hint_says_where_to_look(
    parameters: dict[str, Any] | None, available: tuple[str, ...] | None, hint: str
) -> None:
    """Where a code went, else what there is to choose from, else the device."""
    assert hint == asked("SMS_MFA", parameters, available).hint


@pytest.mark.parametrize("name", ["", "SMS MFA", "X\n", "\u00c4", "A" * 65])
def test_a_name_that_is_none_is_a_protocol_error(name: str) -> None:
    """The name is shown to people and sent back, so it has to be one."""
    with pytest.raises(ProtocolError, match="POST /login: the answer's challenge has no name that can be read"):
        asked(name)


def test_the_pools_own_user_name_goes_back() -> None:
    """``USER_ID_FOR_SRP`` counts more than what was typed (AWS API reference, NEW_PASSWORD_REQUIRED)."""
    answer = AuthAnswer(challenge_parameters={"USER_ID_FOR_SRP": "sub-1"})
    assert username_for(answer, "jane@example.com") == "sub-1"
    assert username_for(AuthAnswer(), "jane@example.com") == "jane@example.com"
    assert username_for(AuthAnswer(challenge_parameters={"USER_ID_FOR_SRP": ""}), None) is None


def test_answers_have_the_fields_as_keys() -> None:
    """A missing field and a surplus key are named; the values are not."""
    challenge = asked("SMS_MFA")
    check_answers(challenge, {"SMS_MFA_CODE": "123456"})
    with pytest.raises(ConfigurationError) as missing:
        check_answers(challenge, {"CODE": "123456"})
    with pytest.raises(ConfigurationError) as surplus:
        check_answers(challenge, {"SMS_MFA_CODE": "123456", "CODE": "123456"})
    assert str(missing.value) == "jane: the challenge SMS_MFA needs an answer for SMS_MFA_CODE"
    assert str(surplus.value) == "jane: the challenge SMS_MFA has no field CODE"


def test_an_unknown_challenge_takes_any_keys() -> None:
    """What this version does not know can still be answered."""
    check_answers(asked("SOMETHING_OF_TOMORROW"), {"WHATEVER": "1"})


values = st.none() | st.integers() | st.text() | st.lists(st.text()).map(json.dumps) | st.lists(st.integers())
names = st.sampled_from(
    ["requiredAttributes", "CODE_DELIVERY_DESTINATION", "MFAS_CAN_CHOOSE", "USER_ID_FOR_SRP", "FRIENDLY_DEVICE_NAME"]
)


@given(name=st.text() | st.just("NEW_PASSWORD_REQUIRED"), parameters=st.none() | st.dictionaries(names, values))
def test_any_parameters_are_a_challenge_or_a_protocol_error(name: str, parameters: dict[str, Any] | None) -> None:
    """Property: whatever stands in the parameters, there is a challenge that can be answered, if it has a name."""
    try:
        challenge = asked(name, parameters)
    except ProtocolError:
        return
    check_answers(challenge, dict.fromkeys(challenge.fields, "x"))
