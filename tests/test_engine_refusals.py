"""Refused credentials are not sent again for a while: here, after a restart, and by siblings (DESIGN, rule 10)."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs
import pytest

from _stores import WrappedStore
from _vendor import JANE, WRONG, VendorFlow, World
from vendorauth import (
    Credentials,
    Flow,
    InvalidCredentials,
    LoginRefused,
    MemoryTokenStore,
    PasswordCredentials,
    ReauthenticationRequired,
    RefreshTokenCredentials,
    Request,
    StoreUnavailable,
    Token,
    TokenSource,
    TransportError,
)

ACCOUNT = "jane@vendor"
DEAD = 3601.0


@pytest.fixture
def world() -> World:
    return World()


async def refused(source: TokenSource) -> InvalidCredentials:
    with pytest.raises(InvalidCredentials) as caught:
        await source.token()
    return caught.value


async def test_refused_password_pauses_five_minutes_doubling_to_an_hour(world: World) -> None:
    """Rule 10: callers get the same kind of error at once; each new refusal doubles the pause."""
    source = world.source(WRONG)
    for attempt, pause in enumerate([300.0, 600.0, 1200.0, 2400.0, 3600.0, 3600.0], 1):
        await refused(source)
        world.clock.advance(pause - 1)
        await refused(source)
        assert attempt == world.vendor.count["login"]
        world.clock.advance(1)
    assert [300.0, 600.0, 1200.0, 2400.0, 3600.0, 3600.0] == [event.pause for event in world.told(LoginRefused)]


async def test_restarts_and_siblings_obey(world: World) -> None:
    """Rule 10: the refusal stands in the store beside the token, so that a hundred restarts send one login."""
    await refused(world.source(WRONG))
    for _ in range(100):
        await refused(world.source(PasswordCredentials("jane", "wr0ng")))
    assert 1 == world.vendor.count["login"]


async def test_restart_goes_on_doubling(world: World) -> None:
    """Rule 10: the pause grows across restarts."""
    await refused(world.source(WRONG))
    world.clock.advance(300)
    await refused(world.source(PasswordCredentials("jane", "wr0ng")))
    assert [300.0, 600.0] == [event.pause for event in world.told(LoginRefused)]


async def test_other_credentials_ask_again_and_success_forgets(world: World) -> None:
    """Rule 10: a corrected password logs in at once; the record is deleted."""
    await refused(world.source(WRONG))
    assert await world.store.load(f"{ACCOUNT}|refused") is not None
    await world.source(JANE).token()
    assert await world.store.load(f"{ACCOUNT}|refused") is None


async def test_login_by_hand_asks_again(world: World) -> None:
    """Rule 10: login() is a person's wish, who may know that the account is unlocked."""
    source = world.source(WRONG)
    await refused(source)
    world.vendor.passwords.add(WRONG.password)
    await source.login()
    assert (await source.token()).value
    assert source.status().error is None


async def test_login_by_hand_refused_again(world: World) -> None:
    """Rule 10: refused again by hand, the pause doubles for all."""
    source = world.source(WRONG)
    await refused(source)
    with pytest.raises(InvalidCredentials):
        await source.login()
    assert [300.0, 600.0] == [event.pause for event in world.told(LoginRefused)]


async def test_living_token_goes_on_serving(world: World) -> None:
    """Rule 10: while the token lives, a refused password hurts nobody, and its refresh token is used."""
    source = world.source()
    old = await source.token()
    world.vendor.passwords.clear()
    with pytest.raises(InvalidCredentials):
        await source.login()
    assert old is await source.token()
    world.clock.advance(DEAD)
    await source.token()
    assert 1 == world.vendor.count["refresh"]


async def test_record_holds_no_secret_and_is_a_token(world: World) -> None:
    """Rule 10: stored are a salt, a slow hash, the end and the pause, in a Token with an empty value."""
    await refused(world.source(WRONG))
    record = await world.store.load(f"{ACCOUNT}|refused")
    assert "" == record.value
    assert {"salt", "hash", "until", "pause"} == set(record.details)
    assert world.clock.now().timestamp() + 300 == record.details["until"]
    assert WRONG.password not in repr(attrs.asdict(record))


@pytest.mark.parametrize("details", [{}, {"salt": 1}, {"salt": "", "hash": "", "until": 1e12, "pause": 1e12}])
async def test_odd_record_stops_nobody(world: World, details: Mapping[str, Any]) -> None:
    """A record that can't be read, or is another password's, does not keep anybody from logging in."""
    token = Token(value="", issued_at=world.clock.now(), generation=1, details=details)
    await world.store.save(f"{ACCOUNT}|refused", token)
    await world.source().token()
    assert 1 == world.vendor.count["login"]


