"""Check the URLs and paths that a user gives, before anything is sent to them."""

from __future__ import annotations

import re
import warnings
from ipaddress import IPv6Address, ip_address
from typing import Final
from urllib.parse import quote, unquote

from yarl import URL

from vendorauth.errors import ConfigurationError

_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f\\\ud800-\udfff]")
"""
What no path may contain: controls, blanks, the backslash that some servers take for a slash, and half characters:
yarl drops them, so that the dots around one become a dot segment.
"""

NO_URL: Final = (ValueError, TypeError, IndexError)
"""What yarl raises for what is no URL; the last one for ``https://[]@`` (yarl 1.25)."""

_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")

_IPV4: Final = 4
_LOOPBACK: Final = IPv6Address("::1")

_DECODINGS: Final = 3
"""How often a path may be decoded on its way: by a proxy, a server, a framework."""


def checked_base_url(given: str | URL, *, allow_http: bool = False, name: str = "base URL") -> URL:
    """
    Give *given* as a URL without a trailing slash.

    Raises:
        ConfigurationError: It is not absolute, carries user, password, query, fragment or dot segments, or is plain
            http to another machine without *allow_http*.
    """
    url = _absolute(given, name)
    if url.user is not None or url.password is not None or url.raw_query_string or url.raw_fragment:
        message = f"the {name} must not have a user, a password, a query or a fragment"
        raise ConfigurationError(message)
    if _has_dots(str(given)) or _has_dots(str(url)):
        message = f"the {name} must not have dot segments"
        raise ConfigurationError(message)
    if url.scheme == "http" and not is_loopback(url.host or ""):
        _require_consent(allow_http=allow_http, name=name)
    return URL(str(url).rstrip("/"))


def _absolute(given: str | URL, name: str) -> URL:
    try:
        url = URL(given)
        # Decoding IDNA may fail, so may reading what yarl itself has written, and getaddrinfo() encodes once more.
        _ = url.host, URL(str(url)), (url.raw_host or "").encode("idna")
    except NO_URL:
        url = URL()
    nowhere = not url.host or url.explicit_port == 0
    if url.scheme not in {"http", "https"} or nowhere or _UNSAFE.search(f"{given}{url}"):
        message = f"the {name} must be an absolute https URL"
        raise ConfigurationError(message)
    return url


def _require_consent(*, allow_http: bool, name: str) -> None:
    if not allow_http:
        message = f"the {name} is plain http, which shows tokens and passwords to the network: use https"
        raise ConfigurationError(message)
    warnings.warn(f"the {name} is plain http: tokens and passwords can be read on the way", UserWarning, stacklevel=5)


def is_loopback(host: str) -> bool:
    """Tell whether *host* is this machine; IPv4 in IPv6 and zones are not taken for it (Python versions disagree)."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback if address.version == _IPV4 else address == _LOOPBACK


def join(base: URL, path: str) -> URL:
    """
    Put *path* behind *base*, whose own path is kept; an absolute URL has to be of the same origin.

    Raises:
        ConfigurationError: It leads to another origin or out of the base, or can't be sent.
    """
    if _UNSAFE.search(path) or "#" in path:
        message = "a path must be without blanks, controls, backslashes and a fragment"
        raise ConfigurationError(message)
    if _has_dots(path):
        message = "a path must not have dot segments"
        raise ConfigurationError(message)
    if path.startswith("//") or _ABSOLUTE.match(path):
        return _linked(base, path)
    return _made(f"{base}/{path.removeprefix('/')}") if path else base


def same_origin(base: URL, url: URL) -> bool:
    """Tell whether *url* has *base*'s scheme, host and port, and no user or password in it."""
    if url.user is not None or url.password is not None or url.explicit_port == 0:  # which old yarls take for none
        return False
    return (url.scheme, url.raw_host, url.port) == (base.scheme, base.raw_host, base.port)


def _linked(base: URL, path: str) -> URL:
    url = _made(path)
    if not same_origin(base, url):
        message = "the path leads to another origin, which must not see the token"
        raise ConfigurationError(message)
    return url


def _made(text: str) -> URL:
    try:
        return URL(text)
    except NO_URL:
        pass
    message = "the path can't be made a URL"
    raise ConfigurationError(message)


def quoted(text: str, name: str) -> str:
    """
    Percent-encode *text*, which is called *name*, for one segment of a path or one value of a query.

    Raises:
        ConfigurationError: It is empty, or holds half a character.
    """
    if not text.strip():
        message = f"{name} is empty"
        raise ConfigurationError(message)
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        message = f"{name} holds half a character, which no URL can carry"
    raise ConfigurationError(message)


def _has_dots(text: str) -> bool:
    path = text.partition("?")[0]
    for _ in range(_DECODINGS):
        path = unquote(path)
    # Some servers cut a segment at the semicolon before they fold the dots.
    return any(segment.partition(";")[0] in {".", ".."} for segment in re.split(r"[/\\]", path))
