"""One API call: what is sent, how often it may be, and by when."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from math import inf
from typing import Any

import aiohttp
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from vendorauth._calls import Budget, Call, Data, prepare
from vendorauth.errors import ConfigurationError, RequestTimeout

BASE = "https://api.example.com/latest"


def find(path: str) -> URL:
    return URL(f"{BASE}{path}")


def call(method: str = "POST", path: str = "/x", **options: Any) -> Call:
    return prepare(method, find, path, options)  # type: ignore[arg-type]  # any keywords


def form(*values: Any) -> aiohttp.FormData:
    one = aiohttp.FormData()
    for index, value in enumerate(values):
        one.add_field(f"f{index}", value, filename=None if isinstance(value, str) else "x")
    return one


async def chunks() -> AsyncIterator[bytes]:
    yield b"x"


def test_plain() -> None:
    """A call without options sends no body and no headers of its own, and may be sent again."""
    assert Call("GET", URL(f"{BASE}/x"), None, None, replayable=True) == call("GET")


def test_label_and_repr() -> None:
    """A call is called by method and path; query, headers and body are not shown."""
    one = call(params={"key": "MARK"}, headers={"X-One": "MARK"}, json={"a": "MARK"})
    assert "POST /latest/x" == one.label
    assert "MARK" not in f"{one!r}{one}"


@pytest.mark.parametrize(("expected", "method"), [(True, "GET"), (True, "HEAD"), (False, "POST"), (False, "DELETE")])
def test_safe(expected: bool, method: str) -> None:
    """Only questions are safe to ask twice, and not with a body that can't be sent twice."""
    assert expected is call(method).safe
    assert expected is call(method, data=b"x").safe
    assert not call(method, data=chunks()).safe


def test_methods_in_small_letters() -> None:
    """A method is the same in small letters, with a body and without."""
    assert call("GET") == call("get")
    assert "POST" == call("post", data=b"x").method


@pytest.mark.parametrize(
    ("expected", "params"),
    [
        ("a=1&b=x%20y", {"a": 1, "b": "x y"}),
        ("a=1&a=2", {"a": [1, 2]}),
        ("a=0.5", {"a": 0.5}),
        ("a=%2B", {"a": "+"}),
        ("", {}),
        ("", None),
    ],
)
def test_params(expected: str, params: Any) -> None:
    """Parameters are encoded into the query."""
    assert expected == call(params=params).url.raw_query_string.replace("+", "%20")


def test_params_join_the_paths_own() -> None:
    """A query in the path stays, and parameters come after it."""
    assert "a=1&b=2" == call(path="/x?a=1", params={"b": 2}).url.raw_query_string


@pytest.mark.parametrize("params", [{"a": None}, {"a": True}, {"a": object()}, {1: "a"}, {"a": inf}, {"a": {"b": 1}}])
def test_params_that_can_not_be(params: Any) -> None:
    """What a query can't say is refused, without being shown."""
    with pytest.raises(ConfigurationError) as caught:
        call(params=params)
    assert "params must map names to str, int, float, or lists of these" == str(caught.value)
    assert (None, None) == (caught.value.__cause__, caught.value.__context__)


def test_headers() -> None:
    """A caller's headers are copied; tabs and any printable text are fine."""
    headers = {"X-One": "a\tb", "x-two": "\xe9"}
    one = call(headers=headers)
    headers["X-One"] = "other"
    assert {"X-One": "a\tb", "x-two": "\xe9"} == dict(one.headers or {})
    assert call(headers={}).headers is None
    assert call(headers=None).headers is None


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\n", "\r", "\x00", "a\x7f"])
def test_controls_in_headers(value: str) -> None:
    """A value that would smuggle another header is refused; the error names the header only."""
    with pytest.raises(ConfigurationError) as caught:
        call(headers={"X-One": value})
    assert "the header 'X-One' has a control character in its value" == str(caught.value)


@pytest.mark.parametrize("name", ["Host", "HOST", "content-length", "Transfer-Encoding", "connection"])
def test_headers_that_are_not_the_callers(name: str) -> None:
    """What frames a request is the client's to say."""
    with pytest.raises(ConfigurationError, match=f"^the header '{name}' is set by the client$"):
        call(headers={name: "x"})


