"""
Give ProGlove INSIGHT's answers a shape.

Of a resource only ``id`` is required, and what this version does not know is kept in ``extra``. Some fields stand in
no document of the vendor's and were seen in other clients' code only: they are called provisional below.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Generic, TypeVar
from urllib.parse import parse_qs

import attrs

from vendorauth._wire import Resource, wire
from vendorauth.cognito.shapes import AuthenticationResult
from vendorauth.proglove.times import RawTime, moment
from vendorauth.tokens import JSON

__all__ = [
    "AuthInformation",
    "AuthenticationResult",
    "Device",
    "Feature",
    "Gateway",
    "Links",
    "Page",
    "next_page",
]

T = TypeVar("T")

PAGE_TOKENS: Final = ("next_token", "next_key")
"""What asks for a page: the parameter, and its older name."""


@attrs.frozen(kw_only=True)
class AuthInformation:
    """
    Say where a customer's users log in (ProGlove, Authentication: Get the User Pool ID).

    Everything but *user_pool_client_id* may be missing. The document spells ``customer_id:`` with a stray colon;
    ``customer_id`` is read as well. *websocket_url*, *mqtt_topic_prefix*, *profile*, *authentication_endpoints* and
    *customersimulator_url* are provisional and kept as they come.
    """

    user_pool_client_id: str
    region: str | None = None
    customer_id: str | None = wire("customer_id", "customer_id:", default=None)
    user_pool_id: str | None = None
    websocket_url: JSON = None
    mqtt_topic_prefix: JSON = None
    profile: JSON = None
    authentication_endpoints: JSON = None
    customersimulator_url: JSON = None


@attrs.frozen(kw_only=True, slots=False)
class Device(Resource):
    """
    Be a wearable that was used at least once (ProGlove, Data endpoints: devices).

    *battery* is in percent, *status* such as ``ACTIVE``. The three times are raw; `created_at` and the like say what
    they mean. Provisional: *state* (``ONLINE``, ``OFFLINE``, ``OFFLINE_FOR_7_DAYS``) and *path* (level ids joined by
    ``#``, ``_`` being the root).
    """

    id: str
    device_class: str | None = wire("class", default=None)
    created: RawTime | None = None
    last_activity_time: RawTime | None = None
    last_updated: RawTime | None = None
    battery: int | None = None
    firmware: str | None = None
    model: str | None = None
    manufacturer: str | None = None
    status: str | None = None
    version: int | None = None
    state: str | None = None
    path: JSON = None

    @property
    def created_at(self) -> datetime | None:
        """When it was first seen; aware."""
        return moment(self.created)

    @property
    def last_activity_at(self) -> datetime | None:
        """When it was last used; aware."""
        return moment(self.last_activity_time)

    @property
    def last_updated_at(self) -> datetime | None:
        """When this record was last changed; aware."""
        return moment(self.last_updated)


@attrs.frozen(kw_only=True, slots=False)
class Gateway(Resource):
    """
    Be a connectivity device, which sends scanners' events to the cloud (ProGlove, Data endpoints: gateways).

    The vendor says that it has a name and a use case; how these are spelled is provisional.
    """

    id: str
    name: str | None = None
    usecase: str | None = None


@attrs.frozen(kw_only=True, slots=False)
class Feature(Resource):
    """Be a feature that a customer has or has not (ProGlove, API specification: ``/features``)."""

    feature: str
    enabled: bool | None = None
    additional_properties: JSON = None


@attrs.frozen(kw_only=True)
class Links:
    """Point to the pages around this one; ``None``, empty or missing where there is none. *previous* is provisional."""

    next: str | None = None
    previous: JSON = None


@attrs.frozen(kw_only=True, slots=False)
class Page(Resource, Generic[T]):
    """
    Be one page of a list (ProGlove, Data endpoints).

    *metadata* says what the list is: ``description``, ``size``, ``filters``. ``client.get(path, model=Page[Device])``
    gives a page of devices, ``model=Page`` one whose *items* are as they came.
    """

    items: tuple[T, ...] = attrs.field(repr=False)
    links: Links | None = None
    metadata: JSON = attrs.field(default=None, repr=False)

    @property
    def next_page(self) -> Mapping[str, str]:
        """The parameters that ask for the next page, to be sent with this one's path and parameters; empty at the end."""
        return next_page(self.links.next if self.links else None)


def next_page(link: str | None) -> Mapping[str, str]:
    """
    Take ``next_token``, or the older ``next_key``, out of the query of *link*; nothing else of it is ever used.

    The link may be relative, with or without the customer id, absolute, empty, or missing: its path and its host do not
    count, because documents and live answers disagree about them, and a token must not follow a link to another host.
    """
    query = parse_qs((link or "").partition("#")[0].partition("?")[2])
    name = next((name for name in PAGE_TOKENS if name in query), None)
    return {name: query[name][0]} if name else {}
