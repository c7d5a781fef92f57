"""
Say what each error of Cognito means: one table for all of them.

The vendor's code decides, not the status: real Cognito answers 400 to nearly everything. The status counts where there
is no code, or one that the table does not know. Message texts are never read; they change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, cast

from vendorauth.errors import (
    AuthError,
    AuthServiceUnavailable,
    InvalidCredentials,
    ProtocolError,
    ReauthenticationRequired,
)
from vendorauth.messages import Response, is_passing
from vendorauth.tokens import JSON

Step: TypeAlias = Literal["login", "answer", "refresh", "revoke"]
"""
What was asked of Cognito: InitiateAuth with a password, RespondToAuthChallenge, InitiateAuth or
GetTokensFromRefreshToken with a refresh token, RevokeToken.
"""

RESOURCE_NOT_FOUND: Final = "ResourceNotFoundException"
"""The user pool's client id does not exist (any more)."""

_Meaning: TypeAlias = Mapping[Step, type[AuthError]]

# Definite: the password, or the refresh token, is not accepted, and sending it again changes nothing.
_REFUSED: Final[_Meaning] = {
    "login": InvalidCredentials,
    "answer": InvalidCredentials,
    "refresh": ReauthenticationRequired,
    "revoke": AuthError,
}
# What the person gave is not accepted: a code, a new password, a choice; or the pool's own check turned them away.
# None of this says that a refresh token is dead, so a refresh keeps it.
_DENIED: Final[_Meaning] = {
    "login": InvalidCredentials,
    "answer": InvalidCredentials,
    "refresh": AuthError,
    "revoke": AuthError,
}
# Passing: the same request may succeed later.
_PASSING: Final[_Meaning] = {
    "login": AuthServiceUnavailable,
    "answer": AuthServiceUnavailable,
    "refresh": AuthServiceUnavailable,
    "revoke": AuthServiceUnavailable,
}
# A trigger of the pool failed, or its firewall said no. It may pass, so a refresh is tried again; a password is not:
# an AuthError is not temporary, because triggers may count attempts and firewalls do.
_FAULT: Final[_Meaning] = {
    "login": AuthError,
    "answer": AuthError,
    "refresh": AuthServiceUnavailable,
    "revoke": AuthServiceUnavailable,
}
# The pool, or the way in which it is asked, is set up wrongly: nobody who types can help. Not temporary either.
_SETTINGS: Final[_Meaning] = {"login": AuthError, "answer": AuthError, "refresh": AuthError, "revoke": AuthError}
# The pool does not know this way of asking, such as InitiateAuth for a refresh where refresh tokens rotate. Nothing but
# another way helps: a password, where there is one.
_UNUSABLE: Final[_Meaning] = {**_SETTINGS, "refresh": ReauthenticationRequired}

_TABLE: Final[Mapping[str, _Meaning]] = {
    "AliasExistsException": _DENIED,
    "CodeMismatchException": _DENIED,
    "ExpiredCodeException": _DENIED,
    "FeatureUnavailableInTierException": _SETTINGS,
    "ForbiddenException": _FAULT,
    "InternalErrorException": _PASSING,
    "InvalidEmailRoleAccessPolicyException": _SETTINGS,
    "InvalidLambdaResponseException": _FAULT,
    "InvalidParameterException": _UNUSABLE,
    "InvalidPasswordException": _DENIED,
    "InvalidSmsRoleAccessPolicyException": _SETTINGS,
    "InvalidSmsRoleTrustRelationshipException": _SETTINGS,
    "InvalidUserPoolConfigurationException": _SETTINGS,
    "MFAMethodNotFoundException": _DENIED,
    "NotAuthorizedException": _REFUSED,
    "OperationNotEnabledException": _UNUSABLE,
    "PasswordHistoryPolicyViolationException": _DENIED,
    "PasswordResetRequiredException": _REFUSED,
    "RefreshTokenReuseException": _REFUSED,
    RESOURCE_NOT_FOUND: _SETTINGS,
    "SoftwareTokenMFANotFoundException": _DENIED,
    "TooManyRequestsException": _PASSING,
    "UnauthorizedException": _SETTINGS,
    "UnexpectedLambdaException": _FAULT,
    "UnsupportedOperationException": _UNUSABLE,
    "UnsupportedTokenTypeException": _UNUSABLE,
    "UserLambdaValidationException": _DENIED,
    "UserNotConfirmedException": _REFUSED,
    "UserNotFoundException": _REFUSED,
    # In no operation's list: AWS's front end speaks before Cognito does (names as botocore retries them).
    "InternalFailure": _PASSING,
    "InternalServerError": _PASSING,
    "LimitExceededException": _PASSING,
    "MissingAuthenticationTokenException": _SETTINGS,
    "RequestLimitExceeded": _PASSING,
    "RequestThrottled": _PASSING,
    "RequestThrottledException": _PASSING,
    "RequestTimeoutException": _PASSING,
    "SerializationException": _SETTINGS,
    "ServiceUnavailable": _PASSING,
    "ServiceUnavailableException": _PASSING,
    "SlowDown": _PASSING,
    "ThrottledException": _PASSING,
    "Throttling": _PASSING,
    "ThrottlingException": _PASSING,
    "UnknownOperationException": _SETTINGS,
}

