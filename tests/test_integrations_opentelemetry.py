"""OpenTelemetry: what is recorded, under which names, beside whom, and what is not."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from yarl import URL

import _secret_paths
import _secret_paths_api
from _api import Api, hang, hang_up, serve
from _keeping import SOON, Store
from _marks import leaks
from _pitfalls import client_of
from _planted import PATHS, Planted, planted, raised
from _telemetry import Telemetry
from _vendor import WRONG, World, settle
from test_secrets_logs import the_whole_life
from vendorauth import ApiClient, InvalidCredentials, NotFound, RequestTimeout, ServerError, TransportError
from vendorauth.integrations._meters import Meters
from vendorauth.integrations.opentelemetry import instrument
from vendorauth.testing import FakeProGlove

PLACES = (_secret_paths, _secret_paths_api)
"""What fills PATHS when it is imported."""


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    made = Telemetry()
    yield made
    made.close()


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with serve() as made:
        yield made


@pytest.fixture
async def client(api: Api, telemetry: Telemetry) -> AsyncIterator[ApiClient]:
    """A client that has its token already, and whose requests are recorded."""
    async with api.client() as made:
        await made.tokens.token()
        telemetry.instrument(made)
        yield made


async def test_a_login_and_a_request(telemetry: Telemetry) -> None:
    """A request on the wire is a CLIENT span; those of a login are in its span, in a trace linked to the caller's."""
    tracer = telemetry.tracers.get_tracer("app")
    async with FakeProGlove() as fake, client_of(fake) as proglove:
        telemetry.instrument(proglove)
        with tracer.start_as_current_span("job") as job:
            await proglove.get("/{customer_id}/devices")
        login = "vendorauth login < vendorauth renewal"
        assert [
            f"GET < {login}",
            f"POST < {login}",
            login,
            "vendorauth renewal",
            "GET < job",
            "job",
        ] == telemetry.tree()
        *_, renewal, _, _ = telemetry.spans
        assert [job.get_span_context()] == [link.context for link in renewal.links]
        assert {"vendorauth.account": proglove.tokens.flow.account, "vendorauth.renewal.kind": "renewal"} == dict(
            renewal.attributes or {}
        )
        kinds = [SpanKind.CLIENT] * 2 + [SpanKind.INTERNAL] * 2 + [SpanKind.CLIENT, SpanKind.INTERNAL]
        assert kinds == [span.kind for span in telemetry.spans]
        await proglove.logout()
    assert ["POST < vendorauth logout", "vendorauth logout"] == telemetry.tree()[6:]


async def test_a_request_by_the_conventions(api: Api, client: ApiClient, telemetry: Telemetry) -> None:
    """Method, address, port and the URL without the values of its query; the duration has what is of low cardinality."""
    await client.get("/things", params={"key": "a secret", "limit": 5})
    async with client.stream("propfind", "/pot"):
        pass
    port = URL(api.url).port
    common = {"server.address": "127.0.0.1", "server.port": port, "http.response.status_code": 200}
    get = {"http.request.method": "GET", **common}
    find = {"http.request.method": "_OTHER", **common}
    assert [{**get, "url.full": f"{api.url}/things?key=REDACTED&limit=REDACTED"}] == telemetry.of("GET")
    assert [{**find, "url.full": f"{api.url}/pot", "http.request.method_original": "PROPFIND"}] == telemetry.of("HTTP")
    assert [(1, get), (1, find)] == telemetry.measured("http.client.request.duration")


async def test_what_is_sent_again(api: Api, client: ApiClient, telemetry: Telemetry) -> None:
    """Rule 12: each request of a call is a span: a redirect, a replay, a retry; it says which one it is."""
    api.refused.add("token-1")
    moved = web.Response(status=302, headers={"Location": "/base/there"})
    api.script.extend([moved, web.Response(status=503, headers={"Retry-After": "0"})])
    await client.get("/here")
    found = [
        (span.get("http.request.resend_count"), span["http.response.status_code"], span.get("error.type"))
        for span in telemetry.of("GET")
    ]
    assert [(None, 401, "401"), (1, 302, None), (2, 503, "503"), (3, 200, None)] == found
    states = [span.status.status_code for span in telemetry.spans if span.name == "GET"]
    assert [StatusCode.ERROR, StatusCode.UNSET, StatusCode.ERROR, StatusCode.UNSET] == states
    assert [(1, {"vendorauth.account": "jane@api", "http.response.status_code": 401})] == telemetry.measured(
        "vendorauth.replays"
    )
    await client.get("/here")
    assert "http.request.resend_count" not in telemetry.of("GET")[-1]


