"""Say what a token store has to do, and do it. Each store is a module of its own; those of an extra are not named here."""

from vendorauth.stores._protocol import TokenStore
from vendorauth.stores.file import FileTokenStore
from vendorauth.stores.memory import MemoryTokenStore

__all__ = ["FileTokenStore", "MemoryTokenStore", "TokenStore"]
