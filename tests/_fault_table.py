"""Say what becomes of a call when a server or the network misbehaves: what the tests hold, and what the page shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final


@dataclass(frozen=True)
class Cell:
    """
    Be what becomes of one request while one fault lasts.

    *error* names the class that the caller gets; empty: the call is served all the same. *sent* is how often the vendor
    may have read the request, *tries* how often it was begun where that is more. *why* is for the reader. *cannot* says
    why there is no such case.
    """

    error: str = ""
    sent: int = 1
    tries: int | None = None
    why: str = ""
    cannot: str = ""

    def __str__(self) -> str:
        if self.cannot:
            return f"cannot be: {self.cannot}"
        times = "" if self.sent == 1 else f", {_times(self.sent)}"
        if self.tries is not None and self.tries > 1:
            times += f", tried {self.tries} times"
        why = f" ({self.why})" if self.why else ""
        return (f"`{self.error}`" if self.error else "served") + times + why


def _times(sent: int) -> str:
    return "never sent" if sent == 0 else f"sent {('twice', 'three times')[sent - 2]}"


@dataclass(frozen=True)
class Row:
    """Be one *fault*, and what becomes of each request."""

    fault: str
    information: Cell
    login: Cell
    refresh: Cell
    get: Cell
    post: Cell
    protogrid: Cell

    def cells(self) -> Iterator[tuple[str, Cell]]:
        """Give each request's name and cell."""
        for field in fields(self)[1:]:
            yield field.name, getattr(self, field.name)


COLUMNS: Final = {
    "information": "ProGlove: auth-information",
    "login": "ProGlove: login",
    "refresh": "ProGlove: refresh",
    "get": "API: GET",
    "post": "API: POST",
    "protogrid": "Protogrid: login",
}

SERVED: Final = Cell()
LOST: Final = Cell("TransportError")
ASKED: Final = Cell("TransportError", sent=2, why="asked again")
LATE: Final = Cell("RequestTimeout")
UNREADABLE: Final = Cell("ProtocolError")
PASSING: Final = Cell("AuthServiceUnavailable")
ODD: Final = Cell("AuthError")
REFUSED: Final = Cell("InvalidCredentials")


def _twice(error: str) -> Cell:
    return Cell(error, sent=2, why="9a")


def _thrice(error: str) -> Cell:
    return Cell(error, sent=3, why="retries")


def _unsent(fault: str) -> Row:
    """Be a fault because of which nothing was sent: only API calls are begun again."""
    once = Cell("TransportError", sent=0, tries=1)
    again = Cell("TransportError", sent=0, tries=3)
    return Row(fault, once, once, once, again, again, once)


def _doubtful(fault: str) -> Row:
    """Be a connection that ends before anything was read, which nobody on this side can tell."""
    once = Cell("TransportError", sent=0, tries=1)
    return Row(
        fault,
        Cell("TransportError", sent=0, tries=2, why="asked again"),
        once,
        Cell("TransportError", sent=0, tries=2, why="9a"),
        Cell("TransportError", sent=0, tries=3, why="retries"),
        once,
        once,
    )


def _lost(fault: str) -> Row:
    """Be a connection that ends before the answer is complete."""
    return Row(fault, ASKED, LOST, _twice("TransportError"), _thrice("TransportError"), LOST, LOST)


def _late(fault: str) -> Row:
    """Be an answer for which the time was too short."""
    return Row(fault, LATE, LATE, _twice("RequestTimeout"), LATE, LATE, LATE)


def _unreadable(fault: str, *, get: Cell = UNREADABLE, post: Cell = UNREADABLE) -> Row:
    """Be a success, or something that may be one, which can't be read."""
    return Row(fault, UNREADABLE, UNREADABLE, _twice("ProtocolError"), get, post, UNREADABLE)


def _harmless(fault: str) -> Row:
    return _status(fault, SERVED, SERVED, SERVED, SERVED)


def _status(
    fault: str, information: Cell, cognito: Cell, api: Cell, protogrid: Cell, *, get: Cell | None = None
) -> Row:
    """Be an answer whose status counts; *get* is where a GET differs from a POST."""
    return Row(fault, information, cognito, cognito, get or api, api, protogrid)


def _busy(fault: str, api: str) -> Row:
    """Be an answer that says "later"."""
    return _status(fault, PASSING, PASSING, Cell(api), PASSING, get=_thrice(api))


def _redirect(status: int) -> Row:
    return _status(f"{status} with a `Location` elsewhere", UNREADABLE, UNREADABLE, Cell("ApiError"), UNREADABLE)


def _refusal(fault: str, api: str) -> Row:
    renewed = Cell(api, sent=2, why="12: renewed once, sent again")
    why = Cell("InvalidCredentials", why="10")
    return Row(fault, ODD, UNREADABLE, UNREADABLE, renewed, renewed, why)


_ALSO_FOR_THE_CALLER: Final = Cell(why="the body is the caller's")
_NOT_READ: Final = Cell(cannot="no field is expected")
_NO_ERRORS: Final = Cell(cannot="there is no such field")

