"""
Give ProGlove INSIGHT's events a shape.

Only ``id`` is required, and what this version does not know is kept in ``extra``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeAlias

import attrs

from vendorauth._tracebacks import discreetly
from vendorauth._wire import Resource, structure, wire
from vendorauth.proglove.times import RawTime, moment
from vendorauth.tokens import JSON


@attrs.frozen(kw_only=True, slots=False)
class BaseEvent(Resource):
    """
    Be what all events have (ProGlove, Get endpoint data: events); *type* tells what it is.

    *created* is raw, `created_at` says what it means; *device_battery* is in percent. Which fields come with which type
    is not documented. Provisional, because seen in the Peakboard extension's code only: every field from
    *gateway_thing_name* on.
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
        return moment(self.created)


@attrs.frozen(kw_only=True, slots=False)
class ScanEvent(BaseEvent):
    """Be a scan: an event whose *type* is ``scan``."""


@attrs.frozen(kw_only=True, slots=False)
class TelemetryEvent(BaseEvent):
    """
    Be a sign of life: an event whose *type* is ``telemetry``.

    Its own fields are provisional (Peakboard extension), and say where a customer's site is: they are not in ``repr``.
    """

    gateway_wifi_ssid: str | None = wire("gateway_wifi_ssid", default=None, secret=True)
    gateway_wifi_bssid: str | None = wire("gateway_wifi_bssid", default=None, secret=True)
    gateway_wifi_signal_strength: float | None = None
    gateway_wifi_local_ipv4_address: str | None = wire("gateway_wifi_local_ipv4_address", default=None, secret=True)
    gateway_wifi_ap_ipv4_address: str | None = wire("gateway_wifi_ap_ipv4_address", default=None, secret=True)
    gateway_wifi_local_ipv6_addresses: tuple[str, ...] | None = wire(
        "gateway_wifi_local_ipv6_addresses", default=None, secret=True
    )


@attrs.frozen(kw_only=True, slots=False)
class UnknownEvent(BaseEvent):
    """Be an event of a *type* that this version does not know; *extra* has what is special about it."""


Event: TypeAlias = ScanEvent | TelemetryEvent | UnknownEvent
"""Something that a wearable reported, by its ``type``. No ``model=``: that takes one class."""

_EVENTS: Final[Mapping[str | None, type[Event]]] = {"scan": ScanEvent, "telemetry": TelemetryEvent}


@discreetly
def event_from(value: JSON, subject: str) -> Event:
    """
    Make of *value* the event that its ``type`` says; *subject* begins the error's sentence.

    Raises:
        ProtocolError: It does not have an event's form.
    """
    kind = structure(value, _Typed, subject).type
    return structure(value, _EVENTS.get(kind, UnknownEvent), subject)


@attrs.frozen(kw_only=True)
class _Typed:
    type: str | None = None
