"""Hold a page of scans as each library wants to have it described."""

from __future__ import annotations

import json
from typing import Any, Final

import attrs
import pydantic

from vendorauth.proglove import ScanEvent

ITEMS: Final = 1000


def page() -> bytes:
    """Make a page of 280 KB, whose items have a field that nobody knows."""
    items = [_item(number) for number in range(ITEMS)]
    return json.dumps({"items": items, "links": {"next": None}}, separators=(",", ":")).encode()


def _item(number: int) -> dict[str, Any]:
    return {
        "id": f"0e000000-0000-4000-8000-{number:012}",
        "type": "scan",
        "created": 1_767_225_600_000 + number,
        "scan_code": f"{4_006_381_333_931 + number}",
        "scan_decode_symbology": "EAN-13",
        "device_id": f"M2MR10100{number % 50:04}",
        "device_battery": number % 100,
        "device_firmware": "v2.0.1",
        "gateway_id": f"6a7e0000-0000-4000-8000-{number % 7:012}",
        "scan_mode": "hi",
    }


@attrs.frozen(kw_only=True)
class OurPage:
    """Be the page for this package; its events keep what is unknown in ``extra``."""

    items: tuple[ScanEvent, ...]


@attrs.frozen(kw_only=True)
class PlainEvent:
    """Be a scan for libraries that drop what is unknown."""

    id: str
    type: str | None = None
    created: int | None = None
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


@attrs.frozen(kw_only=True)
class PlainPage:
    """Be the page for libraries that drop what is unknown."""

    items: tuple[PlainEvent, ...]


def pydantic_page() -> Any:
    """Make the page's class for pydantic; its events keep what is unknown."""
    fields: Any = {
        one.name: (str, ...) if one.default is attrs.NOTHING else (_TYPES[str(one.type)], None)
        for one in attrs.fields(PlainEvent)
    }
    keeping = pydantic.ConfigDict(extra="allow", frozen=True)
    event: Any = pydantic.create_model("PydanticEvent", __config__=keeping, **fields)
    return pydantic.create_model("PydanticPage", items=(tuple[event, ...], ...))


_TYPES: Final[dict[str, Any]] = {"str | None": str | None, "int | None": int | None}
