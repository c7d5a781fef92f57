"""Challenges, and asking a person for their answers (DESIGN, rule 10a)."""

import asyncio
import traceback
from collections.abc import Mapping

import pytest

from _vendor import JANE, World, settle
from vendorauth import (
    Challenge,
    ChallengeRaised,
    ChallengeRequired,
    ConfigurationError,
    Credentials,
    InvalidCredentials,
    RefreshPolicy,
    RequestTimeout,
)

ACCOUNT = "jane@vendor"


@pytest.fixture
def world() -> World:
    return World()


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


async def test_answers_are_in_no_traceback(world: World) -> None:
    """DESIGN 7: an error tracker that collects locals finds no code in our frames."""
    source = world.source()
    challenge = Challenge(name="CODE_PLEASE", account=ACCOUNT)
    with pytest.raises(InvalidCredentials) as caught:
        await source.answer(challenge, {"CODE": "planted-mark"})
    frames = traceback.walk_tb(caught.value.__traceback__)
    assert not [frame for frame, _ in frames if "planted-mark" in repr(frame.f_locals)]


async def test_callables_have_to_be_async(world: World) -> None:
    """A plain function in place of an async one is told as what it is."""
    with pytest.raises(ConfigurationError, match="must be async"):
        await world.source(lambda: JANE, account="a").token()
    world.vendor.asks = "CODE_PLEASE"
    with pytest.raises(ConfigurationError, match="must be async"):
        await world.source(on_challenge=lambda _: {}, account="b").token()
