"""Schemes that send the credentials with every request send a wrong password twice, not once per caller (rule 10)."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from _keeping import Store
from _storms import (
    MANY,
    REFUSED,
    ApiOfStorm,
    Sharing,
    Storm,
    cheap_hash,
    credentialed,
    crowd,
    right_password,
    wrong_again,
)
from _vendor import JANE, WRONG, settle
from vendorauth import PasswordCredentials, ProtogridClient, Response, TokenSource, TransportError
from vendorauth.engine.trial import Trial
from vendorauth.protogrid.credentials import Scheme
from vendorauth.testing import FakeProtogrid

__all__ = ["cheap_hash"]

pytestmark = pytest.mark.usefixtures("cheap_hash")


@pytest.fixture
def storm() -> Storm:
    return Storm()


def api_of(storm: Storm, credentials: Any = WRONG, answer: Any = right_password) -> tuple[ApiOfStorm, TokenSource]:
    source = credentialed(storm, credentials)
    return ApiOfStorm(storm, source, answer), source


def sent(storm: Storm, *apis: ApiOfStorm) -> tuple[int, int]:
    """Tell how often the password went out: to the API, and to where it can be asked about."""
    return sum(len(api.ledger.of()) for api in apis), len(storm.ledger.of())


@pytest.mark.parametrize("callers", [1, 100, MANY])
async def test_cold_callers_with_a_wrong_password(storm: Storm, callers: int) -> None:
    """Rule 10: for 1, 100 and 10,000 callers at once: one request to the API, one question, and the same error for all."""
    api, _ = api_of(storm)
    assert {"InvalidCredentials": callers} == await crowd(callers, lambda: api.get("/x"))
    assert (1, 1) == sent(storm, api)


@pytest.mark.parametrize("scheme", ["headers", "basic"])
async def test_cold_callers_against_the_fake(scheme: Scheme) -> None:
    """Rule 10, over the wire: 200 callers in two clients that share a store: two requests with the wrong password."""
    async with FakeProtogrid() as fake:
        store = Sharing(Storm().store)
        wrong = PasswordCredentials(fake.username, "wr0ng")
        options: Any = {"scheme": scheme, "store": store}
        async with (
            ProtogridClient(fake.base_url, wrong, **options) as one,
            ProtogridClient(fake.base_url, wrong, **options) as other,
        ):
            got = await asyncio.gather(crowd(100, one.apps), crowd(100, other.apps))
        assert ({"InvalidCredentials": 100}, {"InvalidCredentials": 100}) == (got[0], got[1])
        assert (2, 2) == (fake.count.password_attempts, fake.count.passwords_refused)


@pytest.mark.parametrize("refuses_with", ["403-envelope", "200-envelope", "401-plain"])
async def test_cold_callers_with_the_right_password(refuses_with: Any) -> None:
    """Rule 10: with the right password 50 callers send 50 requests, and nothing is asked besides."""
    async with FakeProtogrid() as fake:
        fake.refuses_with = refuses_with
        credentials = PasswordCredentials(fake.username, fake.password)
        async with ProtogridClient(fake.base_url, credentials, scheme="headers") as client:
            assert {"list": 50} == await crowd(50, client.apps)
        assert (50, 0) == (fake.count.api, fake.count.logins)


@pytest.mark.parametrize("tick", [10.0, 600.0])
async def test_wrong_password_for_a_day(storm: Storm, tick: float) -> None:
    """Rule 10: callers all the time: at most 8 sendings in any hour, 2 an hour later on."""
    api, _ = api_of(storm)
    got = await storm.hours(1 if tick < 60 else 24, tick, 5, lambda: api.get("/x"))
    assert {"InvalidCredentials"} == got.keys()
    assert REFUSED >= storm.ledger.busiest_hour() >= 3
    assert api.ledger.of() == storm.ledger.of()


async def test_restarts_and_siblings(storm: Storm) -> None:
    """Rule 10: 100 restarts send what one process would; 20 siblings at once send the password 20 times, plus one."""
    apis = []
    for _ in range(100):
        api = ApiOfStorm(storm, credentialed(storm, wrong_again(), store=Sharing(storm.store)), right_password)
        apis.append(api)
        await crowd(3, lambda api=api: api.get("/x"))  # type: ignore[misc]  # mypy infers no type for the default
        storm.clock.advance(18)
    assert (3, 3) == sent(storm, *apis)
    storm.clock.advance(3600)
    apis = [
        ApiOfStorm(storm, credentialed(storm, wrong_again(), store=Sharing(storm.store)), right_password)
        for _ in range(20)
    ]
    before = sent(storm)[1]
    await asyncio.gather(*(crowd(5, lambda api=api: api.get("/x")) for api in apis))  # type: ignore[misc]  # likewise
    assert (20, before + 1) == sent(storm, *apis)


async def test_others_wait_for_the_first_and_then_go_together(storm: Storm) -> None:
    """Rule 10: one request tries the credentials; once it is accepted nobody waits for anybody, now or later."""
    api, source = api_of(storm, JANE)
    api.gate = asyncio.Event()
    calls = asyncio.gather(*(api.get("/x") for _ in range(50)))
    await settle()
    assert (1, 0) == sent(storm, api)
    assert isinstance(source.trial, Trial)
    api.gate.set()
    assert [200] * 50 == await calls
    assert source.trial is None
    assert source.peek() is source.fresh()
    api.gate.clear()
    calls = asyncio.gather(*(api.get("/x") for _ in range(50)))
    await settle()
    assert (100, 0) == sent(storm, api)
    api.gate.set()
    await calls


async def test_first_is_cancelled(storm: Storm) -> None:
    """Rule 10: a cancelled caller keeps nobody waiting and proves nothing: one in its turn makes way for one more."""
    api, source = api_of(storm)
    api.gate = asyncio.Event()
    calls = [asyncio.ensure_future(api.get("/x")) for _ in range(20)]
    for number in (0, 7):
        await settle()
        calls[number].cancel()
    await settle()
    assert 2 == sent(storm, api)[0]
    assert source.trial is not None
    api.gate.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert 18 == sum(type(result).__name__ == "InvalidCredentials" for result in results)
    assert (2, 1) == sent(storm, api)


async def test_all_are_cancelled(storm: Storm) -> None:
    """Rule 10: after everybody has gone, the next caller has a turn."""
    api, _ = api_of(storm, JANE)
    api.gate = asyncio.Event()
    calls = [asyncio.ensure_future(api.get("/x")) for _ in range(20)]
    await settle()
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    api.gate.set()
    assert 200 == await api.get("/x")


async def test_first_gets_no_answer_in_time(storm: Storm) -> None:
    """Rule 10: timeouts neither prove nor refute; whoever comes next tries."""
    api, _ = api_of(storm)
    api.gate = asyncio.Event()
    assert {"RequestTimeout": 5} == await crowd(5, lambda: api.get("/x", 0.02))
    api.gate.set()
    assert {"InvalidCredentials": 50} == await crowd(50, lambda: api.get("/x"))
    assert sent(storm, api)[0] <= 5 + 5


@pytest.mark.parametrize(("status", "name"), [(503, "ServerError"), (429, "RateLimited"), (404, "NotFound")])
async def test_first_answers_tell_nothing(storm: Storm, status: int, name: str) -> None:
    """Rule 10: an answer that neither accepts nor refuses makes room for one more: after two of them, a third tries."""
    answers = [status, status]

    def answer(path: str, headers: Mapping[str, str]) -> int:
        return answers.pop() if answers else right_password(path, headers)

    api, _ = api_of(storm, answer=answer)
    assert {name: 2, "InvalidCredentials": 98} == await crowd(100, lambda: api.get("/x"))
    assert (3, 1) == sent(storm, api)


async def test_api_that_never_tells(storm: Storm) -> None:
    """Rule 10: where every answer is a 404, callers are not served one by one for ever: each round doubles."""
    api, _ = api_of(storm, JANE, lambda *_: 404)
    api.gate = asyncio.Event()
    calls = asyncio.gather(*(api.status("/x") for _ in range(200)))
    rounds, before = 0, -1
    while before < sent(storm, api)[0] < 200:
        before = sent(storm, api)[0]
        api.gate.set()
        await asyncio.sleep(0)
        api.gate.clear()
        await settle()
        rounds += 1
    api.gate.set()
    assert [404] * 200 == await calls
    assert rounds <= 20


async def test_api_that_is_slow(storm: Storm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 10: a request that waits for long (a long poll, an API that hangs) keeps others waiting for 5 s at most."""
    monkeypatch.setattr("vendorauth.engine.trial.PATIENCE", 0.001)
    api, source = api_of(storm, JANE)
    api.gate = asyncio.Event()
    slow = [asyncio.ensure_future(api.get("/slow")) for _ in range(40)]
    async with asyncio.timeout(5):
        while sent(storm, api)[0] < 40:
            await asyncio.sleep(0.001)
    assert source.trial is not None
    api.gate.set()
    assert [200] * 40 == await asyncio.gather(*slow)


