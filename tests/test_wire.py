"""The strict rules for everything that comes from outside: what fits, what does not, and what errors say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, Generic, Literal, TypedDict, TypeVar

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vendorauth._wire import Resource, Seconds, read, structure, wire
from vendorauth.errors import ConfigurationError, ProtocolError
from vendorauth.messages import Response
from vendorauth.tokens import JSON

T = TypeVar("T")
MARK = "MARKED-SECRET"


@attrs.frozen(kw_only=True)
class Inner:
    number: int
    flag: bool | None = None


@attrs.frozen(kw_only=True)
class Shape:
    name: str = wire("Name", "name")
    token: str | None = wire("Token", default=None, secret=True)
    inner: Inner | None = None
    several: tuple[Inner, ...] = ()
    by_name: Mapping[str, int] | None = None


@attrs.frozen(kw_only=True)
class Thing(Resource):
    id: str
    kind: str | None = wire("class", "type", default=None)


@attrs.frozen(kw_only=True)
class Box(Generic[T]):
    content: T


class Plain:
    pass


class Options(TypedDict, total=False):
    size: int
    name: str


class Wanted(TypedDict):
    size: int


def of(value: object, shape: Any) -> Any:
    return structure(value, shape, "GET /x: the answer (200)")


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("", str),
        (5, int),
        (True, bool),
        (5, float),
        (5.5, float),
        (None, None),
        ([1, 2], list[int]),
        ([], list[str]),
        ([["a"]], list[list[str]]),
        ({"a": 1}, dict[str, int]),
        ({"a": {"b": None}}, dict[str, Any]),
        ([1, "a", None], list[Any]),
        ({"size": 1}, Options),
        ({}, Options),
        ({"size": 1}, Wanted),
        (None, Any),
        ("x", JSON),
    ],
)
def test_what_fits_comes_out_unchanged(value: object, shape: Any) -> None:
    """Values of the type that is asked for come out as they are, in a new container."""
    assert value == of(value, shape)
    assert type(value) is type(of(value, shape))


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        (None, str),
        (5, str),
        (True, str),
        (["a"], str),
        ("5", int),
        (5.0, int),
        (True, int),
        (None, int),
        (1, bool),
        ("true", bool),
        (None, bool),
        ("5", float),
        (True, float),
        ("ab", list[str]),
        ({"a": 1}, list[str]),
        (None, list[str]),
        (5, list[Any]),
        (["a", 5], list[str]),
        ("ab", tuple[str, ...]),
        ({"a": 1}, tuple[str, ...]),
        ("ab", Sequence[str]),
        ([["a", 1]], dict[str, int]),
        ("ab", dict[str, int]),
        (None, dict[str, Any]),
        ({"a": "1"}, dict[str, int]),
        ({"a": "1"}, Mapping[str, int]),
        ([["size", 1]], Options),
        ({"size": "1"}, Options),
        ({}, Wanted),
        ("size", Wanted),
        ([], Shape),
        ("Name", Shape),
        (None, Shape),
        (5, Shape),
        ([["id", "x"]], Thing),
        ("id", Thing),
        (None, Thing),
        ([1], Box[int]),
        ({"content": "1"}, Box[int]),
        ("5", datetime),
        (5, datetime),
        ("2026-01-01T00:00:00", datetime),
        ({"Name": "a", "inner": []}, Shape),
        ({"Name": "a", "inner": {"number": "1"}}, Shape),
        ({"Name": "a", "several": {"0": {"number": 1}}}, Shape),
        ({"Name": "a", "several": None}, Shape),
        ({"Name": "a", "by_name": [["a", 1]]}, Shape),
    ],
)
def test_what_does_not_fit(value: object, shape: Any) -> None:
    """Nothing is converted: no null to a text, no text to a number, no bool to an int, no text to a list."""
    with pytest.raises(ProtocolError, match=r"^GET /x: the answer \(200\) does not have the expected form: "):
        of(value, shape)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "missing @ $.name"),
        ({"Name": 5}, "wrong type @ $.name"),
        ({"name": 5}, "wrong type @ $.name"),
        ({"Name": "a", "inner": {"number": MARK}}, "wrong type @ $.inner.number"),
        ({"Name": "a", "inner": {}}, "missing @ $.inner.number"),
        ({"Name": "a", "several": [{"number": 1}, {"number": MARK}]}, "wrong type @ $.several[1].number"),
        ({"Name": "a", "by_name": {"a": 1, "b": MARK}}, "wrong type @ $.by_name"),
        (MARK, "wrong type @ $"),
    ],
)
def test_the_error_names_the_path(body: object, where: str) -> None:
    """What is wrong is named by the path to its field, not by its value."""
    with pytest.raises(ProtocolError) as caught:
        of(body, Shape)
    said = str(caught.value).removeprefix("GET /x: the answer (200) does not have the expected form: ")
    assert said.startswith(where)
    assert MARK not in said


def test_the_error_names_three_paths_at_most() -> None:
    """A list with a thousand wrong items gives a sentence, not a page."""
    with pytest.raises(ProtocolError) as caught:
        of(["x"] * 1000, list[int])
    assert 3 == str(caught.value).count("wrong type")


def refusal(value: object, shape: Any) -> ProtocolError | None:
    """Give the error that *value* makes, if it makes one."""
    try:
        of(value, shape)
    except ProtocolError as error:
        return error
    return None


def chain(error: BaseException | None) -> list[BaseException]:
    return [] if error is None else [error, *chain(error.__cause__), *chain(error.__context__)]


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.just(MARK),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["Name", "Token", "inner", "number", "several", "id", "size"]), inner)
    ),
)
SHAPES = st.sampled_from(
    [Shape, Thing, Box[int], list[Shape], dict[str, Inner], Options, Wanted, int, Seconds, datetime]
)


@given(JSONS, SHAPES)
def test_no_value_in_any_error(value: object, shape: Any) -> None:
    """No error's text, repr or chain shows what the answer said, whatever its form and the shape (pitfall 35)."""
    error = refusal(value, shape)
    if error is not None:
        assert [error] == chain(error)
        assert MARK not in f"{error}{error!r}{error.args}"


