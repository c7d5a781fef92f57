"""The token source: who waits for what, and what the fresh path costs (DESIGN, rules 1, 2, 3, 7, 12, 15)."""

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import datetime

import attrs
import pytest

from _stores import WrappedStore
from _vendor import JANE, VendorFlow, World, settle
from vendorauth import (
    AuthServiceUnavailable,
    Challenge,
    Credentials,
    CredentialsSource,
    Flow,
    MemoryTokenStore,
    PasswordCredentials,
    ReauthenticationRequired,
    RefreshPolicy,
    RenewalFailed,
    Renewed,
    Response,
    Token,
    TokenSource,
    TransportError,
)
from vendorauth.engine import source as engine_source
from vendorauth.engine import vault

AGEING = 3300.0
STALE = 3550.0
DEAD = 3601.0

FAILING = Response(503, {}, b"")


@pytest.fixture
def world() -> World:
    return World()


class CountingStore(WrappedStore):
    """Count what is asked of the store."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def load(self, account: str) -> Token | None:
        self.asked.append("load")
        return await super().load(account)


async def test_fresh_token_costs_nothing(world: World) -> None:
    """Rule 1: on a fresh token no lock is taken, no I/O done, no task made."""
    world.store = CountingStore()
    source = world.source()
    token = await source.token()
    world.store.asked.clear()
    before = asyncio.all_tasks()
    coroutine = source.token()
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    assert token is done.value.value
    assert before == asyncio.all_tasks()
    assert [] == world.store.asked
    assert 1 == world.vendor.count["login"]


async def test_two_hundred_cold_callers_make_one_login(world: World) -> None:
    """Rule 2: N callers, one exchange, the same token."""
    source = world.source()
    tokens = await asyncio.gather(*(source.token() for _ in range(200)))
    assert 1 == len({id(token) for token in tokens})
    assert {"login": 1, "issued": 1} == dict(world.vendor.count)


async def test_sources_of_one_account_share_renewals_and_pauses(world: World) -> None:
    """Rule 2: two sources of the same account, credentials and store make one exchange, and share its error."""
    first, second = world.source(), world.source()
    await asyncio.gather(first.token(), second.token())
    assert 1 == world.vendor.count["login"]
    world.clock.advance(DEAD)
    world.vendor.script["refresh"].append(FAILING)
    with pytest.raises(AuthServiceUnavailable):
        await first.token()
    with pytest.raises(AuthServiceUnavailable):
        await second.token()
    assert 1 == world.vendor.count["refresh"]


@pytest.mark.parametrize("other", ["account", "store", "credentials"])
async def test_different_sources_share_nothing(world: World, other: str) -> None:
    """Rule 2: another account, another store object or other credentials have a renewal of their own."""
    world.vendor.passwords.add("other")
    second = {
        "account": lambda: world.source(account="joe@vendor"),
        "store": lambda: world.source(store=MemoryTokenStore()),
        "credentials": lambda: world.source(PasswordCredentials("jane", "other")),
    }[other]()
    gate = world.vendor.gate("login")
    first = world.source()
    calls = [asyncio.ensure_future(first.token()), asyncio.ensure_future(second.token())]
    await settle()
    expected = 1 if other == "credentials" else 2  # the second of these waits for the store's lock
    assert expected == world.vendor.count["login"]
    gate.open()
    await asyncio.gather(*calls)


async def test_a_shared_callable_is_the_same_credentials(world: World) -> None:
    """Rule 2: a bound method, which is a new object at each look, still counts as the same credentials."""

    class Secrets:
        __hash__ = None  # type: ignore[assignment]  # a callable object that can't be hashed

        async def __call__(self) -> PasswordCredentials:
            return JANE

    class Plain:
        async def get(self) -> PasswordCredentials:
            return JANE

    plain, secrets = Plain(), Secrets()
    givens: list[Callable[[], CredentialsSource]] = [lambda: plain.get, lambda: secrets]
    for given in givens:
        world = World()
        await asyncio.gather(*(world.source(given()).token() for _ in range(3)))
        assert 1 == world.vendor.count["login"]


async def test_cancelled_leader_harms_nobody(world: World) -> None:
    """Rule 3: the first caller is cancelled, the renewal goes on, and the others get its token."""
    source, gate = world.source(), world.vendor.gate("login")
    calls = [asyncio.ensure_future(source.token()) for _ in range(10)]
    await gate.arrived.wait()
    calls[0].cancel()
    calls[5].cancel()
    gate.open()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [0, 5] == [index for index, one in enumerate(results) if isinstance(one, asyncio.CancelledError)]
    assert 8 == sum(isinstance(one, Token) for one in results)
    assert 1 == world.vendor.count["login"]


async def test_all_callers_cancelled_and_still_saved(world: World) -> None:
    """Rule 3: with nobody left to wait, the answer is saved, and a spent refresh token is never sent again."""
    world.vendor.rotates = True
    source = world.source()
    await source.token()
    world.clock.advance(DEAD)
    gate = world.vendor.gate("refresh")
    calls = [asyncio.ensure_future(source.token()) for _ in range(3)]
    await gate.arrived.wait()
    for call in calls:
        call.cancel()
    gate.open()
    await asyncio.gather(*calls, return_exceptions=True)
    await settle()
    stored = await world.store.load("jane@vendor")
    assert "refresh-2" == stored.refresh_token
    assert stored == await source.token()
    assert [] == world.vendor.spent


async def test_renewal_runs_in_a_context_of_its_own(world: World) -> None:
    """Rule 3: what a caller has in its context (a trace, a request id) does not leak into everybody's renewal."""
    variable: ContextVar[str] = ContextVar("variable", default="nothing")
    seen: list[str] = []

    async def credentials() -> PasswordCredentials:
        seen.append(variable.get())
        return JANE

    variable.set("the first caller's")
    await world.source(credentials).token()
    assert ["nothing"] == seen


