"""Whatever stands in an answer's headers, what is made of it can be sent, waited for, and shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from math import isfinite
from typing import Any, Final

from aiohttp.http_writer import _serialize_headers
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict

from _counted import each
from _fuzz import (
    MARK,
    Around,
    Family,
    around,
    families,
    header_values,
    headers,
    json_values,
    proper,
    statuses,
    texts,
    tried,
)
from vendorauth._dates import read_date, retry_after
from vendorauth.cognito.errors import Step, failure, request_id, vendor_code
from vendorauth.cognito.errors import retry_after as cognito_retry_after
from vendorauth.engine.clock import SystemClock
from vendorauth.engine.pauses import LONGEST_RETRY_AFTER, pause_for
from vendorauth.errors import ApiError, AuthServiceUnavailable, ConfigurationError, ProtocolError
from vendorauth.messages import Response
from vendorauth.proglove.models import Device, Page
from vendorauth.protogrid.client import Envelope
from vendorauth.protogrid.cookies import session_cookie
from vendorauth.responses import ApiResponse, api_error
from vendorauth.responses import request_id as api_request_id

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(9999, 12, 31, tzinfo=UTC)
STEPS: Final[tuple[Step, ...]] = ("login", "answer", "refresh", "revoke")
BACKOFF: Final = (1.0, 60.0)

moments = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  hypothesis

date_words = st.sampled_from(
    [
        "Mon,",
        "Fri",
        "Jan",
        "jan",
        "FEB",
        "december",
        "Dec",
        "1",
        "31",
        "32",
        "00",
        "01",
        "1970",
        "1600",
        "1601",
        "9999",
        "10000",
        "69",
        "70",
        "99",
        "GMT",
        "UTC",
        "+0100",
        "00:00:00",
        "23:59:59",
        "24:00:00",
        "23:59:60",
        "1:2:3",
        "1:2:3x",
        "31-Dec-9999",
        "\x00",
        "�",
        "\u0661\u0661",
        "\uff11\uff19",
    ]
)
dates = st.lists(date_words | st.integers(0, 10**6).map(str), max_size=8).flatmap(
    lambda words: st.sampled_from([" ", "-", ", ", ""]).map(lambda blank: blank.join(words))
)
times = texts | dates | st.integers().map(str) | st.floats().map(str)

attributes = st.sampled_from(
    ["session", "=", ";", ";Max-Age=", "max-age=60", "Max-Age=-1", "Expires=", "Domain=example.com", "domain=.EXAMPLE.com", "Path=/", "Secure", "\t", ",", '"', "session=abc", "session=;", "sess\u0131on", "\u017fession", "session=☃"]
)  # fmt: skip
cookies = (
    header_values
    | st.lists(attributes | times, max_size=6).map("".join)
    | st.tuples(texts, times, times).map(lambda three: "session={}; Max-Age={}; Expires={}".format(*three))
)


def sendable(name: str, value: str) -> bool:
    """Tell whether aiohttp sends *value* as it is."""
    sent = _serialize_headers("GET / HTTP/1.1", CIMultiDict({name: value}))
    return f"GET / HTTP/1.1\r\n{name}: {value}\r\n\r\n".encode("ascii") == sent and value == value.strip()


def bounded(seconds: float | None) -> bool:
    """Tell whether *seconds* can be waited for, and added to any clock's time of this century."""
    if seconds is None:
        return True
    assert NOW + timedelta(seconds=seconds) < LATEST
    pause = pause_for(AuthServiceUnavailable("x", None, None, seconds), 7, BACKOFF, 0.5)
    return isfinite(seconds) and seconds >= 0 and 0 < pause <= LONGEST_RETRY_AFTER


@given(st.lists(cookies, max_size=3), around(cookies), moments)
@example([], Around("session=a; Max-Age=" + "9" * 5_000, 0), NOW)
@example([], Around("session=a; Max-Age=-" + "9" * 5_000, 0), NOW)
@example([], Around("session=a; Expires=Fri, 31 Dec 9999 23:59:59 GMT", 0), NOW)
@example([], Around("session=a; Expires=Mon, 01 Jan 1601 00:00:00 GMT", 0), NOW)
@example([], Around("session=a\r\nX-Injected: 1", 0), NOW)
@example([], Around("session=\u0661; Max-Age=\u0661", 0), NOW)
def test_any_cookie(others: list[str], last: Around, now: datetime) -> None:
    """Any cookies give no session, or one that aiohttp sends as it came, for 400 days at most."""
    for text in each(last.texts()):
        cookie = session_cookie([*others, text], answered_at=now)
        if cookie is not None:
            assert cookie.value
            assert sendable("Cookie", f"session={cookie.value}")
            assert any(cookie.value in one for one in (*others, text))
            assert cookie.lifetime is None or timedelta(0) < cookie.lifetime <= timedelta(days=400)
            assert MARK not in repr(cookie)


