"""The token source: who waits for what, and what the fresh path costs (DESIGN, rules 1, 2, 3, 7, 12, 15)."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from typing import Any

import attrs
import pytest

from _stores import WrappedStore
from _vendor import JANE, WRONG, VendorFlow, World, settle
from vendorauth import (
    AuthServiceUnavailable,
    Challenge,
    ChallengeRequired,
    ConfigurationError,
    Credentials,
    CredentialsSource,
    Flow,
    InvalidCredentials,
    MemoryTokenStore,
    PasswordCredentials,
    ReauthenticationRequired,
    Response,
    Token,
    TokenSource,
    TransportError,
)
from vendorauth.engine.freshness import NEVER

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


async def test_login_without_credentials_spoils_nothing(world: World) -> None:
    """Rule 9: it fails at once, and a stored refresh token goes on working."""
    await world.source().token()
    source = world.source(None)
    old = await source.token()
    with pytest.raises(ReauthenticationRequired, match="no credentials"):
        await source.login()
    assert (await source.renew(old)).is_newer_than(old)


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


async def test_a_token_that_ends_on_its_way_proves_nothing(world: World) -> None:
    """Rule 12: the refusal of a renewed token that has ended meanwhile makes no renewal futile."""
    source = world.source()
    newer = await source.renew(await source.token(), status=403)
    world.clock.advance(3601)
    source.replay_refused(newer, 403)
    assert newer is not await source.renew(newer, status=403)


async def test_futile_is_about_the_tokens_that_were_refused(world: World) -> None:
    """Rule 12: a login brings a new generation, whose refusal is looked into again."""
    source = world.source()
    newer = await source.renew(await source.token(), status=403)
    source.replay_refused(newer, 403)
    latest = await source.login()
    assert (await source.renew(latest, status=403)).is_newer_than(latest)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("credentials", ("jane", "s3cret")),
        ("credentials", "jane:s3cret"),
        ("store", "~/tokens"),
        ("policy", {}),
        ("on_event", 5),
        ("on_event", settle),
    ],
)
def test_slips_are_told_when_the_source_is_made(world: World, name: str, value: object) -> None:
    """What can't be right is a ConfigurationError at once, which does not show the value."""
    given: dict[str, Any] = {"credentials": JANE, name: value}
    with pytest.raises(ConfigurationError, match=f"^{name} must ") as caught:
        world.source(given.pop("credentials"), **given)
    assert "s3cret" not in str(caught.value)


async def test_status_tells_how_long_errors_last(world: World) -> None:
    """A refused password's pause, and a challenge's end, are in the status; the error of a later call tells it too."""
    source = world.source(WRONG)
    for expected in ("refused", "refused; they are not sent again for 200 s"):
        with pytest.raises(InvalidCredentials) as caught:
            await source.token()
        assert expected == str(caught.value)
        world.clock.advance(100)
    assert ("InvalidCredentials", 100.0) == (source.status().error, source.status().retry_in)
    world.vendor.asks = "CODE_PLEASE"
    source = world.source()
    with pytest.raises(ChallengeRequired):
        await source.token()
    world.clock.advance(100)
    assert ("ChallengeRequired", 80.0) == (source.status().error, source.status().retry_in)
    endless = Challenge(name="CODE_PLEASE", account="jane@vendor")
    source._account.challenge, source._account.challenge_until = ChallengeRequired(endless), NEVER
    assert ("ChallengeRequired", None) == (source.status().error, source.status().retry_in)


async def test_newer_token_that_is_dead_is_no_help(world: World) -> None:
    """Rule 12: a request that took longer than the newer token lived is not replayed with that one."""
    source = world.source()
    old = await source.token()
    newer = await source.renew(old)
    world.clock.advance(DEAD)
    assert (await source.renew(old)).is_newer_than(newer)
