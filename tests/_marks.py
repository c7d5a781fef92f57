"""Plant secrets that can be recognized, and search for them in whatever is shown, however it is written."""

from __future__ import annotations

import base64
import io
import json
import pprint
import traceback
from collections.abc import Iterable, Iterator
from functools import cache
from types import FrameType, TracebackType
from typing import Any, Final
from urllib.parse import quote, quote_plus

from rich.console import Console
from rich.pretty import pretty_repr
from rich.traceback import Traceback

PASSWORD: Final = 'Pl4nted "password\\ 9/+'
CODE: Final = "Pl4nted-code-602214076"
BODY: Final = "Pl4nted-answer-137035999"
SENT: Final = "Pl4nted-request-667430"
PLANTED: Final = (PASSWORD, CODE, BODY, SENT)

_PIECE: Final = 14
"""How much of a secret has to be seen: a display may cut it short in the middle, or at its end."""

_WHOLE: Final[dict[str, Any]] = {"locals_max_length": None, "locals_max_string": None, "locals_hide_dunder": False}
_OURS: Final = "vendorauth"
_LIBRARIES: Final = ("aiohttp", "cattrs", "filelock", "msgspec", "multidict", "yarl")


def leaks(shown: str | bytes, secrets: Iterable[str]) -> set[str]:
    """Give the *secrets* of which a piece is in *shown*, in any encoding."""
    text = shown.decode("latin-1") if isinstance(shown, bytes) else shown
    folded = text.lower()
    # Displays wrap lines: what is joined again must show nothing either.
    joined = "".join(line.strip(" │|") for line in text.splitlines())
    return {
        secret
        for secret in secrets
        if any(one in text or one in joined or (one.islower() and one in folded) for one in spellings(secret))
    }


@cache
def spellings(secret: str) -> set[str]:
    """Write the beginning and the end of *secret* in every way that it might be shown."""
    return {spelling for piece in (secret[:_PIECE], secret[-_PIECE:]) for spelling in _encoded(piece)}


def _encoded(piece: str) -> Iterator[str]:
    content = piece.encode()
    yield from (piece, repr(piece)[1:-1], repr(content)[2:-1], repr(repr(piece))[1:-1])
    yield from (json.dumps(piece)[1:-1], json.dumps(json.dumps(piece))[1:-1].strip('\\"'))
    yield from (quote(piece, safe=""), quote(piece), quote(piece, safe="").lower(), quote_plus(piece))
    yield from (content.hex(), content.hex(" "), content.hex(":"))
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            # What stands before and behind changes the first and the last characters.
            whole = encode(b"\0" * offset + content).decode().rstrip("=")
            yield whole[(0, 2, 3)[offset] : -1]


def displays(thing: object) -> Iterator[str]:
    """Show *thing* in every way that people and tools do, alone and inside of something."""
    yield from (repr(thing), str(thing), format(thing), f"{thing!r} {thing}", ascii(thing))
    yield from (pprint.pformat(thing), pprint.pformat([{"key": (thing,)}]))
    yield from (pretty_repr(thing, max_string=None), pretty_repr({"key": [thing]}, max_string=None))


def chain(error: BaseException | None) -> list[BaseException]:
    """List *error*, its causes and its contexts, those too that a traceback does not show."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting:
        one = waiting.pop()
        if one is None or one in found:
            continue
        found.append(one)
        waiting += [one.__cause__, one.__context__]
        waiting += one.exceptions if isinstance(one, BaseExceptionGroup) else ()
    return found


def frames(error: BaseException) -> Iterator[FrameType]:
    """Go through the frames of *error*'s traceback and of those of its chain."""
    for one in chain(error):
        for frame, _ in traceback.walk_tb(one.__traceback__):
            yield frame


def libraries(error: BaseException) -> set[str]:
    """Name the frames in *error*'s tracebacks that belong to what we call."""
    names = {f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}" for frame in frames(error)}
    return {name for name in names if name.partition(".")[0] in (*_LIBRARIES, "None")}


def ours(error: BaseException) -> Iterator[str]:
    """Show every local variable in our frames of *error*'s tracebacks."""
    for frame in frames(error):
        if str(frame.f_globals.get("__name__")).partition(".")[0] == _OURS:
            yield from (f"{frame.f_code.co_name} {name}={value!r}" for name, value in frame.f_locals.items())
            yield from (pretty_repr(value, max_string=None) for value in frame.f_locals.values())


def held(error: BaseException) -> Iterator[str]:
    """Show what `ours` does, and how rich and Python show the whole."""
    yield from ours(error)
    for one in chain(error):
        yield from _printed(type(one), one, one.__traceback__)


def _printed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Iterator[str]:
    yield "".join(traceback.TracebackException(kind, error, trace, capture_locals=True).format())
    # What rich would print of the locals; the page itself takes long, because it colours every file whole.
    for stack in Traceback.extract(kind, error, trace, show_locals=True, **_WHOLE).stacks:
        yield from (str(local) for frame in stack.frames for local in (frame.locals or {}).values())


def page(error: BaseException) -> str:
    """Show *error* as rich's handler does, with locals."""
    console = Console(file=io.StringIO(), width=200)
    console.print(Traceback.from_exception(type(error), error, error.__traceback__, show_locals=True, **_WHOLE))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
