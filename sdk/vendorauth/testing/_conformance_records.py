"""Check what a token store says about the tokens that it keeps."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import attrs

from vendorauth.errors import StoreConflict
from vendorauth.stores import TokenStore
from vendorauth.testing._conformance_asserts import (
    MakeStore,
    account,
    equal,
    fail,
    generation_of,
    pass_moments,
    raises,
    run,
    soon,
    token,
)
from vendorauth.tokens import JSON, Token

try:
    from hypothesis import HealthCheck, Phase, example, given, settings
    from hypothesis import strategies as st
except ImportError as error:
    _MISSING = "vendorauth.testing.conformance needs the extra `testing`: pip install 'vendorauth[testing]'"
    raise ImportError(_MISSING, name="hypothesis") from error

_EXAMPLES: Final = 20
_LARGE: Final = 2**20

_TEXT: Final = st.text(st.characters(codec="utf-8"), max_size=50)
_WHOLE: Final = st.integers(-(2**53), 2**53)
_JSON: Final[st.SearchStrategy[JSON]] = st.recursive(
    st.none() | st.booleans() | _WHOLE | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)
_TIMES: Final = st.datetimes(datetime(1970, 1, 2), datetime(9998, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  the zone is added
_TOKENS: Final = st.builds(
    Token,
    value=_TEXT,
    issued_at=_TIMES,
    expires_at=st.none() | _TIMES,
    refresh_token=st.none() | _TEXT,
    generation=st.integers(0, 2**53),
    details=st.dictionaries(_TEXT, _JSON, max_size=3),
)
_FULL: Final = attrs.evolve(token(), details={"text": "ä\N{SNAKE}", "list": [None, True, 1.5, {"a": 2**53}]})
_EMPTY: Final = attrs.evolve(token(value="", generation=0), expires_at=None, refresh_token="", details={})
# Nothing is shrunk: each example runs an event loop, and what differs is named all the same.
_SETTINGS: Final = settings(
    max_examples=_EXAMPLES,
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
_NAMES: Final = (
    "a",
    "A",
    "a ",
    " a",
    "a/b",
    "a\\b",
    "../a",
    "..",
    "a%",
    "a*",
    "ä",
    "a\N{COMBINING DIAERESIS}",
    "日本",
    "\N{SNAKE}",
    "a" * 1000,
    "a" * 1000 + "b",
)


def what_is_saved_is_loaded(make: MakeStore) -> None:
    """Any token comes back as it was, from another store as well; an account without one gives ``None``."""

    @_SETTINGS
    @given(saved=_TOKENS)
    @example(saved=_FULL)
    @example(saved=_EMPTY)
    def property_of(saved: Token) -> None:
        async def check() -> None:
            whose = account()
            async with make() as store, make() as other:
                equal(None, await store.load(whose), "loaded for an account without a token")
                await store.save(whose, saved)
                equal(saved, await store.load(whose), "loaded after saving")
                equal(saved, await other.load(whose), "loaded by another store after saving")
                await store.delete(whose)

        run(check)

    property_of()


def what_is_deleted_is_gone(make: MakeStore) -> None:
    """A deleted token is gone for everybody, deleting nothing is no error, and any generation can be saved then."""

    async def check() -> None:
        whose = account()
        async with make() as store, make() as other:
            await store.delete(whose)
            await store.save(whose, token(generation=5))
            equal(5, generation_of(await other.load(whose)), "the generation loaded by another store")
            await other.delete(whose)
            equal(None, await store.load(whose), "loaded after another store has deleted it")
            equal(None, await other.load(whose), "loaded after deleting")
            await store.save(whose, token(generation=1))
            equal(token(generation=1), await other.load(whose), "loaded after deleting and saving an older generation")
            await store.delete(whose)

    run(check)


def a_newer_token_is_never_replaced(make: MakeStore) -> None:
    """Saving an older generation is a StoreConflict and changes nothing; the same one, and a newer one, are saved."""

    async def check() -> None:
        whose = account()
        async with make() as store, make() as other:
            await store.save(whose, token(generation=2))
            for older in (0, 1):
                late = other.save(whose, token(generation=older))
                await raises(StoreConflict, late, f"saving generation {older} over generation 2")
            equal(token(generation=2), await store.load(whose), "loaded after a conflict")
            for newer in (token(generation=2, value="rolled"), token(generation=3)):
                await other.save(whose, newer)
                equal(newer, await store.load(whose), "loaded after saving the same generation, or a newer one")
            await store.delete(whose)

    run(check)


def generations_are_compared_atomically(make: MakeStore) -> None:
    """Of many who save at once, without a lock, the highest generation stays."""

    async def check() -> None:
        whose = account()
        async with make() as store, make() as other:
            for first in range(1, 60, 12):
                saves = [
                    one.save(whose, token(generation=generation))
                    for generation in (*range(first + 11, first, -2), *range(first, first + 11, 3))
                    for one in (store, other)
                ]
                for outcome in await asyncio.gather(*saves, return_exceptions=True):
                    if outcome is not None and not isinstance(outcome, StoreConflict):
                        raise outcome
                equal(
                    first + 11,
                    generation_of(await store.load(whose)),
                    "the generation that stays of many saved at once",
                )
            await store.delete(whose)

    run(check)


def accounts_are_told_apart(make: MakeStore) -> None:
    """Accounts of any characters are stored each for itself: case, blanks, slashes, dots, emoji, long ones."""

    async def check() -> None:
        prefix = account()
        async with make() as store:
            for number, name in enumerate(_NAMES):
                await store.save(f"{prefix}{name}", token(generation=number))
            for number, name in enumerate(_NAMES):
                found = await store.load(f"{prefix}{name}")
                equal(number, generation_of(found), f"the token of an account that ends with {name[-40:]!r}")
            for number, name in enumerate(_NAMES):
                await store.delete(f"{prefix}{name}")
                left = [generation_of(await store.load(f"{prefix}{one}")) for one in _NAMES[number : number + 2]]
                equal(
                    [-1, number + 1][: len(left)],
                    left,
                    f"left after deleting the account that ends with {name[-40:]!r}",
                )

    run(check)


def a_refusal_lies_beside_its_token(make: MakeStore) -> None:
    """What is saved for ``account + "|refused"``, a token with an empty value, lives and ends without the account's token."""

    async def check() -> None:
        whose = account()
        beside = f"{whose}|refused"
        details = {"salt": "00ff", "hash": "ff00", "until": 1767323045.678901, "pause": 300.0}
        refusal = attrs.evolve(token(value="", generation=9), refresh_token=None, expires_at=None, details=details)
        async with make() as store, make() as other:
            await store.save(beside, refusal)
            equal(None, await other.load(whose), "loaded for an account of which only a refusal is stored")
            await other.save(whose, token(generation=1))
            equal(refusal, await other.load(beside), "the refusal beside a token")
            await store.delete(beside)
            equal(token(generation=1), await other.load(whose), "the token beside a refusal that was deleted")
            await store.save(beside, refusal)
            await store.delete(whose)
            equal(refusal, await other.load(beside), "the refusal beside a token that was deleted")
            await store.delete(beside)

    run(check)


