"""Prove the player of flows."""

import pytest

from vendorauth.errors import ProtocolError
from vendorauth.messages import Flow, Request, Response
from vendorauth.testing import Played, play

FIRST = Request("GET", "http://127.0.0.1/first?secret=1")
SECOND = Request("POST", "http://127.0.0.1/second")


def two_steps() -> Flow[list[int]]:
    one = yield FIRST
    two = yield SECOND
    return [one.status, two.status]


def no_steps() -> Flow[str]:
    return "done"
    yield  # a generator, like every flow


def refused() -> Flow[None]:
    yield FIRST
    message = "unreadable"
    raise ProtocolError(message)


def test_answers_in_order() -> None:
    """Each request gets the next response; the result and all requests come back."""
    assert Played([200, 201], [FIRST, SECOND]) == play(two_steps(), Response(200), Response(201))


def test_flow_without_requests() -> None:
    """A flow may return without asking anything."""
    assert Played("done", []) == play(no_steps())


def test_too_few_responses() -> None:
    """A request that nobody answers fails the test and is named, without its query."""
    with pytest.raises(AssertionError, match=r"nobody answers: POST /second$"):
        play(two_steps(), Response(200))


def test_too_many_responses() -> None:
    """Responses that nobody asked for fail the test."""
    with pytest.raises(AssertionError, match="1 responses are left"):
        play(two_steps(), Response(200), Response(200), Response(200))


def test_error_of_the_flow_passes() -> None:
    """What the flow raises reaches the test."""
    with pytest.raises(ProtocolError, match="unreadable"):
        play(refused(), Response(200))