@given(st.binary(), SHAPES)
def test_any_bytes_give_a_value_or_a_protocol_error(body: bytes, shape: Any) -> None:
    """Any bytes give a value or a ProtocolError."""
    with suppress(ProtocolError):
        read(Response(200, {}, body), shape, "GET /x")


@given(JSONS, SHAPES)
def test_any_json_gives_a_value_or_a_protocol_error(value: object, shape: Any) -> None:
    """Any JSON body gives a value or a ProtocolError."""
    with suppress(ProtocolError):
        read(Response(200, {}, msgspec.json.encode(value)), shape, "GET /x")


@pytest.mark.parametrize("body", [None, b"", b"<html>MARKED-SECRET</html>", b'{"a": "MARKED-SECRET'])
def test_no_json(body: bytes | None) -> None:
    """A body that is no JSON is named by method, path and status only."""
    with pytest.raises(ProtocolError) as caught:
        read(Response(502, {}, body), Shape, "GET /x")
    assert "GET /x: the answer (502) is not JSON" == str(caught.value)
    assert [caught.value] == chain(caught.value)


@pytest.mark.parametrize("opening", [b"[", b'{"Name":"a","inner":'])
def test_bottomless_json(opening: bytes) -> None:
    """JSON nested deeper than Python goes is an answer that can't be read, not a RecursionError."""
    with pytest.raises(ProtocolError):
        read(Response(200, {}, opening * 50_000), Shape, "GET /x")


def test_deep_values() -> None:
    """A shape that follows itself further down than the stack goes is an answer that can't be read."""
    nested: object = None
    for _ in range(2_000):
        nested = {"child": nested}
    with pytest.raises(ProtocolError, match=r"expected form: it is nested too deeply$"):
        of(nested, _Nested)


@attrs.frozen(kw_only=True)
class _Nested:
    child: _Nested | None = None


@pytest.mark.parametrize(
    ("expected", "body"),
    [
        ("first", {"Name": "first", "name": "second"}),
        ("second", {"name": "second"}),
        ("first", {"name": None, "Name": "first"}),
    ],
)
def test_synonyms(expected: str, body: dict[str, object]) -> None:
    """Of several spellings the first that is named counts where it is there, else the next."""
    assert Shape(name=expected) == of(body, Shape)


def test_the_body_stays_as_it_is() -> None:
    """Reading changes nothing in the body: it is decoded once, for all who look at it."""
    body = {"name": "a", "type": "x", "id": "1"}
    of(body, Shape)
    of(body, Thing)
    assert {"name": "a", "type": "x", "id": "1"} == body


def test_unknown_keys() -> None:
    """An auth answer's unknown keys are ignored; a resource keeps them, but not those it knows."""
    assert Shape(name="a") == of({"Name": "a", "new": 1}, Shape)
    thing = of({"id": "1", "class": "a", "type": "b", "new": {"a": [1]}}, Thing)
    assert Thing(id="1", kind="a", extra={"new": {"a": [1]}}) == thing


