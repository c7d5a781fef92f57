"""
Turn JSON into typed values: the one set of strict rules for everything that comes from outside.

Two converters share the rules: a fast one that structures, and a detailed twin that is asked once more, after a
failure, for nothing but the path of what was wrong. Values never appear in an error: they may be tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from types import NoneType, UnionType
from typing import Any, Final, NewType, TypeVar, Union, get_args, get_origin, is_typeddict

import attrs
from cattrs import (
    AttributeValidationNote,
    BaseValidationError,
    ClassValidationError,
    Converter,
    IterableValidationError,
    StructureHandlerNotFoundError,
)
from cattrs.cols import (
    homogenous_tuple_structure_factory,
    is_mapping,
    is_mutable_sequence,
    is_sequence,
    list_structure_factory,
    mapping_structure_factory,  # pyright: ignore[reportUnknownVariableType]  cattrs leaves a parameter untyped
)
from cattrs.errors import CattrsError
from cattrs.gen import make_dict_structure_fn, override, typeddicts

from vendorauth._tracebacks import cut_noting
from vendorauth.errors import ConfigurationError, ProtocolError
from vendorauth.messages import NOT_JSON, Response
from vendorauth.tokens import JSON

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]

Seconds = NewType("Seconds", int)
"""A number of seconds on the wire: an integer, or a string of digits (vendors' documents disagree)."""

_WIRE: Final = "wire"
_LONGEST_NUMBER: Final = 18
_MOST_COMPLAINTS: Final = 3
_SCALARS: Final[dict[Any, tuple[type[object], ...]]] = {str: (str,), int: (int,), bool: (bool,), float: (float, int)}
"""What JSON's values are made of, and which of their types on the wire pass for one."""


def wire(*names: str, default: Any = attrs.NOTHING, secret: bool = False) -> Any:
    """Make an attrs field that is called *names* on the wire (the first one there counts); *secret* hides it in repr."""
    return attrs.field(default=default, repr=not secret, metadata={_WIRE: names})


@attrs.frozen(kw_only=True, slots=False)
class Resource:
    """Be something that an API lists; fields that this version does not know are kept in *extra*."""

    extra: Mapping[str, JSON] = attrs.field(factory=dict[str, JSON], repr=False, hash=False)


def read(response: Response, shape: type[T], label: str) -> T:
    """
    Read the body of *response* as *shape*; *label* is the method and path for the error.

    Raises:
        ProtocolError: The body is no JSON, or not of this shape; names the path of what is wrong, not its value.
    """
    if response.json is NOT_JSON:
        message = f"{label}: the answer ({response.status}) is not JSON"
        raise ProtocolError(message)
    return structure(response.json, shape, f"{label}: the answer ({response.status})")


def structure(value: JSON, shape: type[T], subject: str) -> T:
    """
    Make a *shape* of *value*; *subject* begins the error's sentence.

    Raises:
        ProtocolError: It does not fit.
        ConfigurationError: *shape* is no type that values can be made of.
    """
    try:
        return _structured(value, shape, subject)
    except Exception as error:  # a user's type may raise anything, in frames that hold the answer
        cut_noting(error)
        raise


def _structured(value: JSON, shape: type[T], subject: str) -> T:
    unknown: object = None
    complaint = ""
    try:
        return _FAST.structure(value, shape)
    except StructureHandlerNotFoundError as error:
        unknown = error.type_
    except RecursionError:
        complaint = "it is nested too deeply"
    except _UNFIT:
        pass
    if unknown is not None:
        message = f"{getattr(unknown, '__name__', unknown)} is no type that JSON can be structured into"
        raise ConfigurationError(message)
    # Outside the except block, because cattrs' errors hold the values.
    message = f"{subject} does not have the expected form: {complaint or _complaint(value, shape)}"
    raise ProtocolError(message)


def _complaint(value: JSON, shape: type[object]) -> str:
    complaints: list[str] = []
    try:
        _DETAILED.structure(value, shape)
    except _UNFIT as error:
        complaints = list(islice(_complaints(error, "$"), _MOST_COMPLAINTS))
    return "; ".join(complaints)


def _complaints(error: BaseException, path: str) -> Iterator[str]:
    """Say what is wrong, and where: by names of fields and by indexes; a mapping's keys came from outside."""
    if not isinstance(error, ClassValidationError | IterableValidationError):
        yield f"{'missing' if isinstance(error, KeyError) else 'wrong type'} @ {path}"
        return
    placed, others = error.group_exceptions()
    for inner, note in placed:
        if isinstance(note, AttributeValidationNote):
            step = f".{note.name}"
        else:
            step = f"[{note.index}]" if isinstance(note.index, int) else "[...]"
        yield from _complaints(inner, path + step)
    for inner in others:
        yield from _complaints(inner, path)


_UNFIT: Final = (TypeError, ValueError, KeyError, AttributeError, CattrsError, BaseValidationError)


def _exactly(*kinds: type[object]) -> Hook:
    first = kinds[0]

    def hook(value: Any, _: Any) -> Any:
        # type() and not isinstance(): True is no int on the wire.
        if type(value) is first or type(value) in kinds:
            return value
        message = f"not a {first.__name__}"
        raise TypeError(message)

    return hook


def _never(_value: Any, kind: Any) -> Any:
    message = f"JSON has no {kind.__name__}"
    raise TypeError(message)


def _whatever(value: Any, _: Any) -> Any:
    return value


def _seconds(value: Any, _: Any) -> int:
    if type(value) is int:
        return value
    if type(value) is str and value.isascii() and value.isdigit() and len(value) <= _LONGEST_NUMBER:
        return int(value)
    message = "not a number of seconds"
    raise TypeError(message)


def _time(value: Any, _: Any) -> datetime:
    if type(value) is not str:
        message = "not a time"
        raise TypeError(message)
    time = datetime.fromisoformat(value)
    if time.utcoffset() is None:
        message = "a time without a zone"
        raise ValueError(message)
    return time


def _is_shape(shape: Any) -> bool:
    return attrs.has(get_origin(shape) or shape)


def _shape_hook(shape: Any, converter: Converter) -> Hook:
    """Structure an attrs class: fields by their wire names, unknown ones into *extra* where the class has it."""
    plain: type[attrs.AttrsInstance] = get_origin(shape) or shape
    free = getattr(plain, "__parameters__", ())
    if free and shape is plain and issubclass(plain, Resource):  # a page of whatever there is
        generic: Any = plain
        shape = generic[(Any,) * len(free)]
    names: dict[str, tuple[str, ...]] = {one.name: one.metadata.get(_WIRE, (one.name,)) for one in attrs.fields(plain)}
    overrides: Any = {name: override(rename=wire_names[0]) for name, wire_names in names.items()}
    if issubclass(plain, Resource):
        overrides["extra"] = override(omit=True)
    inner: Hook = make_dict_structure_fn(shape, converter, **overrides)
    spellings = [(first, other) for first, *others in names.values() for other in others]
    if not issubclass(plain, Resource):
        return (lambda value, kind: inner(_respelled(value, spellings), kind)) if spellings else inner
    known = {spelling for wire_names in names.values() for spelling in wire_names} - {"extra"}

    def resource(value: Any, kind: Any) -> Any:
        made = inner(_respelled(value, spellings) if spellings else value, kind)
        unknown = value.keys() - known
        if unknown:
            made.__dict__["extra"] = {
                key: one for key, one in value.items() if key in unknown
            }  # nobody has seen it yet
        return made

    return resource


def _respelled(value: dict[str, Any], spellings: list[tuple[str, str]]) -> dict[str, Any]:
    for first, other in spellings:
        if first not in value and other in value:
            value = {**value, first: value[other]}
    return value


def _is_optional_scalar(shape: Any) -> bool:
    return get_origin(shape) in {Union, UnionType} and any(shape == (kind | None) for kind in _SCALARS)


def _optional_scalar(shape: Any, _: Converter) -> Hook:
    """Do in one call what cattrs does in two: most fields of resources may be missing or null."""
    (kind,) = {*get_args(shape)} - {NoneType}
    return _exactly(*_SCALARS[kind], NoneType)


def _is_fixed_tuple(shape: Any) -> bool:
    return get_origin(shape) is tuple and get_args(shape)[-1:] != (...,)


def _fixed_tuple(shape: Any, converter: Converter) -> Hook:
    kinds = get_args(shape)
    hooks: list[Hook] = [converter.get_structure_hook(kind) for kind in kinds]

    def fixed_tuple(value: Any, _: Any) -> Any:
        return tuple(hook(one, kind) for hook, one, kind in zip(hooks, value, kinds, strict=True))

    return fixed_tuple


def _is_set(shape: Any) -> bool:
    return (get_origin(shape) or shape) in {set, frozenset}


def _set(shape: Any, converter: Converter) -> Hook:
    (item,) = get_args(shape) or (Any,)
    kind: Any = list[item]  # type: ignore[valid-type]  # made at run time
    inner: Hook = list_structure_factory(kind, converter)
    made: type[Any] = get_origin(shape) or shape
    return lambda value, _: made(inner(value, kind))


def _guarded(kind: type[object], factory: Callable[[Any, Converter], Hook]) -> Callable[[Any, Converter], Hook]:
    """Look at the value before cattrs does, which would iterate whatever it is: a str as a list, a dict as its keys."""
    check = _exactly(kind)

    def guarded(shape: Any, converter: Converter) -> Hook:
        inner = factory(shape, converter)
        return lambda value, wanted: inner(check(value, wanted), wanted)

    return guarded


def _converter(*, detailed: bool) -> Converter:
    made = Converter(detailed_validation=detailed)
    for kind, kinds in _SCALARS.items():
        made.register_structure_hook(kind, _exactly(*kinds))
    made.register_structure_hook_factory(_is_optional_scalar, _optional_scalar)
    made.register_structure_hook(bytes, _never)
    made.register_structure_hook_func(lambda shape: shape is object, _whatever)
    made.register_structure_hook(Seconds, _seconds)
    made.register_structure_hook(datetime, _time)
    made.register_structure_hook_factory(_is_shape, _guarded(dict, _shape_hook))
    made.register_structure_hook_factory(is_sequence, _guarded(list, homogenous_tuple_structure_factory))
    made.register_structure_hook_factory(_is_fixed_tuple, _guarded(list, _fixed_tuple))
    made.register_structure_hook_factory(_is_set, _guarded(list, _set))
    made.register_structure_hook_factory(is_mutable_sequence, _guarded(list, list_structure_factory))
    # cattrs leaves some parameters untyped.
    mapping: Any = mapping_structure_factory  # pyright: ignore[reportUnknownVariableType]
    typed_dict: Any = typeddicts.make_dict_structure_fn  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    made.register_structure_hook_factory(is_mapping, _guarded(dict, mapping))
    made.register_structure_hook_factory(is_typeddict, _guarded(dict, typed_dict))
    return made


_FAST: Final = _converter(detailed=False)
_DETAILED: Final = _converter(detailed=True)