async def test_record_from_the_future_does_not_block_for_ever(world: World) -> None:
    """Rule 10: a record written while the clock was days ahead holds for its pause, not for days."""
    world.clock.step(86400.0)
    await refused(world.source(WRONG))
    world.clock.step(-86400.0)
    source = world.source(PasswordCredentials("jane", "wr0ng"))
    await refused(source)
    world.clock.advance(301)
    await refused(source)
    assert 2 == world.vendor.count["login"]


class DownStore(WrappedStore):
    """Be unreachable for what is beside the token."""

    def _check(self, account: str) -> None:
        if account.endswith("|refused"):
            message = "down"
            raise StoreUnavailable(message)

    async def load(self, account: str) -> Token | None:
        self._check(account)
        return await super().load(account)

    async def save(self, account: str, token: Token) -> None:
        self._check(account)
        await super().save(account, token)


async def test_store_that_is_down_still_leaves_the_pause_here(world: World) -> None:
    """Rules 10, 16: without a store the refusal is remembered in memory, and a login goes through."""
    world.store = DownStore()
    source = world.source(WRONG)
    for _ in range(3):
        await refused(source)
    assert 1 == world.vendor.count["login"]
    await world.source(JANE).token()


class RefusingFlow(VendorFlow):
    """Say at a refresh that the credentials behind it are refused."""

    def refresh(self, token: Token, *, now: datetime) -> Flow[Token]:
        yield from super().refresh(token, now=now)
        message = "refused"
        raise InvalidCredentials(message)


@pytest.mark.parametrize("credentials", [None, JANE])
async def test_invalid_credentials_from_a_refresh(world: World, credentials: Credentials | None) -> None:
    """Rule 10: from whatever step it comes, it pauses, whether the password is known or not."""
    await world.source().token()
    world.clock.advance(DEAD)
    source = TokenSource(RefusingFlow(), credentials, store=world.store, send=world.vendor.send, clock=world.clock)
    for _ in range(4):
        await refused(source)
    assert (1, 1) == (world.vendor.count["login"], world.vendor.count["refresh"])


async def test_refresh_token_credentials_do_not_touch_the_record(world: World) -> None:
    """Rule 10 is about passwords: a service with a refresh token works beside a refused one."""
    await refused(world.source(WRONG))
    await world.source(RefreshTokenCredentials("configured")).token()


async def test_callable_is_asked_again_once_a_minute(world: World) -> None:
    """Rules 5, 10: a secret manager may have a new password by now; while refused, it is asked once a minute."""
    answers = [WRONG]
    asked = 0

    async def credentials() -> Credentials:
        nonlocal asked
        asked += 1
        return answers[-1]

    source = world.source(credentials)
    for _ in range(5):
        await refused(source)
    assert 1 == asked
    world.clock.advance(60)
    for _ in range(5):
        await refused(source)
    assert (2, 1) == (asked, world.vendor.count["login"])
    answers.append(JANE)
    world.clock.advance(59)
    await refused(source)
    world.clock.advance(1)
    await source.token()
    assert (3, 2) == (asked, world.vendor.count["login"])


class EveryRequestFlow(VendorFlow):
    """Send the credentials with every request; `refresh` asks whether they are right."""

    def login(self, credentials: Credentials, *, now: datetime) -> Flow[Token]:
        details = attrs.asdict(credentials)
        return Token(value="", issued_at=now, details=details)
        yield

    def refresh(self, token: Token, *, now: datetime) -> Flow[Token]:
        response = yield Request(
            "POST", self.base_url / "login", {}, str(dict(token.details)).replace("'", '"').encode()
        )
        if response.status == 400:
            message = "refused"
            raise InvalidCredentials(message)
        return attrs.evolve(token, issued_at=now)


def every_request(world: World, credentials: Any = WRONG) -> TokenSource:
    return TokenSource(
        EveryRequestFlow(),
        credentials,
        store=world.store,
        send=world.vendor.send,
        clock=world.clock,
        on_event=world.events.append,
    )


async def test_credentials_on_every_request_obey_too(world: World) -> None:
    """Rule 10: nothing is stored under the account; a refusal is asked about once, and then nothing is handed out."""
    source = every_request(world)
    token = await source.token()
    assert "" == token.value
    assert await world.store.load(ACCOUNT) is None
    assert 0 == world.vendor.count["login"]
    errors = await asyncio.gather(*(source.renew(token) for _ in range(50)), return_exceptions=True)
    assert {InvalidCredentials} == {type(error) for error in errors}
    assert 1 == world.vendor.count["login"]
    await refused(source)
    await refused(every_request(world, PasswordCredentials("jane", "wr0ng")))
    assert 1 == world.vendor.count["login"]
    world.clock.advance(300)
    again = await source.token()
    with pytest.raises(InvalidCredentials):
        await source.renew(again)
    assert [300.0, 600.0] == [event.pause for event in world.told(LoginRefused)]