async def test_requests_that_fail(api: Api, client: ApiClient, telemetry: Telemetry) -> None:
    """An answer or an error that is none ends the span all the same; of other libraries' errors only the class is told."""
    client = api.client(retries=0)
    telemetry.instrument(client)
    api.script.extend([web.Response(status=404), hang_up, hang])
    with pytest.raises(NotFound):
        await client.post("/x")
    with pytest.raises(TransportError):
        await client.post("/x")
    with pytest.raises(RequestTimeout):
        await client.post("/x", timeout=0.05)
    posts = [span for span in telemetry.spans if span.name == "POST"]
    expected = ["404", "ServerDisconnectedError", "CancelledError"]
    assert expected == [(span.attributes or {})["error.type"] for span in posts]
    assert 3 * [(StatusCode.ERROR, None, ())] == [
        (one.status.status_code, one.status.description, one.events) for one in posts
    ]
    measured = telemetry.measured("http.client.request.duration")
    assert expected == [attributes["error.type"] for _, attributes in measured]
    await client.aclose()


@pytest.mark.parametrize("lent", [False, True])
async def test_beside_the_instrumentation_of_aiohttp(lent: bool, api: Api, telemetry: Telemetry) -> None:
    """A request has one CLIENT span, whoever makes it; the other instrumentation's is there where ours is not."""
    other = AioHttpClientInstrumentor()
    other.instrument(tracer_provider=telemetry.tracers, meter_provider=telemetry.meters)
    try:
        session = aiohttp.ClientSession() if lent else None
        async with api.client(session=session) as client:
            await client.get("/x")
            telemetry.instrument(client)
            await client.get("/x")
            if session is not None:
                async with session.get(api.url):
                    pass
                await session.close()
    finally:
        other.uninstrument()
    theirs = "opentelemetry.instrumentation.aiohttp_client"
    scopes = [span.instrumentation_scope and span.instrumentation_scope.name for span in telemetry.spans]
    assert [theirs, "vendorauth", *([theirs] if lent else [])] == scopes


async def test_renewals_ahead(telemetry: Telemetry) -> None:
    """Rule 7: one in the background is linked to the call that started it, is in no other's trace, and fails alone."""
    world = World()
    source = world.source()
    await source.token()
    telemetry.instrument(source)
    world.clock.advance(3500.0)
    world.vendor.script["refresh"].extend([TransportError("gone"), TransportError("gone")])
    tracer = telemetry.tracers.get_tracer("app")
    with tracer.start_as_current_span("job") as job:
        await source.token()
    await source.aclose()
    refresh = "vendorauth refresh < vendorauth renewal"
    assert ["job", refresh, "vendorauth renewal"] == telemetry.tree()
    renewal = telemetry.spans[-1]
    assert [job.get_span_context()] == [link.context for link in renewal.links]
    assert (StatusCode.ERROR, "gone") == (renewal.status.status_code, renewal.status.description)
    attributes = {
        "vendorauth.account": "jane@vendor",
        "vendorauth.renewal.kind": "ahead",
        "error.type": "TransportError",
    }
    assert attributes == dict(renewal.attributes or {})


async def test_renewals_are_counted(telemetry: Telemetry) -> None:
    """By outcome and account: what brought the token, or the class of the error."""
    world = World()
    first, second = world.source(), world.source(credentials=None)
    wrong = world.source(WRONG, account="joe@vendor")
    telemetry.instrument(first, second, wrong)
    await first.login()
    await second.token()
    world.clock.advance(3601.0)
    await first.token()
    with pytest.raises(InvalidCredentials):
        await wrong.token()
    await settle()
    jane: dict[str, Any] = {"vendorauth.account": "jane@vendor", "vendorauth.renewal.ahead": False}
    joe = {**jane, "vendorauth.account": "joe@vendor"}
    expected = [
        (1, {**jane, "vendorauth.renewal.how": "login"}),
        (1, {**jane, "vendorauth.renewal.how": "store"}),
        (1, {**jane, "vendorauth.renewal.how": "refresh"}),
        (1, {**joe, "error.type": "InvalidCredentials"}),
    ]
    assert expected == telemetry.measured("vendorauth.renewals")
    assert expected == telemetry.measured("vendorauth.renewal.duration")


async def test_how_long_a_renewal_took(telemetry: Telemetry) -> None:
    """In seconds, one that failed too."""
    world = World()
    source = world.source()
    telemetry.instrument(source)
    gate = world.vendor.gate("login")
    world.vendor.script["login"].append(ServerError("POST: 500", 500))
    task = asyncio.ensure_future(source.login())
    await gate.arrived.wait()
    world.clock.advance(7.0)
    gate.open()
    with pytest.raises(ServerError):
        await task
    await settle()
    (point,) = [point for name, point in telemetry.points() if name == "vendorauth.renewal.duration"]
    assert (7.0, {"ServerError"}) == (point.sum, {point.attributes["error.type"]})


