"""Whatever bytes an answer has, they become a value of the shape that was asked for, or a ProtocolError."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, Final, TypedDict

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from _counted import each
from _fuzz import MARK, Around, Family, around, bodies_of_any_kind, families, proper, statuses, texts, tried
from vendorauth._wire import Seconds, read, structure
from vendorauth.cognito.jwt import LONGEST_LIFE, life_of
from vendorauth.cognito.shapes import AuthAnswer, AuthenticationResult, NewDeviceMetadata
from vendorauth.errors import ProtocolError
from vendorauth.messages import Response
from vendorauth.proglove import (
    AuthInformation,
    BaseEvent,
    Device,
    Feature,
    Gateway,
    Links,
    Page,
    ScanEvent,
    TelemetryEvent,
    UnknownEvent,
    event_from,
    next_page,
)
from vendorauth.protogrid.models import (
    App,
    ProtogridErrorItem,
    ProtogridResponse,
    errors_in,
    read_envelope,
    status_of,
    structure_result,
)

LABEL: Final = "GET /x"

RESULT: Final = {
    "IdToken": MARK,
    "AccessToken": MARK,
    "RefreshToken": MARK,
    "ExpiresIn": "3600",
    "TokenType": "Bearer",
    "NewDeviceMetadata": {"DeviceKey": MARK, "DeviceGroupKey": MARK},
}
EVENT: Final = {"id": MARK, "type": "scan", "created": 1_700_000_000_000, "device_battery": 5, "path": [MARK]}
TELEMETRY: Final = EVENT | {
    "type": "telemetry",
    "gateway_wifi_signal_strength": -60.5,
    "gateway_wifi_local_ipv6_addresses": [MARK],
}
DEVICE: Final = {"id": MARK, "class": MARK, "created": 1_700_000_000, "battery": 7, "version": 1, "new": {MARK: MARK}}
ERROR_ITEM: Final = {"code": 401, "message": MARK, "extra": {MARK: MARK}}
APP: Final = {"app_id": MARK, "title": MARK, "new": [MARK]}

DOCUMENTS: Final[Mapping[Any, Any]] = {
    AuthAnswer: {
        "AuthenticationResult": RESULT,
        "ChallengeName": "SMS_MFA",
        "Session": MARK,
        "ChallengeParameters": {MARK: MARK, "requiredAttributes": "[]"},
        "AvailableChallenges": [MARK],
    },
    AuthenticationResult: RESULT,
    NewDeviceMetadata: RESULT["NewDeviceMetadata"],
    AuthInformation: {"user_pool_client_id": MARK, "region": MARK, "customer_id:": MARK, "profile": {MARK: [MARK]}},
    Device: DEVICE,
    Gateway: {"id": MARK, "name": MARK, "usecase": MARK},
    Feature: {"feature": MARK, "enabled": True, "additional_properties": {MARK: 1}},
    BaseEvent: EVENT,
    ScanEvent: EVENT,
    TelemetryEvent: TELEMETRY,
    UnknownEvent: EVENT,
    Links: {"next": MARK, "previous": MARK},
    Page: {"items": [EVENT], "links": {"next": f"?next_token={MARK}"}, "metadata": {"size": 1}},
    App: APP,
    ProtogridErrorItem: ERROR_ITEM,
    ProtogridResponse[list[App]]: {"result": [APP], "errors": [ERROR_ITEM], "environment_version": MARK},
    list[Device]: [DEVICE, DEVICE],
    tuple[Seconds, ...]: ["1", 2],
}


class Sizes(TypedDict, total=False):
    """A user's own model."""

    sizes: dict[str, int]
    times: dict[str, list[datetime]]


BY_KEY: Final[Mapping[Any, Any]] = {
    dict[str, int]: {MARK: 1, f"{MARK}2": 2},
    Mapping[str, dict[str, Device]]: {MARK: {MARK: DEVICE}},
    dict[int, str]: {},
    Sizes: {"sizes": {MARK: 1}, "times": {MARK: ["2026-01-01T00:00:00Z"]}},
    dict[str, tuple[int, str]]: {MARK: [1, MARK]},
    dict[str, frozenset[str]]: {MARK: [MARK]},
}

shapes = st.sampled_from(list(DOCUMENTS) + list(BY_KEY))


@attrs.frozen(kw_only=True)
class Nested:
    """A user's own model that holds itself."""

    child: Nested | None = None
    children: tuple[Nested, ...] = ()
    by_name: Mapping[str, Nested] = attrs.field(factory=dict[str, Any])
    number: int = 0


def check(body: bytes | None, shape: Any, status: int = 200) -> None:
    """Read *body* as *shape*; an error has to be as it should be."""
    outcome = tried(lambda: read(Response(status, {}, body), shape, LABEL), ProtocolError)
    if isinstance(outcome, ProtocolError):
        assert str(proper(outcome)).startswith(f"{LABEL}: the answer ({status}) ")


@given(st.none() | bodies_of_any_kind, shapes, statuses)
@example(b'{"user_pool_client_id": "a", "profile": ' + b"[" * 900 + b"]" * 900 + b"}", AuthInformation, 200)
@example(b'{"ExpiresIn": 1' + b"0" * 4_000 + b"}", AuthenticationResult, 200)
def test_any_body(body: bytes | None, shape: Any, status: int) -> None:
    """Any bytes and any JSON give a value of the shape, or a ProtocolError naming method, path and status only."""
    check(body, shape, status)


def shaped(documents: Mapping[Any, Any]) -> st.SearchStrategy[tuple[Any, Family]]:
    """Draw a shape and the family of its document."""
    return st.sampled_from(list(documents)).flatmap(lambda shape: st.tuples(st.just(shape), families(documents[shape])))