async def test_error_is_shared_and_everyone_gets_a_copy(world: World) -> None:
    """Rules 2, 9: one try for fifty callers, each with its own error, so that no traceback grows."""
    world.vendor.script["login"].append(FAILING)
    source = world.source()
    errors = await asyncio.gather(*(source.token() for _ in range(50)), return_exceptions=True)
    assert {AuthServiceUnavailable} == {type(error) for error in errors}
    assert 50 == len({id(error) for error in errors})
    assert 1 == world.vendor.count["login"]


async def test_failed_renewal_pauses_with_growing_waits(world: World) -> None:
    """Rule 9: during a pause callers fail at once; the pauses grow, and a success ends them."""
    world.vendor.script["login"].extend([FAILING] * 6)
    source = world.source(policy=RefreshPolicy(backoff=(1.0, 60.0)))
    for attempt in range(1, 7):
        with pytest.raises(AuthServiceUnavailable):
            await source.token()
        with pytest.raises(AuthServiceUnavailable):
            await source.token()
        assert attempt == world.vendor.count["login"]
        assert attempt == source.status().failures
        assert 2 ** (attempt - 2) <= (source.status().retry_in or 0) <= 2 ** (attempt - 1)
        world.clock.advance(2.0 ** (attempt - 1))
    await source.token()
    assert 0 == source.status().failures


async def test_retry_after_lengthens_the_pause_up_to_a_minute(world: World) -> None:
    """Rule 9: the vendor's Retry-After is obeyed, for at most 60 s."""
    source = world.source()
    for asked, obeyed in (("30", 30.0), ("86400", 60.0)):
        world.vendor.script["login"].append(Response(503, {"Retry-After": asked}, b""))
        with pytest.raises(AuthServiceUnavailable):
            await source.token()
        assert obeyed == pytest.approx(source.status().retry_in)
        world.clock.advance(obeyed)


async def test_ahead_of_expiry_nobody_waits(world: World) -> None:
    """Rule 7: one background renewal runs while the old token serves all; the next call has the new one."""
    source = world.source()
    old = await source.token()
    world.clock.advance(AGEING)
    gate = world.vendor.gate("refresh")
    for _ in range(10):
        assert old is await source.token()
    await gate.arrived.wait()
    assert old is await source.token()
    gate.open()
    await settle()
    new = await source.token()
    assert new.generation > old.generation
    assert 1 == world.vendor.count["refresh"]
    assert [False, True] == [event.ahead for event in world.told(Renewed)]


