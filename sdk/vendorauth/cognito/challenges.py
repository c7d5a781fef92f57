"""Read what Cognito asks before it gives a token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from vendorauth.cognito.shapes import AuthAnswer
from vendorauth.errors import ConfigurationError, ProtocolError
from vendorauth.tokens import JSON, Challenge

SESSION_LIFE: Final = timedelta(minutes=3)
"""How long a challenge can be answered by default (AWS API reference, AuthSessionValidity: 3 to 15 minutes)."""

_REQUIRED: Final = "NEW_PASSWORD_REQUIRED"

_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "CUSTOM_CHALLENGE": ("ANSWER",),
    "EMAIL_OTP": ("EMAIL_OTP_CODE",),
    _REQUIRED: ("NEW_PASSWORD",),
    "PASSWORD": ("PASSWORD",),
    "SELECT_CHALLENGE": ("ANSWER",),
    "SELECT_MFA_TYPE": ("ANSWER",),
    "SMS_MFA": ("SMS_MFA_CODE",),
    "SMS_OTP": ("SMS_OTP_CODE",),
    "SOFTWARE_TOKEN_MFA": ("SOFTWARE_TOKEN_MFA_CODE",),
}
"""What to answer with (AWS API reference, RespondToAuthChallenge: ChallengeResponses), but for the user name."""

_ATTRIBUTE: Final = "userAttributes."
_NAME: Final = re.compile("[A-Za-z0-9_]{1,64}", re.ASCII)


def challenge_from(
    answer: AuthAnswer, *, account: str, now: datetime, label: str, hidden: Mapping[str, JSON]
) -> Challenge:
    """
    Make the challenge that *answer* holds; *hidden* is what answering it needs besides.

    Its fields are empty where this version does not know the challenge: it can be answered with any keys.

    Raises:
        ProtocolError: Its name can't be one.
    """
    name = answer.challenge_name or ""
    if not _NAME.fullmatch(name):
        message = f"{label}: the answer's challenge has no name that can be read"
        raise ProtocolError(message)
    parameters = answer.challenge_parameters or {}
    attributes = _required_attributes(parameters) if name == _REQUIRED else []
    return Challenge(
        name=name,
        account=account,
        fields=(*_FIELDS.get(name, ()), *attributes),
        hint=_hint(answer, parameters),
        expires_at=now + SESSION_LIFE,
        hidden=hidden,
    )


def username_for(answer: AuthAnswer, username: str | None) -> str | None:
    """Give the user name to answer with: the pool's own one where it says so, else the *username* that was typed."""
    return _text(answer.challenge_parameters or {}, "USER_ID_FOR_SRP") or username


def check_answers(challenge: Challenge, answers: Mapping[str, str]) -> None:
    """
    Compare the keys of *answers* with the challenge's fields.

    Raises:
        ConfigurationError: One is missing, or one is too many; names the first.
    """
    if not challenge.fields:
        return
    missing = [name for name in challenge.fields if name not in answers]
    surplus = [name for name in answers if name not in challenge.fields]
    if missing or surplus:
        complaint = f"needs an answer for {missing[0]}" if missing else f"has no field {surplus[0]}"
        message = f"{challenge.account}: the challenge {challenge.name} {complaint}"
        raise ConfigurationError(message)


def _required_attributes(parameters: Mapping[str, JSON]) -> list[str]:
    """
    Name the attributes that have to come with a new password; live answers spell them with the prefix or without.

    A name that can't be shown is left out, because no attribute has one.
    """
    spoken = (name for name in _texts(parameters, "requiredAttributes") if name.isprintable())
    return list(dict.fromkeys(_ATTRIBUTE + name.removeprefix(_ATTRIBUTE) for name in spoken))


def _hint(answer: AuthAnswer, parameters: Mapping[str, JSON]) -> str:
    choices = _texts(parameters, "MFAS_CAN_CHOOSE") or answer.available_challenges or ()
    return (
        _text(parameters, "CODE_DELIVERY_DESTINATION")
        or ", ".join(choices)
        or _text(parameters, "FRIENDLY_DEVICE_NAME")
    )


def _text(parameters: Mapping[str, JSON], name: str) -> str:
    value = parameters.get(name)
    return value if isinstance(value, str) else ""


def _texts(parameters: Mapping[str, JSON], name: str) -> list[str]:
    """Read a list of texts that is JSON inside a text."""
    try:
        return msgspec.json.decode(_text(parameters, name), type=list[str])
    except (ValueError, RecursionError):
        return []
