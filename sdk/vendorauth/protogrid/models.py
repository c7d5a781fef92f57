"""
Read what Protogrid answers: an envelope of ``errors``, ``result`` and the version of the environment.

Sources: Protogrid wiki, "JSON API Authentication" and "API Endpoints".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Generic, TypeGuard, TypeVar

import attrs

from vendorauth._wire import Resource, read, structure, wire
from vendorauth.messages import Response
from vendorauth.tokens import JSON

T = TypeVar("T")

REFUSALS: Final = frozenset({401, 403})
"""What "that login is no good" is called: 403 in the wiki's text, 401 in its sample of a failed login."""

_VERSION: Final = "protogrid_environment_version"
_ERROR_STATUS: Final = range(400, 600)
_CODE: Final = re.compile(r"[0-9]{1,9}")
_LARGEST_CODE: Final = 999_999_999
_OBJECT: Final = re.compile(rb"[ \t\r\n]*\{")


@attrs.frozen(kw_only=True, slots=False)
class App(Resource):
    """
    Be an app that the user can open; all fields but *app_id* are ``None`` where the server leaves them out.

    *url* is relative to the environment's address (``/example``), *logo_url* may be empty, *theme_color* is a name such
    as ``blue-dark``. Fields that are not named here are in *extra*. Source: Protogrid wiki, API Endpoints.
    """

    app_id: str
    title: str | None = None
    description: str | None = None
    url: str | None = None
    url_name: str | None = None
    logo_url: str | None = None
    theme_color: str | None = None


@attrs.frozen(kw_only=True, slots=False)
class ProtogridErrorItem(Resource):
    """
    Be one of the errors in an answer.

    *code* is the vendor's number (401 for a refused login), ``None`` where there is none. *message* is the vendor's
    sentence, for people: it may repeat what was sent, so it is neither in ``repr`` nor in any exception's text. What
    else was there, or could not be read as one of these, is in *extra*; of an item that is no object, below ``item``.
    """

    code: int | None = None
    message: str = attrs.field(default="", repr=False)


@attrs.frozen(kw_only=True)
class ProtogridResponse(Generic[T]):
    """
    Be an answer of the JSON API, whole.

    *result* is not in ``repr``. *errors* is empty on success. *environment_version* is the server's version (``"1.4.10"``), ``None`` where the
    answer does not tell it. Source: Protogrid wiki, API Endpoints.
    """

    result: T = attrs.field(repr=False)
    errors: tuple[ProtogridErrorItem, ...] = ()
    environment_version: str | None = None


@attrs.frozen(kw_only=True)
class _Envelope:
    result: Any = attrs.field(default=None, repr=False)
    environment_version: str | None = wire(_VERSION, default=None)


def read_envelope(response: Response, label: str) -> ProtogridResponse[JSON]:
    """
    Read *response*, its result as plain JSON; *label* is the method and path for the error.

    A missing or null ``result`` is ``None``. Where there are errors the form of the rest does not matter, so that no
    error is lost.

    Raises:
        ProtocolError: The body is no JSON object, or its version is no text.
    """
    answer = _plainly_read(response)
    if answer is not None:
        return answer
    envelope = read(response, _Envelope, label)
    return ProtogridResponse(result=envelope.result, environment_version=envelope.environment_version)


def _plainly_read(response: Response) -> ProtogridResponse[JSON] | None:
    """Read *response* where it has errors, or is as it nearly always is."""
    errors, body = errors_in(response), _object_in(response)
    version = body.get(_VERSION)
    if not errors and (not body or (version is not None and _text(version) is None)):
        return None
    return ProtogridResponse(result=body.get("result"), errors=errors, environment_version=_text(version))


def structure_result(answer: ProtogridResponse[JSON], model: type[T], label: str) -> ProtogridResponse[T]:
    """
    Make a *model* of the result of *answer*; *label* is the method and path for the error.

    Raises:
        ProtocolError: It does not fit; names the path of what is wrong, not its value.
        ConfigurationError: *model* is no type that values can be made of.
    """
    return ProtogridResponse(
        result=structure(answer.result, model, f"{label}: the result"),
        errors=answer.errors,
        environment_version=answer.environment_version,
    )


def errors_in(response: Response) -> tuple[ProtogridErrorItem, ...]:
    """
    List the errors in *response*; none where its body is no envelope, or has not been read.

    A body that does not begin as a JSON object is not decoded.
    """
    errors = _object_in(response).get("errors")
    return read_errors(errors) if errors else ()


def read_errors(errors: JSON) -> tuple[ProtogridErrorItem, ...]:
    """
    Read an envelope's ``errors``: an item for whatever is there, in whatever form; none for null and what is empty.

    Only the items of a failed login are documented; the wiki shows all others as objects without naming their keys.
    """
    if not errors:
        return ()
    return tuple(_item(one) for one in (errors if _is_list(errors) else [errors]))


def code_of(errors: Sequence[ProtogridErrorItem]) -> int | None:
    """Choose the code that counts among *errors*: that of a refusal, else the first one there is."""
    codes = [one.code for one in errors if one.code is not None]
    return next((code for code in codes if code in REFUSALS), codes[0] if codes else None)


def status_of(response: Response) -> int:
    """
    Tell what *response* amounts to: the envelope's code where that is an HTTP status of an error, else HTTP's own.

    A refusal (401, 403) counts wherever it stands: servers differ on whether they say it in the status or only in the
    envelope of a 200.
    """
    errors = errors_in(response)
    code = code_of(errors) if errors else None
    if code is None or code not in _ERROR_STATUS or (response.status in REFUSALS and code not in REFUSALS):
        return response.status
    return code


def _object_in(response: Response) -> dict[str, Any]:
    if response.body is None or not _OBJECT.match(response.body):
        return {}
    value = response.json
    return value if _is_object(value) else {}


def _item(value: JSON) -> ProtogridErrorItem:
    if isinstance(value, str):
        return ProtogridErrorItem(message=value)
    if not _is_object(value):
        code = _code(value)
        return ProtogridErrorItem(code=code, extra={} if code is not None else {"item": value})
    code, message = _code(value.get("code")), _text(value.get("message"))
    read_here = {"code": code is not None, "message": message is not None}
    return ProtogridErrorItem(
        code=code,
        message=message or "",
        extra={key: one for key, one in value.items() if not read_here.get(key, False)},
    )


def _code(value: JSON) -> int | None:
    # type() and not isinstance(): True is no code.
    if type(value) is int and 0 <= value <= _LARGEST_CODE:
        return value
    if type(value) is str and _CODE.fullmatch(value):
        return int(value)
    return None


def _text(value: JSON) -> str | None:
    return value if isinstance(value, str) else None


def _is_object(value: JSON) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_list(value: JSON) -> TypeGuard[list[Any]]:
    return isinstance(value, list)
