"""Talk to a Protogrid environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self, TypeVar, Unpack, final, overload

from yarl import URL

from vendorauth._accounts import account_name
from vendorauth._calls import ReadOptions, WriteOptions
from vendorauth._environment import required
from vendorauth._paging import Listing, checked_limit, in_turn
from vendorauth._tracebacks import discreet
from vendorauth._urls import checked_base_url, quoted
from vendorauth.client import BaseClient, ClientOptions
from vendorauth.engine.clock import Clock
from vendorauth.errors import ApiError
from vendorauth.messages import Response
from vendorauth.protogrid.cards import Card, Task, ViewPage, ViewRow
from vendorauth.protogrid.credentials import LoginWith, Scheme, UserHeader
from vendorauth.protogrid.flow import ProtogridFlow
from vendorauth.protogrid.keys import key_range, key_text
from vendorauth.protogrid.models import App, ProtogridResponse, errors_in, read_envelope, status_of, structure_result
from vendorauth.responses import NO_CONTENT, ApiResponse, api_error
from vendorauth.tokens import JSON, CredentialsSource, PasswordCredentials

T = TypeVar("T")

MOST: Final = 1_000_000
"""How many rows may be asked for with one request: the vendor names no number, so this one is only to find mistakes."""

_APPS: Final = "/api/v2/apps"


class EnvelopeClient(BaseClient):
    """Give the five verbs for an API that answers in Protogrid's envelope."""

    @overload
    async def get(
        self, path: str, *, model: None = None, **options: Unpack[ReadOptions]
    ) -> ProtogridResponse[JSON]: ...
    @overload
    async def get(self, path: str, *, model: type[T], **options: Unpack[ReadOptions]) -> ProtogridResponse[T]: ...
    async def get(
        self, path: str, *, model: type[Any] | None = None, **options: Unpack[ReadOptions]
    ) -> ProtogridResponse[Any]:
        """
        GET *path* and give its envelope; *model* structures the ``result``.

        *model* is a class, ``list[...]``, ``dict[...]`` or TypedDict. Raises what `request` does.

        Raises:
            ProtocolError: The answer is no envelope, or its result not of this model.
        """
        return _envelope(await self._request("GET", path, options), model)

    @overload
    async def post(
        self, path: str, *, model: None = None, **options: Unpack[WriteOptions]
    ) -> ProtogridResponse[JSON]: ...
    @overload
    async def post(self, path: str, *, model: type[T], **options: Unpack[WriteOptions]) -> ProtogridResponse[T]: ...
    async def post(
        self, path: str, *, model: type[Any] | None = None, **options: Unpack[WriteOptions]
    ) -> ProtogridResponse[Any]:
        """POST *json* or *data* to *path*; otherwise as `get`."""
        return _envelope(await self._request("POST", path, options), model)

    @overload
    async def put(
        self, path: str, *, model: None = None, **options: Unpack[WriteOptions]
    ) -> ProtogridResponse[JSON]: ...
    @overload
    async def put(self, path: str, *, model: type[T], **options: Unpack[WriteOptions]) -> ProtogridResponse[T]: ...
    async def put(
        self, path: str, *, model: type[Any] | None = None, **options: Unpack[WriteOptions]
    ) -> ProtogridResponse[Any]:
        """PUT *json* or *data* to *path*; otherwise as `get`."""
        return _envelope(await self._request("PUT", path, options), model)

    @overload
    async def patch(
        self, path: str, *, model: None = None, **options: Unpack[WriteOptions]
    ) -> ProtogridResponse[JSON]: ...
    @overload
    async def patch(self, path: str, *, model: type[T], **options: Unpack[WriteOptions]) -> ProtogridResponse[T]: ...
    async def patch(
        self, path: str, *, model: type[Any] | None = None, **options: Unpack[WriteOptions]
    ) -> ProtogridResponse[Any]:
        """PATCH *path* with *json* or *data*; otherwise as `get`."""
        return _envelope(await self._request("PATCH", path, options), model)

    @overload
    async def delete(
        self, path: str, *, model: None = None, **options: Unpack[WriteOptions]
    ) -> ProtogridResponse[JSON]: ...
    @overload
    async def delete(self, path: str, *, model: type[T], **options: Unpack[WriteOptions]) -> ProtogridResponse[T]: ...
    async def delete(
        self, path: str, *, model: type[Any] | None = None, **options: Unpack[WriteOptions]
    ) -> ProtogridResponse[Any]:
        """DELETE *path*; otherwise as `get`."""
        return _envelope(await self._request("DELETE", path, options), model)


class ProtogridOptions(ClientOptions, total=False):
    """What `ProtogridClient` takes besides where it is and who logs in; see there."""

    account: str | None
    scheme: Scheme
    login_with: LoginWith
    user_header: UserHeader
    allow_http: bool


