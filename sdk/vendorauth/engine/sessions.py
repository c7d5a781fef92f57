"""Own or borrow the HTTP session that everything is sent with."""

from __future__ import annotations

import asyncio
import os
import ssl as tls
import warnings
from collections.abc import Mapping
from typing import Any, Final, TypeAlias, final
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from vendorauth._urls import NO_URL, is_loopback
from vendorauth._version import __version__
from vendorauth.errors import ConfigurationError

Ssl: TypeAlias = tls.SSLContext | aiohttp.Fingerprint | bool
"""How TLS is verified: as aiohttp's ``ssl``."""

USER_AGENT: Final = f"vendorauth/{__version__} aiohttp/{aiohttp.__version__}"

_NO_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=None)
"""Time is kept by whoever sends: one deadline for a whole call, not one for each of its requests."""


_inherited: Final[list[aiohttp.ClientSession]] = []


@final
class Sessions:
    """
    Send with a session of our own, which never keeps a cookie, adds no header but User-Agent, follows no redirect.

    A *borrowed* session lends its connector, trace configs, proxy and trust_env, and is never closed; its cookie jar
    would replace our Cookie header with another account's, and its default headers, auth and middlewares are not ours
    to send.
    """

    def __init__(
        self,
        borrowed: aiohttp.ClientSession | None = None,
        *,
        proxy: str | URL | None = None,
        trust_env: bool = False,
        ssl: Ssl | None = None,
    ) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._borrowed = borrowed
        self._proxy = None if proxy is None else _proxy_url(proxy)
        self._trust_env = trust_env
        self._options: dict[str, Any] = {} if ssl is None else {"ssl": ssl}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = self._made_in = os.getpid()

    async def send(
        self, method: str, url: URL, headers: Mapping[str, str], data: Any = None, *, skip: tuple[str, ...] = ()
    ) -> aiohttp.ClientResponse:
        """Send one request, and give its answer as soon as its headers are there; the body is the caller's to read."""
        session = self._session
        if (
            session is None
            or self._loop is not asyncio.get_running_loop()
            or session.closed
            or self._process != os.getpid()
        ):
            session = self._open()
        return await session.request(
            method,
            url,
            headers=headers,
            data=data,
            allow_redirects=False,
            skip_auto_headers=skip,
            proxy=self._proxy_for(url),
            **self._options,
        )

    def reopen(self) -> None:
        """Allow sending again after `close`."""
        self._closed = False

    async def close(self) -> None:
        """Close what was opened here, and open nothing any more; a borrowed session's connector stays open."""
        self._closed = True
        self._leave_to_parent()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def __del__(self) -> None:
        self._leave_to_parent()
        if self._session is not None and self._borrowed is None:
            warnings.warn("a vendorauth client was never closed: use `async with` or aclose()", ResourceWarning, 2)

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            message = "this client is closed; enter it again with `async with`"
            raise RuntimeError(message)
        self._leave_to_parent()
        self._loop, self._process = asyncio.get_running_loop(), os.getpid()
        self._session = aiohttp.ClientSession(
            connector=self._connector(),
            connector_owner=self._borrowed is None,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT},
            timeout=_NO_TIMEOUT,
            trace_configs=None if self._borrowed is None else list(self._borrowed.trace_configs),
        )
        # aiohttp would by itself send GET, HEAD, PUT and DELETE again when a connection is lost; here callers decide that.
        self._session._retry_connection = False  # noqa: SLF001  it has no public name
        return self._session

    def _leave_to_parent(self) -> None:
        """Neither use nor close, in a forked child, the parent's connections: closing says good-bye to the server."""
        if self._session is not None and self._process != os.getpid():
            _inherited.append(self._session)
            self._session = None

    def _connector(self) -> aiohttp.BaseConnector | None:
        if self._borrowed is None:
            return None
        if self._borrowed.connector is None:
            message = "the session that was lent to this client is closed"
            raise ConfigurationError(message)
        if self._made_in != os.getpid():
            message = "the session that was lent to this client belongs to the process before the fork; lend one of this process"
            raise ConfigurationError(message)
        return self._borrowed.connector

    def _proxy_for(self, url: URL) -> URL | None:
        proxy = self._chosen_proxy(url)
        if proxy is None or url.scheme != "http" or not is_loopback(url.host or "") or is_loopback(proxy.host or ""):
            return proxy
        return None  # http is allowed here because it stays on this machine; that proxy is another's

    def _chosen_proxy(self, url: URL) -> URL | None:
        if self._proxy is not None:
            return self._proxy
        lent = self._borrowed
        if lent is not None and (proxy := lent._default_proxy) is not None:  # noqa: SLF001  it has no public name
            return URL(proxy)
        # aiohttp's own trust_env also sends ~/.netrc's passwords, which would clash with or replace our header.
        return _env_proxy(url) if self._trust_env or (lent is not None and lent.trust_env) else None


def _proxy_url(given: str | URL) -> URL:
    try:
        url = URL(given)
        _ = url.host  # decodes IDNA, which may fail
    except NO_URL:
        url = URL()
    if not url.scheme or not url.host:
        message = "proxy must be an absolute URL"
        raise ConfigurationError(message)
    return url


def _env_proxy(url: URL) -> URL | None:
    proxy = getproxies().get(url.scheme)
    if not proxy or proxy_bypass(url.host or ""):
        return None
    return _proxy_url(proxy if "://" in proxy else f"http://{proxy}")
