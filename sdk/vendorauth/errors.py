"""
Name every error that leaves this package: one class for each thing that a caller can do.

.. code-block:: text

    VendorAuthError                        .temporary: would the same call later be worth a try?
    ├── ConfigurationError(ValueError)     a base URL, region, option, path that can't be right
    ├── TransportError                     nothing came back: DNS, TLS, refused, connection lost
    │   └── RequestTimeout
    ├── ProtocolError                      something came back that can't be read
    ├── AuthError                          .code .request_id
    │   ├── InvalidCredentials             ask the person again
    │   ├── ChallengeRequired              .challenge
    │   ├── ReauthenticationRequired       the stored tokens are dead and no password is at hand
    │   └── AuthServiceUnavailable         try later: .retry_after
    ├── ApiError                           the API answered, and not with success: .status .code .request_id .errors
    │   ├── Unauthorized
    │   ├── PermissionDenied
    │   ├── NotFound
    │   ├── RateLimited                    .retry_after
    │   └── ServerError                    .retry_after
    └── StoreError
        ├── StoreUnreadable                there is a record, and it is not ours to read
        ├── StoreConflict                  somebody else has stored a newer token
        ├── StoreLockTimeout               somebody else holds the lock for too long
        └── StoreUnavailable               the store can't be reached or written

A text names method, path and status, never a body, a header or a token.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar, Self, TypeVar

import attrs

from vendorauth.tokens import Challenge


class VendorAuthError(Exception):
    """Be the root of all errors of this package."""

    temporary: ClassVar[bool] = False
    """Would the same call later be worth a try?"""

    def __str__(self) -> str:
        """Give the sentence alone, without the other arguments."""
        return str(self.args[0]) if self.args else ""

    def __repr__(self) -> str:
        """Show the sentence only: other arguments may hold what a vendor sent."""
        return f"{type(self).__name__}({str(self)!r})"


class ConfigurationError(VendorAuthError, ValueError):
    """Say that a base URL, region, option or path can't be right. Raised when a client is made, or by the call."""


class TransportError(VendorAuthError):
    """
    Say that nothing came back: DNS, TLS, connection refused or lost.

    *sent* tells whether the vendor may have read the request: false only when it certainly was not sent.
    """

    temporary = True

    def __init__(self, message: str, sent: bool = True) -> None:  # noqa: FBT001, FBT002  exceptions pickle by position
        super().__init__(message, sent)
        self.sent = sent


class RequestTimeout(TransportError):
    """Say that the time was over before the answer was complete."""


class ProtocolError(VendorAuthError):
    """
    Say that something came back that can't be read.

    Most often a proxy's or a gateway's page in place of the vendor's answer, so a later call is worth a try. Its cause
    is cut, because decoders' errors show what they could not read.
    """

    temporary = True


class AuthError(VendorAuthError):
    """
    Say that logging in or renewing did not give a token.

    *code* is the vendor's own word for it, *request_id* what its support asks for; either may be ``None``.
    """

    def __init__(self, message: str, code: str | None = None, request_id: str | None = None) -> None:
        super().__init__(message, code, request_id)
        self.code = code
        self.request_id = request_id


class InvalidCredentials(AuthError):
    """Say that the vendor refused the credentials: ask the person again."""


class ChallengeRequired(AuthError):
    """
    Say that the vendor asks something first; *challenge* goes back with ``TokenSource.answer``.

    A pickle of it has a challenge without its hidden part, a secret, which `Challenge.to_json` carries.
    """

    def __init__(self, challenge: Challenge) -> None:
        Exception.__init__(self, challenge)
        self.challenge = challenge
        self.code: str | None = challenge.name
        self.request_id: str | None = None

    def __reduce__(self) -> tuple[type[Self], tuple[Challenge], dict[str, Any]]:
        """Leave the hidden part behind: pickled errors end up in queues and result stores."""
        bare = attrs.evolve(self.challenge, hidden={})
        return type(self), (bare,), {**vars(self), "challenge": bare}

    def __copy__(self) -> Self:
        """Copy it whole."""
        twin = type(self)(self.challenge)
        twin.__dict__.update(vars(self))
        return twin

    def __deepcopy__(self, _: object) -> Self:
        """Copy it whole; what it holds does not change."""
        return copy.copy(self)

    def __str__(self) -> str:
        """Name the challenge and its account."""
        return f"{self.challenge.account}: the vendor asks for {self.challenge.name}"


class ReauthenticationRequired(AuthError):
    """Say that the stored tokens are dead, or there are none, and no password is at hand: log in again."""


class AuthServiceUnavailable(AuthError):
    """Say that the token service can't serve now; *retry_after* is in seconds, ``None`` when it named none."""

    temporary = True

    def __init__(
        self,
        message: str,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        Exception.__init__(self, message, code, request_id, retry_after)
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after


class ApiError(VendorAuthError):
    """
    Say that the API answered, and not with success.

    *status* is HTTP's, *code* the vendor's own (an envelope's code, as text), *errors* an envelope's items, which hold
    the vendor's words and are therefore not in the text; *retry_after* is in seconds, ``None`` when there is none.
    """

    def __init__(
        self,
        message: str,
        status: int,
        code: str | None = None,
        request_id: str | None = None,
        errors: Sequence[object] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, status, code, request_id, errors, retry_after)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.errors = errors
        self.retry_after = retry_after


class Unauthorized(ApiError):
    """Say that the API refused a token that was just renewed, with 401."""


class PermissionDenied(ApiError):
    """Say that this user may not do this: 403, and a new token did not help."""


class NotFound(ApiError):
    """Say that there is no such thing: 404."""


class RateLimited(ApiError):
    """Say that these were too many requests: 429."""

    temporary = True


class ServerError(ApiError):
    """Say that the API failed: 5xx."""

    temporary = True


class StoreError(VendorAuthError):
    """Say that the token store gave trouble."""


class StoreUnreadable(StoreError):
    """Say that there is a record and it is not ours to read: wrong key, newer version, no permission. It is left."""


class StoreConflict(StoreError):
    """Say that the store holds a token of a higher generation, which stays."""

    temporary = True


class StoreLockTimeout(StoreError):
    """Say that somebody else held the store's lock for longer than one waits."""

    temporary = True


class StoreUnavailable(StoreError):
    """Say that the store can't be reached or written; the cause is chained."""

    temporary = True


ErrorT = TypeVar("ErrorT", bound=VendorAuthError)


def own_copy(error: ErrorT) -> ErrorT:
    """Copy *error* for one more caller: an instance raised twice grows its traceback and keeps callers' locals alive."""
    try:
        twin = copy.copy(error)
    except TypeError:  # a subclass of somebody else's, whose constructor takes other arguments
        twin = type(error).__new__(type(error), *error.args)
        twin.__dict__.update(error.__dict__)
    twin.__cause__ = error.__cause__
    twin.__suppress_context__ = True
    return twin
