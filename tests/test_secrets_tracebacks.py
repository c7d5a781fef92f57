"""No secret in a traceback, however it is printed, on any path by which an error leaves the package (DESIGN 7)."""

from __future__ import annotations

import asyncio
import pickle
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import _secret_paths
import _secret_paths_api
from _marks import BODY, SENT, chain, displays, held, leaks, libraries
from _planted import DEVICES, PATHS, Planted, planted, raised
from vendorauth import (
    AuthError,
    AuthServiceUnavailable,
    FileTokenStore,
    InvalidCredentials,
    ProGloveClient,
    Response,
    VendorAuthError,
)
from vendorauth._sender import Answer

PLACES = (_secret_paths, _secret_paths_api)
"""What fills PATHS when it is imported."""


def shown(error: BaseException) -> Iterator[str]:
    """Show *error* and all that hangs on it."""
    for one in chain(error):
        yield from displays(one)
        yield from displays(one.args)
        yield from getattr(one, "__notes__", [])
    yield "".join(traceback.format_exception(error))
    yield from held(error)


def leaked(world: Planted, texts: list[str]) -> list[str]:
    """Give each of *texts* that shows a secret; at first they are searched all at once, which is faster."""
    secrets = world.secrets
    return [text for text in texts if leaks(text, secrets)] if leaks("\n".join(texts), secrets) else []


@pytest.mark.parametrize("name", PATHS)
async def test_no_secret_and_no_foreign_frame(name: str) -> None:
    """DESIGN 7: no local, text, argument, note, cause or context shows a secret; no frame of aiohttp's is left."""
    kind, path = PATHS[name]
    async with planted() as world:
        error = await raised(path, world)
        assert kind is type(error), error
        assert [] == leaked(world, list(shown(error)))
        assert set() == libraries(error)
        # What an API answered is in `errors`, for whoever called; nothing else of it is pickled.
        if isinstance(error, VendorAuthError):
            assert set() == leaks(pickle.dumps(error), world.secrets) - {BODY}


@pytest.mark.parametrize("name", [name for name, (kind, _) in PATHS.items() if issubclass(kind, AuthError)])
async def test_events_are_as_discreet(name: str) -> None:
    """DESIGN 7: an event shows no secret; its error has no traceback, which would grow while the renewal ends."""
    async with planted() as world:
        await raised(PATHS[name][1], world)
        told = [error for event in world.events if (error := getattr(event, "error", None))]
        assert told
        assert {None} == {error.__traceback__ for error in told}
        assert [] == leaked(world, [text for event in world.events for text in displays(event)])
        assert [] == leaked(world, [text for error in told for text in shown(error)])


async def test_events_told_early(tmp_path: Path) -> None:
    """DESIGN 7: a hook that runs while the renewal still ends is given an error without our frames."""
    seen: list[tuple[object, bool]] = []
    clients: list[ProGloveClient] = []

    def on_event(event: Any) -> None:
        seen.append((event.error.__traceback__, clients[0].tokens.status().renewing))

    async with planted() as world:
        world.glove.password = "another"
        clients.append(world.proglove(store=FileTokenStore(tmp_path), on_event=on_event))
        with pytest.raises(InvalidCredentials):
            await clients[0].get(DEVICES)
        await asyncio.sleep(0)
    assert (None, True) in seen
    assert {None} == {trace for trace, _ in seen}


async def test_what_is_latched_keeps_no_frames() -> None:
    """DESIGN 7: an error that is kept for later callers does not keep the frames of the renewal, and what they hold."""
    async with planted() as world:
        world.glove.fail_next(1, 503, on="login")
        client = world.proglove()
        with pytest.raises(AuthServiceUnavailable):
            await client.get(DEVICES)
        failure = client.tokens._account.failure
        assert failure is not None
        assert (None, None) == (failure.error.__traceback__, failure.error.__context__)


class Closing:
    """An answer of aiohttp's that fails to close."""

    def __repr__(self) -> str:
        return SENT

    async def __aexit__(self, *_: object) -> None:
        frame_of_aiohttp(self)


def frame_of_aiohttp(held: object) -> None:
    """Fail in a frame that passes for aiohttp's."""
    space = {"__name__": "aiohttp.client_reqrep", "held": held, "fail": partial(divmod, 1, 0)}
    exec("def f(held):\n    fail()\nf(held)", space)


async def test_closing_a_stream() -> None:
    """DESIGN 7: what aiohttp raises when an answer is closed has lost its frames."""
    raw: Any = Closing()
    with pytest.raises(ZeroDivisionError) as caught:
        await Answer(raw, Response(200)).close()
    assert set() == libraries(caught.value)
