"""Write each fault of the table as bytes."""

from __future__ import annotations

import gzip
import random
import re
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

import msgspec

from _faults import Fault, Genuine, Play

HTML: Final = b"<html><body>MARK: the gateway says no</body></html>"
PHRASES: Final = {"302": b"302 Found", "503": b"503 Busy"}

Variants = dict[str, Fault]
"""A fault's forms by name; most have one, without a name."""


def _answer(make: Callable[[Genuine], bytes | Play]) -> Fault:
    """Be a fault that is an answer."""

    def edit(genuine: Genuine) -> Play:
        made = make(genuine)
        return made if isinstance(made, Play) else Play(made)

    return Fault(edit=edit)


def _body(body: bytes, *headers: bytes) -> Fault:
    return _answer(lambda genuine: genuine.written(body, *headers))


def _status(status: bytes, body: bytes = HTML, *headers: bytes) -> Fault:
    return _answer(lambda genuine: _bare(genuine).written(body, *headers, status=status))


def _bare(genuine: Genuine) -> Genuine:
    """Be the answer of something that is not the vendor: no header of the vendor's."""
    return Genuine(genuine.status, (b"Content-Type: text/html",), genuine.body)


def _redirect(code: int, elsewhere: str) -> Fault:
    location = f"Location: {elsewhere}/MARK?MARK=1".encode()
    return _status(b"%d Elsewhere" % code, HTML, location)


def _twice_elsewhere(elsewhere: str) -> Fault:
    headers = [f"Location: {elsewhere}/MARK{n}".encode() for n in (1, 2)]
    return _status(b"302 Found", HTML, *headers)


def _chunks(content: bytes, *headers: bytes) -> Callable[[Genuine], bytes]:
    def make(genuine: Genuine) -> bytes:
        lines = (genuine.status, b"Transfer-Encoding: chunked", *headers, b"", b"")
        return b"\r\n".join(lines) + content

    return make


def _before(interim: bytes) -> Fault:
    return _answer(lambda genuine: b"HTTP/1.1 " + interim + b"\r\n\r\n" + genuine.written())