@final
@discreet
class ProtogridClient(EnvelopeClient):
    """
    Talk to one Protogrid environment, as one user.

    *base_url* is ``https://<environment>.protogrid.com``. *scheme* is what proves a request: a session cookie, or the
    credentials themselves, in headers or as HTTP Basic, on every request. *login_with* is how the cookie is asked for,
    *user_header* what the user's header is called for servers from before 2022. *account* names the token in the
    store; it must be given where *credentials* has no user name. *allow_http* allows plain http to other machines.
    The other keywords are those of `vendorauth.ClientOptions`.

    Source: Protogrid wiki, JSON API Authentication.

    Raises:
        ConfigurationError: Something in it can't be right, or *credentials* can't be sent in a header unchanged.
    """

    def __init__(
        self,
        base_url: str | URL,
        credentials: CredentialsSource = None,
        *,
        account: str | None = None,
        scheme: Scheme = "cookie",
        login_with: LoginWith = "headers",
        user_header: UserHeader = "user_id",
        allow_http: bool = False,
        **options: Unpack[ClientOptions],
    ) -> None:
        url = checked_base_url(base_url, allow_http=allow_http)
        variant = "" if scheme == "cookie" else scheme
        flow = ProtogridFlow(
            url,
            account=account_name(account, credentials, "protogrid", url, variant=variant),
            scheme=scheme,
            login_with=login_with,
            user_header=user_header,
        )
        if credentials is not None and not callable(credentials):
            flow.check(credentials)
        super().__init__(flow, credentials, dialect=Envelope(), allow_http=allow_http, **options)

    @classmethod
    def from_env(cls, prefix: str = "PROTOGRID", **options: Unpack[ProtogridOptions]) -> Self:
        """
        Make a client from ``PREFIX_BASE_URL``, ``PREFIX_USERNAME`` and ``PREFIX_PASSWORD``.

        Raises:
            ConfigurationError: One of them is missing; named.
        """
        url = required(prefix, "BASE_URL")
        return cls(url, PasswordCredentials(required(prefix, "USERNAME"), required(prefix, "PASSWORD")), **options)

    async def apps(self) -> list[App]:
        """List the apps that this user can open (Protogrid wiki, API Endpoints). Raises what `get` does."""
        return await self._result(_APPS, list[App])

    async def app(self, app_id: str) -> App:
        """
        Give one app by its id, or on older servers its ``url_name`` (Protogrid wiki, API Endpoints).

        Raises what `get` does.

        Raises:
            ConfigurationError: *app_id* is empty, or can't be part of a path.
        """
        return await self._result(_below_app(app_id), App)

    async def views(self, app_id: str) -> list[str]:
        """
        List the names of an app's views (Protogrid wiki, API Endpoints); they differ between the server's versions.

        Provisional: that these come as a list of texts; the wiki's sample could not be read. Raises what `app` does.
        """
        return await self._result(_below_app(app_id, "views"), list[str])

    def view_rows(
        self,
        app_id: str,
        view: str,
        *,
        start_key: Sequence[JSON] | None = None,
        end_key: Sequence[JSON] | None = None,
        prefix: Sequence[JSON] | None = None,
        limit: int | None = None,
    ) -> Listing[ViewRow, ViewPage]:
        """
        Go through the rows of a view by their keys, from *start_key* to *end_key*, or those that begin with *prefix*.

        Keys are lists of JSON values and sorted as CouchDB does. *limit* is how many come with one request (the vendor
        does not say how many do without it, nor how many may): all of them come, whatever it is.

        Source: Protogrid wiki, JSON API Database Views; provisional: the path.

        Raises:
            ConfigurationError: A key is no list of JSON values, there is *prefix* and another one, *limit* is no positive
                integer, *app_id* or *view* is empty or can't be part of a path.
        """
        path = _below_app(app_id, "views", view=view)
        first, last = key_range(start_key, end_key, prefix)
        number = None if limit is None else checked_limit(limit, MOST)

        async def fetch(start: str) -> tuple[ViewPage, Callable[[], str | None]]:
            given = {"start_key": start or None, "end_key": last, "limit": number}
            params = {name: value for name, value in given.items() if value is not None}
            page = await self._result(path, ViewPage, params)
            following = page.next_card_key
            return page, lambda: key_text("next_card_key", following) if following else None

        return Listing(lambda: in_turn(fetch, first or "", f"GET {self._url(path).raw_path}"), _rows)

    async def card(self, app_id: str, key: str) -> Card:
        """
        Give one card by its key, its id.

        Provisional: the path (the vendor's iOS client). Raises what `app` does.
        """
        return await self._result(_below_app(app_id, "cards", key=key), Card)

    async def task(self, task_id: str) -> Task:
        """
        Tell how far a long import, export or print is; ask again every few seconds until it `Task.is_over`.

        Provisional: all of it (the vendor's iOS client). Raises what `app` does.
        """
        return await self._result(f"/api/v2/tasks/{quoted(task_id, 'task_id')}", Task)

    async def _result(self, path: str, model: type[T], params: Mapping[str, str | int] | None = None) -> T:
        response = await self.request("GET", path, params=params)
        answer = read_envelope(response.message, response.label)
        return structure_result(answer, model, response.label).result


@final
class Envelope:
    """Take the envelope's errors for failure, whatever HTTP's status says."""

    def status(self, response: Response) -> int:
        """Give the envelope's code where there is one, else HTTP's status."""
        return status_of(response)

    def problem(self, label: str, response: Response, clock: Clock, why: str = "") -> ApiError | None:
        """Make an error of everything but 2xx without ``errors``."""
        errors = errors_in(response)
        if response.ok and not errors:
            return None
        return api_error(label, response, now=clock.now(), status=status_of(response), errors=errors, why=why)


def _below_app(app_id: str, *below: str, **names: str) -> str:
    """Make the path of something of an app; *names* are what the user calls it by."""
    parts = [quoted(app_id, "app_id"), *below, *(quoted(given, name) for name, given in names.items())]
    return "/".join([_APPS, *parts])


def _rows(page: ViewPage) -> tuple[ViewRow, ...]:
    return page.rows


def _envelope(response: ApiResponse, model: type[Any] | None) -> ProtogridResponse[Any]:
    label = response.label
    if response.status == NO_CONTENT:
        return ProtogridResponse(result=None)
    answer = read_envelope(response.message, label)
    return answer if model is None else structure_result(answer, model, label)
