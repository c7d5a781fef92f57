"""Check what a login flow makes of answers that are not what it expects, and that it shows no secret."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from itertools import product
from typing import Any, Final

import attrs
import msgspec

from vendorauth.errors import (
    AuthError,
    InvalidCredentials,
    ProtocolError,
    ReauthenticationRequired,
    VendorAuthError,
)
from vendorauth.messages import NOT_JSON, REDIRECTS, Response
from vendorauth.testing._conformance_asserts import fail
from vendorauth.testing._conformance_flows import whole
from vendorauth.testing._conformance_scripts import (
    NOW,
    FlowScript,
    Part,
    Run,
    asked,
    holds,
    logged_in,
    parts,
    secrets_of,
)
from vendorauth.tokens import JSON, Challenge, Token

MARK: Final = "a \"planted' secret: 6a7b8c"
"""What bodies hold that nobody may see; it is no name of an error."""

_REFUSAL: Final = {
    "error": MARK,
    "error_description": MARK,
    "code": MARK,
    "message": MARK,
    "__type": MARK,
    "detail": [MARK],
}
_BODIES: Final = (
    b"",
    f"<html><title>{MARK}</title></html>".encode(),
    b"null",
    b"[]",
    b"{}",
    b"12345678901234567890",
    msgspec.json.encode(MARK),
    msgspec.json.encode(_REFUSAL),
    msgspec.json.encode([_REFUSAL]),
    b'{"error": ' + b"[" * 10_000,
    b"[" * 900 + b"]" * 900,
    b"\xff\xfe\0" + MARK.encode("utf-16"),
    b'{"a": "\\ud800"}',
)
_STATUSES: Final = (200, 201, 204, 304, 400, 401, 403, 404, 418, 429, 500, 502, 503)
# Made once, because a response decodes its body once.
_NONSENSE: Final = (
    Response(200, {}, b" " * 2**20),
    *(Response(status, {"Location": MARK, "X": MARK}, body) for status, body in product(_STATUSES, _BODIES)),
)
_TEMPORARY: Final = (429, 500, 502, 503, 504)
_VALUES: Final[tuple[JSON, ...]] = (
    None, True, 0, -1, 2**62, 1e308, "", " ", "a\r\nb: c", "\N{SNOWMAN}", MARK, [], {}, [MARK], {"a": MARK},
)  # fmt: skip
_ELSEWHERE: Final = ("https://elsewhere.invalid/login", "/login", "")
_MOST: Final = 3
"""So many requests may follow one that was answered with nonsense."""


def redirects_are_not_followed(script: FlowScript) -> None:
    """
    A redirect in answer to any request is an error, and the last request: a 307 would carry the password elsewhere.

    Anything between may have sent it: so it is no `InvalidCredentials`, and costs no refresh token.
    """
    for part, place in _places(script):
        for status, location in product(sorted(REDIRECTS), _ELSEWHERE):
            bad = Response(status, {"Location": location})
            ran = _run(part, place, bad, f" with a {status} in answer to request {place + 1}")
            if len(ran.requests) > place + 1:
                fail(f"{ran.about}: it sends another request, {ran.requests[-1].label}")
            if not isinstance(ran.outcome, AuthError | ProtocolError):
                fail(f"{ran.about}: expected a ProtocolError, got {_kind(ran)}")
            _blames_nobody(ran)


def garbage_is_no_token(script: FlowScript) -> None:
    """
    Whatever is answered, it ends soon: with a documented error, or with a token, or challenge, that is whole.

    An empty body, HTML, other JSON, deep or long JSON, with any status; good answers with one value that is another, or
    gone, or cut off. Only a success gives a token.
    """
    for part, place, bad in _spoiled(script):
        ran = _run(part, place, bad, f" with {_described(bad)} in answer to request {place + 1}")
        _ends_well(script, ran, place, bad)


def trouble_is_temporary(script: FlowScript) -> None:
    """A 429 or 5xx that is not the vendor's own is ``temporary``: no credentials were refused, no token is dead."""
    for part, place in _places(script):
        for status, body in product(_TEMPORARY, (b"", b"<html>", b"{}")):
            ran = _run(part, place, Response(status, {"Retry-After": "7"}, body), f" with a {status}")
            _blames_nobody(ran)
            if not isinstance(ran.outcome, VendorAuthError) or not ran.outcome.temporary:
                fail(f"{ran.about}: expected a temporary error, such as AuthServiceUnavailable, got {_kind(ran)}")


def failures_change_no_token(script: FlowScript) -> None:
    """``absorb`` gives the same token back after anything but a success, and never another generation."""
    flow, token = script.make(), logged_in(script)
    for response in (*_NONSENSE, *(Response(status, {"Set-Cookie": "a=b"}, None) for status in _STATUSES)):
        after = flow.absorb(token, response, now=NOW)
        if not response.ok and after is not token:
            fail(f"absorb: an answer with {response.status} changes the token")
        if after.generation != token.generation:
            fail("absorb: it sets a generation, which is the engine's to set")
        whole(script, after, f"absorb, of {_described(response)}")


