"""Faults of an API call: the cells of the table, and what else is not sent twice (DESIGN: §3, rule 12)."""

import pytest

from _fault_scenes import Case, case_of, cases, examine, scene
from vendorauth import TransportError
from vendorauth._sender import Sender

LOST = [
    "reset after the request was read",
    "closed after the request was read",
    "reset inside the headers",
    "reset of a kept connection when the next request comes; new connections work",
]


@pytest.mark.parametrize("case", cases("get"), ids=str)
async def test_get(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN 3: a GET is sent again on transport errors and on 429, 502, 503, 504, twice; the token is kept."""
    async with scene(case, monkeypatch) as made:
        await examine(made)


@pytest.mark.parametrize("case", cases("post"), ids=str)
async def test_post(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN 3: a POST is sent again only where it certainly was not sent before; the token is kept."""
    async with scene(case, monkeypatch) as made:
        await examine(made)


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_not_sent_twice(method: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN 3: what may have been carried out is not sent again, though HTTP calls PUT and DELETE idempotent."""
    async with scene(case_of("post", fault), monkeypatch) as made:
        await made.break_()
        with pytest.raises(TransportError) as caught:
            await made.client.request(method, "/{customer_id}/echo")
    assert (1, 1, True) == (made.door.arrived, made.watch.begun, caught.value.sent)


@pytest.mark.parametrize("fault", LOST)
async def test_without_retries(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """DESIGN 3: *retries* says how often a GET is sent again, and nobody below adds to it."""
    async with scene(case_of("get", fault), monkeypatch) as made:
        assert isinstance(made.client._sender, Sender)
        made.client._sender._retries = 0
        await made.break_()
        with pytest.raises(TransportError):
            await made.call()
    assert 1 == made.door.arrived


@pytest.mark.parametrize("column", ["get", "post"])
async def test_the_status_of_a_refusal_that_is_cut(column: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 12: a 401 whose body is cut is a refusal of the token, which is renewed: the call is served."""
    async with scene(case_of(column, "401 whose body is cut"), monkeypatch) as made:
        await made.break_(times=1)
        await made.call()
    assert made.door.arrived == 2
    assert (1, 1) == (made.fake.count.password_attempts, made.watch.begun - 2)
