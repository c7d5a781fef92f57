"""Requests and responses: complete, immutable, and silent about what they carry."""

from collections.abc import Callable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from vendorauth.errors import ConfigurationError
from vendorauth.messages import NOT_JSON, Request, Response


def test_request_hides_everything_but_its_method() -> None:
    """Query, headers and body hold secrets: none is in repr, and the label is method and path."""
    request = Request("POST", URL("https://a.example/x%20y?key=MARK"), {"Authorization": "MARK"}, b"MARK")
    assert "Request(method='POST')" == repr(request) == str(request)
    assert "POST /x%20y" == request.label


def test_request_takes_texts_and_mappings() -> None:
    """A URL may be a text, headers any mapping; both come out as what sends them wants."""
    request = Request("GET", "https://a.example/x", {"x-one": "1"})
    assert URL("https://a.example/x") == request.url
    assert "1" == request.headers["X-One"]
    assert b"" == request.body
    assert 0 == len(Request("GET", "https://a.example/").headers)


def test_a_form() -> None:
    """It is POSTed as browsers do, in UTF-8, and JSON is asked for; headers may be added, and win (RFC 6749, appendix B)."""
    request = Request.form("https://a.example/token", {"id": "a b&c", "secret": "ü+"}, {"Accept": "*/*", "X": "1"})
    assert b"id=a+b%26c&secret=%C3%BC%2B" == request.body
    assert ("POST", URL("https://a.example/token")) == (request.method, request.url)
    assert {"Accept": "*/*", "Content-Type": "application/x-www-form-urlencoded", "X": "1"} == dict(request.headers)


def test_json_in_a_request() -> None:
    """It is POSTed as JSON, and JSON is asked for."""
    request = Request.json(URL("https://a.example/token"), {"key": "ü", "n": [1]})
    assert '{"key":"ü","n":[1]}'.encode() == request.body
    assert "POST" == request.method
    assert {"Accept": "application/json", "Content-Type": "application/json"} == dict(request.headers)


@pytest.mark.parametrize("make", [Request.form, Request.json])
def test_half_a_character(make: Callable[[str, dict[str, str]], Request]) -> None:
    """A lone surrogate can't be sent; neither the error nor its context shows what it was part of."""
    with pytest.raises(ConfigurationError, match="holds half a character") as caught:
        make("https://a.example/token", {"secret": "MARK \ud800"})
    assert "MARK" not in str(caught.value)
    assert caught.value.__context__ is None


def test_headers_are_nobodys_to_change() -> None:
    """Headers are a copy, so that a flow's dict may change afterwards; a proxy is taken as it is."""
    given_headers = {"a": "1"}
    request = Request("GET", "https://a.example/", given_headers)
    given_headers["a"] = "2"
    assert "1" == request.headers["a"]
    proxy = CIMultiDictProxy(CIMultiDict({"a": "1"}))
    assert proxy is Response(200, proxy).headers
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        request.method = "POST"  # type: ignore[misc]  # it is what must fail


def test_response_hides_headers_and_body() -> None:
    """Only the status is in repr."""
    response = Response(200, {"Set-Cookie": "session=MARK"}, b"MARK")
    assert "Response(status=200)" == repr(response)


@pytest.mark.parametrize(("ok", "status"), [(False, 199), (True, 200), (True, 299), (False, 300), (False, 500)])
def test_ok(ok: bool, status: int) -> None:
    """Success is 2xx."""
    assert ok is Response(status).ok


@pytest.mark.parametrize(
    "body", [None, b"", b"<html>", b"{", b"\xff", b'"\xff"', b'{"a": 1} x', b"[" * 100_000], ids=str
)
def test_what_is_no_json(body: bytes | None) -> None:
    """A missing, empty, broken or bottomless body is no JSON, and no exception either."""
    assert NOT_JSON is Response(200, {}, body).json


def test_null_is_json() -> None:
    """A JSON null is told from a body that is none."""
    response = Response(200, {}, b"null")
    assert response.json is None


def test_json_is_decoded_once() -> None:
    """Everybody who looks at the body gets the same object."""
    response = Response(200, {}, b'{"a": [1, 2.5, "x", null, true]}')
    assert {"a": [1, 2.5, "x", None, True]} == response.json
    assert response.json is response.json


@given(st.binary())
def test_any_bytes(body: bytes) -> None:
    """Any bytes are one of JSON's values, or no JSON; none raises."""
    value = Response(200, {}, body).json
    assert value is NOT_JSON or isinstance(value, None | bool | int | float | str | list | dict)
