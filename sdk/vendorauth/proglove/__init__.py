"""Talk to ProGlove INSIGHT."""

from vendorauth._paging import Listing
from vendorauth.proglove.client import ProGloveClient, ProGloveOptions
from vendorauth.proglove.events import BaseEvent, Event, ScanEvent, TelemetryEvent, UnknownEvent, event_from
from vendorauth.proglove.flow import ProGloveFlow
from vendorauth.proglove.levels import OrganisationNode, Report, Thumbnail
from vendorauth.proglove.models import (
    AuthenticationResult,
    AuthInformation,
    Device,
    Feature,
    Gateway,
    Links,
    Page,
    next_page,
)

__all__ = [
    "AuthInformation",
    "AuthenticationResult",
    "BaseEvent",
    "Device",
    "Event",
    "Feature",
    "Gateway",
    "Links",
    "Listing",
    "OrganisationNode",
    "Page",
    "ProGloveClient",
    "ProGloveFlow",
    "ProGloveOptions",
    "Report",
    "ScanEvent",
    "TelemetryEvent",
    "Thumbnail",
    "UnknownEvent",
    "event_from",
    "next_page",
]