ROWS: Final[dict[str, tuple[Row, ...]]] = {
    "Nothing is sent": (
        _unsent("connection refused"),
        _unsent("the host's name can't be resolved"),
        _unsent("certificate that nobody trusts"),
        _unsent("a server that speaks no TLS, at an https address"),
        _doubtful("reset as soon as connected"),
    ),
    "It is sent, and no answer comes": (
        _lost("reset after the request was read"),
        _lost("closed after the request was read"),
        _lost("reset inside the headers"),
        _lost("reset inside the body"),
        Row(
            "reset of a kept connection when the next request comes; new connections work",
            Cell(sent=2, why="asked again"),
            LOST,
            Cell(sent=2, why="9a"),
            Cell(sent=2, why="retries"),
            LOST,
            LOST,
        ),
        _late("timeout before the answer"),
        _late("timeout inside the body"),
        _late("one byte at a time, headers first"),
        _late("one byte at a time, after the headers"),
    ),
    "The answer is cut or garbled": (
        _lost("body shorter than its `Content-Length`"),
        _lost("chunked body that is cut"),
        _unreadable("`Content-Length` shorter than the body"),
        _unreadable("`Content-Length` below zero"),
        _unreadable("`Content-Length` that is no number"),
        _unreadable("chunk with a size that is no number"),
        _unreadable("two `Content-Length` that differ"),
        _unreadable("mail server's greeting instead of HTTP"),
        _unreadable("random bytes instead of HTTP"),
        _unreadable("header line of 20,000 bytes"),
        _unreadable("corrupt gzip"),
        _busy("503 whose body is cut", "ServerError"),
        _refusal("401 whose body is cut", "Unauthorized"),
        _busy("503 with corrupt gzip", "ServerError"),
        _harmless("two `Set-Cookie` for the session (the last one counts)"),
        _harmless("header that is no UTF-8"),
    ),
    "The answer has another status": (
        _harmless("100 before the answer"),
        _harmless("102 before the answer"),
        _harmless("103 before the answer"),
        _status("101 alone", UNREADABLE, UNREADABLE, Cell("ApiError"), UNREADABLE),
        Row("204", UNREADABLE, UNREADABLE, _twice("ProtocolError"), SERVED, SERVED, UNREADABLE),
        *map(_redirect, (301, 302, 303, 307, 308)),
        _status("302 with two `Location`", UNREADABLE, UNREADABLE, Cell("ApiError"), UNREADABLE),
        _status("400 with HTML", ODD, UNREADABLE, Cell("ApiError"), UNREADABLE),
        _refusal("401 with HTML", "Unauthorized"),
        _refusal("403 with HTML", "PermissionDenied"),
        _status("404 with HTML", ODD, UNREADABLE, Cell("NotFound"), UNREADABLE),
        _status("408 with HTML", PASSING, PASSING, Cell("ApiError"), UNREADABLE),
        _busy("429 with HTML", "RateLimited"),
        _status("500 with HTML", PASSING, PASSING, Cell("ServerError"), PASSING),
        *(_busy(f"{code} with HTML", "ServerError") for code in (502, 503, 504)),
    ),
    "The answer is a 200 with something else in it": (
        _unreadable("200 with HTML"),
        _unreadable("200, empty"),
        _unreadable("200 with `null`", post=_ALSO_FOR_THE_CALLER),
        _unreadable("200 with a list", post=_ALSO_FOR_THE_CALLER),
        _unreadable("200 with a text", post=_ALSO_FOR_THE_CALLER),
        Row(
            "200 with an empty object",
            UNREADABLE,
            UNREADABLE,
            _twice("ProtocolError"),
            UNREADABLE,
            _ALSO_FOR_THE_CALLER,
            Cell(why="the cookie is what counts"),
        ),
        _unreadable("200 with a field of a wrong type, each in turn", post=_NOT_READ),
        _status(
            "200 with `errors` of a wrong type, each in turn",
            _NO_ERRORS,
            _NO_ERRORS,
            _NO_ERRORS,
            Cell("AuthError", why="whatever is there is an error"),
        ),
        _unreadable("200 with invalid UTF-8"),
        _unreadable("200 with 100,000 lists in each other"),
        _unreadable("200 with 50 MB", get=_ALSO_FOR_THE_CALLER, post=_ALSO_FOR_THE_CALLER),
        _unreadable("200 with a gzip bomb (64 KB, 64 MB unpacked)"),
    ),
}

_INTRO: Final = """\
Each row is a fault that lasts until the call is over; each column is a request. *Served* means that the fault does no harm.
Otherwise the cell names the error that the caller gets. The GET asks for a `model`, the POST for plain JSON. A request is
sent once unless the cell says otherwise:

* *9a*: a refresh whose answer was lost or can't be read is sent once more at once, because the vendor may have spent the
  refresh token for it. A password is never sent twice.
* *asked again*: auth-information is a question that costs nothing; after a lost connection it is asked once more at once.
* *retries*: a GET is sent again, twice by default, on transport errors and on 429, 502, 503 and 504. What changes something
  is begun again only where it certainly was not sent.
* *10*: 401 and 403 are how Protogrid refuses a password.
* *12*: 401 and 403 from the API may mean that the token is no good: it is renewed once, and the request sent once more.

In every case the tokens in memory and in the store are kept. After a pause the first call that finds the fault gone works.
The pause is a second at first and at most a minute, in which calls get the same kind of error at once; after an `AuthError`
or `InvalidCredentials` for a password it is five minutes at first and at most an hour.
"""


def rows() -> Iterator[Row]:
    """Give all rows."""
    for group in ROWS.values():
        yield from group


def table() -> str:
    """Render what the tests hold, as Markdown."""
    heads = ["fault", *COLUMNS.values()]
    parts = [_INTRO]
    for title, group in ROWS.items():
        lines = [_line(heads), _line(["---"] * len(heads))]
        lines += [_line([row.fault, *(str(cell) for _, cell in row.cells())]) for row in group]
        parts.append(f"## {title}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