async def test_siblings_refusal_is_obeyed_before_asking(world: World) -> None:
    """Rule 10: who holds such a token and is refused looks at the store before it sends the password."""
    source = every_request(world)
    token = await source.token()
    sibling = every_request(world, PasswordCredentials("jane", "wr0ng"))
    held = await sibling.token()
    with pytest.raises(InvalidCredentials):
        await source.renew(token)
    with pytest.raises(InvalidCredentials):
        await sibling.renew(held)
    assert 1 == world.vendor.count["login"]


async def test_missing_permission_is_told_from_a_wrong_password(world: World) -> None:
    """Rule 10: asked, the vendor says that the password is right: the same credentials, as a newer token."""
    source = every_request(world, JANE)
    token = await source.token()
    assert (await source.renew(token, status=403)).is_newer_than(token)
    assert 1 == world.vendor.count["login"]


async def test_such_tokens_from_a_callable_are_refused_in_its_name(world: World) -> None:
    """Rule 10: the credentials that a callable gave are the ones that are remembered as refused."""

    async def credentials() -> Credentials:
        return WRONG

    source = every_request(world, credentials)
    token = await source.token()
    with pytest.raises(InvalidCredentials):
        await source.renew(token)
    world.clock.advance(61)
    await refused(source)
    assert 1 == world.vendor.count["login"]


async def test_right_password_after_a_refusal_forgets_it(world: World) -> None:
    """Rule 10: such a login proves nothing; what forgets the refusal is the vendor's yes."""
    source = every_request(world)
    with pytest.raises(InvalidCredentials):
        await source.renew(await source.token())
    world.vendor.passwords.add(WRONG.password)
    world.clock.advance(300)
    token = await source.token()
    assert await world.store.load(f"{ACCOUNT}|refused") is not None
    await source.renew(token)
    assert await world.store.load(f"{ACCOUNT}|refused") is None


async def test_siblings_login_ends_the_pause_here(world: World) -> None:
    """Rules 9b, 10: after somebody else has logged in with them, the credentials are good again here too."""
    other = PasswordCredentials("jane", "wr0ng")
    source, sibling = world.source(WRONG), world.source(other, store=Sharing(world.store))
    await refused(source)
    world.vendor.passwords.add(WRONG.password)
    await sibling.login()
    world.clock.advance(1)
    token = await source.token()
    world.vendor.refresh_tokens.clear()
    assert (await source.renew(token)).is_newer_than(token)


class Sharing(WrappedStore):
    """Be another process's object for the same store."""

    def __init__(self, inner: MemoryTokenStore) -> None:
        super().__init__()
        self.inner = inner


async def test_lost_answer_about_a_password_is_not_asked_for_again(world: World) -> None:
    """Rules 9a, 10: the repeat is for refresh tokens; a password is sent once."""
    source = every_request(world)
    token = await source.token()
    world.vendor.script["login"].append("lost")
    with pytest.raises(TransportError):
        await source.renew(token)
    assert 1 == world.vendor.count["login"]


async def test_record_of_a_clock_that_was_ahead_is_replaced(world: World) -> None:
    """Rule 10: a refusal is saved over an older record of a higher generation."""
    token = Token(value="", issued_at=world.clock.now(), generation=10**15, details={"salt": "é", "hash": "é"})
    await world.store.save(f"{ACCOUNT}|refused", token)
    await refused(world.source(WRONG))
    await refused(world.source(PasswordCredentials("jane", "wr0ng"), store=Sharing(world.store)))
    assert 1 == world.vendor.count["login"]


async def test_record_with_an_odd_hash_stops_nobody(world: World) -> None:
    """A hash that is none matches nothing."""
    details = {"salt": "é", "hash": "é", "until": 1e12, "pause": 300.0}
    token = Token(value="", issued_at=world.clock.now(), generation=1, details=details)
    await world.store.save(f"{ACCOUNT}|refused", token)
    await world.source().token()


async def test_such_a_token_without_known_credentials(world: World) -> None:
    """Rule 10: where it is not known whose they are, the vendor is asked."""
    source = every_request(world, None)
    assert 0.0 == source.person_seconds
    with pytest.raises(ReauthenticationRequired):
        await source.token()
    details = attrs.asdict(JANE)
    token = Token(value="", issued_at=world.clock.now(), generation=1, details=details)
    source._account.hold(token, source._setup.life(token), unsaved=False)
    assert (await source.renew(token)).is_newer_than(token)