async def test_failed_ahead_renewal_hurts_nobody(world: World) -> None:
    """Rules 7, 9: its failure is an event; the token serves, the next try waits for the pause, and then succeeds."""
    source = world.source()
    old = await source.token()
    world.clock.advance(AGEING)
    world.vendor.script["refresh"].append(FAILING)
    assert old is await source.token()
    await settle()
    assert [True] == [event.ahead for event in world.told(RenewalFailed)]
    for _ in range(5):
        assert old is await source.token()
    await settle()
    assert 1 == world.vendor.count["refresh"]
    world.clock.advance(1.0)
    assert old is await source.token()
    await settle()
    assert old is not await source.token()
    assert 2 == world.vendor.count["refresh"]


async def test_ahead_sends_no_password(world: World) -> None:
    """Rule 7: refused, it does not log in, and does not start again; whoever needs a token later logs in."""
    source = world.source()
    old = await source.token()
    world.vendor.refresh_tokens.clear()
    world.clock.advance(AGEING)
    for _ in range(3):
        assert old is await source.token()
        await settle()
    assert (1, 1) == (world.vendor.count["refresh"], world.vendor.count["login"])
    world.clock.advance(STALE - AGEING)
    assert old is not await source.token()
    assert (1, 2) == (world.vendor.count["refresh"], world.vendor.count["login"])


async def test_joining_a_refused_ahead_renewal_goes_on_to_log_in(world: World) -> None:
    """Rule 7: a caller who joined it goes on with a renewal that may log in."""
    source = world.source()
    old = await source.token()
    world.vendor.refresh_tokens.clear()
    gate = world.vendor.gate("refresh")
    world.clock.advance(AGEING)
    await source.token()
    await gate.arrived.wait()
    joined = asyncio.ensure_future(source.renew(old))
    await settle()
    gate.open()
    assert (await joined).is_newer_than(old)
    assert (1, 2) == (world.vendor.count["refresh"], world.vendor.count["login"])


async def test_no_ahead_renewal_without_a_refresh_token(world: World) -> None:
    """Rule 7: where there is no refresh token, none starts."""
    world.vendor.gives_refresh_token = False
    source = world.source()
    old = await source.token()
    world.clock.advance(AGEING)
    assert old is await source.token()
    await settle()
    assert 1 == world.vendor.count["login"]


async def test_old_token_serves_until_it_really_ends(world: World) -> None:
    """Rule 7: with less than the leeway left, a passing failure hands out the old token, and its end ends that."""
    source = world.source()
    old = await source.token()
    world.clock.advance(STALE)
    world.vendor.script["refresh"].extend([FAILING] * 9)
    assert old is await source.token()
    assert old is await source.token()
    assert 1 == world.vendor.count["refresh"]
    world.clock.advance(51.0)
    with pytest.raises(AuthServiceUnavailable):
        await source.token()


async def test_a_token_from_the_vendor_is_handed_out_once_and_stuck_ones_pause(world: World) -> None:
    """Rule 7: a token that is born dead is handed out; then pauses keep its successors from a storm."""
    world.vendor.life = 0.0
    source = world.source()
    first = await source.token()
    assert "token-1" == first.value
    for _ in range(5):
        with pytest.raises(AuthServiceUnavailable, match="ends no later"):
            await source.token()
    assert {"login": 1, "issued": 1} == dict(world.vendor.count)
    world.clock.advance(1.0)
    assert "token-2" == (await source.token()).value


async def test_a_token_that_ends_no_later_than_its_predecessor_brings_pauses(world: World) -> None:
    """Rule 7: the same end again and again does not make a renewal for every call."""
    source = world.source()
    await source.token()
    world.clock.advance(STALE)
    world.vendor.life = 40.0
    first = await source.token()
    for _ in range(5):
        assert first is await source.token()
        await settle()
    assert 1 == world.vendor.count["refresh"]


async def test_tokens_of_three_seconds_serve(world: World) -> None:
    """Rules 7, 11: a short life scales leeway and window, so that a renewal is due every few seconds, not every call."""
    world.vendor.life = 3.0
    source = world.source()
    for _ in range(100):
        await source.token()
        await settle()
        world.clock.advance(0.3)
    assert 10 <= world.vendor.count["issued"] <= 15


