"""Talk to Protogrid environments."""

from vendorauth._paging import Listing
from vendorauth.protogrid.cards import Card, DesignElement, Task, ViewPage, ViewRow
from vendorauth.protogrid.client import ProtogridClient, ProtogridOptions
from vendorauth.protogrid.flow import ProtogridFlow
from vendorauth.protogrid.models import App, ProtogridErrorItem, ProtogridResponse

__all__ = [
    "App",
    "Card",
    "DesignElement",
    "Listing",
    "ProtogridClient",
    "ProtogridErrorItem",
    "ProtogridFlow",
    "ProtogridOptions",
    "ProtogridResponse",
    "Task",
    "ViewPage",
    "ViewRow",
]