async def test_missing_permission_on_the_first_request(storm: Storm) -> None:
    """Rules 10, 12: asked, the vendor accepts the password: that proves it, and only the forbidden path fails."""
    api, source = api_of(storm, JANE, lambda path, _: 403 if path == "/forbidden" else 200)
    assert 403 == await api.status("/forbidden")
    assert source.trial is None
    assert {"int": 50} == await crowd(50, lambda: api.get("/x"))
    assert 1 == len(storm.ledger.of())


@pytest.mark.parametrize("trouble", [Response(503, {}, b""), TransportError("POST /login: lost")])
@pytest.mark.parametrize("status", [401, 403])
async def test_nobody_can_be_asked(storm: Storm, trouble: Response | Exception, status: int) -> None:
    """Rules 9, 10: the API refuses and /authenticate is down: the password goes out once per pause, not per caller."""
    api, _ = api_of(storm, answer=lambda *_: status)
    storm.vendor.weather = lambda _: trouble
    got = await storm.hours(1, 10, 2, lambda: api.get("/x"))
    assert "InvalidCredentials" not in got
    assert 1 == len(api.ledger.of())
    assert 127 >= storm.ledger.busiest_hour() >= 60
    storm.vendor.weather = lambda _: None
    storm.clock.advance(60)
    assert {"InvalidCredentials": 20} == await crowd(20, lambda: api.get("/x"))
    assert 1 == len(api.ledger.of())


