"""Send authenticated requests: `ApiClient` for any vendor, and what all clients share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cached_property, lru_cache
from typing import Any, NoReturn, Self, TypedDict, TypeVar, Unpack, final, overload

import aiohttp
from yarl import URL

from vendorauth._calls import Call, ReadOptions, WriteOptions, prepare
from vendorauth._sender import Dialect, Sender, WatchedSender
from vendorauth._tracebacks import cut_noting, discreet
from vendorauth._urls import checked_base_url, join
from vendorauth.engine.clock import Clock, SystemClock
from vendorauth.engine.policy import RefreshPolicy
from vendorauth.engine.sessions import Sessions, Ssl
from vendorauth.engine.setup import OnChallenge, OnEvent
from vendorauth.engine.source import TokenSource
from vendorauth.engine.transport import Transport
from vendorauth.engine.watching import Watcher
from vendorauth.errors import ApiError, ConfigurationError
from vendorauth.flows import LoginFlow
from vendorauth.messages import Response
from vendorauth.responses import ApiResponse, api_error
from vendorauth.stores import MemoryTokenStore, TokenStore
from vendorauth.tokens import JSON, CredentialsSource, Token

T = TypeVar("T")

_KEPT_URLS = 32
"""
So many paths are kept as URLs: making one costs as much as a tenth of a small request.

