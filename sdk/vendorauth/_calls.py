"""Prepare one API call: what is sent, how often it may be, and by when."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from math import isinf
from typing import Any, Final, TypeAlias, TypedDict, final

import aiohttp
import attrs
import msgspec
from multidict import CIMultiDict
from yarl import URL

from vendorauth.errors import ConfigurationError, RequestTimeout
from vendorauth.messages import SAFE
from vendorauth.tokens import JSON

Params: TypeAlias = Mapping[str, str | int | float | Sequence[str | int | float]]
"""A query's parameters."""

Data: TypeAlias = bytes | str | Mapping[str, str] | aiohttp.FormData | Any
"""A body: bytes, text, a form (these can be sent again after a renewal); or anything that aiohttp sends."""


class ReadOptions(TypedDict, total=False):
    """
    What every call takes.

    *timeout*: seconds for the whole call, waiting for the token included; the client's when left out.
    """

    params: Params | None
    headers: Mapping[str, str] | None
    timeout: float | None


class WriteOptions(ReadOptions, total=False):
    """What a call with a body takes besides: *json* (NaN and infinity become ``null``), or *data*."""

    json: JSON
    data: Data


_METHOD: Final = re.compile("[A-Za-z]{1,20}", re.ASCII)
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OPTIONS: Final = frozenset({"params", "headers", "timeout", "json", "data"})
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A header's name (RFC 9110, section 5.6.2); aiohttp sends any other: a blank first would continue the line before."""

_RESERVED: Final = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "te",
        "trailer",
        "upgrade",
    }
)
"""What frames a request, and what concerns one connection (RFC 9110, section 7.6.1)."""


@attrs.frozen
class Call:
    """Be one API call, ready to be sent, again if need be."""

    method: str
    url: URL = attrs.field(repr=False)
    headers: CIMultiDict[str] | None = attrs.field(repr=False)
    body: Any = attrs.field(repr=False)
    replayable: bool

    @cached_property
    def label(self) -> str:
        """How errors call it: method and path."""
        return f"{self.method} {self.url.raw_path}"

    @cached_property
    def safe(self) -> bool:
        """Whether sending it twice is possible and changes nothing: GET, HEAD."""
        return self.replayable and self.method in SAFE


def prepare(method: str, find: Callable[[str], URL], path: str, options: WriteOptions) -> Call:
    """
    Make a call of what the user gave.

    Raises:
        ConfigurationError: Something in it can't be sent.
    """
    if not options.keys() <= _OPTIONS:
        message = f"unknown keyword: {', '.join(sorted(options.keys() - _OPTIONS))}"
        raise TypeError(message)
    if not _METHOD.fullmatch(method):
        message = "a method is a word of letters"
        raise ConfigurationError(message)
    if not _is_str(path):
        message = "a path must be a str"
        raise ConfigurationError(message)
    method, url = method.upper(), find(path)
    params = options.get("params")
    if params:
        url = _with_query(url, params)
    given = options.get("headers")
    headers = _headers(given) if given else None
    if "json" not in options and "data" not in options:
        return Call(method, url, headers, None, replayable=True)
    return _with_body(Call(method, url, headers, None, replayable=True), options)


def _is_str(given: Any) -> bool:
    return isinstance(given, str)


def _with_query(url: URL, params: Params) -> URL:
    try:
        return url.extend_query(params)
    except (TypeError, ValueError):
        pass
    message = "params must map names to str, int, float, or lists of these"
    raise ConfigurationError(message)


def _headers(given: Mapping[str, Any]) -> CIMultiDict[str]:
    headers = _named(given)
    for name, value in headers.items():
        if not isinstance(value, str):
            message = f"the header {name!r} has a value that is no str"
            raise ConfigurationError(message)
        if _CONTROLS.search(value):
            message = f"the header {name!r} has a control character in its value"
            raise ConfigurationError(message)
        if name.lower() in _RESERVED:
            message = f"the header {name!r} is set by the client"
            raise ConfigurationError(message)
    return headers


def _named(given: Mapping[str, Any]) -> CIMultiDict[Any]:
    try:
        headers = CIMultiDict(given)
    except (TypeError, ValueError):
        headers = None
    if headers is None or not all(map(_NAME.fullmatch, headers)):
        message = "headers must map names, such as X-Request-ID, to str"
        raise ConfigurationError(message)
    return headers


def _with_body(call: Call, options: WriteOptions) -> Call:
    json, data = options.get("json"), options.get("data")
    if json is None:
        return attrs.evolve(call, body=data, replayable=_replayable(data))
    if data is not None:
        message = "give json or data, not both"
        raise ConfigurationError(message)
    headers = call.headers or CIMultiDict[str]()
    headers.setdefault("Content-Type", "application/json")
    return attrs.evolve(call, headers=headers, body=_encoded(json))


def _encoded(json: JSON) -> bytes:
    try:
        return msgspec.json.encode(json)
    except (TypeError, ValueError, RecursionError) as error:
        kind = type(error).__name__
    message = f"json can't be encoded ({kind})"
    raise ConfigurationError(message)


def _replayable(data: Any) -> bool:
    if isinstance(data, aiohttp.FormData):
        # A form with a file in it is sent empty the second time; aiohttp has no public way to look.
        return all(isinstance(value, str | bytes) for _, _, value in data._fields)
    if isinstance(data, Mapping):
        return _is_text(data)  # pyright: ignore[reportUnknownArgumentType]  it is what the user gave
    if isinstance(data, list | tuple):
        return all(map(_is_pair, data))  # pyright: ignore[reportUnknownArgumentType]  likewise
    return data is None or isinstance(data, bytes | bytearray | memoryview | str)


def _is_pair(pair: Any) -> bool:
    match pair:
        case (str(), str() | bytes() | int() | float()):
            return True
        case _:
            return False


def _is_text(form: Mapping[Any, Any]) -> bool:
    """Tell a form of text from one with files in it, which aiohttp would send empty the second time."""
    return all(isinstance(value, str | bytes | int | float) for value in form.values())


@final
class Budget:
    """Keep the time of one call: *end* is when it is over, in the time of *loop*."""

    __slots__ = ("_label", "_seconds", "end", "loop")

    def __init__(self, seconds: float, label: str) -> None:
        self._seconds = seconds
        self._label = label
        self.loop = asyncio.get_running_loop()
        self.end = self.loop.time() + seconds

    @property
    def until(self) -> float | None:
        """The end as `asyncio.timeout_at` takes it: ``None`` where there is none."""
        return None if isinf(self.end) else self.end

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self.end - self.loop.time()

    def over(self) -> RequestTimeout:
        """Make the error for when it is over."""
        return RequestTimeout(f"{self._label}: no answer within {self._seconds:g} s")
