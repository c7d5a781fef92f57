"""What the properties about outside input share: odd texts and numbers, any JSON, and JSON that is nearly right."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any, Final, TypeAlias, TypeVar

import attrs
from hypothesis import strategies as st

from _counted import thinned
from vendorauth.errors import (
    ApiError,
    AuthError,
    AuthServiceUnavailable,
    ChallengeRequired,
    ErrorT,
    ProtocolError,
)
from vendorauth.messages import Response

MARK: Final = "S3CRET!"
"""Stands in every text that a server sends, so that an error that shows one is found."""

T = TypeVar("T")
E = TypeVar("E", bound=Exception)
Place: TypeAlias = tuple[str | int, ...]

ODD_NUMBERS: Final = (
    0, -1, 1, True, 60, 3600, 2**31, 2**63, -(2**63), 2**64, 10**11, 10**18, 10**19, 10**400, -(10**400), 10**4299,
    0.5, -0.0, 1e-320, 1e308, -1e308, 253402300800, -62135596801, 401, 403, 429, 503, 999_999_999, 1_000_000_000,
)  # fmt: skip
ODD_TEXTS: Final = (
    "", " ", "0", "-1", "1e400", "nan", "inf", "Infinity", "9" * 18, "9" * 19, "9" * 5000, "-" + "9" * 5000, "1" * 400,
    "٣", "\uff13\uff16\uff10\uff10", "²", "0x10", "1_000", "+5", "\x00", "\r\nX-Injected: 1", "\N{SNOWMAN}", "\x7f", "\x85", "é",
    "\ud800", "\udc00", "..", "null", "None", "{customer_id}", "%s", "{0}", "eu-west-1", "eu-west-1.evil.example",
    "eu-west-1/", "cn-north-1", "us-gov-west-1", "NotAuthorizedException", "ns#TooManyRequestsException:http://x/",
    "ResourceNotFoundException", "NEW_PASSWORD_REQUIRED", "SMS_MFA", "9999-12-31T23:59:59.999999-23:59",
    "0001-01-01T00:00:00+23:59", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", "Fri, 31 Dec 9999 23:59:59 GMT",
    "Sat, 01 Jan 1601 00:00:00 GMT", "a.b.c", "e30.e30.e30", '["email"]', '["\\u0007"]', "[" * 2000,
)  # fmt: skip
RAW_JSON: Final = (
    "1e400", "-1e400", "1e-400", "NaN", "-Infinity", "1" + "0" * 5000, "-0", "01", "1.", "tru", "",
    '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\x00"', '{"a":1,"a":2}', '{"":{"":0}}',
    "[" * 150 + "]" * 150, "[" * 700 + "]" * 700, '{"a":' * 700 + "0" + "}" * 700, "[" * 1900 + "]" * 1900, "[" * 5000 + "]" * 5000,
    "[" * 5000,
)  # fmt: skip
_RAW: Final = "@raw@"

texts = st.sampled_from((*ODD_TEXTS, MARK)) | st.text(max_size=8)
numbers = st.sampled_from(ODD_NUMBERS) | st.integers() | st.floats()
keys = st.sampled_from(
    [
        "AuthenticationResult", "ChallengeName", "ChallengeParameters", "IdToken", "__type", "code", "errors", "extra",
        "id", "items", "links", "message", "next", "region", "result", "type", "user_pool_client_id", MARK, "", "\ud800",
    ]
) | st.text(max_size=5)  # fmt: skip
leaves = st.none() | st.booleans() | numbers | texts | st.sampled_from(RAW_JSON).map(lambda raw: _RAW + raw)
shallow = leaves | st.lists(leaves, max_size=3) | st.dictionaries(keys, leaves, max_size=3)
json_values = leaves | shallow | st.lists(shallow, max_size=2) | st.dictionaries(keys, shallow, max_size=2)
statuses = st.sampled_from(
    [200, 200, 200, 200, 201, 204, 301, 302, 307, 400, 400, 401, 403, 404, 408, 418, 425, 429, 500, 503, 599]
) | st.integers(100, 999)


def encoded(value: Any) -> bytes:
    """Write *value* as JSON, or as nearly JSON as it is: NaN, numbers of any length, half characters, raw pieces."""
    written = _written(value)
    return written.encode("utf-8", "surrogatepass")


def _written(value: Any) -> str:
    match value:
        case dict():
            return "{" + ",".join(f"{json.dumps(key)}:{_written(one)}" for key, one in value.items()) + "}"
        case list():
            return "[" + ",".join(map(_written, value)) + "]"
        case str() if value.startswith(_RAW):
            return value.removeprefix(_RAW)
        case _:
            return json.dumps(value)


def places(value: Any, here: Place = ()) -> list[Place]:
    """List the way to everything inside *value*, itself included."""
    inner: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(place for key, one in inner for place in places(one, (*here, key)))]


@st.composite
def nearly(draw: st.DrawFn, document: Any) -> Any:
    """Change *document* at one place: another value there, nothing, another name, one more key; or not at all."""
    whole = [copy.deepcopy(document)]
    *way, last = (0, *draw(st.sampled_from(places(document))))
    holder: Any = whole
    for step in way:
        holder = holder[step]
    match draw(st.sampled_from(["value", "value", "value", "gone", "renamed", "wrapped", "same"])):
        case "value":
            holder[last] = draw(json_values)
        case "wrapped":
            holder[last] = draw(st.sampled_from([[holder[last]], {MARK: holder[last]}, [holder[last], MARK]]))
        case "gone" if way:
            del holder[last]
        case "renamed" if isinstance(holder, dict):
            holder[draw(keys)] = holder.pop(last)
        case _:
            pass
    return whole[0] if whole else None


ODD_VALUES: Final = (
    *ODD_NUMBERS, *ODD_TEXTS, *(_RAW + raw for raw in RAW_JSON), None, False, [], {}, [None], {MARK: MARK}, [[MARK]], MARK,
)  # fmt: skip


@attrs.frozen
class Family:
    """Be a *document*, the same with each odd value at *place* or without it, and what is left when it is cut off."""

    document: Any
    place: Place
    start: int

    def values(self) -> Iterator[Any]:
        """Give them as JSON values; each is to be looked at before the next one is asked for."""
        whole = [copy.deepcopy(self.document)]
        *way, last = (0, *self.place)
        holder: Any = whole
        for step in way:
            holder = holder[step]
        kept = holder[last]
        for odd in (kept, *thinned((*ODD_VALUES, [kept], {MARK: kept}), self.start)):
            holder[last] = odd
            yield whole[0]
        if way:
            del holder[last]
            yield whole[0]

    def bodies(self) -> Iterator[bytes]:
        """Give them as bytes."""
        body = encoded(self.document)
        yield from map(encoded, self.values())
        for length in thinned(range(0, len(body), 7), self.start):
            yield body[:length]
            yield body[:length] + b"\xff\x00" + body[length:]


@st.composite
def families(draw: st.DrawFn, *documents: Any) -> Family:
    """Draw one of *documents*, as it is or changed at one place, and a place in it."""
    document = draw(st.sampled_from(documents).flatmap(nearly) | st.sampled_from(documents))
    return Family(document, draw(st.sampled_from(places(document))), draw(st.integers(0, 15)))


bodies_of_any_kind = json_values.map(encoded) | st.binary()


def bodies(*documents: Any) -> st.SearchStrategy[bytes]:
    """Give bodies one by one: *documents* as they are or changed at one place, any JSON, any bytes."""
    return st.sampled_from(documents).flatmap(nearly).map(encoded) | bodies_of_any_kind


@attrs.frozen
class Around:
    """Be a *text*, and the same with each odd text before, behind, in the middle, cut off, doubled, turned round."""

    text: str
    start: int

    def texts(self) -> Iterator[str]:
        """Give them."""
        text, middle = self.text, len(self.text) // 2
        yield from (text, text[:middle], text[middle:], text * 2, text[::-1], text.upper(), text.swapcase())
        for odd in thinned(ODD_TEXTS, self.start):
            yield from (odd + text, text + odd, text[:middle] + odd + text[middle:])


def around(given: st.SearchStrategy[str]) -> st.SearchStrategy[Around]:
    """Draw a text and what is around it."""
    return st.builds(Around, given, st.integers(0, 15))


HEADER_NAMES: Final = (
    "Retry-After", "x-amz-retry-after", "x-amzn-ErrorType", "x-amzn-RequestId", "x-amz-apigw-id", "X-Request-ID",
    "Set-Cookie", "Date", "Location", "Content-Type",
)  # fmt: skip
header_values = texts | st.integers().map(str) | st.sampled_from(["session=a", f"session={MARK}; Max-Age=60"])
headers = st.dictionaries(st.sampled_from(HEADER_NAMES), header_values, max_size=3)


def responses(*documents: Any) -> st.SearchStrategy[Response]:
    """Give answers with any status, any headers and `bodies`."""
    return st.builds(Response, statuses, headers, st.none() | bodies(*documents))


def tried(call: Callable[[], T], *documented: type[E]) -> T | E:
    """Give what *call* returns, or the error that it raises if that is one of the *documented* ones."""
    try:
        return call()
    except documented as error:
        return error


def proper(error: ErrorT) -> ErrorT:
    """Check what every error made of outside input must keep: no secret, one line, a number to wait, and it pickles."""
    said = f"{error}{error!r}"
    assert MARK not in said
    assert said.isprintable()
    seen: BaseException | None = error
    while seen is not None:
        assert MARK not in str(seen)
        seen = seen.__cause__ or seen.__context__
    if isinstance(error, ProtocolError):
        assert (None, None) == (error.__cause__, error.__context__)
    twin = tried(lambda: pickle.loads(pickle.dumps(error)), RecursionError)
    if isinstance(twin, RecursionError):
        assert getattr(error, "errors", None)  # an envelope's items go as deep as the server nests them
    else:
        assert (type(error), str(error), repr(error)) == (type(twin), str(twin), repr(twin))
    if isinstance(error, AuthServiceUnavailable | ApiError):
        assert error.retry_after is None or (isfinite(error.retry_after) and 0 <= error.retry_after < 10**12)
    if isinstance(error, AuthError | ApiError) and not isinstance(error, ChallengeRequired):
        assert all(one is None or (one.isascii() and one.isprintable()) for one in (error.code, error.request_id))
    return error
