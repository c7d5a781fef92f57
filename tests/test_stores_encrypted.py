"""Tokens that are encrypted before another store keeps them: keys, what stays readable, what is refused."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest
from cryptography.fernet import Fernet

from _marks import BODY, CODE, PASSWORD, chain, displays, held, leaks
from _stores import WrappedStore
from vendorauth import InvalidCredentials, PasswordCredentials, ProGloveClient, StoreTrouble, TokenEvent
from vendorauth.errors import StoreConflict, StoreError, StoreUnavailable, StoreUnreadable
from vendorauth.stores import EncryptedTokenStore, FileTokenStore, MemoryTokenStore, TokenStore
from vendorauth.stores._names import stored_name
from vendorauth.stores._records import END_OF_REFRESH, end_of_refresh
from vendorauth.testing import FakeProGlove
from vendorauth.tokens import Token

DEVICES = "/{customer_id}/devices"
ACCOUNT = "jane@example.com"
OLD, NEW, FOREIGN = (Fernet.generate_key() for _ in range(3))
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
TOKEN = Token(
    value=PASSWORD,
    issued_at=NOW,
    expires_at=NOW + timedelta(hours=1),
    refresh_token=CODE,
    generation=7,
    details={"username": BODY, END_OF_REFRESH: 1_800_000_000},
)
NEWER = attrs.evolve(TOKEN, generation=8)
SECRETS = (PASSWORD, CODE, BODY)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


def records(home: Path) -> dict[str, bytes]:
    """Give all files but the locks."""
    return {path.name: path.read_bytes() for path in sorted(home.iterdir()) if path.suffix != ".lock"}


def put(home: Path, account: str, content: bytes) -> None:
    (home / f"{stored_name(account)}.json").write_bytes(content)


def get(home: Path, account: str) -> bytes:
    return (home / f"{stored_name(account)}.json").read_bytes()


async def test_what_inner_can_read(home: Path) -> None:
    """DESIGN 7: In the inner store's files no secret is, in any encoding: only times, the generation, and *that* there is more."""
    store = EncryptedTokenStore(FileTokenStore(home), [NEW])
    await store.save(ACCOUNT, TOKEN)
    assert TOKEN == await store.load(ACCOUNT)
    assert set() == leaks(b"".join(records(home).values()), (*SECRETS, ACCOUNT))
    inner = await FileTokenStore(home).load(ACCOUNT)
    assert inner is not None
    assert (TOKEN.issued_at, TOKEN.expires_at, TOKEN.generation) == (
        inner.issued_at,
        inner.expires_at,
        inner.generation,
    )
    assert {"encrypted": 1, END_OF_REFRESH: 1_800_000_000} == inner.details
    assert end_of_refresh(TOKEN) == end_of_refresh(inner)


@pytest.mark.parametrize("until", [BODY, [BODY], {"at": BODY}, None, True])
async def test_an_end_that_is_no_time(until: object) -> None:
    """What a flow says of its refresh token's end stays readable only where it is a time."""
    inner = MemoryTokenStore()
    store = EncryptedTokenStore(inner, [NEW])
    token = attrs.evolve(TOKEN, details={END_OF_REFRESH: until}, refresh_token=None)
    await store.save(ACCOUNT, token)
    assert token == await store.load(ACCOUNT)
    stored = await inner.load(ACCOUNT)
    assert stored is not None
    assert ({"encrypted": 1}, None) == (stored.details, stored.refresh_token)


async def test_the_first_key_encrypts_and_all_decrypt(home: Path) -> None:
    """A key is replaced by a new one in front: what is under the old one is read, and is under the new one when it is saved."""
    inner = FileTokenStore(home)
    await EncryptedTokenStore(inner, [OLD]).save(ACCOUNT, TOKEN)
    both = EncryptedTokenStore(inner, [NEW, OLD])
    assert TOKEN == await both.load(ACCOUNT)
    with pytest.raises(StoreUnreadable):
        await EncryptedTokenStore(inner, [NEW]).load(ACCOUNT)
    await both.save(ACCOUNT, TOKEN)
    assert TOKEN == await EncryptedTokenStore(inner, [NEW]).load(ACCOUNT)
    with pytest.raises(StoreUnreadable):
        await EncryptedTokenStore(inner, [OLD]).load(ACCOUNT)


async def refused(store: TokenStore, home: Path, text: str) -> None:
    """See that the record is unreadable, whatever is asked, and stays byte for byte; only deleting removes it."""
    before = records(home)
    for call in (store.load(ACCOUNT), store.save(ACCOUNT, NEWER)):
        with pytest.raises(StoreUnreadable) as caught:
            await call
        assert text == str(caught.value)
    assert before == records(home)


async def test_a_wrong_key(home: Path) -> None:
    """Rule 16: A wrong key is StoreUnreadable and destroys nothing; logging out needs no key."""
    await EncryptedTokenStore(FileTokenStore(home), [NEW]).save(ACCOUNT, TOKEN)
    wrong = EncryptedTokenStore(FileTokenStore(home), [FOREIGN, OLD])
    await refused(wrong, home, "the stored record is under none of the keys")
    await wrong.delete(ACCOUNT)
    assert {} == records(home)


