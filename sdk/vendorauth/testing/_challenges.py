"""Ask and judge what a fake Cognito wants to know before it gives a token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import attrs
import msgspec

from vendorauth.tokens import JSON

Verdict: TypeAlias = Literal["right", "wrong", "unfit"]

_CODE_FIELDS: Final = {
    "SOFTWARE_TOKEN_MFA": "SOFTWARE_TOKEN_MFA_CODE",
    "SMS_MFA": "SMS_MFA_CODE",
    "SMS_OTP": "SMS_OTP_CODE",
    "EMAIL_OTP": "EMAIL_OTP_CODE",
    "NEW_PASSWORD_REQUIRED": "NEW_PASSWORD",
}
_CHOICES: Final = ("SMS_MFA", "SOFTWARE_TOKEN_MFA")
_SHORTEST_PASSWORD: Final = 8
_PARAMETERS: Final[Mapping[str, Mapping[str, str]]] = {
    "SOFTWARE_TOKEN_MFA": {"FRIENDLY_DEVICE_NAME": "phone"},
    "SMS_MFA": {"CODE_DELIVERY_DELIVERY_MEDIUM": "SMS", "CODE_DELIVERY_DESTINATION": "+*********89"},
    "SMS_OTP": {"CODE_DELIVERY_DELIVERY_MEDIUM": "SMS", "CODE_DELIVERY_DESTINATION": "+*********89"},
    "EMAIL_OTP": {"CODE_DELIVERY_DELIVERY_MEDIUM": "EMAIL", "CODE_DELIVERY_DESTINATION": "j***@e***"},
    "SELECT_MFA_TYPE": {"MFAS_CAN_CHOOSE": msgspec.json.encode(_CHOICES).decode()},
    "NEW_PASSWORD_REQUIRED": {
        "requiredAttributes": "[]",
        "userAttributes": '{"email_verified":"true","email":"jane@example.com"}',
    },
}


@attrs.frozen(kw_only=True)
class Requirement:
    """Be one question: the challenge's *name*, the *code* that answers it, and *parameters* that go with it."""

    name: str
    code: str = attrs.field(repr=False)
    parameters: Mapping[str, str] | None = None

    def shown(self, user_id: str) -> dict[str, str]:
        """Give the ``ChallengeParameters``."""
        known = _PARAMETERS.get(self.name, {}) if self.parameters is None else self.parameters
        return {"USER_ID_FOR_SRP": user_id, **known}

    def verdict(self, answers: Mapping[str, JSON]) -> Verdict:
        """Judge *answers*: ``"unfit"`` is one that could never be right."""
        given = answers.get(_CODE_FIELDS.get(self.name, "ANSWER"))
        if not isinstance(given, str):
            return "unfit"
        match self.name:
            case "NEW_PASSWORD_REQUIRED":
                return "right" if len(given) >= _SHORTEST_PASSWORD else "wrong"
            case "SELECT_MFA_TYPE":
                return "right" if given in _CHOICES else "unfit"
            case _:
                return "right" if given == self.code else "wrong"


@attrs.frozen(kw_only=True)
class Pending:
    """Be a login half done: what is *left* to ask, the first now, until *ends_at*."""

    left: tuple[Requirement, ...]
    ends_at: float
