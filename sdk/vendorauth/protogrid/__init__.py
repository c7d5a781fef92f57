"""Talk to Protogrid environments."""

from vendorauth.protogrid.client import ProtogridClient, ProtogridOptions
from vendorauth.protogrid.flow import ProtogridFlow
from vendorauth.protogrid.models import App, ProtogridErrorItem, ProtogridResponse

__all__ = ["App", "ProtogridClient", "ProtogridErrorItem", "ProtogridFlow", "ProtogridOptions", "ProtogridResponse"]