async def test_a_record_that_is_not_encrypted(home: Path) -> None:
    """A record that somebody stored without encryption is StoreUnreadable, so that nobody plants one."""
    await FileTokenStore(home).save(ACCOUNT, TOKEN)
    await refused(EncryptedTokenStore(FileTokenStore(home), [NEW]), home, "the stored record is not encrypted")


async def test_a_record_of_another_account(home: Path) -> None:
    """A record that was put in another account's place is StoreUnreadable (pitfall 6), that of a refusal too."""
    store = EncryptedTokenStore(FileTokenStore(home), [NEW])
    for other in ("joe@example.com", f"{ACCOUNT}|refused"):
        await store.save(other, TOKEN)
        put(home, ACCOUNT, get(home, other))
        await refused(store, home, "the stored record is another account's")


async def test_every_altered_byte(home: Path) -> None:
    """With any byte of the file altered it gives the token that was stored, none, or an error: never another token."""
    store = EncryptedTokenStore(FileTokenStore(home), [NEW])
    token = attrs.evolve(TOKEN, value="v", details={})
    await store.save(ACCOUNT, token)
    whole = get(home, ACCOUNT)
    outcomes = dict.fromkeys(("unreadable", "same", "none"), 0)
    begin = whole.index(b'"value"')
    for place in [*range(begin + 30), *range(begin + 30, len(whole), 3)]:
        put(home, ACCOUNT, whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            found = await store.load(ACCOUNT)
        except StoreUnreadable:
            outcomes["unreadable"] += 1
        else:
            assert found in (token, None)
            outcomes["none" if found is None else "same"] += 1
    assert len(whole) // 5 < outcomes["unreadable"]
    assert 12 > outcomes["same"]


@pytest.mark.parametrize(
    "altered",
    [
        {"generation": 99},
        {"issued_at": NOW - timedelta(days=1)},
        {"expires_at": NOW + timedelta(days=1)},
        {"expires_at": None},
        {"refresh_token": None},
        {"details": {"encrypted": 1, END_OF_REFRESH: 1_900_000_000}},
        {"details": {"encrypted": 1}},
    ],
)
async def test_what_is_readable_can_not_be_altered(altered: dict[str, Any]) -> None:
    """Times and generation stand beside the encrypted record and in it: where they differ it is StoreUnreadable."""
    inner = MemoryTokenStore()
    store = EncryptedTokenStore(inner, [NEW])
    await store.save(ACCOUNT, TOKEN)
    sealed = await inner.load(ACCOUNT)
    assert sealed is not None
    await inner.delete(ACCOUNT)
    await inner.save(ACCOUNT, attrs.evolve(sealed, **altered))
    with pytest.raises(StoreUnreadable, match="were altered"):
        await store.load(ACCOUNT)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\xff", "the stored record does not have the expected form: wrong type @ $"),
        (b'{"version": 9}', "the stored record is of version 9, and this release reads up to version 1"),
    ],
)
async def test_what_is_under_the_key_and_no_record(home: Path, content: bytes, text: str) -> None:
    """What a newer release encrypted, or who knows who with our key, is StoreUnreadable and stays."""
    store = EncryptedTokenStore(FileTokenStore(home), [NEW])
    await store.save(ACCOUNT, TOKEN)
    form = msgspec.json.decode(get(home, ACCOUNT))
    form["token"]["value"] = Fernet(NEW).encrypt(stored_name(ACCOUNT).encode() + content).decode()
    put(home, ACCOUNT, msgspec.json.encode(form))
    await refused(store, home, f"{text}, though it is under one of the keys")


async def test_an_older_token_is_refused() -> None:
    """Generations are the inner store's to compare, through the encryption."""
    store = EncryptedTokenStore(MemoryTokenStore(), [NEW])
    await store.save(ACCOUNT, NEWER)
    with pytest.raises(StoreConflict):
        await store.save(ACCOUNT, TOKEN)
    assert NEWER == await store.load(ACCOUNT)


class Noting(WrappedStore):
    """Note what is asked; fail at saving with *error*."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.locked: list[str] = []
        self._error = error

    def lock(self, account: str) -> AbstractAsyncContextManager[None]:
        self.locked.append(account)
        return super().lock(account)

    async def save(self, account: str, token: Token) -> None:
        if self._error is not None:
            raise self._error
        await super().save(account, token)


async def test_its_lock_is_the_inner_ones() -> None:
    """The lock is the inner store's."""
    inner = Noting()
    async with EncryptedTokenStore(inner, [NEW]).lock(ACCOUNT):
        assert [ACCOUNT] == inner.locked


@pytest.mark.parametrize("error", [StoreUnavailable("down"), OSError("down")])
async def test_inner_trouble(error: Exception) -> None:
    """What the inner store raises comes out as it is; the token is in none of the frames."""
    store = EncryptedTokenStore(Noting(error), [NEW])
    with pytest.raises(type(error)) as caught:
        await store.save(ACCOUNT, TOKEN)
    assert error is caught.value
    assert set() == leaks("\n".join(held(caught.value)), SECRETS)


