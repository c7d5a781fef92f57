"""Talk to a Protogrid environment."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Self, TypeVar, Unpack, final, overload

from yarl import URL

from vendorauth._accounts import account_name
from vendorauth._calls import ReadOptions, WriteOptions
from vendorauth._environment import required
from vendorauth._tracebacks import discreet
from vendorauth._urls import checked_base_url, quoted
from vendorauth.client import BaseClient, ClientOptions
from vendorauth.engine.clock import Clock
from vendorauth.errors import ApiError
from vendorauth.messages import Response
from vendorauth.protogrid.credentials import LoginWith, Scheme, UserHeader
from vendorauth.protogrid.flow import ProtogridFlow
from vendorauth.protogrid.models import App, ProtogridResponse, errors_in, read_envelope, status_of, structure_result
from vendorauth.responses import ApiResponse, api_error
from vendorauth.tokens import JSON, CredentialsSource, PasswordCredentials

T = TypeVar("T")


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
        return (await self.get("/api/v2/apps", model=list[App])).result

    async def app(self, app_id: str) -> App:
        """
        Give one app by its id, or on older servers its ``url_name`` (Protogrid wiki, API Endpoints).

        Raises what `get` does.

        Raises:
            ConfigurationError: *app_id* is empty, or can't be part of a path.
        """
        return (await self.get(f"/api/v2/apps/{quoted(app_id, 'app_id')}", model=App)).result


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


def _envelope(response: ApiResponse, model: type[Any] | None) -> ProtogridResponse[Any]:
    label = response.label
    if response.status == HTTPStatus.NO_CONTENT:
        return ProtogridResponse(result=None)
    answer = read_envelope(response.message, label)
    return answer if model is None else structure_result(answer, model, label)