async def test_renew_gives_a_newer_token_that_is_there_already(world: World) -> None:
    """Rule 12: fifty refused callers make one renewal; who comes later gets the newer token without one."""
    source = world.source()
    old = await source.token()
    newer = await asyncio.gather(*(source.renew(old) for _ in range(50)))
    assert 1 == len({token.generation for token in newer})
    assert newer[0] is await source.renew(old)
    assert 1 == world.vendor.count["refresh"]


async def test_renew_replaces_however_young_a_token(world: World) -> None:
    """Rule 12: a refused token is renewed right after its login."""
    source = world.source()
    old = await source.token()
    assert (await source.renew(old)).is_newer_than(old)


async def test_refused_token_is_no_last_resort(world: World) -> None:
    """Rule 9: whose token the API refused gets the error, although the token still lives by the clock."""
    source = world.source()
    old = await source.token()
    world.vendor.script["refresh"].append(TransportError("POST /refresh: refused", False))
    with pytest.raises(TransportError):
        await source.renew(old)
    with pytest.raises(TransportError):
        await source.renew(old)
    assert old is await source.token()


async def test_futile_refusals_renew_no_more_for_a_while(world: World) -> None:
    """Rule 12: after a refused replay, refusals with that status get the same token back, for futile_pause."""
    source = world.source()
    old = await source.token()
    newer = await source.renew(old, status=403)
    source.replay_refused(newer, 403)
    assert newer is await source.renew(newer, status=403)
    assert (await source.renew(newer, status=401)).is_newer_than(newer)
    latest = source.peek()
    assert latest is not None
    world.clock.advance(60.0)
    assert (await source.renew(latest, status=403)).is_newer_than(latest)


async def test_second_event_loop_is_refused_while_the_first_lives(world: World) -> None:
    """Rule 15: a source of another running loop raises RuntimeError, fresh token or not."""
    source = world.source()
    await source.token()
    errors: list[BaseException] = []

    def elsewhere() -> None:
        try:
            asyncio.run(source.token())
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    while thread.is_alive():
        await asyncio.sleep(0)
    assert "another event loop" in str(errors[0])


def test_works_in_a_later_run(world: World) -> None:
    """Rule 15: the same source works in a later asyncio.run, with the token from the store."""
    source = world.source()
    first = asyncio.run(source.token())
    assert first == asyncio.run(source.token())
    assert 1 == world.vendor.count["login"]


@pytest.fixture
def _collected() -> Iterator[None]:
    yield
    gc.collect()


@pytest.mark.usefixtures("_collected")
async def test_source_is_forgotten_with_its_last_user(world: World) -> None:
    """Nothing of an account stays behind once nobody holds its source."""
    source = world.source()
    first = await source.token()
    del source
    gc.collect()
    assert first == await world.source().token()
    assert 1 == world.vendor.count["login"]


async def test_closed_source_raises_until_entered_again(world: World) -> None:
    """Rule 14: calls after aclose() raise RuntimeError; async with opens it again."""
    source = world.source()
    async with source:
        token = await source.token()
    with pytest.raises(RuntimeError, match="closed"):
        await source.token()
    async with source:
        assert token == await source.token()
    await source.aclose()
    await source.aclose()


async def test_close_lets_a_renewal_save(world: World) -> None:
    """Rule 14: aclose() waits for the renewal under way, whose token is stored; its waiter gets it."""
    source, gate = world.source(), world.vendor.gate("login")
    call = asyncio.ensure_future(source.token())
    await gate.arrived.wait()
    closing = asyncio.ensure_future(source.aclose())
    await settle()
    assert not closing.done()
    gate.open()
    await closing
    assert await world.store.load("jane@vendor") == await call


async def test_cancelled_close_can_be_called_again(world: World) -> None:
    """Rule 14: cancelling aclose() loses nothing."""
    source, gate = world.source(), world.vendor.gate("login")
    call = asyncio.ensure_future(source.token())
    await gate.arrived.wait()
    closing = asyncio.ensure_future(source.aclose())
    await settle()
    closing.cancel()
    gate.open()
    await asyncio.wait({closing})
    await source.aclose()
    assert await world.store.load("jane@vendor") == await call


