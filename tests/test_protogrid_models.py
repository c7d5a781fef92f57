"""Protogrid's answers: the envelope, its errors, and apps."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vendorauth.errors import ConfigurationError, ProtocolError
from vendorauth.messages import Response
from vendorauth.protogrid import App, ProtogridErrorItem, ProtogridResponse
from vendorauth.protogrid.models import (
    code_of,
    errors_in,
    read_envelope,
    read_errors,
    status_of,
    structure_result,
)

LABEL = "GET /api/v2/apps"
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.just("code"), inner, max_size=4),
    max_leaves=12,
)

SUCCESS = b"""{
  "errors": [],
  "protogrid_environment_version": "1.3.9",
  "result": "Login successful!"
}"""

FAILURE = b"""{
  "errors": [
    {
      "code": 401,
      "message": "Your login wasn\xe2\x80\x99t recognized. Please check your e-mail address and password."
    }
  ],
  "protogrid_environment_version": "1.3.9",
  "result": {}
}"""

APP: dict[str, Any] = {
    "app_id": "appc55b3773-5503-4c41-a9aa-3a561c40fa04",
    "description": "An example",
    "logo_url": "",
    "theme_color": "blue-dark",
    "title": "Example ",
    "url": "/example",
    "url_name": "example",
}


def answer(body: object, status: int = 200) -> Response:
    return Response(status, {}, json.dumps(body).encode())


def envelope(result: object) -> ProtogridResponse[Any]:
    return read_envelope(answer({"result": result}), LABEL)


class TestReadEnvelope:
    """Reading the envelope of an answer."""

    def test_documented_success(self) -> None:
        """The wiki's sample of a success is read whole."""
        assert ProtogridResponse(result="Login successful!", errors=(), environment_version="1.3.9") == read_envelope(
            Response(200, {}, SUCCESS), LABEL
        )

    def test_documented_failure(self) -> None:
        """The wiki's sample of a failure keeps code, message, result and version."""
        told = (
            "Your login wasn\N{RIGHT SINGLE QUOTATION MARK}t recognized. Please check your e-mail address and password."
        )
        assert ProtogridResponse(
            result={}, errors=(ProtogridErrorItem(code=401, message=told),), environment_version="1.3.9"
        ) == read_envelope(Response(403, {}, FAILURE), LABEL)

    @pytest.mark.parametrize("body", [{}, {"errors": None, "result": None}, {"errors": []}, {"unknown": 1}])
    def test_nothing_in_it(self, body: object) -> None:
        """Missing and null keys are a success without a result; unknown ones are ignored."""
        assert ProtogridResponse(result=None) == read_envelope(answer(body), LABEL)

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"text"', b"null", b"5", b'{"errors": [', b"{\xff}"])
    def test_not_an_envelope(self, body: bytes) -> None:
        """A body that is no JSON object is a ProtocolError that names the request and the status only."""
        with pytest.raises(ProtocolError, match=r"^GET /api/v2/apps: the answer \(200\)") as caught:
            read_envelope(Response(200, {}, body), LABEL)
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None

    def test_mistyped_version(self) -> None:
        """A version that is no text is a ProtocolError that names its place, not its value."""
        with pytest.raises(ProtocolError, match="environment_version") as caught:
            read_envelope(answer({"protogrid_environment_version": 13579, "result": 1}), LABEL)
        assert "13579" not in str(caught.value)

    def test_errors_outlive_a_mistyped_version(self) -> None:
        """Where there are errors, the form of the rest can't hide them."""
        assert ProtogridResponse(result=None, errors=(ProtogridErrorItem(code=401),)) == read_envelope(
            answer({"errors": [{"code": 401}], "protogrid_environment_version": 13579}), LABEL
        )

    @given(st.binary() | JSON_VALUES.map(lambda value: json.dumps(value).encode()))
    @example(b"[" * 100_000)
    @example(b'{"errors": ' + b"[" * 100_000)
    def test_any_bytes(self, body: bytes) -> None:
        """Any body is an envelope or a ProtocolError, nothing else."""
        try:
            read = read_envelope(Response(200, {}, body), LABEL)
        except ProtocolError:
            return
        assert isinstance(read, ProtogridResponse)


class TestReadErrors:
    """Reading whatever stands in an envelope's errors."""

    @pytest.mark.parametrize(
        ("expected", "item"),
        [
            (ProtogridErrorItem(code=401, message="no"), {"code": 401, "message": "no"}),
            (ProtogridErrorItem(code=401, message="no"), {"code": "401", "message": "no"}),
            (ProtogridErrorItem(code=0), {"code": 0}),
            (ProtogridErrorItem(message="no"), {"message": "no"}),
            (ProtogridErrorItem(), {}),
            (ProtogridErrorItem(message="no"), "no"),
            (ProtogridErrorItem(code=403), 403),
            (ProtogridErrorItem(extra={"item": None}), None),
            (ProtogridErrorItem(extra={"item": True}), True),
            (ProtogridErrorItem(extra={"item": ["no"]}), ["no"]),
            (ProtogridErrorItem(code=1, extra={"field": "title"}), {"code": 1, "field": "title"}),
            (
                ProtogridErrorItem(extra={"code": "E_1", "message": {"en": "no"}}),
                {"code": "E_1", "message": {"en": "no"}},
            ),
            (ProtogridErrorItem(extra={"code": True}), {"code": True}),
            (ProtogridErrorItem(extra={"code": -1}), {"code": -1}),
            (ProtogridErrorItem(extra={"code": 10**9}), {"code": 10**9}),
            (ProtogridErrorItem(extra={"code": "4" * 5000}), {"code": "4" * 5000}),
            (
                ProtogridErrorItem(extra={"code": "\N{ARABIC-INDIC DIGIT FOUR}"}),
                {"code": "\N{ARABIC-INDIC DIGIT FOUR}"},
            ),
        ],
    )
    def test_items(self, expected: ProtogridErrorItem, item: object) -> None:
        """Each form of an item gives an item; what can't be read stays in extra."""
        assert (expected,) == read_errors([item])

    @pytest.mark.parametrize(
        ("expected", "errors"),
        [
            ((), None),
            ((), []),
            ((), {}),
            ((), ""),
            ((ProtogridErrorItem(message="no"),), "no"),
            ((ProtogridErrorItem(code=401),), {"code": 401}),
            ((ProtogridErrorItem(extra={"field-key": "must be filled in"}),), {"field-key": "must be filled in"}),
            ((ProtogridErrorItem(message="a"), ProtogridErrorItem(code=2)), ["a", {"code": 2}]),
        ],
    )
    def test_forms(self, expected: tuple[ProtogridErrorItem, ...], errors: object) -> None:
        """What is no list is one item; null and what is empty is none."""
        assert expected == read_errors(errors)

    @given(st.lists(JSON_VALUES, min_size=1))
    def test_none_is_lost(self, errors: list[object]) -> None:
        """There are as many items as the list has, whatever they are."""
        assert len(errors) == len(read_errors(errors))

    def test_message_is_not_in_repr(self) -> None:
        """What the vendor says may repeat what was sent, so repr shows the code only."""
        assert repr(ProtogridErrorItem(code=401, message="MARK", extra={"a": "MARK"})) == "ProtogridErrorItem(code=401)"


class TestErrorsIn:
    """Finding errors in an answer that may be no envelope."""

    def test_leading_blanks(self) -> None:
        """An envelope may begin with JSON's blanks."""
        assert (ProtogridErrorItem(code=401),) == errors_in(Response(200, {}, b' \r\n\t{"errors": [{"code": 401}]}'))

    @pytest.mark.parametrize("body", [None, b"", b"\x00" * 100, b"[1]", b'"errors"', b"{broken"])
    def test_no_envelope(self, body: bytes | None) -> None:
        """An unread body (a stream) and one that is no JSON object hold no errors."""
        assert not errors_in(Response(200, {}, body))

    def test_no_needless_decoding(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A body that does not begin as an object is not decoded, however long."""
        monkeypatch.setattr("msgspec.json.decode", lambda _: pytest.fail("it was decoded"))
        assert not errors_in(Response(200, {"Content-Type": "application/json"}, b"[" + b"1," * 1000))


class TestCodes:
    """Choosing the code and the status that count."""

    @pytest.mark.parametrize(
        ("expected", "codes"),
        [(None, []), (None, [None]), (400, [None, 400, 500]), (401, [400, 401]), (403, [403, 401])],
    )
    def test_code_that_counts(self, expected: int | None, codes: list[int | None]) -> None:
        """A refusal counts before other codes, and then the first."""
        assert expected == code_of([ProtogridErrorItem(code=code) for code in codes])

    @pytest.mark.parametrize(
        ("expected", "status", "codes"),
        [
            (200, 200, []),
            (403, 403, []),
            (401, 200, [401]),
            (401, 403, [401]),
            (404, 200, [404]),
            (404, 400, [404]),
            (403, 403, [500]),
            (200, 200, [17]),
            (400, 400, [1001]),
        ],
    )
    def test_status(self, expected: int, status: int, codes: list[int]) -> None:
        """Rule 12's status: the envelope's code where it is an HTTP status, else HTTP's; a refusal is never hidden."""
        assert expected == status_of(answer({"errors": [{"code": code} for code in codes]}, status))

    def test_status_without_an_envelope(self) -> None:
        """Without a body that was read, HTTP's status counts (rule 12)."""
        response = Response(403, {}, None)
        assert response.status == status_of(response)


class TestStructureResult:
    """Making typed values of a result."""

    def test_documented_app(self) -> None:
        """The wiki's app is read whole; its title's blank at the end is kept."""
        read = structure_result(envelope([APP]), list[App], LABEL)
        assert [App(**APP)] == read.result

    def test_app_id_alone(self) -> None:
        """Only app_id is required; null counts as missing."""
        assert App(app_id="a") == structure_result(envelope({"app_id": "a", "title": None}), App, LABEL).result

    def test_unknown_fields(self) -> None:
        """Fields that vendors add are kept in extra."""
        expected = App(app_id="a", extra={"new": [1], "extra": 2})
        assert expected == structure_result(envelope({"app_id": "a", "new": [1], "extra": 2}), App, LABEL).result

    @pytest.mark.parametrize("result", [None, [], "MARK", {"title": "MARK"}, {"app_id": 12345}, {"app_id": None}])
    def test_misfit(self, result: object) -> None:
        """A result of another form is a ProtocolError that names the request and the path, not the value."""
        with pytest.raises(ProtocolError, match=r"^GET /api/v2/apps: the result does not have") as caught:
            structure_result(envelope(result), App, LABEL)
        assert "MARK" not in str(caught.value)
        assert "12345" not in str(caught.value)

    def test_impossible_model(self) -> None:
        """A model that JSON can't be structured into is the caller's mistake."""
        with pytest.raises(ConfigurationError):
            structure_result(envelope({}), type("Odd", (), {}), LABEL)

    def test_the_rest_is_kept(self) -> None:
        """Errors and version go along with the typed result."""
        plain = ProtogridResponse(result=1, errors=(ProtogridErrorItem(code=1),), environment_version="2.6.0")
        assert plain == structure_result(plain, int, LABEL)
