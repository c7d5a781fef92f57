"""Asking a secret manager, and a person (DESIGN, rules 5, 10a)."""

import asyncio
import gc
from collections.abc import Mapping

import pytest

from _vendor import JANE, WRONG, World, settle
from vendorauth import (
    AuthServiceUnavailable,
    Challenge,
    ChallengeRaised,
    ChallengeRequired,
    ConfigurationError,
    Credentials,
    InvalidCredentials,
    RefreshPolicy,
    RequestTimeout,
    StoreUnavailable,
    Token,
)

ACCOUNT = "jane@vendor"


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


async def test_challenge_is_latched_until_answered(world: World) -> None:
    """Rule 10a: the same ChallengeRequired for all, one login; the answer ends it."""
    world.vendor.asks = "CODE_PLEASE"
    source = world.source()
    caught: list[ChallengeRequired] = []
    for _ in range(3):
        with pytest.raises(ChallengeRequired) as raised:
            await source.token()
        caught.append(raised.value)
    assert 1 == len({one.challenge for one in caught})
    assert 1 == world.vendor.count["login"]
    assert ["CODE_PLEASE"] == [event.name for event in world.told(ChallengeRaised)]
    token = await source.answer(caught[0].challenge, {"CODE": "123456"})
    assert token is await source.token()


async def test_challenge_expires(world: World) -> None:
    """Rule 10a: after its end a call logs in anew."""
    world.vendor.asks = "CODE_PLEASE"
    source = world.source()
    for logins in (1, 1, 2):
        if logins > 1:
            world.clock.advance(180)
        with pytest.raises(ChallengeRequired):
            await source.token()
        assert logins == world.vendor.count["login"]


async def test_login_by_hand_ends_a_challenge(world: World) -> None:
    """Rule 10a: login() asks the vendor again."""
    world.vendor.asks = "CODE_PLEASE"
    source = world.source()
    with pytest.raises(ChallengeRequired):
        await source.token()
    world.vendor.asks = ""
    assert (await source.login()).value


async def test_wrong_answer_can_be_given_again(world: World) -> None:
    """Rule 10: a wrong code is InvalidCredentials; the person may answer again."""
    world.vendor.asks = "CODE_PLEASE"
    source = world.source()
    with pytest.raises(ChallengeRequired) as raised:
        await source.login()
    with pytest.raises(InvalidCredentials):
        await source.answer(raised.value.challenge, {"CODE": "000000"})
    assert (await source.answer(raised.value.challenge, {"CODE": "123456"})).value
    assert await world.store.load(f"{ACCOUNT}|refused") is None


async def test_answer_to_somebody_elses_challenge(world: World) -> None:
    """DESIGN 4: answer() refuses another account's challenge, and sends nothing."""
    with pytest.raises(ConfigurationError):
        await world.source().answer(Challenge(name="CODE_PLEASE", account="joe@vendor"), {"CODE": "123456"})
    assert {} == dict(world.vendor.count)


async def test_answer_that_leads_to_another_challenge(world: World) -> None:
    """The vendor may ask twice: the second challenge is raised, and latched."""
    source = world.source()
    scripted = b'{"challenge": "AND_NOW"}'
    world.vendor.script["answer"].append(_response(scripted))
    challenge = Challenge(name="CODE_PLEASE", account=ACCOUNT)
    for _ in range(2):
        with pytest.raises(ChallengeRequired) as raised:
            await (source.answer(challenge, {"CODE": "123456"}) if not world.vendor.count else source.token())
        assert "AND_NOW" == raised.value.challenge.name


def _response(body: bytes) -> object:
    from vendorauth import Response  # noqa: PLC0415  used in this place alone

    return Response(200, {}, body)


async def test_on_challenge_runs_once_for_all_waiters(world: World) -> None:
    """Rule 10a: one person is asked once, outside the lock, and everybody goes on."""
    world.vendor.asks = "CODE_PLEASE"
    asked: list[Challenge] = []

    async def on_challenge(challenge: Challenge) -> Mapping[str, str]:
        asked.append(challenge)
        async with asyncio.timeout(5), world.store.lock(ACCOUNT):
            return {"CODE": "123456"}

    source = world.source(on_challenge=on_challenge)
    tokens = await asyncio.gather(*(source.token() for _ in range(20)))
    assert 1 == len({id(token) for token in tokens})
    assert 1 == len(asked)
    assert (1, 1) == (world.vendor.count["login"], world.vendor.count["answer"])


async def test_on_challenge_is_asked_again_for_the_next_challenge(world: World) -> None:
    """Two challenges in a row are two questions."""
    world.vendor.asks = "CODE_PLEASE"
    world.vendor.script["answer"].append(_response(b'{"challenge": "AND_NOW"}'))
    names: list[str] = []

    async def on_challenge(challenge: Challenge) -> Mapping[str, str]:
        names.append(challenge.name)
        return {"CODE": "123456"}

    await world.source(on_challenge=on_challenge).login()
    assert ["CODE_PLEASE", "AND_NOW"] == names


async def test_on_challenge_that_raises(world: World) -> None:
    """What it raises is chained to ChallengeRequired, which is latched."""
    world.vendor.asks = "CODE_PLEASE"

    async def on_challenge(challenge: Challenge) -> Mapping[str, str]:
        raise EOFError(challenge.name)

    source = world.source(on_challenge=on_challenge)
    for _ in range(2):
        with pytest.raises(ChallengeRequired) as raised:
            await source.token()
        assert isinstance(raised.value.__cause__, EOFError)
    assert 1 == world.vendor.count["login"]


