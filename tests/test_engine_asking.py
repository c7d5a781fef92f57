"""Asking a secret manager, and a person (DESIGN, rules 5, 10a)."""

import asyncio
import gc

import pytest

from _vendor import JANE, WRONG, World, settle
from vendorauth import (
    AuthServiceUnavailable,
    ConfigurationError,
    Credentials,
    InvalidCredentials,
    RefreshPolicy,
    RequestTimeout,
    StoreUnavailable,
    Token,
)


@pytest.fixture
def world() -> World:
    return World()


async def test_callable_is_asked_only_when_a_login_is_due(world: World) -> None:
    """Rule 5: neither a stored token nor a refresh needs the secret manager."""
    await world.source().token()
    asked: list[bool] = []

    async def credentials() -> Credentials:
        asked.append(True)
        return JANE

    source = world.source(credentials)
    await source.token()
    world.clock.advance(3601)
    await source.token()
    assert [] == asked
    world.vendor.refresh_tokens.clear()
    world.clock.advance(3601)
    await source.token()
    assert [True] == asked


async def test_callable_is_asked_outside_the_lock_and_then_all_begins_again(world: World) -> None:
    """Rule 5: while it is asked, the lock is free; what a sibling stores meanwhile is used instead of a login."""

    async def credentials() -> Credentials:
        await world.source(JANE).token()
        return JANE

    await world.source(credentials).token()
    assert 1 == world.vendor.count["login"]


async def test_callable_has_the_deadline(world: World) -> None:
    """Rule 5: a secret manager that hangs costs at most the deadline, and is cancelled."""
    cancelled: list[bool] = []

    async def credentials() -> Credentials:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)
        return JANE

    with pytest.raises(RequestTimeout, match="credentials callable"):
        await world.source(credentials, policy=RefreshPolicy(deadline=0.01)).token()
    assert [True] == cancelled


async def test_callable_that_fails(world: World) -> None:
    """What it raises is chained; an error of ours passes as it is; both pause like any failure."""
    own = StoreUnavailable("the vault is sealed")
    for error in (LookupError("no such secret"), own):

        async def credentials(error: Exception = error) -> Credentials:
            raise error

        source = world.source(credentials, account=type(error).__name__)
        with pytest.raises((AuthServiceUnavailable, StoreUnavailable)) as caught:
            await source.token()
        assert error is (caught.value.__cause__ or error)
        assert isinstance(caught.value, StoreUnavailable) is (error is own)
        assert 1 == source.status().failures


async def test_callable_that_is_cancelled_from_inside(world: World) -> None:
    """A callable that cancels itself is a failure, not a cancellation of its callers."""

    async def credentials() -> Credentials:
        raise asyncio.CancelledError

    with pytest.raises(AuthServiceUnavailable, match="it was cancelled"):
        await world.source(credentials).token()


async def test_callable_that_gives_something_else(world: World) -> None:
    """It must give credentials; the error names the type, not the value."""

    async def credentials() -> str:
        return "s3cret"

    with pytest.raises(ConfigurationError, match=r"returned str, not credentials$"):
        await world.source(credentials).token()


async def test_login_by_hand_asks_the_callable(world: World) -> None:
    """login() asks for credentials as well."""

    async def credentials() -> Credentials:
        return JANE

    await world.source(credentials).login()
    assert 1 == world.vendor.count["login"]


async def test_call_from_inside_is_refused(world: World) -> None:
    """Rule 10a: a call that would wait for itself raises RuntimeError; later calls of such a task are welcome."""
    errors: list[BaseException] = []
    later: list[asyncio.Task[Token]] = []
    finished = asyncio.Event()

    async def afterwards() -> Token:
        await finished.wait()
        return await source.token()

    async def credentials() -> Credentials:
        later.append(asyncio.ensure_future(afterwards()))
        for call in (source.token, source.login, source.logout, source.aclose):
            try:
                await call()
            except RuntimeError as error:
                errors.append(error)
        return JANE

    source = world.source(credentials)
    token = await source.token()
    assert 4 == len(errors)
    assert "called from inside" in str(errors[0])
    finished.set()
    assert token is await later[0]


async def test_callable_that_refuses_by_itself_pauses(world: World) -> None:
    """Rules 5, 9: a secret manager that says InvalidCredentials is not asked for every call."""
    asked: list[bool] = []

    async def credentials() -> Credentials:
        asked.append(True)
        message = "no such user"
        raise InvalidCredentials(message)

    source = world.source(credentials)
    for _ in range(5):
        with pytest.raises(InvalidCredentials):
            await source.token()
    assert 1 == len(asked)


async def test_callable_that_turns_its_end_into_an_error(world: World) -> None:
    """Nothing of it is left for the loop to complain about."""
    caught: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: caught.append(context))

    async def credentials() -> Credentials:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError from None
        return JANE

    with pytest.raises(RequestTimeout):
        await world.source(credentials, policy=RefreshPolicy(deadline=0.01)).token()
    gc.collect()
    await settle()
    assert [] == caught


async def test_callable_is_not_asked_for_what_was_just_refused(world: World) -> None:
    """Rules 8, 10: also where a login is due because the refresh token was refused; within a minute, nobody is asked."""
    answers = [JANE, WRONG]
    asked: list[bool] = []

    async def credentials() -> Credentials:
        asked.append(True)
        return answers[min(len(asked), 2) - 1]

    source = world.source(credentials)
    await source.token()
    with pytest.raises(InvalidCredentials):
        await source.login()
    world.vendor.refresh_tokens.clear()
    token = source.peek()
    assert token is not None
    with pytest.raises(InvalidCredentials):
        await source.renew(token)
    assert 2 == len(asked)
