"""ProGlove's lists are read page by page, and what this version does not know is kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

import vendorauth.proglove
from vendorauth._wire import read, structure
from vendorauth.cognito import shapes
from vendorauth.errors import ProtocolError
from vendorauth.messages import Response
from vendorauth.proglove import (
    AuthenticationResult,
    AuthInformation,
    Device,
    Event,
    Feature,
    Gateway,
    Links,
    OrganisationNode,
    Page,
    Report,
    ScanEvent,
    TelemetryEvent,
    UnknownEvent,
    event_from,
    models,
    next_page,
)


def test_names_are_sorted_and_there() -> None:
    """What the package exports is there, and in order; the result is Cognito's own shape."""
    for module in (vendorauth.proglove, models):
        assert sorted(module.__all__, key=str) == module.__all__
        assert all(hasattr(module, name) for name in module.__all__)
    assert AuthenticationResult is shapes.AuthenticationResult


@pytest.mark.parametrize(
    ("wire", "customer_id"),
    [
        ({"customer_id:": "demo0001"}, "demo0001"),
        ({"customer_id": "demo0001"}, "demo0001"),
        ({"customer_id": "demo0001", "customer_id:": "other"}, "demo0001"),
        ({}, None),
    ],
)
def test_the_customer_id_has_two_spellings(wire: dict[str, str], customer_id: str | None) -> None:
    """The documented key with its stray colon, and the one that other clients read."""
    information = structure({"user_pool_client_id": "client1", **wire}, AuthInformation, "x")
    assert customer_id == information.customer_id


def test_auth_information_keeps_the_undocumented_and_ignores_the_unknown() -> None:
    """The documented fields are typed, the five provisional ones kept as they come, whatever they are."""
    undocumented: dict[str, Any] = {
        "websocket_url": "wss://x.example/latest",
        "mqtt_topic_prefix": None,
        "profile": {"any": 1},
        "authentication_endpoints": [{"type": "a", "url": "b"}],
        "customersimulator_url": 5,
    }
    documented = {"region": "eu-west-1", "user_pool_client_id": "client1", "user_pool_id": "eu-west-1_Abc"}
    information = structure({**documented, **undocumented, "tomorrow": []}, AuthInformation, "x")
    assert AuthInformation(**documented, **undocumented) == information


@pytest.mark.parametrize("wire", [{}, {"user_pool_client_id": None}, {"user_pool_client_id": 5}, []])
def test_auth_information_needs_a_client_id(wire: object) -> None:
    """Without the client id there is nobody to talk to."""
    with pytest.raises(ProtocolError):
        structure(wire, AuthInformation, "x")


DEVICE = {
    "id": "M2MR101000000",
    "class": "device",
    "created": 1557220259,
    "last_activity_time": 1557220259000,
    "last_updated": 1557220259,
    "battery": 93,
    "firmware": "0.0.1",
    "model": "Mark",
    "manufacturer": "Workaround GmbH",
    "status": "ACTIVE",
    "version": 1,
    "state": "ONLINE",
    "path": "_#333d9d",
    "tomorrow": {"a": 1},
}


def test_a_device_as_the_page_shows_it() -> None:
    """Every documented field is typed, an unknown one kept in ``extra``."""
    assert structure(DEVICE, Device, "x") == Device(
        id="M2MR101000000",
        device_class="device",
        created=1557220259,
        last_activity_time=1557220259000,
        last_updated=1557220259,
        battery=93,
        firmware="0.0.1",
        model="Mark",
        manufacturer="Workaround GmbH",
        status="ACTIVE",
        version=1,
        state="ONLINE",
        path="_#333d9d",
        extra={"tomorrow": {"a": 1}},
    )


@pytest.mark.parametrize(
    ("shape", "key"),
    [
        (Device, "id"),
        (Gateway, "id"),
        (UnknownEvent, "id"),
        (Report, "id"),
        (OrganisationNode, "id"),
        (Feature, "feature"),
    ],
)
def test_only_one_field_is_required(shape: type[object], key: str) -> None:
    """All but the id may be missing or ``null``; without it there is no resource."""
    assert getattr(structure({key: "x"}, shape, "x"), key) == "x"
    with pytest.raises(ProtocolError, match=key):
        structure({"firmware": "x"}, shape, "x")


MAY_2019 = datetime(2019, 5, 7, 9, 10, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "moment"),
    [
        (None, None),
        (1557220259, MAY_2019),
        (1557220259000, MAY_2019),
        (1557220259250, MAY_2019.replace(microsecond=250_000)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        (-1, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (10**11 - 1, datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC)),
        (10**11, datetime(1973, 3, 3, 9, 46, 40, tzinfo=UTC)),
        (10**17, None),
        (-(10**17), None),
        (10**40, None),
    ],
)
def test_times_are_seconds_or_milliseconds(raw: int | None, moment: datetime | None) -> None:
    """Below 10^11 a raw time counts seconds, else milliseconds; what no calendar has is none."""
    device = Device(id="x", created=raw, last_activity_time=raw, last_updated=raw)
    assert (moment,) * 3 == (device.created_at, device.last_activity_at, device.last_updated_at)
    assert moment == UnknownEvent(id="x", created=raw).created_at == Report(id="x", time_created=raw).created_at