Each costs 1.3 KB in each client of a pool. An application has few paths, or very many, with ids in them.
"""


class ClientOptions(TypedDict, total=False):
    """
    What every client takes.

    *store*: where tokens rest (memory). *session*: one to borrow. *policy*: when to renew. *on_challenge* answers
    challenges, *on_event* is told what happens. *timeout*: seconds for a whole call (30). *retries*: of GET and HEAD
    on transport errors and 429, 502, 503, 504, and of anything when connecting failed (2). *strict_store*: raise when
    the store gives trouble. *proxy*, *trust_env*, *ssl*: as in aiohttp. *clock*: for tests.
    """

    store: TokenStore | None
    session: aiohttp.ClientSession | None
    policy: RefreshPolicy | None
    on_challenge: OnChallenge | None
    on_event: OnEvent | None
    timeout: float
    retries: int
    strict_store: bool
    proxy: str | URL | None
    trust_env: bool
    ssl: Ssl | None
    clock: Clock | None


class BaseClient:
    """
    Share what clients have in common: everything but the verbs, whose answers differ.

    Use it with ``async with``, or call `aclose`. It belongs to one event loop at a time.
    """

    def __init__(
        self,
        flow: LoginFlow,
        credentials: CredentialsSource = None,
        *,
        dialect: Dialect,
        allow_http: bool,
        **options: Unpack[ClientOptions],
    ) -> None:
        _refuse_unknown(options, ClientOptions)
        clock, store = options.get("clock"), options.get("store")
        self._timeout = _seconds(options.get("timeout", 30.0))
        self._sessions = Sessions(
            options.get("session"),
            proxy=options.get("proxy"),
            trust_env=options.get("trust_env", False),
            ssl=options.get("ssl"),
        )
        self._tokens = TokenSource(
            flow,
            credentials,
            store=MemoryTokenStore() if store is None else store,
            send=Transport(self._sessions, allow_http=allow_http),
            policy=options.get("policy"),
            on_event=options.get("on_event"),
            on_challenge=options.get("on_challenge"),
            strict_store=options.get("strict_store", False),
            clock=clock,
        )
        self._dialect = dialect
        self._clock = clock
        self._retries = _retries(options.get("retries", 2))
        self._closing: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        flow = self._tokens.flow
        return f"<{type(self).__name__} of {flow.account} at {flow.base_url}: {self._tokens.status().state}>"

    def __reduce__(self) -> NoReturn:
        name = type(self).__name__
        message = f"a {name} can't be pickled or copied: it belongs to one process and event loop; make one there"
        raise TypeError(message)

    async def __aenter__(self) -> Self:
        if (closing := self._closing_here()) is not None:
            await asyncio.shield(closing)
        await self._tokens.__aenter__()
        self._sessions.reopen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def tokens(self) -> TokenSource:
        """
        What keeps the token fresh.

        To check the login when an application starts, ``await client.tokens.token()``: it uses what is stored. When it
        fails with ``error.temporary``, start all the same and let the calls try; else tell a person.
        """
        return self._tokens

    def watch(self, watcher: Watcher) -> None:
        """Let *watcher* see all requests and renewals from now on, as tracing does; it takes an earlier one's place."""
        self._tokens.watch(watcher)
        self._sessions.watcher = watcher
        vars(self).pop("_sender", None)

    async def request(self, method: str, path: str, **options: Unpack[WriteOptions]) -> ApiResponse:
        """
        Send *method* to *path*, relative to the base URL, and give the whole answer.

        Cancelling it loses no token.

        Raises:
            ApiError: The API answered, and not with success; its subclasses tell what to do.
            AuthError: There is no token to be had.
            TransportError: Nothing, or not all, came back; `RequestTimeout` after *timeout* seconds.
            ConfigurationError: The path leads elsewhere, or something in the call can't be sent.
        """
        return await self._request(method, path, options)

    async def _request(self, method: str, path: str, options: ReadOptions) -> ApiResponse:
        try:
            call, seconds = self._prepared(method, path, options)
            answer = await self._sender.send(call, seconds)
        except BaseException as error:  # a cancellation's frames hold headers and bodies, too
            cut_noting(error)
            raise
        return ApiResponse(answer.response, call.label)

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, **options: Unpack[WriteOptions]
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """
        Send a request as `request` does, and give aiohttp's response with its body unread.

        *timeout* is for the time until its headers are there. Reading its body raises aiohttp's errors.
        """
        try:
            call, seconds = self._prepared(method, path, options)
            answer = await self._sender.send(call, seconds, stream=True)
        except BaseException as error:  # a cancellation's frames hold headers and bodies, too
            cut_noting(error)
            raise
        try:
            yield answer.raw
        finally:
            await answer.close()

    async def login(self) -> Token:
        """
        Log in now, whatever is stored: for a person who has just typed a password; see `TokenSource.login`.

        Not for a check at start-up, where a service that crashes and restarts would lock its account: see `tokens`.
        """
        return await self._tokens.login()

    async def logout(self) -> None:
        """Revoke the tokens where the vendor can, and forget them: see `TokenSource.logout`."""
        await self._tokens.logout()

    async def aclose(self) -> None:
        """
        Let a renewal under way save what it gets, then close.

        Cancelling it ends the waiting only: the closing goes on, and calling it again waits for its end.
        """
        closing = self._closing_here()
        if closing is None:
            closing = self._closing = asyncio.get_running_loop().create_task(self._close(), name="vendorauth close")
        # shield: a cancelled `async with` has nobody to call this again, and would leave its connections open.
        await asyncio.shield(closing)

    async def _close(self) -> None:
        try:
            await self._tokens.aclose()
        except asyncio.CancelledError:  # the loop ends
            await self._sessions.close()
            raise
        await self._sessions.close()

    def _closing_here(self) -> asyncio.Task[None] | None:
        task = self._closing
        under_way = task is not None and not task.done() and task.get_loop() is asyncio.get_running_loop()
        return task if under_way else None

    # These three are made for the first request: of a pool's thousands of clients, many send none for long.

    @cached_property
    def _sender(self) -> Sender | WatchedSender:
        clock, watcher = SystemClock() if self._clock is None else self._clock, self._sessions.watcher
        sender = Sender(self._tokens, self._sessions, self._dialect, clock, self._retries)
        return sender if watcher is None else WatchedSender(sender, watcher)

    @cached_property
    def _find(self) -> Callable[[str], URL]:
        return lru_cache(maxsize=_KEPT_URLS)(self._url)

    @cached_property
    def _bare(self) -> Callable[[str, str], Call]:
        return lru_cache(maxsize=_KEPT_URLS)(self._bare_call)

    def _url(self, path: str) -> URL:
        return join(self._tokens.flow.base_url, path)

    def _bare_call(self, method: str, path: str) -> Call:
        return prepare(method, self._url, path, {})  # kept with the call

    def _prepared(self, method: str, path: str, options: ReadOptions) -> tuple[Call, float]:
        """Make a call of *options* and how long it may take, and empty them: our callers' frames hold them as well."""
        if not options and type(path) is str:  # anything else could not be looked up
            return self._bare(method, path), self._timeout
        given: Any = options  # a TypedDict has no clear(), and may be one with a body
        try:
            timeout = given.get("timeout")
            return prepare(method, self._find, path, given), self._timeout if timeout is None else _seconds(timeout)
        finally:
            given.clear()


