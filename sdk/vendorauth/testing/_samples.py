"""Make up what the fakes' APIs have to show: the fields that the vendors document, with made-up values."""

from __future__ import annotations

import uuid
from typing import Final

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


def organisation() -> list[JSON]:
    """Make a level with another one and the gateways below."""
    nodes = [_level(), _level("level-1", "Hall 1"), *(_placed(i) for i in range(2))]
    return [{"node": node} for node in nodes]


def _level(key: str = "_", name: str = "All") -> dict[str, JSON]:
    above = [] if key == "_" else ["_"]
    parent = {"parent_id": "_"} if above else {}
    return {"id": key, "name": name, "entity_type": "LEVEL", "depth": len(above), "path": [*above, key], **parent}


def _placed(i: int) -> dict[str, JSON]:
    above: dict[str, JSON] = {"depth": 2, "parent_id": "level-1", "path": ["_", "level-1", gateway_id(i)]}
    return {
        "id": gateway_id(i),
        "name": f"Packing table {i + 1}",
        "entity_type": "GATEWAY",
        "usecase": "packing",
        **above,
    }


def reports(now: float) -> dict[str, list[JSON]]:
    """Make two photo reports of the level below the uppermost, which has one of them, too."""
    both = [_report(now, i) for i in range(2)]
    return {"_": both[:1], "level-1": both}


def _report(now: float, i: int) -> JSON:
    return {
        "id": str(uuid.UUID(int=0x9E9047 + i)),
        "title": f"Damaged box {i + 1}",
        "report_type": "DAMAGE",
        "status": "NEW",
        "time_created": _millis(now, i),
        "device_serial": f"M2MR10100000{i}",
        "photos_count": 1 - i,
        "path": "_#level-1",
        "thumbnail": None if i else {"url": "https://example.com/thumbnail.jpg", "attachment_sort_key": 1},
    }


def apps() -> list[JSON]:
    """Make two apps of Protogrid's."""
    return [
        _app("c55b3773-5503-4c41-a9aa-3a561c40fa04", "example", "Example "),
        _app("0b7f7e1c-7d3c-4b76-9a55-1d3f6f0a9c11", "inventory", "Inventory"),
    ]


CUSTOMER_NAME: Final = "5f0f6a5e-4a57-4d0b-8a7e-0c2f8d8f3a01"
CUSTOMER_ACTIVE: Final = "5f0f6a5e-4a57-4d0b-8a7e-0c2f8d8f3a02"
"""The definitions of the two fields that the sample cards have."""


def cards(n: int = 5) -> dict[str, JSON]:
    """Make *n* cards, by their keys."""
    return {card_key(i): _card(i) for i in range(n)}


def views(n: int = 5) -> dict[str, list[JSON]]:
    """Make two views of `cards`."""
    return {
        "all_by_id": [{"key": [card_key(i)], "value": None} for i in range(n)],
        "by_name": [{"key": ["customer", f"Customer {i + 1}", card_key(i)], "value": i} for i in range(n)],
    }


def tasks() -> dict[str, JSON]:
    """Make an export under way and an import that is over."""
    running = {"task_type": "export", "state": "PROGRESS", "live": True, "percentage": 40, "url": ""}
    over = {"task_type": "import", "state": "SUCCESS", "live": False, "percentage": 100, "url": ""}
    made = {"task-1": running, "task-2": over}
    return {key: {"taskid": key, "stage": "", "messages": [], "errors": [], **task} for key, task in made.items()}


def card_key(i: int) -> str:
    """Give the key of the card number *i*."""
    return str(uuid.UUID(int=0xCA4D0000 + i))


def _card(i: int) -> JSON:
    return {
        "_id": card_key(i),
        "proto_key": str(uuid.UUID(int=0x940700)),
        "design_elements": [
            {"definition_key": CUSTOMER_NAME, "value": f"Customer {i + 1}"},
            {"definition_key": CUSTOMER_ACTIVE, "value": i % 2 == 0},
            {"name": "shortname", "value": f"C{i + 1}"},
        ],
        "modification_log": [{"time": "2026-01-01T08:00:00.000Z", "user": "org.couchdb.user:jane"}],
    }


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
