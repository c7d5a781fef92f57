"""Be both vendors in a process of their own, with tokens of five seconds and faults at random."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Final

import attrs

from vendorauth.testing import FakeProGlove, FakeProtogrid

TOKEN_LIFE: Final = 5

HARMLESS: Final[Mapping[str, tuple[int, Mapping[str, str]]]] = {
    "a 503": (503, {}),
    "a 429": (429, {"Retry-After": "0"}),
}
"""Answers to API requests that the client gets over by itself."""

VISIBLE: Final[Mapping[str, int]] = {"NotFound": 404, "ServerError": 500}
"""Answers to API requests that are the caller's to deal with, and the error that each becomes."""


@attrs.frozen
class Address:
    """Say how to log in to a fake."""

    base_url: str
    login_url: str
    customer_id: str
    username: str
    password: str = attrs.field(repr=False)


def serve(pipe: Connection, seed: int) -> None:
    """Tell the addresses through *pipe*; then spoil, be good, count and end, each when something comes through it."""
    asyncio.run(_serve(pipe, random.Random(seed)))  # noqa: S311  faults need no cryptography


async def _serve(pipe: Connection, chance: random.Random) -> None:
    injected: Counter[str] = Counter()
    async with FakeProGlove(token_life=TOKEN_LIFE, rotation=True) as proglove, FakeProtogrid() as protogrid:
        protogrid.session_life = protogrid.max_age = TOKEN_LIFE
        pipe.send((_proglove_address(proglove), _protogrid_address(protogrid)))
        troubles = [
            asyncio.create_task(trouble)
            for trouble in (
                _spoil_renewals(proglove, chance, injected),
                _spoil_renewals(protogrid, chance, injected),
                _spoil_answers(proglove, chance, injected),
                _spoil_answers(protogrid, chance, injected),
            )
        ]
        await asyncio.to_thread(pipe.recv)
        for task in troubles:
            task.cancel()
        await asyncio.gather(*troubles, return_exceptions=True)
        await asyncio.to_thread(pipe.recv)
        pipe.send((injected, {"ProGlove": attrs.asdict(proglove.count), "Protogrid": attrs.asdict(protogrid.count)}))
        await asyncio.to_thread(pipe.recv)


def _proglove_address(fake: FakeProGlove) -> Address:
    return Address(fake.base_url, fake.cognito_url, fake.customer_id, fake.username, fake.password)


def _protogrid_address(fake: FakeProtogrid) -> Address:
    return Address(fake.base_url, "", "", fake.username, fake.password)


async def _spoil_answers(fake: FakeProGlove | FakeProtogrid, chance: random.Random, injected: Counter[str]) -> None:
    """Spoil about two API answers a second, one at a time."""
    while True:
        await asyncio.sleep(chance.uniform(0.2, 0.8))
        fault = chance.choice([*HARMLESS, *VISIBLE, "an answer lost"])
        injected[fault] += 1
        if fault == "an answer lost":
            fake.lose_next(on="api")
        elif fault in VISIBLE:
            fake.fail_next(status=VISIBLE[fault], on="api")
        else:
            status, headers = HARMLESS[fault]
            fake.fail_next(status=status, headers=headers, on="api")


async def _spoil_renewals(fake: FakeProGlove | FakeProtogrid, chance: random.Random, injected: Counter[str]) -> None:
    """Spoil a renewal, or end all tokens, about every third second; never a second before the first is over."""
    faults = _renewal_faults(fake)
    while True:
        await asyncio.sleep(chance.uniform(1.0, 3.0))
        fault = chance.choice([*faults])
        injected[fault] += 1
        asked = _asked(fake)
        faults[fault]()
        async with asyncio.timeout(10 * TOKEN_LIFE):
            while _asked(fake) == asked:
                await asyncio.sleep(0.05)
        fake.delays.clear()


def _renewal_faults(fake: FakeProGlove | FakeProtogrid) -> dict[str, Callable[[], object]]:
    if isinstance(fake, FakeProtogrid):
        return {
            "a login answered 500": lambda: fake.fail_next(on="login"),
            "a login's answer lost": lambda: fake.lose_next(on="login"),
            "all sessions ended": fake.expire_all,
        }
    return {
        "a refresh answered 500": lambda: fake.fail_next(on="refresh"),
        "a refresh answered 429": lambda: fake.fail_next(status=429, on="refresh"),
        "a refresh lost on its way": lambda: fake.lose_next(on="refresh", processed=False),
        "a refresh's answer lost, its token spent": lambda: fake.lose_next(on="refresh"),
        "a refresh that takes half a second": lambda: fake.delays.setdefault("refresh", 0.5),
        "all tokens ended": fake.expire_all,
        "the login revoked": fake.revoke_all,
    }


def _asked(fake: FakeProGlove | FakeProtogrid) -> int:
    return fake.count.refreshes + fake.count.logins
