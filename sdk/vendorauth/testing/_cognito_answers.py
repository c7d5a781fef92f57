"""Write a fake Cognito's answers in all the ways in which they have been seen, and in some that can't be right."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, TypeAlias

from vendorauth.tokens import JSON

ErrorSpelling: TypeAlias = Literal["plain", "namespaced", "header"]
WrongType: TypeAlias = Literal[
    "access-token-missing",
    "expires-in-missing",
    "expires-in-nonsense",
    "expires-in-null",
    "expires-in-string",
    "id-token-missing",
    "id-token-null",
    "id-token-number",
    "refresh-token-missing",
    "refresh-token-number",
    "result-missing",
    "token-type-missing",
]
Result: TypeAlias = dict[str, JSON]

_NAMESPACE: Final = "com.amazonaws.cognito.identity.idp.model#"
_URI: Final = "http://internal.amazon.com/coral/com.amazonaws.cognito.identity.idp.model/"

SPELLINGS: Final[Mapping[ErrorSpelling, Callable[[str], tuple[Result, str]]]] = {
    "plain": lambda code: ({"__type": code}, f"{code}:"),
    "namespaced": lambda code: ({"__type": f"{_NAMESPACE}{code}"}, f"{code}:{_URI}"),
    "header": lambda code: ({}, f"{code}:"),
}
"""From an error code to the body's part that names it and to the header ``x-amzn-ErrorType``."""


def _missing(name: str) -> Callable[[Result], None]:
    def change(result: Result) -> None:
        result.pop(name, None)

    return change


def _set(name: str, value: JSON) -> Callable[[Result], None]:
    def change(result: Result) -> None:
        result[name] = value

    return change


def _nothing_left(result: Result) -> None:
    result.clear()


def _as_text(result: Result) -> None:
    result["ExpiresIn"] = str(result["ExpiresIn"])


WRONG_TYPES: Final[Mapping[WrongType, Callable[[Result], None]]] = {
    "access-token-missing": _missing("AccessToken"),
    "expires-in-missing": _missing("ExpiresIn"),
    "expires-in-nonsense": _set("ExpiresIn", "soon"),
    "expires-in-null": _set("ExpiresIn", None),
    "expires-in-string": _as_text,
    "id-token-missing": _missing("IdToken"),
    "id-token-null": _set("IdToken", None),
    "id-token-number": _set("IdToken", 5),
    "refresh-token-missing": _missing("RefreshToken"),
    "refresh-token-number": _set("RefreshToken", 5),
    "result-missing": _nothing_left,
    "token-type-missing": _missing("TokenType"),
}
"""What each name does to an ``AuthenticationResult``; one that is empty then is left out."""
