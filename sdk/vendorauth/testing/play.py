"""Run a login flow by hand: no loop, no server, no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:  # `vendorauth.testing` imports this module in every test run, and yarl is not for free
    from vendorauth.messages import Flow, Request, Response

T = TypeVar("T")


class Played(NamedTuple, Generic[T]):
    """What a flow returned, and the requests that it made on the way."""

    result: T
    requests: list[Request]


def play(flow: Flow[T], *responses: Response) -> Played[T]:
    """
    Answer *flow*'s requests with *responses*, one after the other.

    Raises:
        AssertionError: The flow asked for more responses than there are, or for fewer.
        VendorAuthError: Whatever the flow raises.
    """
    requests: list[Request] = []
    left = list(responses)
    result = _run(flow, requests, left)
    if left:
        message = f"the flow was done after {len(requests)} requests; {len(left)} responses are left"
        raise AssertionError(message)
    return Played(result, requests)


def _run(flow: Flow[T], requests: list[Request], left: list[Response]) -> T:
    """Note *flow*'s requests and answer them with what is *left*, until it returns."""
    try:
        request = next(flow)
        while True:
            requests.append(request)
            if not left:
                message = f"the flow made a request that nobody answers: {request.label}"
                raise AssertionError(message)
            request = flow.send(left.pop(0))
    except StopIteration as done:
        result: T = done.value
        return result