@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        ({"type": "scan"}, ScanEvent),
        ({"type": "telemetry"}, TelemetryEvent),
        ({"type": "tomorrow"}, UnknownEvent),
        ({"type": None}, UnknownEvent),
        ({}, UnknownEvent),
    ],
)
def test_an_events_type_tells_its_class(wire: dict[str, str], kind: type[Event]) -> None:
    """``type`` decides; each kind is an `Event` with the common fields and its own ``extra``."""
    event = event_from({"id": "e1", "scan_code": "123", "created": 1557220259, "new": 1, **wire}, "x")
    assert kind is type(event)
    assert (event.scan_code, event.created_at, event.extra) == ("123", MAY_2019, {"new": 1})


def test_telemetry_has_fields_of_its_own() -> None:
    """The network's details are typed on telemetry, out of ``repr``, and ``extra`` on anything else."""
    wire = {
        "id": "e1",
        "gateway_wifi_ssid": "MARKED",
        "gateway_wifi_signal_strength": -60,
        "gateway_wifi_local_ipv6_addresses": ["MARKED"],
    }
    event = event_from({**wire, "type": "telemetry"}, "x")
    assert isinstance(event, TelemetryEvent)
    assert (
        event.gateway_wifi_ssid,
        event.gateway_wifi_signal_strength,
        event.gateway_wifi_local_ipv6_addresses,
    ) == ("MARKED", -60, ("MARKED",))
    scan = event_from({**wire, "type": "scan"}, "x")
    assert scan.extra["gateway_wifi_ssid"] == "MARKED"
    assert "MARKED" not in repr(event) + repr(scan)


@pytest.mark.parametrize("value", [None, [], "x", {}, {"id": 5}, {"id": "x", "type": 5}, {"id": "x", "scan_code": 1}])
def test_what_is_no_event_is_a_protocol_error(value: object) -> None:
    """A mistyped event is named by its path, not by its value."""
    with pytest.raises(ProtocolError, match=r"^GET /demo/events: item 3"):
        event_from(value, "GET /demo/events: item 3")


@pytest.mark.parametrize(
    ("link", "parameters"),
    [
        ("/devices?next_token=11234", {"next_token": "11234"}),
        ("/demo0001/devices?next_token=11234&limit=5", {"next_token": "11234"}),
        ("https://evil.example/demo0001/events?limit=5&next_token=a%2Fb%3D%3D#top", {"next_token": "a/b=="}),
        ("?next_token=1", {"next_token": "1"}),
        ("/events?next_key=k", {"next_key": "k"}),
        ("/events?next_key=k&next_token=t", {"next_token": "t"}),
        ("/events?next_token=t&next_token=u", {"next_token": "t"}),
        ("/events?next_token=", {}),
        ("/events?NEXT_TOKEN=t", {}),
        ("/events#?next_token=t", {}),
        ("/events", {}),
        ("", {}),
        (None, {}),
    ],
)
def test_only_the_token_is_taken_out_of_a_link(link: str | None, parameters: dict[str, str]) -> None:
    """``next_token``, else ``next_key``, decoded once; path, host and all else of the link never count."""
    assert parameters == next_page(link)


@given(st.text().filter(bool))
@example("a+b c/d=%41&x#y?z")
def test_a_token_survives_the_link(token: str) -> None:
    """Property: what stands percent-encoded in the link comes out as it was."""
    try:
        link = str(URL("/devices").with_query(limit="1", next_token=token))
    except ValueError:  # half a character
        return
    assert next_page(link) == {"next_token": token}


@given(st.text())
def test_no_link_breaks_the_reader(link: str) -> None:
    """Property: any text is a link with a token or without one."""
    for text in (link, f"?{link}", f"?next_token={link}"):
        parameters = next_page(text)
        assert set(parameters) <= {"next_token", "next_key"}
        assert all(parameters.values())


@pytest.mark.parametrize(
    ("wire", "page"),
    [
        ({"items": []}, Page(items=())),
        ({"items": [], "links": None, "metadata": None}, Page(items=())),
        (
            {"items": [{"id": "x"}, 5], "links": {"next": None}, "metadata": {"size": 2, "filters": [{"value": 7}]}},
            Page(items=({"id": "x"}, 5), links=Links(), metadata={"size": 2, "filters": [{"value": 7}]}),
        ),
        (
            {"items": [], "links": {"next": "", "previous": {"any": 1}}, "new": 1},
            Page(items=(), links=Links(next="", previous={"any": 1}), extra={"new": 1}),
        ),
    ],
)
def test_a_page_without_a_next_one(wire: dict[str, object], page: Page[Any]) -> None:
    """``items`` is all that a page must have; no link, ``null`` and an empty link end the list."""
    assert page == structure(wire, Page, "x")
    assert page.next_page == {}


def test_a_page_with_a_next_one() -> None:
    """The page says which parameters ask for the next."""
    page = structure({"items": [DEVICE], "links": {"next": "/devices?next_token=11234"}}, Page, "x")
    assert page.next_page == {"next_token": "11234"}


names = st.sampled_from(["items", "links", "next", "id", "type", "created", "metadata", "path"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(names, inner),
)


@given(st.binary() | anything.map(msgspec.json.encode))
def test_any_bytes_are_a_page_or_a_protocol_error(body: bytes) -> None:
    """Property: any body gives a page whose items are events, or a `ProtocolError`."""
    try:
        page = read(Response(200, {}, body), Page, "GET /demo/events")
        for item in page.items:
            assert isinstance(event_from(item, "x"), Event)
        assert isinstance(page.next_page, dict)
    except ProtocolError as error:
        assert error.__context__ is None  # noqa: PT017  it may be a page as well