def a_megabyte_of_details_is_kept(make: MakeStore) -> None:
    """A token with a megabyte of details comes back as it was."""

    async def check() -> None:
        whose = account()
        large = attrs.evolve(token(), details={"large": "ä" * (_LARGE // 2)})
        async with make() as store:
            await store.save(whose, large)
            equal(large, await store.load(whose), "loaded after saving a megabyte")
            await store.delete(whose)

    run(check)


def a_reader_sees_whole_tokens(make: MakeStore) -> None:
    """Whoever loads while others save gets one of the tokens, whole, and never an older one than before."""

    async def check() -> None:
        whose = account()
        saved = [_telling(generation) for generation in range(20)]

        async def read(store: TokenStore, writing: asyncio.Task[None]) -> None:
            last = 0
            while not writing.done():
                found = await store.load(whose)
                now = generation_of(found)
                if now < last:
                    fail(f"loaded generation {now} after generation {last}, while newer ones were saved")
                equal(saved[now], found, "loaded while somebody saved")
                last = now
                await asyncio.sleep(0)

        async with make() as store, make() as other:
            await store.save(whose, saved[0])
            writing = asyncio.create_task(_save_all(store, whose, saved))
            await asyncio.gather(read(store, writing), read(other, writing), writing)
            await store.delete(whose)

    run(check)


def a_cancelled_save_leaves_one_of_two(make: MakeStore) -> None:
    """After a save that was cancelled, at any moment, the old token or the new one is there, and the next save works."""

    async def check() -> None:
        whose = account()
        async with make() as store, make() as other:
            await store.save(whose, _telling(0))
            for round_ in range(20):
                generation = 1 + 2 * round_
                saving = asyncio.create_task(store.save(whose, _telling(generation)))
                await pass_moments(round_)
                saving.cancel()
                with suppress(asyncio.CancelledError):
                    await saving
                found = await other.load(whose)
                equal(_telling(max(generation - 1, generation_of(found))), found, "loaded after a save was cancelled")
                async with soon("the save after one that was cancelled"):
                    await other.save(whose, _telling(generation + 1))
            await store.delete(whose)

    run(check)


def a_cancelled_load_mixes_up_nothing(make: MakeStore) -> None:
    """After a load that was cancelled, at any moment, the same store gives another account that one's own token."""

    async def check() -> None:
        whose, others = account(), account()
        async with make() as store:
            await store.save(whose, token(generation=1))
            await store.save(others, token(generation=2))
            for moments in range(20):
                loading = asyncio.create_task(store.load(whose))
                await pass_moments(moments)
                loading.cancel()
                with suppress(asyncio.CancelledError):
                    await loading
                async with soon("the load after one that was cancelled"):
                    found = await store.load(others)
                equal(2, generation_of(found), "the generation loaded after another account's load was cancelled")
            await store.delete(whose)
            await store.delete(others)

    run(check)


async def _save_all(store: TokenStore, whose: str, tokens: list[Token]) -> None:
    for one in tokens:
        await store.save(whose, one)
        await asyncio.sleep(0)


def _telling(generation: int) -> Token:
    """Make a token of which every part tells the generation, of a length of its own."""
    value = f"{generation} " * (100 + 37 * generation % 400)
    return attrs.evolve(token(generation=generation, value=value), details={"same": value, "generation": generation})