async def test_nobody_can_be_asked_and_the_password_is_right(storm: Storm) -> None:
    """Rules 9, 10: an API that refuses the right password for a while serves within 60 s of the vendor's yes."""
    answers = [401]
    api, _ = api_of(storm, JANE, lambda *_: answers.pop() if answers else 200)
    storm.vendor.weather = lambda _: Response(503, {}, b"")
    await storm.hours(0.2, 10, 5, lambda: api.get("/x"))
    assert 1 == len(api.ledger.of())
    storm.vendor.weather = lambda _: None
    storm.clock.advance(60)
    assert {"int": 5} == await crowd(5, lambda: api.get("/x"))


async def test_password_is_changed_while_it_is_used(storm: Storm) -> None:
    """Rule 10: once one request was refused with 401, no other goes out before the vendor has been asked."""
    right = {JANE.password}
    api, source = api_of(storm, JANE, lambda _, headers: 200 if headers["Authorization"] in right else 401)
    await crowd(10, lambda: api.get("/x"))
    right.clear()
    storm.vendor.passwords.clear()
    gate = storm.vendor.gate("login")
    early = asyncio.gather(*(api.status("/x") for _ in range(5)), return_exceptions=True)
    await gate.arrived.wait()
    late = asyncio.gather(*(api.status("/x") for _ in range(100)), return_exceptions=True)
    await settle()
    assert (15, 1) == sent(storm, api)
    gate.open()
    assert {"InvalidCredentials"} == {type(result).__name__ for result in (*await early, *await late)}
    assert (15, 1) == sent(storm, api)
    assert source.peek() is None


async def test_missing_permission_does_not_hold_up_those_who_have_it(storm: Storm) -> None:
    """Rules 10, 12: while a 403 is asked about, proven credentials go on serving."""
    api, _ = api_of(storm, JANE, lambda path, _: 403 if path == "/forbidden" else 200)
    await api.get("/x")
    gate = storm.vendor.gate("login")
    forbidden = asyncio.ensure_future(api.status("/forbidden"))
    await gate.arrived.wait()
    assert {"int": 50} == await crowd(50, lambda: api.get("/x"))
    gate.open()
    assert 403 == await forbidden


async def test_permission_storm(storm: Storm) -> None:
    """Rules 10, 12: storms of 403 are asked about once a minute: 61 questions in any hour."""
    api, _ = api_of(storm, JANE, lambda path, _: 403 if path == "/forbidden" else 200)
    for _ in range(240):
        assert {"int": 5} == await crowd(5, lambda: api.status("/forbidden"))
        assert 200 == await api.get("/x")
        storm.clock.advance(15)
    assert 61 >= storm.ledger.busiest_hour() >= 50


async def test_login_by_hand_starts_over(storm: Storm) -> None:
    """Rule 10: who logs in by hand meanwhile begins a new trial; those who waited for the old one wait for that."""
    api, source = api_of(storm)
    api.gate = asyncio.Event()
    calls = [asyncio.ensure_future(api.get("/x")) for _ in range(20)]
    await settle()
    await source.login()
    calls.append(asyncio.ensure_future(api.get("/x")))
    await settle()
    calls[0].cancel()
    await settle()
    assert (2, 0) == sent(storm, api)
    api.gate.set()
    results = await asyncio.gather(*calls[1:], return_exceptions=True)
    assert {"InvalidCredentials"} == {type(result).__name__ for result in results}
    assert (2, 1) == sent(storm, api)


async def test_newer_credentials_in_doubt_are_no_help(storm: Storm) -> None:
    """Rules 10, 12: who was refused with an older token waits as well while the newer one is asked about."""
    _, source = api_of(storm)
    old = await source.token()
    new = await source.login()
    gate = storm.vendor.gate("login")
    first = asyncio.ensure_future(source.renew(new))
    await gate.arrived.wait()
    second = asyncio.ensure_future(source.renew(old))
    await settle()
    assert not second.done()
    gate.open()
    results = await asyncio.gather(first, second, return_exceptions=True)
    assert {"InvalidCredentials"} == {type(result).__name__ for result in results}


async def test_tokens_of_a_login_are_on_no_trial(storm: Storm) -> None:
    """Rule 1: a token that a vendor has issued is used by all at once; a store in trouble changes nothing."""
    storm.store = Store()
    source = storm.source()
    api = ApiOfStorm(storm, source, lambda *_: 200)
    api.gate = asyncio.Event()
    calls = asyncio.gather(*(api.get("/x") for _ in range(50)))
    await settle()
    assert source.trial is None
    assert 50 == len(api.ledger.of())
    api.gate.set()
    await calls