def secrets_stay_hidden(script: FlowScript) -> None:
    """
    No ``repr``, no ``str``, no error and no local variable of one shows credentials, tokens, or what was answered.

    Tracebacks with local variables, as rich and pytest print them, show the ``repr`` of what a flow's functions hold:
    keep secrets in credentials, tokens, requests and responses, which hide them.
    """
    token = logged_in(script)
    secrets = {*secrets_of(script, token), MARK}
    for part in parts(script):
        ran = part.done()
        if isinstance(ran.outcome, Token):
            secrets |= secrets_of(script, ran.outcome)
        for thing in (part.flow, ran.outcome, *ran.requests):
            _hides(thing, secrets, f"{part.name}: {type(thing).__name__}")
    if script.asked:
        _hides(asked(script), secrets, "a challenge")
    for ran in _failures(script):
        if isinstance(ran.outcome, VendorAuthError):
            _hides_all(ran.outcome, secrets, f"{ran.about}: {type(ran.outcome).__name__}", {*script.answers.values()})


def _places(script: FlowScript) -> Iterator[tuple[Part, int]]:
    for part in parts(script):
        for place in range(len(part.answers)):
            yield part, place


def _run(part: Part, place: int, bad: Response, what: str) -> Run:
    return part.run((*part.answers[:place], bad), what)


def _kind(ran: Run) -> str:
    return type(ran.outcome).__name__


def _blames_nobody(ran: Run) -> None:
    if isinstance(ran.outcome, InvalidCredentials | ReauthenticationRequired):
        fail(f"{ran.about}: {_kind(ran)} would take it for a refusal")


def _ends_well(script: FlowScript, ran: Run, place: int, bad: Response) -> None:
    if len(ran.requests) > place + _MOST:
        fail(f"{ran.about}: it goes on and on, with {len(ran.requests)} requests")
    if isinstance(ran.outcome, Token):
        if not bad.ok:
            fail(f"{ran.about}: it gives a token")
        whole(script, ran.outcome, ran.about)
    elif isinstance(ran.outcome, Challenge):
        ran.outcome.to_json()
    elif ran.outcome is not None and not isinstance(ran.outcome, AuthError | ProtocolError):
        fail(f"{ran.about}: expected a ProtocolError or an AuthError, got {_kind(ran)}")


def _described(response: Response) -> str:
    body = response.body
    return f"{response.status} and {'no body' if body is None else repr(body[:60])}"


def _bent(good: Response) -> Iterator[bytes]:
    body = good.body or b""
    yield body[: len(body) // 2]
    yield body + b"}"
    if good.json is not NOT_JSON:
        yield from (msgspec.json.encode(one) for one in _variants(good.json))


def _variants(value: JSON) -> Iterator[JSON]:
    """Give *value* with each part of it gone, or another one."""
    yield from _VALUES
    if isinstance(value, dict | list):
        yield from _changed(value)


def _changed(parts_of: Any) -> Iterator[JSON]:
    for key in list(parts_of) if hasattr(parts_of, "keys") else range(len(parts_of)):
        rest = parts_of.copy()
        del rest[key]
        yield rest
        for other in _variants(parts_of[key]):
            changed = parts_of.copy()
            changed[key] = other
            yield changed


def _spoiled(script: FlowScript) -> Iterator[tuple[Part, int, Response]]:
    for part, place in _places(script):
        good = part.answers[place]
        yield from ((part, place, bad) for bad in _NONSENSE)
        yield from ((part, place, attrs.evolve(good, status=status)) for status in _STATUSES if status >= 300)  # noqa: PLR2004
        yield from ((part, place, attrs.evolve(good, body=body)) for body in _bent(good))


def _failures(script: FlowScript) -> Iterator[Run]:
    for part, place, bad in _spoiled(script):
        yield _run(part, place, bad, f" with {bad.status}")
    refused = {"login": script.login_refused, "refresh": script.refresh_refused}
    for part in parts(script):
        if refused.get(part.name):
            yield part.run(refused[part.name], " that is refused")


def _hides(thing: object, secrets: set[str], about: str) -> None:
    if holds(f"{thing!r} {thing}", secrets):
        fail(f"{about}: its repr, or str, shows a secret")


def _hides_all(error: BaseException, secrets: set[str], about: str, bare: set[str]) -> None:
    """Look through *error* and its chain; what came as *bare* arguments may be in variables."""
    _hides(error, secrets, about)
    for name, value in vars(error).items():
        _hides(value, secrets, f"{about}.{name}")
    for frame, _ in traceback.walk_tb(error.__traceback__):
        for name, value in frame.f_locals.items():
            if holds(repr(value), secrets - bare):
                fail(f"{about}: its traceback shows a secret, in the variable {name} of {frame.f_code.co_qualname}")
    for inner in (error.__cause__, error.__context__):
        if inner is not None:
            _hides_all(inner, secrets, f"{about}, from {type(inner).__name__}", bare)