async def test_tracebacks_show_nothing(home: Path) -> None:
    """DESIGN 7: No error of its shows the token or a key, in its text, its chain or the locals of its frames."""
    keys = [key.decode() for key in (OLD, NEW, FOREIGN)]
    caught: list[BaseException] = []

    async def note(call: Any) -> None:
        with pytest.raises(StoreError) as error:
            await call
        caught.append(error.value)

    await EncryptedTokenStore(FileTokenStore(home), [NEW]).save(ACCOUNT, TOKEN)
    await note(EncryptedTokenStore(FileTokenStore(home), [OLD]).load(ACCOUNT))
    await note(EncryptedTokenStore(FileTokenStore(home), [OLD]).save(ACCOUNT, NEWER))
    await note(EncryptedTokenStore(MemoryTokenStore(), [NEW]).save("a", attrs.evolve(TOKEN, details={"a": object()})))
    for error in caught:
        assert [error] == chain(error)
        hidden = [text for text in held(error) if "keys = [" not in text]  # this function's own
        assert set() == leaks("\n".join([*hidden, *displays(error)]), (*SECRETS, *keys))
    store = EncryptedTokenStore(FileTokenStore(home), keys)
    assert f"EncryptedTokenStore({FileTokenStore(home)!r})" == repr(store)
    assert set() == leaks("\n".join(displays(store)), keys)


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda store: pickle.loads(pickle.dumps(store))])
async def test_copies(home: Path, again: Callable[[EncryptedTokenStore], EncryptedTokenStore]) -> None:
    """A copy, or what a spawned process unpickles, reads and writes the same (pitfall 47), where the inner store can."""
    store = EncryptedTokenStore(FileTokenStore(home), [NEW, OLD])
    other = again(store)
    await EncryptedTokenStore(FileTokenStore(home), [OLD]).save(ACCOUNT, TOKEN)
    assert TOKEN == await other.load(ACCOUNT)
    await other.save(ACCOUNT, NEWER)
    assert NEWER == await EncryptedTokenStore(FileTokenStore(home), [NEW]).load(ACCOUNT)
    with pytest.raises(TypeError, match="a MemoryTokenStore can't be pickled or copied"):
        pickle.dumps(EncryptedTokenStore(MemoryTokenStore(), [NEW]))


def client_of(fake: FakeProGlove, store: TokenStore, password: str = "", **options: Any) -> ProGloveClient:
    credentials = PasswordCredentials(fake.username, password or fake.password)
    return ProGloveClient(
        fake.base_url, fake.customer_id, credentials, cognito_url=fake.cognito_url, store=store, **options
    )


async def test_a_client_with_the_wrong_key(home: Path) -> None:
    """
    Rule 16: A client whose key is wrong logs in, serves from memory, and says so; the record stays byte for byte.

    With the right key the stored token serves on.
    """
    events: list[TokenEvent] = []
    async with FakeProGlove() as fake:
        async with client_of(fake, EncryptedTokenStore(FileTokenStore(home), [NEW])) as client:
            await client.get(DEVICES)
        before = records(home)
        wrong = EncryptedTokenStore(FileTokenStore(home), [FOREIGN])
        async with client_of(fake, wrong, on_event=events.append) as client:
            for _ in range(3):
                await client.get(DEVICES)
            fake.expire_all()
            await client.get(DEVICES)
        assert 2 == fake.count.logins
        assert before == records(home)
        assert {"load", "save"} <= {event.operation for event in events if isinstance(event, StoreTrouble)}
        other = EncryptedTokenStore(FileTokenStore(home), [FOREIGN])  # a client of the same store would share the token
        async with client_of(fake, other, strict_store=True) as client:
            with pytest.raises(StoreUnreadable):
                await client.get(DEVICES)
        assert before == records(home)
        fake.count.reset()
        async with client_of(fake, EncryptedTokenStore(FileTokenStore(home), [NEW, FOREIGN])) as client:
            await client.get(DEVICES)
        assert (0, 1) == (fake.count.logins, fake.count.refreshes)


async def test_a_refused_password_is_remembered(home: Path) -> None:
    """Rule 10: The record of a refused password goes through it: a restart sends nothing; neither salt nor hash is readable."""
    store = EncryptedTokenStore(FileTokenStore(home), [NEW])
    async with FakeProGlove() as fake:
        for _ in range(3):
            async with client_of(fake, store, PASSWORD) as client:
                with pytest.raises(InvalidCredentials):
                    await client.get(DEVICES)
        assert 1 == fake.count.password_attempts
        refusal = await store.load(refused_account := f"{client_of(fake, store).tokens.flow.account}|refused")
        assert refusal is not None
        hidden = [PASSWORD, *(str(refusal.details[name]) for name in ("salt", "hash"))]
        assert set() == leaks(b"".join(records(home).values()), hidden)
        async with client_of(fake, store) as client:
            await client.get(DEVICES)
        assert await store.load(refused_account) is None