async def test_waiters_do_not_start_anything_on_a_closed_source(world: World) -> None:
    """Rule 14: a waiter who would need another renewal after aclose() gets RuntimeError."""
    source = world.source()
    old = await source.token()
    world.vendor.refresh_tokens.clear()
    gate = world.vendor.gate("refresh")
    world.clock.advance(AGEING)
    await source.token()
    await gate.arrived.wait()
    joined = asyncio.ensure_future(source.renew(old))
    await settle()
    closing = asyncio.ensure_future(source.aclose())
    await settle()
    gate.open()
    with pytest.raises(RuntimeError, match="closed"):
        await joined
    await closing


async def test_clock_jumps_are_noticed(world: World) -> None:
    """Rule 11: a suspended machine and a clock set forward find the token old; one set back does not keep it young."""
    for jump, past in ((world.clock.suspend, DEAD), (world.clock.step, DEAD)):
        source = world.source(account=jump.__name__)
        old = await source.token()
        jump(past)
        assert (await source.token()).is_newer_than(old)
    source = world.source(account="back")
    old = await source.token()
    world.clock.step(-7200.0)
    world.clock.advance(DEAD)
    assert (await source.token()).is_newer_than(old)


async def test_stored_token_is_not_believed_to_live_longer_than_its_life(world: World) -> None:
    """Rule 11: loaded while the clock is an hour slow, a token still ends after the life that the vendor gave it."""
    await world.source().token()
    world.clock.step(-3600.0)
    later = world.source(PasswordCredentials("jane", "other"))
    old = await later.token()
    world.clock.advance(DEAD)
    world.vendor.passwords.add("other")
    assert (await later.token()).is_newer_than(old)


async def test_repr_and_status_tell_the_state_and_no_secret(world: World) -> None:
    """What can be shown has the account and the state, and neither token nor password."""
    source = world.source()
    states = [source.status().state]
    for seconds in (0.0, AGEING, STALE - AGEING, DEAD - STALE):
        world.clock.advance(seconds)
        if not seconds:
            await source.token()
        states.append(source.status().state)
    assert ["none", "fresh", "ageing", "stale", "dead"] == states
    shown = f"{source!r} {source.status()}"
    assert "jane@vendor" in shown
    assert not any(secret in shown for secret in ("token-1", "refresh-1", JANE.password))