_HINTS: Final[Mapping[tuple[str, Step], str]] = {
    ("NotAuthorizedException", "refresh"): (
        "the refresh token is expired, revoked, of another client id, or the pool wants a device that it knows"
    ),
    ("NotAuthorizedException", "login"): "the user name or the password was refused, or the user is disabled",
    ("InvalidParameterException", "refresh"): "a pool that rotates refresh tokens wants GetTokensFromRefreshToken",
    ("PasswordResetRequiredException", "login"): "the user has to set a new password in the vendor's portal",
    ("UserNotConfirmedException", "login"): "the user has to confirm the account in the vendor's portal",
}

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,99}", re.ASCII)
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_=-]{1,128}", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", re.ASCII)

_CLIENT_ERRORS: Final = 400


def failure(response: Response, label: str, step: Step) -> AuthError | ProtocolError:
    """
    Turn *response*, which is not one of success, into the error to raise; *label* is the request's method and path.

    A redirect is a `ProtocolError`, and so is a refusal that names no error and does not pass by its status: something
    other than Cognito has answered.
    """
    if response.status < _CLIENT_ERRORS:
        return ProtocolError(f"{label}: the answer is a {response.status}, and redirects are not followed")
    code = vendor_code(response)
    if code is None and not is_passing(response.status):
        return ProtocolError(f"{label}: the answer ({response.status}) names no error that can be read")
    kind = _kind(code or "", response.status, step)
    return refusal(kind, response, f"{label}: {_described(code, response.status, step)}")


def refusal(kind: type[AuthError], response: Response, message: str) -> AuthError:
    """Make an error of *kind* with what *response* says about itself: the code, the request, when to come back."""
    code, request = vendor_code(response), request_id(response)
    if issubclass(kind, AuthServiceUnavailable):
        return kind(message, code, request, retry_after(response))
    return kind(message, code, request)


def _kind(code: str, status: int, step: Step) -> type[AuthError]:
    if code in _TABLE:
        return _TABLE[code][step]
    return AuthServiceUnavailable if is_passing(status) else AuthError


def _described(code: str | None, status: int, step: Step) -> str:
    if code is None:
        return str(status)
    hint = _HINTS.get((code, step))
    return f"{status} {code} ({hint})" if hint else f"{status} {code}"


def vendor_code(response: Response) -> str | None:
    """
    Find the name of the error in *response*: the body's ``__type``, its ``code``, the header ``x-amzn-ErrorType``.

    ``ns#Name:uri`` is cut to ``Name`` (Smithy, AWS JSON 1.1 protocol). What is no name, ``None`` included, is passed
    over: the name is shown to people.
    """
    # An object of JSON has texts as keys; a body that is none has no code.
    body = cast("dict[str, JSON]", response.json) if isinstance(response.json, dict) else {}
    spoken = [body.get("__type"), body.get("code")]
    names = (_bare(one) for one in (*spoken, response.headers.get("x-amzn-ErrorType")))
    return next((name for name in names if name), None)


def _bare(value: JSON) -> str | None:
    if not isinstance(value, str):
        return None
    name = re.split("[:,]", value, maxsplit=1)[0].rpartition("#")[2].strip()
    return name if _NAME.fullmatch(name) else None


def request_id(response: Response) -> str | None:
    """Give what AWS's support asks for; ``None`` when there is none, or none that can be shown."""
    value = response.headers.get("x-amzn-RequestId", "")
    return value if _REQUEST_ID.fullmatch(value) else None


def retry_after(response: Response) -> float | None:
    """
    Give the seconds that *response* asks to wait: ``Retry-After``, else ``x-amz-retry-after`` (milliseconds).

    AWS documents neither for Cognito; botocore reads the second. A date instead of a number counts as none.
    """
    for name, unit in (("Retry-After", 1.0), ("x-amz-retry-after", 1000.0)):
        value = response.headers.get(name, "").strip()
        if _NUMBER.fullmatch(value):
            return float(value) / unit
    return None