def test_a_key_called_extra() -> None:
    """A vendor's own field ``extra`` is kept like any other unknown one."""
    assert {"extra": MARK, "b": 1} == of({"id": "1", "extra": MARK, "b": 1}, Thing).extra


def test_resources_hide_what_they_do_not_know() -> None:
    """Unknown fields may be anything, so they are not in repr; fields marked secret are not either."""
    assert MARK not in repr(of({"id": "1", "new": MARK}, Thing))
    assert MARK not in repr(of({"Name": "a", "Token": MARK}, Shape))


@pytest.mark.parametrize(("expected", "value"), [(3600, 3600), (3600, "3600"), (0, "0"), (-5, -5), (7, "007")])
def test_seconds(expected: int, value: object) -> None:
    """A number of seconds is an integer or a string of digits: vendors' documents disagree."""
    assert expected == of(value, Seconds)


@pytest.mark.parametrize(
    "value", ["", " 5", "5.0", "-5", "1e3", "٣", "five", True, None, 5.0, [5], "1" * 19, "9" * 5000]
)
def test_no_seconds(value: object) -> None:
    """Nothing else is, however number-like."""
    with pytest.raises(ProtocolError, match="wrong type"):
        of(value, Seconds)


def test_times() -> None:
    """A time is ISO 8601 with a zone."""
    assert datetime(2026, 1, 1, tzinfo=UTC) == of("2026-01-01T00:00:00Z", datetime)
    zone = timezone(timedelta(hours=2))
    assert datetime(2026, 1, 1, 2, tzinfo=zone).utcoffset() == of("2026-01-01T02:00:00+02:00", datetime).utcoffset()


def test_generic_shapes() -> None:
    """A generic class takes its argument's rules, also below a list and in another generic."""
    assert Box(content=1) == of({"content": 1}, Box[int])
    assert [Box(content=Inner(number=1))] == of([{"content": {"number": 1}}], list[Box[Inner]])
    assert Box(content=Box(content="a")) == of({"content": {"content": "a"}}, Box[Box[str]])


def test_tuples_and_sequences() -> None:
    """A list on the wire becomes a tuple where the shape says so."""
    assert (Inner(number=1), Inner(number=2)) == of([{"number": 1}, {"number": 2}], tuple[Inner, ...])
    assert ("a",) == tuple(of(["a"], Sequence[str]))


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        (int | str, r"int \| str"),
        (complex, "complex"),
        (date, "date"),
        (Box, "T"),
        (Plain, "Plain"),
    ],
)
@pytest.mark.parametrize("value", [5, "x", None, [], {"content": 1}])
def test_shapes_that_can_not_be(shape: Any, name: str, value: object) -> None:
    """A union, or a type that JSON has no values for, is the caller's mistake, whatever the answer was."""
    with pytest.raises(ConfigurationError, match=f"{name}.* is no type that JSON can be structured into"):
        of(value, shape)


@attrs.frozen
class _Kind:
    kind: Literal["x"]


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ({"kind": "MARK"}, _Kind),
        (5, bytes),
        (10**13, bytes),
        ("ab", set[str]),
        ({"a": 1}, frozenset[str]),
        ("ab", tuple[str, str]),
        (["a"], tuple[str, str]),
        ([1, "b"], tuple[int, int]),
        ([[]], set[int]),
    ],
)
def test_shapes_that_are_stricter_than_cattrs(value: object, shape: type[object]) -> None:
    """A literal, bytes, sets and fixed tuples take what is written in JSON, or are a ProtocolError without the value."""
    with pytest.raises(ProtocolError) as caught:
        structure(value, shape, "GET /x")
    assert "MARK" not in str(caught.value)


def test_shapes_of_sets_and_tuples() -> None:
    """What fits, fits."""
    assert {1, 2} == structure([1, 2, 1], set[int], "x")
    assert frozenset({"a"}) == structure(["a"], frozenset, "x")
    assert (1, "b") == structure([1, "b"], tuple[int, str], "x")
    assert {"a": 1, "b": None} == structure({"a": 1, "b": None}, dict[str, object], "x")
    assert _Kind("x") == structure({"kind": "x"}, _Kind, "x")


def test_a_model_that_refuses_what_it_is_made_of() -> None:
    """A user's validator that raises makes a ProtocolError, which names the place and no value."""

    @attrs.frozen
    class Even:
        size: int = attrs.field()

        @size.validator
        def _check(self, _: object, value: int) -> None:
            if value % 2:
                raise ValueError(value)

    with pytest.raises(ProtocolError, match=r"^it does not have the expected form: wrong type @ \$$"):
        structure({"size": 77}, Even, "it")
