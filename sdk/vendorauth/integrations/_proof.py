"""Put what proves a token into somebody else's request, and take it out again."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import final

from vendorauth._tracebacks import discreetly
from vendorauth.errors import ConfigurationError

_COOKIE = "Cookie"


@final
class Proof:
    """
    Be what one request's *headers* hold while it is under way.

    Cookies that were there stay, but for those that have the name of one of the token's.
    """

    __slots__ = ("_before", "_headers", "_put")

    def __init__(self, headers: MutableMapping[str, str]) -> None:
        self._headers = headers
        self._before: str | None = headers.get(_COOKIE)
        self._put: list[str] = []

    @discreetly
    def put(self, proof: Mapping[str, str]) -> None:
        """
        Put *proof* in, in place of what was put before.

        Raises:
            ConfigurationError: The request has such a header already.
        """
        self.take_out()
        for name, value in proof.items():
            is_cookie = name.lower() == _COOKIE.lower()
            if not is_cookie and name in self._headers:
                message = f"the header {name!r} is what proves the login; it can't be given"
                raise ConfigurationError(message)
            if is_cookie:
                self._before = _without(value, self._before)
            self._headers[name] = _with_others(value, self._before or "") if is_cookie else value
            self._put.append(name)

    def take_out(self) -> None:
        """Leave the headers as they were: whoever shows them, in an error or a log, must not show the token."""
        for name in self._put:
            self._headers.pop(name, None)
        self._put.clear()
        if self._before is not None:
            self._headers[_COOKIE] = self._before


def carries(headers: Mapping[str, str], proof: Mapping[str, str]) -> bool:
    """Tell whether *headers* prove the token still, after somebody else has changed them."""
    return all(headers.get(name, "") == value or _has(headers, name, value) for name, value in proof.items())


def _has(headers: Mapping[str, str], name: str, value: str) -> bool:
    return name.lower() == _COOKIE.lower() and value in _pairs(headers.get(name, ""))


def _with_others(own: str, others: str) -> str:
    names = {_name(one) for one in _pairs(own)}
    return "; ".join([*(one for one in _pairs(others) if _name(one) not in names), own])


def _without(own: str, before: str | None) -> str | None:
    """Give the cookies that were there but for *own*, which a jar has, or the same request while it is sent twice at once."""
    pairs = _pairs(before or "")
    if not set(pairs) & set(_pairs(own)):
        return before
    return "; ".join(one for one in pairs if one not in _pairs(own)) or None


def _pairs(cookies: str) -> list[str]:
    return [one.strip() for one in cookies.split(";") if one.strip()]


def _name(pair: str) -> str:
    return pair.partition("=")[0].strip()
