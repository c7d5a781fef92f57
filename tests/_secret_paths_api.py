"""Every path by which an error of an API call leaves the package, with secrets all along it."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

import attrs

from _marks import BODY, SENT
from _planted import APPS, DEVICES, ECHO, BuggyFlow, Planted, cancelled, failure, glove_get, grid_get, path
from vendorauth import (
    ApiError,
    ConfigurationError,
    NotFound,
    PermissionDenied,
    ProtocolError,
    RateLimited,
    RequestTimeout,
    ServerError,
    TransportError,
    Unauthorized,
)


@path(ServerError)
async def api_fails(world: Planted) -> None:
    world.glove.fail_next(1, 500, BODY.encode(), {"Set-Cookie": f"session={BODY}"}, on="api")
    await glove_get(world)


@path(RateLimited)
async def api_is_busy(world: Planted) -> None:
    world.glove.fail_next(1, 429, BODY.encode(), {"Retry-After": "99"}, on="api")
    await world.proglove(retries=2).get(DEVICES)


@path(NotFound)
async def api_does_not_know_it(world: Planted) -> None:
    await world.protogrid().post(f"{APPS}/none", json={"pin": SENT}, headers={"X-Key": SENT}, params={"key": SENT})


@path(PermissionDenied)
async def api_forbids(world: Planted) -> None:
    world.glove.permitted = False
    await glove_get(world)


@path(Unauthorized)
async def api_takes_no_token(world: Planted) -> None:
    world.glove.accepts, world.glove.refusal_status = "access", 401
    await glove_get(world)


@path(ApiError)
async def protogrids_api_fails(world: Planted) -> None:
    world.grid.fail_next(1, 200, failure(), on="api")
    await grid_get(world)


@path(TransportError)
async def api_hangs_up(world: Planted) -> None:
    world.glove.lose_next(2, on="api")
    await world.proglove().post(DEVICES, json={"pin": SENT}, headers={"X-Key": SENT})


@path(RequestTimeout)
async def api_takes_too_long(world: Planted) -> None:
    client = world.protogrid()
    await client.get(APPS)
    with world.grid.hold("api"):
        await client.post(ECHO, data=SENT, timeout=0.05)


@path(asyncio.CancelledError)
async def cancelled_mid_request(world: Planted) -> None:
    await cancelled(world.glove, "api", world.proglove().post(DEVICES, json={"pin": SENT}))


@path(asyncio.CancelledError)
async def cancelled_with_credentials_in_headers(world: Planted) -> None:
    client = world.protogrid(scheme="headers")
    await client.get(APPS)
    await cancelled(world.grid, "api", client.get(APPS, headers={"X-Key": SENT}))


@path(TimeoutError)
async def timeout_of_a_user(world: Planted) -> None:
    client = world.protogrid(scheme="basic")
    await client.get(APPS)
    with world.grid.hold("api"):
        async with asyncio.timeout(0.05):
            await client.request("PUT", ECHO, json={"pin": SENT})


@path(ProtocolError)
async def api_answers_no_json(world: Planted) -> None:
    world.glove.fail_next(1, 200, BODY.encode(), on="api")
    await glove_get(world)


@path(ProtocolError)
async def wrong_model(world: Planted) -> None:
    await glove_get(world, model=dict[str, list[int]])


@path(ProtocolError)
async def wrong_model_of_a_response(world: Planted) -> None:
    answer = await world.protogrid().request("GET", APPS)
    answer.json(list[int])


@path(ProtocolError)
async def wrong_model_in_an_envelope(world: Planted) -> None:
    await world.protogrid().get(APPS, model=dict[str, int])


@path(ProtocolError)
async def wrong_device(world: Planted) -> None:
    world.glove.devices[0]["id"] = 5
    async for _ in world.proglove().devices():
        pass


@path(ProtocolError)
async def wrong_event(world: Planted) -> None:
    world.glove.events[0] |= {"scan_code": [BODY], "note": BODY}
    async for _ in world.proglove().events():
        pass


@attrs.frozen
class Fussy:
    """A user's model whose validator has a bug."""

    items: Any = attrs.field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        message = "a bug in a model"
        raise ZeroDivisionError(message)


@path(ZeroDivisionError)
async def bug_in_a_model(world: Planted) -> None:
    await glove_get(world, model=Fussy)


@path(ConfigurationError)
async def header_that_is_ours(world: Planted) -> None:
    await world.proglove().get(DEVICES, headers={"Authorization": SENT})


@path(ConfigurationError)
async def header_that_cannot_be_sent(world: Planted) -> None:
    await world.proglove().get(DEVICES, headers={"X-Key": f"{SENT}\r\n"})


@path(ConfigurationError)
async def json_that_cannot_be_sent(world: Planted) -> None:
    await world.protogrid().post(ECHO, json={"pin": f"{SENT}\ud800"})


@path(ConfigurationError)
async def data_that_cannot_be_sent(world: Planted) -> None:
    await world.protogrid().post(ECHO, data=object(), headers={"X-Key": SENT}, params={"key": SENT})


@path(ConfigurationError)
async def params_that_cannot_be_sent(world: Planted) -> None:
    await world.protogrid().get(ECHO, params={"key": {"key": SENT}})  # type: ignore[dict-item]  # a slip


@path(RuntimeError)
async def closed(world: Planted) -> None:
    client = world.protogrid()
    await client.aclose()
    await client.post(ECHO, json=SENT)


@path(ServerError)
async def stream_fails(world: Planted) -> None:
    world.grid.fail_next(1, 500, BODY.encode(), {"Set-Cookie": f"session={BODY}"}, on="api")
    async with world.protogrid().stream("POST", ECHO, json=SENT):
        pass


@path(asyncio.CancelledError)
async def cancelled_before_a_stream(world: Planted) -> None:
    async def read() -> None:
        async with world.protogrid().stream("POST", ECHO, json=SENT):
            pass

    await cancelled(world.grid, "api", read())


@path(ZeroDivisionError)
async def bug_inside_a_stream(world: Planted) -> None:
    async with world.protogrid().stream("POST", ECHO, json=SENT):
        _fail()


def _fail() -> NoReturn:
    message = "a bug of a user"
    raise ZeroDivisionError(message)


@path(ProtocolError)
async def bug_in_a_flows_login(world: Planted) -> None:
    await world.api(BuggyFlow(world.grid.base_url, "login")).get(ECHO)


@path(ZeroDivisionError)
async def bug_in_a_flows_headers(world: Planted) -> None:
    await world.api(BuggyFlow(world.grid.base_url, "headers")).post(ECHO, json=SENT)


@path(ZeroDivisionError)
async def bug_in_a_flows_rejects(world: Planted) -> None:
    await world.api(BuggyFlow(world.grid.base_url, "rejects")).post(ECHO, json=SENT)


@path(ZeroDivisionError)
async def bug_in_a_flows_absorb(world: Planted) -> None:
    await world.api(BuggyFlow(world.grid.base_url, "absorb")).post(ECHO, json=SENT)
