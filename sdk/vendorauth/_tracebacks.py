"""
Let no traceback show a secret.

rich, pytest and error trackers print tracebacks with every local variable. Ours hold headers, bodies and answers, and
aiohttp's hold them all again. So there are two rules, which every module keeps and only this one explains:

* An error loses the inner frames of its traceback where it leaves the package: `cut` is called by clients' requests,
  where a flight lands, where a thread's work ends, by `structure`, and through `discreet` by constructors. Nobody misses
  the frames: our errors say in their text what was done, and `cut_noting` says of others where they arose.
* In a frame that is left, secrets are only in objects whose ``repr`` hides them. What a user handed in bare is taken out
  of it before anything is awaited.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import wraps
from types import FrameType, TracebackType
from typing import Any, Final, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")
AwaitedT = TypeVar("AwaitedT", bound=Callable[..., Awaitable[Any]])

_INSIDE: Final = sys.stdlib_module_names | {
    "vendorauth",
    "aiohappyeyeballs",
    "aiohttp",
    "anyio",
    "attr",
    "cattr",
    "cattrs",
    "filelock",
    "frozenlist",
    "h11",
    "httpcore",
    "httpx",
    "msgspec",
    "multidict",
    "propcache",
    "redis",
    "yarl",
}
"""The packages whose frames are cut: this one, and those that it calls."""

_GENERATED: Final = ("<attrs ", "<cattrs ")
_OURS: Final = "vendorauth.errors"
_ARISEN: Final = "raised in "


def cut(error: BaseException) -> None:
    """
    Take the inner frames out of *error*'s traceback, and what happened inside out of its context; then ``raise`` it.

    The frame that calls this goes as well. Those of a user's code stay: a flow's, a store's, a model's.
    """
    error.__traceback__ = _outer(error.__traceback__)
    context = error.__context__
    while context is not None and context.__traceback__ is not None and _is_inside(context.__traceback__.tb_frame):
        context = context.__context__
    error.__context__ = context


def cut_noting(error: BaseException) -> None:
    """
    Do what `cut` does, and note where *error* arose: it may be a bug, in a user's code or in ours.

    Our own errors and cancellations need no note, and one is enough.
    """
    frames = list(_frames(error.__traceback__))
    noted = any(str(note).startswith(_ARISEN) for note in _notes(error))
    if isinstance(error, Exception) and not noted and not _is_ours(error) and _is_inside(frames[-1].tb_frame):
        vars(error)["__notes__"] = [*_notes(error), _ARISEN + place_of(error)]
    cut(error)


def discreetly(function: Callable[P, T]) -> Callable[P, T]:
    """Cut what *function* raises, whose arguments are secrets."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except Exception as error:  # whatever a user's values raise; nothing is awaited here
            cut(error)
            raise

    return call


def discreetly_awaited(function: AwaitedT) -> AwaitedT:
    """Cut what awaiting *function* raises, whose arguments are secrets."""

    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return await function(*args, **kwargs)
        except BaseException as error:  # a cancellation's frames hold the arguments, too
            cut(error)
            raise

    # The very type: what a checker takes an ``async def`` for differs, and protocols compare it.
    return cast("AwaitedT", call)


def discreet(kind: type[T]) -> type[T]:
    """Cut what the constructor of *kind* raises; for classes that are made of secrets."""
    setattr(kind, "__init__", discreetly(kind.__init__))  # noqa: B010  mypy would not have it otherwise
    return kind


def place_of(error: BaseException) -> str:
    """Name the function, file and line where *error* arose."""
    frames = list(_frames(error.__traceback__))
    if not frames:
        return "an unknown place"
    code = frames[-1].tb_frame.f_code
    return f"{code.co_name}, {code.co_filename}:{frames[-1].tb_lineno}"


def _notes(error: BaseException) -> list[object]:
    notes = getattr(error, "__notes__", None)
    # Somebody may have put anything there; of a list's items nothing is known.
    return cast("list[object]", notes) if isinstance(notes, list) else []


def _is_ours(error: BaseException) -> bool:
    # Not isinstance(): errors imports tokens, which imports this.
    return any(kind.__module__ == _OURS for kind in type(error).__mro__)


def _outer(trace: TracebackType | None) -> TracebackType | None:
    kept: TracebackType | None = None
    for one in reversed(list(_frames(trace))):
        if not _is_inside(one.tb_frame):
            one.tb_next, kept = kept, one
    return kept


def _frames(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _is_inside(frame: FrameType) -> bool:
    """Tell whether *frame* is of one of the packages above, or of code that attrs or cattrs has generated."""
    name: str = frame.f_globals.get("__name__", "")
    return not name or name.partition(".")[0] in _INSIDE or frame.f_code.co_filename.startswith(_GENERATED)
