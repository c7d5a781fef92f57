"""Name what options choose from."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

Vendor: TypeAlias = Literal["proglove", "protogrid"]
StoreKind: TypeAlias = Literal["keyring", "encrypted-file", "file"]
Resource: TypeAlias = Literal["events"]

VENDORS: Final[tuple[Vendor, ...]] = get_args(Vendor)
STORES: Final[tuple[StoreKind, ...]] = get_args(StoreKind)