class JsonClient(BaseClient):
    """Give the five verbs for an API that answers plain JSON."""

    @overload
    async def get(self, path: str, *, model: None = None, **options: Unpack[ReadOptions]) -> JSON: ...
    @overload
    async def get(self, path: str, *, model: type[T], **options: Unpack[ReadOptions]) -> T: ...
    async def get(self, path: str, *, model: type[Any] | None = None, **options: Unpack[ReadOptions]) -> Any:
        """
        GET *path* and give its JSON, structured into *model* where one is given; ``None`` for a 204.

        *model* is a class, ``list[...]``, ``dict[...]`` or TypedDict. Raises what `request` does.

        Raises:
            ProtocolError: The answer is no JSON, or not of this model.
        """
        return _json(await self._request("GET", path, options), model)

    @overload
    async def post(self, path: str, *, model: None = None, **options: Unpack[WriteOptions]) -> JSON: ...
    @overload
    async def post(self, path: str, *, model: type[T], **options: Unpack[WriteOptions]) -> T: ...
    async def post(self, path: str, *, model: type[Any] | None = None, **options: Unpack[WriteOptions]) -> Any:
        """POST *json* or *data* to *path*; otherwise as `get`."""
        return _json(await self._request("POST", path, options), model)

    @overload
    async def put(self, path: str, *, model: None = None, **options: Unpack[WriteOptions]) -> JSON: ...
    @overload
    async def put(self, path: str, *, model: type[T], **options: Unpack[WriteOptions]) -> T: ...
    async def put(self, path: str, *, model: type[Any] | None = None, **options: Unpack[WriteOptions]) -> Any:
        """PUT *json* or *data* to *path*; otherwise as `get`."""
        return _json(await self._request("PUT", path, options), model)

    @overload
    async def patch(self, path: str, *, model: None = None, **options: Unpack[WriteOptions]) -> JSON: ...
    @overload
    async def patch(self, path: str, *, model: type[T], **options: Unpack[WriteOptions]) -> T: ...
    async def patch(self, path: str, *, model: type[Any] | None = None, **options: Unpack[WriteOptions]) -> Any:
        """PATCH *path* with *json* or *data*; otherwise as `get`."""
        return _json(await self._request("PATCH", path, options), model)

    @overload
    async def delete(self, path: str, *, model: None = None, **options: Unpack[WriteOptions]) -> JSON: ...
    @overload
    async def delete(self, path: str, *, model: type[T], **options: Unpack[WriteOptions]) -> T: ...
    async def delete(self, path: str, *, model: type[Any] | None = None, **options: Unpack[WriteOptions]) -> Any:
        """DELETE *path*; otherwise as `get`."""
        return _json(await self._request("DELETE", path, options), model)


@final
@discreet
class ApiClient(JsonClient):
    """
    Send authenticated requests to any vendor for which there is a `LoginFlow`; answers are plain JSON.

    *credentials* log in when the store has nothing usable. *allow_http* allows plain http to other machines. The other
    keywords are those of `ClientOptions`.

    Raises:
        ConfigurationError: An option can't be right.
    """

    def __init__(
        self,
        flow: LoginFlow,
        credentials: CredentialsSource = None,
        *,
        allow_http: bool = False,
        **options: Unpack[ClientOptions],
    ) -> None:
        checked_base_url(flow.base_url, allow_http=allow_http)
        super().__init__(flow, credentials, dialect=PlainJson(), allow_http=allow_http, **options)


@final
class PlainJson:
    """Take HTTP's status for what it says."""

    def status(self, response: Response) -> int:
        """Give HTTP's status."""
        return response.status

    def problem(self, label: str, response: Response, clock: Clock, why: str = "") -> ApiError | None:
        """Make an error of everything but 2xx."""
        return None if response.ok else api_error(label, response, now=clock.now(), why=why)


def _json(response: ApiResponse, model: type[Any] | None) -> Any:
    return response.json() if model is None else response.json(model)


def _refuse_unknown(options: Mapping[str, object], known: type[ClientOptions]) -> None:
    unknown = options.keys() - known.__annotations__.keys()
    if unknown:
        message = f"unknown keyword: {', '.join(sorted(unknown))}"
        raise TypeError(message)


def _seconds(timeout: Any) -> float:
    if not isinstance(timeout, int | float) or isinstance(timeout, bool) or not timeout > 0:
        message = "timeout must be a positive number of seconds"
        raise ConfigurationError(message)
    return timeout


def _retries(retries: Any) -> int:
    if not isinstance(retries, int) or isinstance(retries, bool) or retries < 0:
        message = "retries must be 0 or a positive integer"
        raise ConfigurationError(message)
    return retries
