"""Talk to ProGlove INSIGHT."""

from vendorauth.proglove.client import ProGloveClient, ProGloveOptions
from vendorauth.proglove.flow import ProGloveFlow
from vendorauth.proglove.models import (
    AuthenticationResult,
    AuthInformation,
    Device,
    Event,
    Feature,
    Gateway,
    Links,
    Page,
    ScanEvent,
    TelemetryEvent,
    UnknownEvent,
    event_from,
    next_page,
)

__all__ = [
    "AuthInformation",
    "AuthenticationResult",
    "Device",
    "Event",
    "Feature",
    "Gateway",
    "Links",
    "Page",
    "ProGloveClient",
    "ProGloveFlow",
    "ProGloveOptions",
    "ScanEvent",
    "TelemetryEvent",
    "UnknownEvent",
    "event_from",
    "next_page",
]
