"""
Give ProGlove INSIGHT's answers a shape.

Of a resource only ``id`` is required, and what this version does not know is kept in ``extra``. Some fields stand in
no document of the vendor's and were seen in other clients' code only: they are called provisional below.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias
from urllib.parse import parse_qs

import attrs

from vendorauth._tracebacks import discreetly
from vendorauth._wire import Resource, structure, wire
from vendorauth.cognito.shapes import AuthenticationResult
from vendorauth.tokens import JSON

__all__ = [
    "AuthInformation",
    "AuthenticationResult",
    "Device",
    "Event",
    "Feature",
    "Gateway",
    "Links",
    "Page",
    "ScanEvent",
    "TelemetryEvent",
    "UnknownEvent",
    "event_from",
    "next_page",
]

RawTime: TypeAlias = int
"""A time as the vendor sends it: since 1970, in seconds or milliseconds (its documents and its feed disagree)."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MILLISECONDS: Final = 10**11


def _moment(raw: RawTime | None) -> datetime | None:
    """Take *raw* for seconds below 10^11 (the year 5138), else for milliseconds; ``None`` where no calendar has it."""
    if raw is None:
        return None
    try:
        return _EPOCH + (timedelta(seconds=raw) if raw < _FIRST_MILLISECONDS else timedelta(milliseconds=raw))
    except OverflowError:
        return None


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


@attrs.frozen(kw_only=True)
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
        return _moment(self.created)

    @property
    def last_activity_at(self) -> datetime | None:
        """When it was last used; aware."""
        return _moment(self.last_activity_time)

    @property
    def last_updated_at(self) -> datetime | None:
        """When this record was last changed; aware."""
        return _moment(self.last_updated)


@attrs.frozen(kw_only=True)
class Gateway(Resource):
    """
    Be a connectivity device, which sends scanners' events to the cloud (ProGlove, Data endpoints: gateways).

    The vendor says that it has a name and a use case; how these are spelled is provisional.
    """

    id: str
    name: str | None = None
    usecase: str | None = None


@attrs.frozen(kw_only=True)
class Feature(Resource):
    """Be a feature that a customer has or has not (ProGlove, API specification: ``/features``)."""

    feature: str
    enabled: bool | None = None
    additional_properties: JSON = None


@attrs.frozen(kw_only=True)
class Event(Resource):
    """
    Be something that a wearable reported (ProGlove, Get endpoint data: events); *type* tells what.

    *created* is raw, `created_at` says what it means; *device_battery* is in percent. Which fields come with which type
    is not documented. Provisional: every field from *gateway_thing_name* on.
    """

    id: str
    type: str | None = None
    created: RawTime | None = None
    scan_code: str | None = None
    scan_decode_symbology: str | None = None
    device_id: str | None = None
    device_battery: int | None = None
    device_firmware: str | None = None
    gateway_id: str | None = None
    gateway_thing_name: str | None = None
    gateway_name: str | None = None
    gateway_firmware: str | None = None
    gateway_os_version: str | None = None
    gateway_serial: str | None = None
    path: JSON = None
    organisation_names: JSON = None

    @property
    def created_at(self) -> datetime | None:
        """When it happened; aware."""
        return _moment(self.created)


@attrs.frozen(kw_only=True)
class ScanEvent(Event):
    """Be a scan: an `Event` whose *type* is ``scan``."""


@attrs.frozen(kw_only=True)
class TelemetryEvent(Event):
    """
    Be a sign of life: an `Event` whose *type* is ``telemetry``.

    Its own fields are provisional, and say where a customer's site is: they are not in ``repr``.
    """

    gateway_wifi_ssid: str | None = wire("gateway_wifi_ssid", default=None, secret=True)
    gateway_wifi_bssid: str | None = wire("gateway_wifi_bssid", default=None, secret=True)
    gateway_wifi_signal_strength: float | None = None
    gateway_wifi_local_ipv4_address: str | None = wire("gateway_wifi_local_ipv4_address", default=None, secret=True)
    gateway_wifi_ap_ipv4_address: str | None = wire("gateway_wifi_ap_ipv4_address", default=None, secret=True)
    gateway_wifi_local_ipv6_addresses: tuple[str, ...] | None = wire(
        "gateway_wifi_local_ipv6_addresses", default=None, secret=True
    )


@attrs.frozen(kw_only=True)
class UnknownEvent(Event):
    """Be an `Event` of a *type* that this version does not know; *extra* has what is special about it."""


_EVENTS: Final[Mapping[str | None, type[Event]]] = {"scan": ScanEvent, "telemetry": TelemetryEvent}


@discreetly
def event_from(value: JSON, subject: str) -> Event:
    """
    Make of *value* the event that its ``type`` says; *subject* begins the error's sentence.

    Raises:
        ProtocolError: It does not have an event's form.
    """
    kind = structure(value, Event, subject).type
    return structure(value, _EVENTS.get(kind, UnknownEvent), subject)


@attrs.frozen(kw_only=True)
class Links:
    """Point to the pages around this one; ``None``, empty or missing where there is none. *previous* is provisional."""

    next: str | None = None
    previous: JSON = None


@attrs.frozen(kw_only=True)
class Page(Resource):
    """
    Be one page of a list (ProGlove, Data endpoints): *items* as they came, to be structured one by one.

    *metadata* says what the list is: ``description``, ``size``, ``filters``.
    """

    items: tuple[JSON, ...] = attrs.field(repr=False)
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
    name = next((name for name in ("next_token", "next_key") if name in query), None)
    return {name: query[name][0]} if name else {}