@given(shaped(DOCUMENTS))
def test_nearly_right(drawn: tuple[Any, Family]) -> None:
    """A body that is wrong at one place or two gives a value, or a ProtocolError with none of its values and keys."""
    shape, family = drawn
    for body in each(family.bodies()):
        check(body, shape)


@given(shaped(BY_KEY))
@example((dict[str, int], Family({MARK: "wrong"}, (), 0)))
@example((Mapping[str, dict[str, Device]], Family({MARK: {MARK: {"id": 5}}}, (), 0)))
@example((dict[int, str], Family({MARK: ""}, (), 0)))
@example((Sizes, Family({"times": {MARK: [MARK]}}, (), 0)))
def test_keys_of_mappings_are_not_shown(drawn: tuple[Any, Family]) -> None:
    """A mapping's keys came from outside: the path in the error has our own names and indexes only."""
    shape, family = drawn
    for body in each(family.bodies()):
        check(body, shape)


def test_the_path_through_a_mapping() -> None:
    """The path stays as exact as it can be without a key."""
    value = {"sizes": {}, "times": {MARK: ["2026-01-01T00:00:00Z", MARK]}}
    with pytest.raises(ProtocolError) as caught:
        structure(value, Sizes, "x")
    assert "x does not have the expected form: wrong type @ $.times[...][1]" == str(caught.value)


@given(st.integers(0, 400) | st.integers(0, 1_000), st.sampled_from(["child", "children", "by_name"]), texts)
@example(245, "child", MARK)
@example(400, "by_name", MARK)
@example(5_000, "children", MARK)
def test_any_depth(depth: int, field: str, number: object) -> None:
    """A value nested to any depth gives a value or a ProtocolError, wherever Python's stack ends."""
    value: Any = {"number": number}
    for _ in range(depth):
        value = {field: {"child": value, "children": [value], "by_name": {MARK: value}}[field]}
    assert MARK not in str(tried(lambda: structure(value, Nested, "x"), ProtocolError))


@given(families(EVENT, TELEMETRY, {}))
def test_any_event(family: Family) -> None:
    """Any JSON is an event, whose time can be asked for, or a ProtocolError."""
    for value in each(family.values()):
        event = tried(lambda: event_from(value, "an event"), ProtocolError)  # noqa: B023  called at once
        if isinstance(event, ProtocolError):
            proper(event)
        else:
            assert event.created_at is None or event.created_at.utcoffset() == timedelta(0)


@given(st.integers(), st.integers(-(10**19), 10**19) | st.integers())
@example(10**400, -(10**400))
def test_any_time_of_a_device(one: int, other: int) -> None:
    """Any integer in place of a time is a time or none: no calendar has them all."""
    device = Device(id="1", created=one, last_activity_time=other)
    for time in (device.created_at, device.last_activity_at, device.last_updated_at):
        assert time is None or time.utcoffset() == timedelta(0)


LINKS: Final = ["?next_token=abc", "/x?a=b&next_key=%2F#y", "https://evil.example/?next_token=%ff&next_token=2"]


@given(around(st.sampled_from(LINKS) | texts))
@example(Around("?next_token=\ud800", 0))
@example(Around("?" + "next_token=a&" * 2_000, 0))
def test_any_link(link: Around) -> None:
    """Any link gives at most one parameter, of one of two names, and never a host or a path."""
    for text in each(link.texts()):
        assert set(next_page(text)) in (set(), {"next_token"}, {"next_key"})


ENVELOPES: Final = (
    {"result": [APP], "errors": [], "protogrid_environment_version": MARK},
    {"result": MARK, "errors": [ERROR_ITEM, ERROR_ITEM | {"code": "403"}]},
    {"errors": {"code": 503}},
)


@given(families(*ENVELOPES), statuses)
@example(Family({"errors": [[[]]]}, ("errors", 0, 0), 0), 200)
def test_any_envelope(family: Family, status: int) -> None:
    """Any answer is an envelope with errors, one without, or a ProtocolError; its status is HTTP's or an error's."""
    for body in each(family.bodies()):
        response = Response(status, {}, body)
        errors = errors_in(response)
        assert status_of(response) == status or 400 <= status_of(response) < 600
        assert all(MARK not in repr(one) and (one.code is None or 0 <= one.code < 10**9) for one in errors)
        answer = tried(lambda: read_envelope(response, LABEL), ProtocolError)  # noqa: B023  called at once
        if isinstance(answer, ProtocolError):
            proper(answer)
            continue
        assert errors == answer.errors
        apps = tried(lambda: structure_result(answer, list[App], LABEL), ProtocolError)  # noqa: B023  likewise
        if isinstance(apps, ProtocolError):
            proper(apps)


CLAIMS: Final = {"iat": 1_000_000, "exp": 1_003_600.5, "sub": MARK}


def jwt(payload: bytes) -> str:
    """Make a JWT of *payload*."""
    coded = base64.urlsafe_b64encode(payload).decode()
    return f"e30.{coded.rstrip('=')}.c2ln"


@given(families(CLAIMS), around(texts | st.binary().map(jwt) | st.text("abc.-_=", max_size=40)))
@example(Family({"iat": -1e308, "exp": 1e308}, ("exp",), 0), Around(jwt(b"[" * 100_000), 0))
@example(Family({"iat": 0.5, "exp": 10**400}, ("iat",), 0), Around("..", 0))
def test_any_jwt(family: Family, text: Around) -> None:
    """Any text gives a life of at most ten years, or none."""
    for token in each(chain(map(jwt, family.bodies()), text.texts())):
        life = life_of(token)
        assert life is None or timedelta(0) < life <= LONGEST_LIFE