@pytest.mark.parametrize("ending", ["aclose", "logout"])
async def test_closing_and_logging_out_send_the_person_away(world: World, ending: str) -> None:
    """Rule 10a: on_challenge is cancelled by aclose() and logout(); its waiters get ChallengeRequired."""
    world.vendor.asks = "CODE_PLEASE"
    asked = asyncio.Event()

    async def on_challenge(challenge: Challenge) -> Mapping[str, str]:
        del challenge
        asked.set()
        await asyncio.Event().wait()
        return {}

    source = world.source(on_challenge=on_challenge)
    call = asyncio.ensure_future(source.token())
    await asked.wait()
    assert 0 < source.person_seconds
    await getattr(source, ending)()
    with pytest.raises(ChallengeRequired):
        await call


async def test_on_challenge_ends_with_the_challenge(world: World) -> None:
    """Rule 10a: nobody is waited for after the challenge's end."""
    world.vendor.asks = "CODE_PLEASE"

    async def on_challenge(challenge: Challenge) -> Mapping[str, str]:
        del challenge
        await asyncio.Event().wait()
        return {}

    source = world.source(on_challenge=on_challenge)
    gate = world.vendor.gate("login")
    call = asyncio.ensure_future(source.token())
    await gate.arrived.wait()
    world.clock.advance(180)
    gate.open()
    with pytest.raises(ChallengeRequired):
        await call


async def test_challenge_without_an_end_waits_for_its_answer(world: World) -> None:
    """A challenge that names no end is latched until it is answered."""
    world.vendor.asks = "CODE_PLEASE"
    source = world.source()
    with pytest.raises(ChallengeRequired) as raised:
        await source.token()
    endless = Challenge(name="CODE_PLEASE", account=ACCOUNT)
    assert endless.expires_at is None
    assert (await source.answer(raised.value.challenge, {"CODE": "123456"})).value


async def test_person_who_ignores_being_sent_away(world: World) -> None:
    """A callable that will not end is left behind after a second, instead of blocking the close for ever."""
    stubborn = asyncio.Event()

    async def credentials() -> Credentials:
        while not stubborn.is_set():
            try:
                await stubborn.wait()
            except asyncio.CancelledError:
                continue
        return JANE

    with pytest.raises(RequestTimeout):
        await world.source(credentials, policy=RefreshPolicy(deadline=0.01)).token()
    stubborn.set()
    await settle()


@pytest.mark.parametrize("ending", ["aclose", "logout"])
async def test_challenge_that_comes_up_while_leaving_asks_nobody(world: World, ending: str) -> None:
    """Rule 10a: nobody is asked any more once aclose() or logout() waits."""
    world.vendor.asks = "CODE_PLEASE"
    asked: list[bool] = []

    async def on_challenge(challenge: Challenge) -> Mapping[str, str]:
        del challenge
        asked.append(True)
        return {"CODE": "123456"}

    source = world.source(on_challenge=on_challenge)
    gate = world.vendor.gate("login")
    call = asyncio.ensure_future(source.token())
    await gate.arrived.wait()
    leaving = asyncio.ensure_future(getattr(source, ending)())
    await settle()
    gate.open()
    await leaving
    with pytest.raises(ChallengeRequired):
        await call
    assert [] == asked


async def test_close_leaves_the_others_person_alone(world: World) -> None:
    """Rules 2, 10a: another source of the account still waits for that answer."""
    world.vendor.asks = "CODE_PLEASE"
    asked, thought = asyncio.Event(), asyncio.Event()

    async def on_challenge(challenge: Challenge) -> Mapping[str, str]:
        del challenge
        asked.set()
        await thought.wait()
        return {"CODE": "123456"}

    first, second = world.source(), world.source(on_challenge=on_challenge)
    await first.person_gone()
    call = asyncio.ensure_future(second.token())
    await asked.wait()
    other = asyncio.ensure_future(first.token())
    closing = asyncio.ensure_future(first.aclose())
    await settle()
    thought.set()
    assert (await call).value
    await closing
    assert (await other).value


async def test_answers_are_no_tasks_result(world: World) -> None:
    """DESIGN 7: asyncio's debug log prints results of tasks: an answer is none."""
    world.vendor.asks = "CODE_PLEASE"
    tasks: list[asyncio.Task[object] | None] = []

    async def on_challenge(challenge: Challenge) -> Mapping[str, str]:
        del challenge
        tasks.append(asyncio.current_task())
        return {"CODE": "123456"}

    await world.source(on_challenge=on_challenge).token()
    assert "123456" not in repr(tasks)
    assert "result=None" in repr(tasks)


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


async def test_earlier_persons_time_is_not_this_sources(world: World) -> None:
    """DESIGN 3: a source that joins an account counts a person's time from then on."""
    world.vendor.asks = "CODE_PLEASE"

    async def on_challenge(challenge: Challenge) -> Mapping[str, str]:
        del challenge
        await asyncio.sleep(0.01)
        return {"CODE": "123456"}

    first, second = world.source(on_challenge=on_challenge), world.source()
    await first.token()
    await second.token()
    assert 0.01 <= first.person_seconds
    assert 0.0 == second.person_seconds
