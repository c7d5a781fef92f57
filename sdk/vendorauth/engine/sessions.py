"""Own or borrow the HTTP session that everything is sent with."""

from __future__ import annotations

import asyncio
import os
import ssl as tls
import warnings
from collections.abc import Awaitable, Mapping
from typing import Any, Final, TypeAlias, final
from urllib.request import getproxies, proxy_bypass
from weakref import WeakKeyDictionary

import aiohttp
import attrs
from yarl import URL

from vendorauth._urls import NO_URL, is_loopback
from vendorauth._version import __version__
from vendorauth.engine.watching import Watcher
from vendorauth.errors import ConfigurationError

Ssl: TypeAlias = tls.SSLContext | aiohttp.Fingerprint | bool
"""How TLS is verified: as aiohttp's ``ssl``."""

USER_AGENT: Final = f"vendorauth/{__version__} aiohttp/{aiohttp.__version__}"

_NO_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, sock_connect=None)
"""Time is kept by whoever sends: one deadline for a whole call, not one for each of its requests."""

_NO_OPTIONS: Final[Mapping[str, Any]] = {}

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
        self.watcher: Watcher | None = None
        self._session: aiohttp.ClientSession | None = None
        self._shared: _Shared | None = None
        self._closed = False
        self._borrowed = borrowed
        self._proxy = None if proxy is None else _proxy_url(proxy)
        self._trust_env = trust_env
        self._options: Mapping[str, Any] = _NO_OPTIONS if ssl is None else {"ssl": ssl}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = self._made_in = os.getpid()

    def send(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        data: Any = None,
        *,
        skip: tuple[str, ...] | None = None,
    ) -> Awaitable[aiohttp.ClientResponse]:
        """Send one request, and give its answer as soon as its headers are there; the body is the caller's to read."""
        session = self._session
        if (
            session is None
            or self._loop is not asyncio.get_running_loop()
            or session.closed
            or self._process != os.getpid()
        ):
            session = self._open()
        request = session.request(
            method,
            url,
            headers=headers,
            data=data,
            allow_redirects=False,
            skip_auto_headers=skip,
            proxy=self._proxy_for(url),
            **self._options,
        )
        return request if self.watcher is None else self.watcher.request(method, url, request)

    def reopen(self) -> None:
        """Allow sending again after `close`."""
        self._closed = False

    async def close(self) -> None:
        """Close what was opened here, and open nothing any more; a borrowed session's connector stays open."""
        self._closed = True
        self._leave_to_parent()
        session, self._session = self._session, None
        if self._shared is not None:
            self._leave_shared()
        elif session is not None:
            await session.close()

    def __del__(self) -> None:
        self._leave_to_parent()
        if self._session is not None:
            self._leave_shared()
            warnings.warn("a vendorauth client was never closed: use `async with` or aclose()", ResourceWarning, 2)

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            message = "this client is closed; enter it again with `async with`"
            raise RuntimeError(message)
        self._leave_to_parent()
        self._loop, self._process = asyncio.get_running_loop(), os.getpid()
        self._leave_shared()
        connector = self._connector()
        if self._borrowed is None or connector is None:
            self._session = _session(None)
        else:
            self._shared = _shared_by(self._borrowed, connector)
            self._session = self._shared.session
        return self._session

    def _leave_shared(self) -> None:
        shared, self._shared = self._shared, None
        if shared is not None:
            shared.users -= 1
            if not shared.users and shared.process == os.getpid():
                shared.session.detach()  # which closes it, and leaves the connector alone

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


@attrs.define(eq=False)
class _Shared:
    """Be the one session for all who borrow the same one, in one event loop: a session of each would be 3 KB."""

    session: aiohttp.ClientSession
    loop: asyncio.AbstractEventLoop
    process: int
    users: int = 0


_shared: Final[WeakKeyDictionary[aiohttp.ClientSession, _Shared]] = WeakKeyDictionary()


def _shared_by(borrowed: aiohttp.ClientSession, connector: aiohttp.BaseConnector) -> _Shared:
    loop, process = asyncio.get_running_loop(), os.getpid()
    shared = _shared.get(borrowed)
    if shared is None or shared.session.closed or shared.loop is not loop or shared.process != process:
        shared = _shared[borrowed] = _Shared(_session(connector), loop, process)
        # Given to the constructor, they would come on top of those that an instrumentation adds to every session.
        shared.session.trace_configs[:] = borrowed.trace_configs
    shared.users += 1
    return shared


def _session(connector: aiohttp.BaseConnector | None) -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(
        connector=connector,
        connector_owner=connector is None,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT},
        timeout=_NO_TIMEOUT,
    )
    # aiohttp would by itself send GET, HEAD, PUT and DELETE again when a connection is lost; here callers decide that.
    session._retry_connection = False  # noqa: SLF001  it has no public name
    return session


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