def _cut(genuine: Genuine, end: Any) -> Play:
    whole = genuine.written()
    return Play(b"", end, early=whole[: -len(genuine.body) // 2])


def _drip_body(genuine: Genuine) -> Play:
    whole, size = genuine.written(), len(genuine.body)
    return Play(whole[-size:], "drip", early=whole[:-size])


@lru_cache(maxsize=1)
def _bomb() -> bytes:
    """Pack 64 MB of zeros into 64 KB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(2**20)) for _ in range(64)) + packer.flush()


def _padded(genuine: Genuine) -> Play:
    """Blow a JSON object up to 50 MB."""
    blanks = 800 * 64 * 1024
    whole = genuine.written(length=b"%d" % (len(genuine.body) + blanks))
    return Play(whole[-1:], early=whole[:-1], blanks=blanks)


def _deep(genuine: Genuine) -> bytes:
    """Nest lists in a field that nobody asks for."""
    lists = b"[" * 100_000 + b"]" * 100_000
    return genuine.written(genuine.body[:-1] + b',"MARK":' + lists + genuine.body[-1:])


def _not_utf8(genuine: Genuine) -> bytes:
    return genuine.written(genuine.body[:-1] + b',"MARK":"\xff\xfe"' + genuine.body[-1:])


def _with(path: tuple[str, ...], value: object) -> Fault:
    """Put *value* at *path* of the vendor's JSON."""

    def make(genuine: Genuine) -> bytes:
        whole = inner = msgspec.json.decode(genuine.body)
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        return genuine.written(msgspec.json.encode(whole))

    return _answer(make)


_TOKENS: Final = ("AuthenticationResult", "ChallengeName", "Session", "ChallengeParameters", "AvailableChallenges")
_RESULT: Final = ("IdToken", "AccessToken", "RefreshToken", "ExpiresIn", "TokenType", "NewDeviceMetadata")
_COGNITO_PATHS: Final = [*((one,) for one in _TOKENS), *(("AuthenticationResult", one) for one in _RESULT)]

_FIELDS: Final[dict[str, list[tuple[str, ...]]]] = {
    "information": [("region",), ("customer_id:",), ("user_pool_client_id",), ("user_pool_id",)],
    "login": _COGNITO_PATHS,
    "refresh": _COGNITO_PATHS,
    "get": [("items",), ("links",), ("links", "next")],
    "protogrid": [("protogrid_environment_version",)],
}


def _wrong_types(column: str) -> Variants:
    """Put a value into each field that none of them takes, one after another."""
    return {path[-1]: _with(path, 4.5) for path in _FIELDS.get(column, [])}


def _odd_errors(_: str) -> Variants:
    odd: tuple[Any, ...] = (5, "MARK", True, {"a": 1}, {"code": "MARK"}, [[]], [None], [5.5])
    return {repr(value): _with(("errors",), value) for value in odd}


def _random_bytes() -> bytes:
    return random.Random(7).randbytes(4096)


def _gzip_of_half(genuine: Genuine) -> bytes:
    packed = bytearray(gzip.compress(genuine.body, mtime=0))
    packed[12:20] = b"MARKMARK"
    return genuine.written(bytes(packed), b"Content-Encoding: gzip")


_RESET: Final = Play(end="reset")

FAULTS: Final[dict[str, Fault]] = {
    "connection refused": Fault("refused"),
    "the host's name can't be resolved": Fault("name"),
    "certificate that nobody trusts": Fault("untrusted"),
    "a server that speaks no TLS, at an https address": Fault("plain"),
    "reset as soon as connected": Fault("connected"),
    "reset after the request was read": _answer(lambda _: _RESET),
    "closed after the request was read": _answer(lambda _: Play()),
    "reset inside the headers": _answer(lambda genuine: Play(genuine.written()[:30], "reset")),
    "reset inside the body": _answer(lambda genuine: _cut(genuine, "reset")),
    "reset of a kept connection when the next request comes; new connections work": Fault("kept", lambda _: _RESET),
    "timeout before the answer": _answer(lambda _: Play(end="hang")),
    "timeout inside the body": _answer(lambda genuine: _cut(genuine, "hang")),
    "one byte at a time, headers first": _answer(lambda genuine: Play(genuine.written(), "drip")),
    "one byte at a time, after the headers": _answer(_drip_body),
    "body shorter than its `Content-Length`": _answer(lambda genuine: genuine.written(length=b"99999")),
    "chunked body that is cut": _answer(_chunks(b'6\r\n{"MARK\r\n')),
    "`Content-Length` shorter than the body": _answer(lambda genuine: genuine.written(length=b"9")),
    "`Content-Length` below zero": _answer(lambda genuine: genuine.written(length=b"-1")),
    "`Content-Length` that is no number": _answer(lambda genuine: genuine.written(length=b"MARK")),
    "chunk with a size that is no number": _answer(_chunks(b"MARK\r\n{}\r\n0\r\n\r\n")),
    "two `Content-Length` that differ": _answer(lambda genuine: genuine.written(None, b"Content-Length: 5")),
    "mail server's greeting instead of HTTP": _answer(lambda _: b"220 MARK.example ESMTP\r\n\r\n"),
    "random bytes instead of HTTP": _answer(lambda _: _random_bytes()),
    "header line of 20,000 bytes": _answer(lambda genuine: genuine.written(None, b"X-Long: " + b"MARK" * 5000)),
    "corrupt gzip": _answer(_gzip_of_half),
    "401 whose body is cut": _answer(lambda genuine: _bare(genuine).written(HTML, status=b"401 No", length=b"9999")),
    "503 whose body is cut": _answer(lambda genuine: _bare(genuine).written(HTML, status=b"503 Busy", length=b"9999")),
    "503 with corrupt gzip": _status(b"503 Busy", HTML, b"Content-Encoding: gzip"),
    "two `Set-Cookie` for the session (the last one counts)": _answer(
        lambda genuine: Genuine(
            genuine.status, (b"Set-Cookie: session=MARK; Path=/", *genuine.headers), genuine.body
        ).written()
    ),
    "header that is no UTF-8": _answer(lambda genuine: genuine.written(None, b"X-Odd: \xff\xfe")),
    "100 before the answer": _before(b"100 Continue"),
    "102 before the answer": _before(b"102 Processing"),
    "103 before the answer": _before(b"103 Early Hints\r\nLink: </MARK>; rel=preload"),
    "101 alone": _answer(lambda _: b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: MARK\r\n\r\n"),
    "204": _answer(
        lambda genuine: genuine.written(b"", status=b"204 No Content").replace(b"Content-Length: 0\r\n", b"")
    ),
    "200 with HTML": _body(HTML),
    "200, empty": _body(b""),
    "200 with `null`": _body(b"null"),
    "200 with a list": _body(b'["MARK"]'),
    "200 with a text": _body(b'"MARK"'),
    "200 with an empty object": _body(b"{}"),
    "200 with invalid UTF-8": _answer(_not_utf8),
    "200 with 100,000 lists in each other": _answer(_deep),
    "200 with 50 MB": _answer(_padded),
    "200 with a gzip bomb (64 KB, 64 MB unpacked)": _answer(
        lambda genuine: genuine.written(_bomb(), b"Content-Encoding: gzip")
    ),
}

_BY_COLUMN: Final[dict[str, Callable[[str], Variants]]] = {
    "200 with a field of a wrong type, each in turn": _wrong_types,
    "200 with `errors` of a wrong type, each in turn": _odd_errors,
}


def variants(fault: str, column: str) -> Iterator[str]:
    """Name the forms of *fault* for *column*; one without a name where there is but one."""
    yield from _BY_COLUMN[fault](column) if fault in _BY_COLUMN else [""]


def play_of(fault: str, column: str, variant: str, elsewhere: str) -> Fault:
    """Give what is played; *elsewhere* is where redirects lead."""
    if fault in _BY_COLUMN:
        return _BY_COLUMN[fault](column)[variant]
    if fault in FAULTS:
        return FAULTS[fault]
    if fault == "302 with two `Location`":
        return _twice_elsewhere(elsewhere)
    found = re.fullmatch(r"(\d{3}) with (a `Location` elsewhere|HTML)", fault)
    assert found is not None, fault
    code = int(found[1])
    return _status(b"%d MARK" % code) if found[2] == "HTML" else _redirect(code, elsewhere)
