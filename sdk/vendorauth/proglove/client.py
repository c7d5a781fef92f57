"""Talk to ProGlove INSIGHT."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal, Self, Unpack, final
from urllib.parse import quote

from yarl import URL

from vendorauth._accounts import account_name
from vendorauth._environment import credentials_from, optional, required
from vendorauth._tracebacks import discreet
from vendorauth._urls import checked_base_url
from vendorauth._wire import structure
from vendorauth.client import ClientOptions, JsonClient, PlainJson
from vendorauth.errors import ConfigurationError
from vendorauth.proglove.flow import ProGloveFlow
from vendorauth.proglove.models import Device, Event, Page, event_from
from vendorauth.tokens import CredentialsSource

CUSTOMER: Final = "{customer_id}"
"""What a path may say in place of the customer's id."""


class ProGloveOptions(ClientOptions, total=False):
    """What `ProGloveClient` takes besides where it is and who logs in; see there."""

    account: str | None
    token_kind: Literal["id", "access"]
    authorization_scheme: str
    cognito_url: str | URL | None
    refresh_with: Literal["initiate-auth", "get-tokens"]
    allow_http: bool


@final
@discreet
class ProGloveClient(JsonClient):
    """
    Talk to ProGlove INSIGHT, as one user of one customer.

    *base_url* is what the web portal shows, its path included. *token_kind* and *authorization_scheme* choose what goes
    into ``Authorization`` (the raw IdToken); the vendor's pages contradict each other about it. *cognito_url* is the
    complete URL to log in at instead of the region's; *refresh_with* is for user pools that rotate refresh tokens.
    *account* names the token in the store; it must be given where *credentials* has no user name. *allow_http* allows
    plain http to other machines. The other keywords are those of `vendorauth.ClientOptions`.

    ``{customer_id}`` in a path is replaced by the customer's id.

    Source: ProGlove, Authentication.

    Raises:
        ConfigurationError: Something in it can't be right.
    """

    def __init__(  # noqa: PLR0913  the vendor has as many
        self,
        base_url: str | URL,
        customer_id: str,
        credentials: CredentialsSource = None,
        *,
        account: str | None = None,
        token_kind: Literal["id", "access"] = "id",  # noqa: S107  a kind, no token
        authorization_scheme: str = "",
        cognito_url: str | URL | None = None,
        refresh_with: Literal["initiate-auth", "get-tokens"] = "initiate-auth",
        allow_http: bool = False,
        **options: Unpack[ClientOptions],
    ) -> None:
        _check_customer(customer_id)
        url = checked_base_url(base_url, allow_http=allow_http)
        variant = "" if token_kind == "id" else token_kind  # noqa: S105  a kind, no token
        flow = ProGloveFlow(
            url,
            customer_id,
            account=account_name(account, credentials, "proglove", url, customer_id, variant=variant),
            token_kind=token_kind,
            authorization_scheme=authorization_scheme,
            cognito_url=cognito_url and checked_base_url(cognito_url, allow_http=allow_http, name="Cognito URL"),
            refresh_with=refresh_with,
        )
        self._customer = quote(customer_id, safe="")
        super().__init__(flow, credentials, dialect=PlainJson(), allow_http=allow_http, **options)

    @classmethod
    def from_env(cls, prefix: str = "PROGLOVE", **options: Unpack[ProGloveOptions]) -> Self:
        """
        Make a client from ``PREFIX_BASE_URL``, ``PREFIX_CUSTOMER_ID``, and the credentials.

        These are ``PREFIX_REFRESH_TOKEN``, or ``PREFIX_USERNAME`` and ``PREFIX_PASSWORD``. ``PREFIX_ACCOUNT`` names the
        token in the store where a refresh token alone does not, ``PREFIX_COGNITO_URL`` is read where it is set.

        Raises:
            ConfigurationError: One of them is missing; named.
        """
        customer_id = required(prefix, "CUSTOMER_ID")
        credentials = credentials_from(prefix)
        if credentials is None:
            required(prefix, "USERNAME")
        options.setdefault("account", optional(prefix, "ACCOUNT"))
        options.setdefault("cognito_url", optional(prefix, "COGNITO_URL"))
        return cls(required(prefix, "BASE_URL"), customer_id, credentials, **options)

    async def devices(self) -> AsyncIterator[Device]:
        """
        Go through all wearables, page by page (ProGlove, Data endpoints: devices). Raises what `get` does.

        A page is asked for when the one before has been gone through.
        """
        async for page in self._pages(f"/{CUSTOMER}/devices", {}):
            for device in map(_device, page.items):
                yield device

    async def events(self, *, start: datetime | None = None, end: datetime | None = None) -> AsyncIterator[Event]:
        """
        Go through the events from *start* to *end* (aware), page by page; the last 24 hours where they are left out.

        Their order is not documented (ProGlove, Get endpoint data: events). Raises what `get` does.

        Raises:
            ConfigurationError: A time is naive.
        """
        params = {"start_time_millis": _milliseconds("start", start), "end_time_millis": _milliseconds("end", end)}
        given = {name: value for name, value in params.items() if value is not None}
        async for page in self._pages(f"/{CUSTOMER}/events", given):
            for event in map(_event, page.items):
                yield event

    async def _pages(self, path: str, params: Mapping[str, str | int]) -> AsyncIterator[Page]:
        """Follow the pages of a list by their tokens, always with the same path and parameters, until one repeats."""
        seen: set[str] = set()
        following: Mapping[str, str] = {}
        while True:
            page = await self.get(path, params={**params, **following}, model=Page)
            yield page
            following = page.next_page
            token = "".join(following.values())
            if not token or token in seen:
                return
            seen.add(token)

    def _url(self, path: str) -> URL:
        return super()._url(path.replace(CUSTOMER, self._customer))


_device: Final = partial(structure, shape=Device, subject="a device")
_event: Final = partial(event_from, subject="an event")


def _check_customer(customer_id: Any) -> None:
    if not isinstance(customer_id, str) or not customer_id.strip():
        message = "customer_id must be a str that is not empty"
        raise ConfigurationError(message)


def _milliseconds(name: str, time: datetime | None) -> int | None:
    if time is None:
        return None
    if time.utcoffset() is None:
        message = f"{name} must be an aware datetime"
        raise ConfigurationError(message)
    return int(time.timestamp() * 1000)
