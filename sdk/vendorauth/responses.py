"""Hold what the API answered, and make errors of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar, final, overload

from multidict import CIMultiDictProxy

from vendorauth._dates import retry_after
from vendorauth._wire import structure
from vendorauth.errors import (
    ApiError,
    NotFound,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    ServerError,
    Unauthorized,
)
from vendorauth.messages import NOT_JSON, REDIRECTS, Response
from vendorauth.tokens import JSON

T = TypeVar("T")

_CLASSES: Final[dict[int, type[ApiError]]] = {
    HTTPStatus.UNAUTHORIZED: Unauthorized,
    HTTPStatus.FORBIDDEN: PermissionDenied,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.TOO_MANY_REQUESTS: RateLimited,
}

NO_CONTENT: Final = 204
"""The status of an answer without a body (RFC 9110, section 15.3.5); HTTPStatus is slow to be asked for it."""

_REQUEST_IDS: Final = ("x-amzn-RequestId", "x-amz-apigw-id", "X-Request-ID")
_REQUEST_ID: Final = re.compile("[!-~]{1,128}")
_CODE: Final = re.compile("[A-Za-z][A-Za-z0-9_.]{0,99}")


@final
class ApiResponse:
    """Be a successful answer of the API, read whole."""

    __slots__ = ("label", "message")

    def __init__(self, message: Response, label: str) -> None:
        self.message: Final = message
        self.label: Final = label

    def __repr__(self) -> str:
        return f"<ApiResponse {self.status} to {self.label}, {len(self.content)} bytes>"

    @property
    def status(self) -> int:
        """HTTP's status."""
        return self.message.status

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """HTTP's headers."""
        return self.message.headers

    @property
    def request_id(self) -> str | None:
        """What the vendor's support asks for, where the answer names it."""
        return request_id(self.message)

    @property
    def content(self) -> bytes:
        """The body, decompressed."""
        return self.message.body or b""

    @overload
    def json(self) -> JSON: ...
    @overload
    def json(self, model: type[T]) -> T: ...
    def json(self, model: type[Any] | None = None) -> Any:
        """
        Give the body as JSON, decoded once; structured into *model* where one is given; ``None`` for a 204.

        Raises:
            ProtocolError: The body is no JSON, or not of this model.
            ConfigurationError: *model* is no type that JSON can be structured into.
        """
        if self.message.status == NO_CONTENT:
            return None
        if self.message.json is NOT_JSON:
            message = f"{self.label}: the answer ({self.status}) is not JSON"
            raise ProtocolError(message)
        if model is None:
            return self.message.json
        return structure(self.message.json, model, f"{self.label}: the answer ({self.status})")


def request_id(response: Response) -> str | None:
    """Give the id that the vendor's support asks for; what can't be one is passed over."""
    given = (response.headers.get(name, "") for name in _REQUEST_IDS)
    return next((one for one in given if _REQUEST_ID.fullmatch(one)), None)


def _gateways_code(response: Response) -> str | None:
    """Give AWS's name for the error, without the address behind it; what can't be a name is passed over."""
    name = response.headers.get("x-amzn-ErrorType", "").partition(":")[0]
    return name if _CODE.fullmatch(name) else None


def phrase(status: int) -> str:
    """Name *status* as the standard does; a server's own phrase may say anything."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def api_error(
    label: str,
    response: Response,
    *,
    now: datetime,
    status: int | None = None,
    errors: Sequence[object] = (),
    why: str = "",
) -> ApiError:
    """
    Make the error for an answer that is no success.

    *status* is an envelope's code where that tells more than HTTP's, *errors* its items, *why* ends the sentence.
    """
    code = _gateways_code(response)
    told = response.status if status is None else status
    message = f"{label}: {phrase(response.status)}"
    if told != response.status:
        message, code = f"{message}, with error {told}", str(told)
    if told in REDIRECTS:
        why = f"; a redirect is followed for GET and HEAD only, and to nobody else{why}"
    fallback = ServerError if told >= HTTPStatus.INTERNAL_SERVER_ERROR else ApiError
    return _CLASSES.get(told, fallback)(
        message + why, response.status, code, request_id(response), errors, retry_after(response.headers, now=now)
    )