async def test_without_hook_and_with_a_broken_hook(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Rule 16: a hook that raises hurts nothing; none is needed."""

    def broken(_: object) -> None:
        message = "the hook's own"
        raise ValueError(message)

    await world.source(on_event=None).token()
    caught: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: caught.append(context["exception"]))
    await world.source(on_event=broken, account="joe@vendor").token()
    await settle()
    assert [ValueError] == [type(error) for error in caught]


async def test_cancelled_from_outside_is_an_error_not_a_cancellation(world: World) -> None:
    """Rule 3: whoever cancels the renewal's own task (a test harness, say) makes waiters fail, not look cancelled."""
    source, gate = world.source(), world.vendor.gate("login")
    call = asyncio.ensure_future(source.token())
    await gate.arrived.wait()
    (task,) = (task for task in asyncio.all_tasks() if task.get_name().startswith("vendorauth"))
    task.cancel()
    with pytest.raises(AuthServiceUnavailable, match="cancelled"):
        await call
    gate.open()
    world.clock.advance(1.0)
    await source.token()


async def test_renew_of_nothing_known_starts_a_renewal(world: World) -> None:
    """Rule 12: a refused token that this process never held is replaced like any other."""
    source = world.source(None)
    await world.source().token()
    held = await world.store.load("jane@vendor")
    renewed = await source.renew(held)
    assert renewed.is_newer_than(held)


async def test_nothing_stored_and_nothing_to_log_in_with(world: World) -> None:
    """Rule 8: without credentials, an empty store is ReauthenticationRequired, said at once to later callers."""
    source = world.source(None)
    for _ in range(3):
        with pytest.raises(ReauthenticationRequired, match="nothing to log in with"):
            await source.token()
    assert "ReauthenticationRequired" == source.status().error
    with pytest.raises(ReauthenticationRequired):
        await source.login()


async def test_renew_of_a_token_from_the_future_is_one_renewal(world: World) -> None:
    """Rules 2, 12: whatever generation was refused, the new token is above it, and no caller asks twice."""
    source = world.source()
    token = await source.token()
    later = attrs.evolve(token, generation=token.generation + 10**9)
    renewed = await source.renew(later)
    assert renewed.is_newer_than(later)
    assert 1 == world.vendor.count["refresh"]


async def test_logged_out_stays_logged_out_when_entered_again(world: World) -> None:
    """Rule 14: also after aclose(), and with a clock that was set back."""
    source = world.source()
    token = await source.token()
    await source.logout()
    await source.aclose()
    world.clock.step(-30.0)
    async with source:
        with pytest.raises(ReauthenticationRequired, match="logged out"):
            await source.renew(token)
        assert (await source.token()).generation > token.generation


async def test_living_token_waits_for_no_look_at_the_store(world: World) -> None:
    """Rules 7, 9b: the store is read for those who would get an error; a hung one holds up nobody else."""
    source = world.source()
    old = await source.token()
    world.clock.advance(STALE)
    world.vendor.script["refresh"].append(FAILING)
    assert old is await source.token()
    source._setup.vault.store.load = _hang  # type: ignore[method-assign]  # a store that hangs from now on
    assert old is await source.token()


async def _hang(account: str) -> Token | None:
    await asyncio.Event().wait()
    return None


async def test_look_at_a_hung_store_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 9b: callers wait for a look for two seconds at most; aclose() waits for its end."""
    assert 2.0 == engine_source.LOOK_WITHIN
    monkeypatch.setattr(engine_source, "LOOK_WITHIN", 0.01)
    monkeypatch.setattr(vault, "PATIENCE", 0.05)
    world.vendor.script["login"].append(FAILING)
    store = CountingStore()
    source = world.source(store=store)
    with pytest.raises(AuthServiceUnavailable):
        await source.token()
    store.load = _hang  # type: ignore[method-assign]  # a store that hangs from now on
    with pytest.raises(AuthServiceUnavailable):
        await source.token()
    await source.aclose()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("vendorauth")]


async def test_login_without_credentials_spoils_nothing(world: World) -> None:
    """Rule 9: it fails at once, and a stored refresh token goes on working."""
    await world.source().token()
    source = world.source(None)
    old = await source.token()
    with pytest.raises(ReauthenticationRequired, match="no credentials"):
        await source.login()
    assert (await source.renew(old)).is_newer_than(old)


async def test_close_from_another_loop(world: World) -> None:
    """Rule 15: aclose() from a second living loop raises, and closes nothing here."""
    source = world.source()
    token = await source.token()

    async def close() -> None:
        with pytest.raises(RuntimeError, match="another event loop"):
            await source.aclose()

    await asyncio.to_thread(asyncio.run, close())
    assert token is await source.token()


class ConfusedFlow(VendorFlow):
    """Fail with an error that can't be worked with."""

    def login(self, credentials: Credentials, *, now: datetime) -> Flow[Token | Challenge]:
        message = "try later"
        raise AuthServiceUnavailable(message, None, None, "soon")  # type: ignore[arg-type]  # that is the point
        yield


async def test_waiters_are_told_whatever_goes_wrong(world: World) -> None:
    """Rule 2: even where an error can't be dealt with, nobody waits for ever."""
    caught: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: caught.append(context["exception"]))
    source = TokenSource(ConfusedFlow(), JANE, store=world.store, send=world.vendor.send)
    with pytest.raises(AuthServiceUnavailable, match="try later"):
        await source.token()
    assert [TypeError] == [type(error) for error in caught]


async def test_fresh_again_after_a_pause(world: World) -> None:
    """Rule 1: once a failed login's pause is over, the fresh path is as short as before."""
    source = world.source()
    await source.token()
    world.vendor.script["login"].append(FAILING)
    with pytest.raises(AuthServiceUnavailable):
        await source.login()
    world.clock.advance(2.0)
    token = await source.token()
    assert token is source.fresh()