@given(around(times))
@example(Around("Fri, 31 Dec 9999 23:59:59 GMT", 0))
@example(Around("31 Dec 99999 23:59:59", 0))
@example(Around("1:1:1 1 jan 1601" + " 9" * 10_000, 0))
def test_any_date(date: Around) -> None:
    """Any text is a time in UTC, or none."""
    for text in each(date.texts()):
        time = read_date(text)
        assert time is None or (time.tzinfo is UTC and 1601 <= time.year <= 9999)


@given(around(times), times, moments)
@example(Around("9" * 5_000, 0), "9" * 5_000, NOW)
@example(Around("Fri, 31 Dec 9999 23:59:59 GMT", 0), "1e400", NOW)
@example(Around("nan", 0), "inf", NOW)
@example(Around("\u0661", 0), "\uff11", NOW)
@example(Around("999999999", 0), "999999999.999999999", NOW)
def test_any_retry_after(text: Around, milliseconds: str, now: datetime) -> None:
    """Any ``Retry-After`` is a finite number of seconds that no pause overflows with, or none."""
    for seconds in each(text.texts()):
        given_headers = {"Retry-After": seconds, "x-amz-retry-after": milliseconds}
        assert bounded(retry_after(given_headers, now=now))
        assert bounded(cognito_retry_after(Response(429, given_headers)))
        assert bounded(cognito_retry_after(Response(429, {"x-amz-retry-after": seconds})))


@given(statuses, headers, families({"__type": f"ns#{MARK}", "message": MARK}), st.sampled_from(STEPS))
def test_any_refusal(status: int, given_headers: Mapping[str, str], family: Family, step: Step) -> None:
    """Any refusal by Cognito gives a documented error, whose code and request id can be shown."""
    for body in each(family.bodies()):
        response = Response(status, given_headers, body)
        for shown in (vendor_code(response), request_id(response)):
            assert shown is None or (shown.isascii() and shown.isprintable() and " " not in shown and len(shown) <= 128)
        proper(failure(response, "POST /login", step))


names = st.sampled_from(["NotAuthorizedException:http://x/", "ns#A:b", "A, B", "0a1b-2c3d", "JKJa+/=_", MARK])


@given(around(names | texts))
@example(Around(f"{MARK}\x1b[31m", 0))
@example(Around("x" * 10_000, 0))
def test_any_name(name: Around) -> None:
    """Any name of an error and any request id in a header can be shown, or is passed over."""
    for text in each(name.texts()):
        given_headers = {"x-amzn-ErrorType": text, "x-amzn-RequestId": text, "X-Request-ID": text}
        response = Response(400, given_headers)
        proper(failure(response, "POST /login", "login"))
        error = proper(api_error("GET /x", response, now=NOW))
        assert all(one is None or 0 < len(one) <= 128 for one in (error.code, error.request_id))
        assert error.request_id == api_request_id(response)


ENVELOPE: Final = {"result": {MARK: MARK}, "errors": [{"code": 404, "message": MARK, MARK: MARK}]}
PAGE: Final = {"items": [{"id": MARK}], "links": {"next": None}, "metadata": None}


@given(statuses, headers, families(ENVELOPE))
def test_any_failed_call(status: int, given_headers: Mapping[str, str], family: Family) -> None:
    """Any answer becomes an error that shows nothing of it, for plain JSON as for an envelope."""
    for body in each(family.bodies()):
        response = Response(status, given_headers, body)
        assert bounded(proper(api_error("GET /x", response, now=NOW)).retry_after)
        problem = Envelope().problem("GET /x", response, SystemClock())
        assert problem is None or status == proper(problem).status


MODELS: Final[Sequence[Any]] = (None, Page, list[Device], dict[str, int], int, str, complex, Device | Page)


@given(statuses, families(PAGE, ENVELOPE), st.sampled_from(MODELS))
def test_any_answer_to_a_call(status: int, family: Family, model: Any) -> None:
    """Any answer gives JSON, a model, or a ProtocolError; a model that can't be is the caller's mistake."""
    for body in each(family.bodies()):
        answer = ApiResponse(Response(status, {}, body), "GET /x")
        assert MARK not in repr(answer)
        value = tried(partial(answer.json, *[] if model is None else [model]), ProtocolError, ConfigurationError)
        if isinstance(value, ProtocolError | ConfigurationError):
            proper(value)
            assert isinstance(value, ProtocolError) or model in MODELS[-2:]


@given(json_values)
def test_any_item_of_an_envelope(items: Any) -> None:
    """Whatever an envelope's errors are, an ApiError carries them and shows none of them."""
    error = api_error("GET /x", Response(200), now=NOW, status=403, errors=[items, MARK])
    assert isinstance(proper(error), ApiError)