async def test_stores_that_fail_are_counted(telemetry: Telemetry) -> None:
    """Rule 16: by operation; the save at the end, which is no renewal, has no span."""
    store = Store()
    world = World(store=store)
    source = world.source(policy=SOON)
    telemetry.instrument(source)
    store.failing = {"save"}
    await source.token()
    telemetry.clear()
    await source.aclose()
    (found,) = telemetry.measured("vendorauth.store.errors")
    assert "save" == found[1].pop("vendorauth.store.operation")
    assert (True, {"vendorauth.account": "jane@vendor", "error.type": "StoreUnavailable"}) == (2 <= found[0], found[1])
    assert [] == telemetry.spans


async def test_what_is_held(telemetry: Telemetry) -> None:
    """Waiters and the token's age, once for an account, while it is used: not before, and not after `aclose`."""
    world = World()
    sources = [world.source(), world.source()]
    telemetry.instrument(*sources)
    jane = {"vendorauth.account": "jane@vendor"}
    assert [[], []] == [telemetry.measured("vendorauth.waiters"), telemetry.measured("vendorauth.token.age")]
    gate = world.vendor.gate("login")
    tasks = [asyncio.ensure_future(source.token()) for source in (*sources, sources[0])]
    await gate.arrived.wait()
    assert [[(3, jane)], []] == [telemetry.measured("vendorauth.waiters"), telemetry.measured("vendorauth.token.age")]
    tasks[0].cancel()
    await asyncio.wait(tasks[:1])
    assert [(2, jane)] == telemetry.measured("vendorauth.waiters")
    gate.open()
    await asyncio.wait(tasks)
    world.clock.advance(60.0)
    assert [(0, jane)] == telemetry.measured("vendorauth.waiters")
    assert [(60.0, jane)] == telemetry.measured("vendorauth.token.age")
    for source in sources:
        await source.aclose()
    assert [[], []] == [telemetry.measured("vendorauth.waiters"), telemetry.measured("vendorauth.token.age")]
    async with sources[0]:
        await sources[0].token()
        assert [(60.0, jane)] == telemetry.measured("vendorauth.token.age")


async def test_no_client_is_kept_alive(api: Api, telemetry: Telemetry) -> None:
    """Who drops a client is rid of it; who drops a provider is rid of its instruments."""
    client = api.client()
    telemetry.instrument(client)
    await client.get("/x")
    await client.aclose()
    gone = weakref.ref(client), weakref.ref(client.tokens)
    del client
    gc.collect()
    assert (None, None) == (gone[0](), gone[1]())
    other = Telemetry()
    other.instrument(api.client())
    other.close()
    provider = weakref.ref(other.meters)
    del other
    gc.collect()
    assert provider() is None


async def test_instrumented_twice_and_without_providers(api: Api, client: ApiClient, telemetry: Telemetry) -> None:
    """It is recorded once; with the global providers, which nobody has set here, nothing is, and all works."""
    telemetry.instrument(client)
    await client.get("/x")
    assert ["GET"] == telemetry.tree()
    instrument(client)
    await client.get("/x")
    instrument(api.client())
    assert ["GET"] == telemetry.tree()


@pytest.mark.parametrize("failing", ["on_start", "on_end"])
async def test_providers_that_fail(
    failing: str, api: Api, telemetry: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    """Rule 2: a processor or a meter that raises costs a span or a measurement; calls and renewals go on."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    processor = SpanProcessor()
    setattr(processor, failing, broken)
    telemetry.tracers.add_span_processor(processor)
    async with api.client() as client:
        telemetry.instrument(client)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Meters, "request", broken)
            api.refused.add("token-1")
            await client.get("/x")
            assert ["token-1", "token-2"] == api.used
            api.script.append(web.json_response({}, status=404))
            with pytest.raises(NotFound):
                await client.get("/x")
            assert 0 == client.tokens.status().failures
    found = {one.getMessage().partition(",")[0] for one in caplog.records if one.name.endswith("opentelemetry")}
    assert {"OpenTelemetry failed to record: ZeroDivisionError in broken"} == found


async def test_no_secret_is_recorded(telemetry: Telemetry, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN 7: neither a whole life nor any way to an error leaves a secret in a span or a metric."""

    def make(name: str) -> Any:
        plain = getattr(Planted, name)

        def made(world: Planted, *args: Any, **given: Any) -> Any:
            client = plain(world, *args, **given)
            telemetry.instrument(client)
            return client

        return made

    for name in ("proglove", "protogrid", "api"):
        monkeypatch.setattr(Planted, name, make(name))
    async with planted() as world:
        await the_whole_life(world, tmp_path)
        secrets = set(world.secrets)
    for name in (
        "api_fails",
        "bug_in_a_flows_login",
        "challenged",
        "login_has_a_wrong_form",
        "refused",
        "stream_fails",
    ):
        async with planted() as world:
            await raised(PATHS[name][1], world)
            secrets |= set(world.secrets)
    written = telemetry.written()
    assert 40 <= len(telemetry.spans)
    assert "jane@example.com" in written
    assert set() == leaks(written, secrets)
