"""
Tell what an answer of ``/api/v2/authenticate`` amounts to.

The wiki ("JSON API Authentication") names HTTP 403 for a failed login, shows an envelope with code 401, and does not
say which status goes with it; so both count, wherever they stand.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from vendorauth._dates import retry_after
from vendorauth.errors import AuthError, AuthServiceUnavailable, InvalidCredentials, ProtocolError
from vendorauth.messages import Response
from vendorauth.protogrid.models import REFUSALS, code_of, errors_in, read_envelope, status_of

_TOO_MANY: Final = 429
_SERVER_ERRORS: Final = range(500, 600)
_REDIRECTS: Final = range(300, 400)


def raise_for_failure(response: Response, label: str, *, now: datetime) -> None:
    """
    Raise what *response* to a login says is wrong; *label* is the method and path for the error.

    A text names the status and the envelope's numeric code, never the vendor's message. ``Retry-After`` counts from
    *now*.

    Raises:
        InvalidCredentials: 401 or 403, in the status or in the envelope of any status.
        AuthServiceUnavailable: 429 or 5xx, likewise.
        AuthError: The envelope has other errors.
        ProtocolError: A redirect, another status without errors, or no envelope.
    """
    errors = errors_in(response)
    number = code_of(errors)
    code = None if number is None else str(number)
    said = f"{label}: {response.status}" if code is None else f"{label}: {response.status}, code {code}"
    status = status_of(response)
    if status in REFUSALS:
        message = f"{said}: the credentials were refused"
        raise InvalidCredentials(message, code)
    if _is_passing(status) or _is_passing(response.status):
        message = f"{said}: the login can't be served now"
        raise AuthServiceUnavailable(message, code, None, retry_after(response.headers, now=now))
    if response.status in _REDIRECTS:
        message = f"{said}: a redirect, which is not followed with credentials"
        raise ProtocolError(message)
    if errors:
        message = f"{said}: the login failed"
        raise AuthError(message, code)
    if not response.ok:
        message = f"{said}: not an answer to a login"
        raise ProtocolError(message)
    read_envelope(response, label)


def _is_passing(status: int) -> bool:
    return status == _TOO_MANY or status in _SERVER_ERRORS
