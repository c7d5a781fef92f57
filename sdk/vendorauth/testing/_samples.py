"""Make up what the fakes' APIs have to show: the fields that the vendors document, with made-up values."""

from __future__ import annotations

import uuid

from vendorauth.tokens import JSON

_HOUR_MS = 3_600_000


def devices(now: float, n: int = 5) -> list[JSON]:
    """Make *n* scanners, last used within the hours before *now* (seconds since the epoch)."""
    return [
        {
            "id": f"M2MR10100000{i}",
            "class": "device",
            "created": _millis(now, 24 * 30),
            "last_activity_time": _millis(now, i),
            "last_updated": _millis(now, i),
            "battery": 93 - 11 * i,
            "firmware": "2.0.1",
            "model": "MARK 2",
            "manufacturer": "Workaround GmbH",
            "status": "ACTIVE",
            "version": 1,
            "state": "OFFLINE" if i % 3 == 2 else "ONLINE",  # noqa: PLR2004
        }
        for i in range(n)
    ]


def gateways(n: int = 2) -> list[JSON]:
    """Make *n* gateways."""
    return [{"id": gateway_id(i), "name": f"Packing table {i + 1}", "usecase": "packing"} for i in range(n)]


def events(now: float, n: int = 12) -> list[JSON]:
    """Make *n* events, one an hour before *now* (seconds since the epoch), the oldest first; each fourth telemetry."""
    return [_event(now, i) for i in range(n)]


def _event(now: float, i: int) -> JSON:
    n_devices, hours_ago = 5, 12 - i
    event = {
        "id": str(uuid.UUID(int=0xE0000 + i)),
        "type": "telemetry" if i % 4 == 3 else "scan",  # noqa: PLR2004
        "created": _millis(now, hours_ago),
        "device_id": f"M2MR10100000{i % n_devices}",
        "device_battery": 93,
        "device_firmware": "v2.0.1",
        "gateway_id": gateway_id(i % 2),
    }
    if event["type"] == "scan":
        event |= {"scan_code": f"{4006381333931 + i}", "scan_decode_symbology": "EAN-13"}
    return event


def features() -> list[JSON]:
    """Make two features."""
    return [
        {"feature": "photo-reports", "enabled": True, "additional_properties": {}},
        {"feature": "live-data", "enabled": False, "additional_properties": {"since": "2026"}},
    ]


def apps() -> list[JSON]:
    """Make two apps of Protogrid's."""
    return [
        _app("c55b3773-5503-4c41-a9aa-3a561c40fa04", "example", "Example "),
        _app("0b7f7e1c-7d3c-4b76-9a55-1d3f6f0a9c11", "inventory", "Inventory"),
    ]


def gateway_id(i: int) -> str:
    """Give the id of the gateway number *i*."""
    return str(uuid.UUID(int=0x6A7E0000 + i))


def _app(key: str, name: str, title: str) -> JSON:
    return {
        "app_id": f"app{key}",
        "description": f"All about {name}",
        "logo_url": "",
        "theme_color": "blue-dark",
        "title": title,
        "url": f"/{name}",
        "url_name": name,
    }


def _millis(now: float, hours_ago: float) -> int:
    return int(now * 1000 - hours_ago * _HOUR_MS)
