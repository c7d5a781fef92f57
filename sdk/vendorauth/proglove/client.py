"""Talk to ProGlove INSIGHT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal, Self, TypeVar, Unpack, final
from urllib.parse import quote

from yarl import URL

from vendorauth._accounts import account_name
from vendorauth._environment import credentials_from, optional, required
from vendorauth._paging import Listing, checked_limit
from vendorauth._tracebacks import discreet
from vendorauth._urls import checked_base_url
from vendorauth._wire import structure
from vendorauth.client import ClientOptions, JsonClient, PlainJson
from vendorauth.engine.clock import SystemClock
from vendorauth.errors import ConfigurationError
from vendorauth.proglove.events import Event, event_from
from vendorauth.proglove.flow import ProGloveFlow
from vendorauth.proglove.levels import OrganisationNode, Report, node_from
from vendorauth.proglove.lists import MOST, Source, features_page, linked, raw_page, sliced
from vendorauth.proglove.models import Device, Feature, Gateway, Page
from vendorauth.proglove.times import milliseconds
from vendorauth.proglove.windows import Window
from vendorauth.tokens import JSON, CredentialsSource

T = TypeVar("T")

CUSTOMER: Final = "{customer_id}"
"""What a path may say in place of the customer's id."""

_DAY: Final = 24 * 60 * 60 * 1000
"""What the vendor gives events of by default, in milliseconds."""


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
        _text(customer_id, "customer_id")
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
        self._event_clock = options.get("clock") or SystemClock()
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

    def devices(self) -> Listing[Device, Page[Device]]:
        """Go through all wearables that were used at least once (ProGlove, Data endpoints: devices)."""
        return linked(self._source("devices"), _shaped(Device, "a device"))

    def gateways(self) -> Listing[Gateway, Page[Gateway]]:
        """Go through all connectivity devices (ProGlove, Data endpoints: gateways)."""
        return linked(self._source("gateways"), _shaped(Gateway, "a gateway"))

    def events(
        self,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        gateway_id: str | None = None,
        limit: int | None = None,
    ) -> Listing[Event, Page[Event]]:
        """
        Go through the events from *start* to *end* (aware, cut to milliseconds); by default the last 24 hours.

        *limit* is how many come with one request (500, the most): all of them come, whatever it is. Their order is not
        documented. With *gateway_id* only that gateway's come; the vendor has no pages then and cuts the answer off at
        *limit*. So the time is halved until no answer can have been cut: it may take several requests to get a page,
        the pages come by time, each whole, without links. "Now" is this machine's then, not the vendor's.

        Source: ProGlove, API specification, and Get endpoint data: events.

        Raises:
            ConfigurationError: A time is naive, *start* is after *end*, or an argument is no such thing.
            ProtocolError: While it is gone through: one gateway has 500 events or more in one millisecond.
        """
        limit = MOST if limit is None else checked_limit(limit, MOST)
        begin, finish = _milliseconds("start", start), _milliseconds("end", end)
        if gateway_id is None:
            _check_order(begin, finish)
            given = {"start_time_millis": begin, "end_time_millis": finish, "limit": None if limit == MOST else limit}
            return linked(self._source("events", given), _event)
        now = milliseconds(self._event_clock.now())
        window = Window(now - _DAY if begin is None else begin, now if finish is None else finish)
        _check_order(window.start, window.end)
        source = self._source("events", {"gateway_id": _text(gateway_id, "gateway_id")})
        return sliced(source, _event, window, limit)

    def features(self) -> Listing[Feature, Page[Feature]]:
        """Go through the features that this customer has or has not (ProGlove, API specification: ``/features``)."""
        return linked(self._source("features", read=features_page), _shaped(Feature, "a feature"))

    def organisation(self) -> Listing[OrganisationNode, Page[OrganisationNode]]:
        """
        Go through the levels of the organisation and the gateways in them; a node may come twice.

        Provisional: seen in other clients' code only (Peakboard extension, ``proglove-insight``).
        """
        return linked(self._source("gateways/organisation"), node_from)

    def reports(self, level_id: str) -> Listing[Report, Page[Report]]:
        """
        Go through the photo reports of one level of the organisation; the uppermost is ``"_"``.

        Provisional: seen in other clients' code only (Peakboard extension), which asks for every level by itself and
        leaves out what came before.

        Raises:
            ConfigurationError: *level_id* is empty.
        """
        source = self._source("reports", {"level_id": _text(level_id, "level_id")})
        return linked(source, _shaped(Report, "a report"))

    def _source(
        self,
        name: str,
        given: Mapping[str, str | int | None] | None = None,
        *,
        read: Callable[[JSON, str], Page[JSON]] = raw_page,
    ) -> Source:
        path = f"/{CUSTOMER}/{name}"
        params = {name: value for name, value in (given or {}).items() if value is not None}

        async def ask(more: Mapping[str, str | int]) -> Page[JSON]:
            response = await self.request("GET", path, params={**params, **more})
            return read(response.json(), f"{response.label}: the answer ({response.status})")

        return Source(ask, f"GET {self._url(path).raw_path}", self.tokens.flow.base_url)

    def _url(self, path: str) -> URL:
        return super()._url(path.replace(CUSTOMER, self._customer))


def _shaped(shape: type[T], subject: str) -> Callable[[JSON], T]:
    return partial(structure, shape=shape, subject=subject)


_event: Final = partial(event_from, subject="an event")


def _text(given: Any, name: str) -> str:
    if not isinstance(given, str) or not given.strip():
        message = f"{name} must be a str that is not empty"
        raise ConfigurationError(message)
    return given


def _check_order(start: int | None, end: int | None) -> None:
    if start is not None and end is not None and start > end:
        message = "start is after end (where start is left out, it is 24 hours ago)"
        raise ConfigurationError(message)


def _milliseconds(name: str, time: datetime | None) -> int | None:
    if time is None:
        return None
    if time.utcoffset() is None:
        message = f"{name} must be an aware datetime"
        raise ConfigurationError(message)
    return milliseconds(time)