@given(st.dictionaries(st.text(), st.text()))
def test_any_headers(headers: dict[str, str]) -> None:
    """Any headers are taken as they are or refused as a ConfigurationError."""
    try:
        taken = call(headers=headers).headers
    except ConfigurationError:
        return
    assert headers == dict(taken or {})


@pytest.mark.parametrize("json", [{"a": 1}, [], "text", 0, False, 1.5])
def test_json(json: object) -> None:
    """JSON is encoded once, so it can be sent again; falsy values are values."""
    one = call(json=json)
    assert isinstance(one.body, bytes)
    assert json == msgspec.json.decode(one.body)
    assert ({"Content-Type": "application/json"}, True) == (dict(one.headers or {}), one.replayable)


def test_json_with_a_content_type() -> None:
    """A caller's own content type stays, however it is written."""
    one = call(json={}, headers={"content-type": "application/merge-patch+json"})
    assert [("content-type", "application/merge-patch+json")] == list((one.headers or {}).items())


def test_no_json() -> None:
    """``None`` is no body; a JSON null is ``data=b"null"``."""
    one = call(json=None)
    assert (None, None, True) == (one.body, one.headers, one.replayable)


def deep() -> object:
    nested: object = []
    for _ in range(200_000):
        nested = [nested]
    return nested


@pytest.mark.parametrize(
    ("json", "kind"), [(object(), "TypeError"), ({"a": "\ud800MARK"}, "UnicodeEncodeError"), (deep(), "RecursionError")]
)
def test_json_that_can_not_be(json: object, kind: str) -> None:
    """What JSON can't say is refused by the kind of its trouble, without being shown, in the chain neither."""
    with pytest.raises(ConfigurationError) as caught:
        call(json=json)
    assert f"json can't be encoded ({kind})" == str(caught.value)
    assert (None, None) == (caught.value.__cause__, caught.value.__context__)


def test_json_and_data() -> None:
    """There is one body."""
    with pytest.raises(ConfigurationError, match=r"^give json or data, not both$"):
        call(json={}, data=b"x")
    assert b"x" == call(json=None, data=b"x").body


@pytest.mark.parametrize(
    ("expected", "data"),
    [
        (True, None),
        (True, b"x"),
        (True, bytearray(b"x")),
        (True, "x"),
        (True, {"a": "b"}),
        (False, {"a": io.BytesIO(b"b")}),
        (True, form("a", b"b")),
        (False, form("a", io.BytesIO(b"b"))),
        (False, io.BytesIO(b"x")),
        (False, chunks()),
        (False, iter([b"x"])),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_can_be_sent_again(expected: bool, data: Data) -> None:
    """No body, bytes, text and forms can be replayed; files and generators would be sent empty (rule 13)."""
    one = call(data=data)
    assert expected is one.replayable
    assert data is one.body


def test_unknown_keywords() -> None:
    """A misspelt keyword is a TypeError that names it, as with any function."""
    with pytest.raises(TypeError, match=r"^unknown keyword: jsno, paramz$"):
        call(paramz={}, jsno={}, timeout=1.0)


def test_the_path_is_looked_up() -> None:
    """Whatever the client says of a path counts."""

    def refuse(path: str) -> URL:
        raise ConfigurationError(path)

    with pytest.raises(ConfigurationError, match=r"^/x$"):
        prepare("GET", refuse, "/x", {})


async def test_budget() -> None:
    """A call's time runs in the loop's time, from when it began."""
    loop = asyncio.get_running_loop()
    now = loop.time()
    budget = Budget(10.0, "GET /x")
    assert now + 10.0 <= budget.end <= loop.time() + 10.0
    assert budget.end == budget.until
    assert 9.0 < budget.left <= 10.0


async def test_no_end() -> None:
    """A call may have all the time in the world."""
    budget = Budget(inf, "GET /x")
    assert (inf, None, inf) == (budget.end, budget.until, budget.left)


async def test_over() -> None:
    """The error names the call and its seconds."""
    error = Budget(0.5, "GET /x").over()
    assert isinstance(error, RequestTimeout)
    assert "GET /x: no answer within 0.5 s" == str(error)


@pytest.mark.parametrize("headers", [5, [1], ["ab", "c"]])
def test_headers_that_are_no_mapping(headers: Any) -> None:
    """What maps no names to texts is told before anything is sent."""
    with pytest.raises(ConfigurationError, match=r"^headers must map names, such as X-Request-ID, to str$"):
        prepare("GET", URL, "https://api.example.com/x", {"headers": headers})
