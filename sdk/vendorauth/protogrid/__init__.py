"""Talk to Protogrid environments."""

from vendorauth.protogrid.client import ProtogridClient
from vendorauth.protogrid.flow import ProtogridFlow
from vendorauth.protogrid.models import App, ProtogridErrorItem, ProtogridResponse

__all__ = ["App", "ProtogridClient", "ProtogridErrorItem", "ProtogridFlow", "ProtogridResponse"]
