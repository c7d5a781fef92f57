"""With which token a request goes out first, while that one is on trial (rule 10); replays are tested by who sends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from vendorauth import MemoryTokenStore, PasswordCredentials, Request, Response, TokenSource, TransportError
from vendorauth._replay import admit
from vendorauth.protogrid import ProtogridFlow

T = TypeVar("T")


async def nothing(request: Request) -> Response:
    """Send nothing."""
    raise AssertionError


def source() -> TokenSource:
    """Make one whose token consists of credentials that nobody has tried."""
    flow = ProtogridFlow("https://example.protogrid.com", account="jane", scheme="basic")
    return TokenSource(flow, PasswordCredentials("jane", "s3cret"), store=MemoryTokenStore(), send=nothing)


async def test_one_turn_at_a_time() -> None:
    """The first has a turn; the next waits for its end, and goes without one once the credentials were accepted."""
    tokens = source()
    token, turn = await admit(tokens)
    assert turn is not None
    tokens.accepted(token)
    turn.end()
    assert (token, None) == await admit(tokens)


@pytest.mark.parametrize(("sent", "room"), [(False, 2), (True, 1)])
async def test_a_token_that_does_not_come(sent: bool, room: int) -> None:
    """Who gets no token in his turn makes way for the next, and for one more where nothing was sent."""
    tokens = source()
    asked = 0

    async def wait(get: Callable[[], Awaitable[T]]) -> T:
        nonlocal asked
        asked += 1
        if asked == 3:
            message = "lost"
            raise TransportError(message, sent)
        return await get()

    with pytest.raises(TransportError):
        await admit(tokens, wait)
    turns = [await admit(tokens) for _ in range(room)]
    assert all(turn is not None for _, turn in turns)
    trial = tokens.trial
    assert trial is not None
    assert trial._room.locked()
    for _, turn in turns:
        assert turn is not None
        turn.end()
