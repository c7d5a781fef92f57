"""Whatever a store, a web backend or an environment hands back, it is read, or refused as documented."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from math import inf, isfinite, isnan, nan
from typing import Any, Final

import attrs
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from _counted import each
from _fuzz import MARK, Family, bodies_of_any_kind, encoded, families, numbers, texts, tried
from _vendor import JANE, World
from vendorauth.engine.freshness import Moment, life_of
from vendorauth.engine.policy import RefreshPolicy
from vendorauth.engine.refusals import SUFFIX, _digest, _read
from vendorauth.errors import StoreUnavailable, StoreUnreadable
from vendorauth.stores._records import NoRecord, read, write
from vendorauth.tokens import Challenge, PasswordCredentials, RefreshTokenCredentials, Token

NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
EARLIEST: Final = datetime.min.replace(tzinfo=timezone(timedelta(hours=23, minutes=59)))
LATEST: Final = datetime.max.replace(tzinfo=timezone(timedelta(hours=-23, minutes=-59)))
POLICY: Final = RefreshPolicy()

TOKEN: Final = Token(
    value=MARK,
    issued_at=NOW,
    expires_at=NOW + timedelta(hours=1),
    refresh_token=MARK,
    generation=7,
    details={"a": [MARK]},
)
RECORD: Final = msgspec.json.decode(write(TOKEN))
NEWER: Final = {"version": 2, "token": MARK}
CHALLENGE: Final = Challenge(
    name="SMS_MFA", account="jane", fields=("SMS_MFA_CODE",), hint=MARK, expires_at=NOW, hidden={"session": MARK}
)
WRITTEN: Final = msgspec.json.decode(CHALLENGE.to_json())
REFUSAL: Final = {"salt": "00" * 16, "hash": "00" * 64, "until": NOW.timestamp() + 300, "pause": 300.0}

zones = st.sampled_from([UTC, EARLIEST.tzinfo, LATEST.tzinfo])
times = st.datetimes(timezones=zones) | st.sampled_from([EARLIEST, LATEST])
whole_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
details = st.dictionaries(st.text(), whole_json, max_size=3)


def check_usable(token: Token) -> None:
    """Make sure that the engine can reckon with *token*: its times, its generation, its life."""
    life = life_of(token, POLICY, Moment(NOW.timestamp(), 1000.0), 0.5)
    assert not any(isnan(number) for moment in (life.ahead, life.stale, life.end) for number in moment)
    assert isinstance(max(token.generation + 1, int(token.issued_at.timestamp() * 1000)), int)
    assert MARK not in repr(token) + f"{token.expires_at}"


@given(families(RECORD, NEWER))
@example(Family({"version": 1, "token": RECORD["token"] | {"issued_at": LATEST.isoformat()}}, ("version",), 0))
@example(Family({"version": 1, "token": RECORD["token"] | {"expires_at": EARLIEST.isoformat()}}, ("version",), 0))
@example(Family(RECORD, ("token", "generation"), 0))
def test_any_record(family: Family) -> None:
    """Any bytes are a token that can be used and written again, no record, or one of a newer release."""
    for body in each(family.bodies()):
        outcome = tried(lambda: read(body, "the record"), NoRecord, StoreUnreadable)  # noqa: B023  called at once
        if isinstance(outcome, Token):
            check_usable(outcome)
            rewritten = tried(lambda: read(write(outcome)), StoreUnavailable)  # noqa: B023  likewise
            assert outcome == rewritten or "(RecursionError)" in str(rewritten)
        else:
            assert MARK not in f"{outcome!r}{outcome.__cause__!r}{outcome.__context__!r}"


@given(bodies_of_any_kind)
@example(b"[" * 100_000)
@example(b'{"version": 1' + b"0" * 5_000 + b"}")
@example(b'{"version": 1' + b"0" * 4_000 + b"}")
def test_any_bytes(body: bytes) -> None:
    """The same holds for bytes that have never seen a record."""
    outcome = tried(lambda: read(body), NoRecord, StoreUnreadable)
    assert not isinstance(outcome, Token)


@given(
    st.builds(
        Token,
        value=st.text(),
        issued_at=times,
        expires_at=st.none() | times,
        refresh_token=st.none() | st.text(),
        generation=st.integers() | st.integers(-(10**4_000), 10**4_000),
        details=details,
    )
)
@example(attrs.evolve(TOKEN, issued_at=EARLIEST, expires_at=LATEST))
@example(attrs.evolve(TOKEN, issued_at=LATEST, expires_at=EARLIEST))
def test_records_are_identity(token: Token) -> None:
    """Any token comes back as it was stored, and can be reckoned with."""
    assert token == read(write(token))
    life_of(token, POLICY, Moment(NOW.timestamp(), 0.0))


@given(families(WRITTEN))
@example(Family(WRITTEN | {"expires_at": "0001-01-01T00:00:00+23:59"}, ("hint",), 0))
@example(Family(WRITTEN | {"expires_at": "2026-01-01T00:00:00"}, ("hint",), 0))
def test_any_written_challenge(family: Family) -> None:
    """Any text is a challenge that can be written again, or a ValueError that repeats none of it."""
    for body in each(family.bodies()):
        text = body.decode("utf-8", "surrogateescape")
        outcome = tried(lambda: Challenge.from_json(text), ValueError)  # noqa: B023  called at once
        if isinstance(outcome, Challenge):
            again = tried(lambda: Challenge.from_json(outcome.to_json()), ValueError)  # noqa: B023  likewise
            assert outcome == again or "it is nested too deeply to be written" == str(again)
        else:
            assert MARK not in f"{outcome!r}{outcome.__cause__!r}{outcome.__context__!r}"


@given(
    st.builds(
        Challenge,
        name=st.text(),
        account=st.text(),
        fields=st.lists(st.text(), max_size=3).map(tuple),
        hint=texts,
        expires_at=st.none() | times,
        hidden=details,
    )
)
def test_challenges_are_identity(challenge: Challenge) -> None:
    """Any challenge comes back as it was written; one with half a character can't be, and the error shows nothing."""
    outcome = tried(lambda: Challenge.from_json(challenge.to_json()), ValueError)
    assert outcome == challenge or "half a character in it can't be written" == str(outcome)


def nested(depth: int) -> Any:
    """Make a list in a list, *depth* times."""
    value: Any = MARK
    for _ in range(depth):
        value = [value]
    return value


@given(st.integers(0, 2_000))
@example(700)
@example(5_000)
def test_any_depth(depth: int) -> None:
    """What is nested too deeply for JSON can't be written, and the error says so."""
    challenge = attrs.evolve(CHALLENGE, hidden={"a": nested(depth)})
    written = tried(challenge.to_json, ValueError)
    assert isinstance(written, str) or "it is nested too deeply to be written" == str(written)
    record = tried(lambda: write(attrs.evolve(TOKEN, details={"a": nested(depth)})), StoreUnavailable)
    assert isinstance(record, bytes) or "this token can't be written as JSON (RecursionError)" == str(record)


odd_numbers = numbers | st.sampled_from([nan, inf, -inf, 10**400, -(10**400), 1e308])


@given(
    st.fixed_dictionaries(
        {"salt": st.just("00") | texts, "hash": st.just("00") | texts, "until": odd_numbers, "pause": odd_numbers},
        optional={"seen": st.none() | odd_numbers},
    ),
    st.floats(0, 10**10),
)
@example(REFUSAL | {"until": 10**400}, 0.0)
@example(REFUSAL | {"pause": -(10**400)}, 0.0)
@example(REFUSAL | {"pause": nan}, 0.0)
@example(REFUSAL | {"salt": "\ud800"}, 0.0)
@example(REFUSAL | {"hash": "\udfff"}, 0.0)
def test_any_refusal(record: dict[str, Any], now: float) -> None:
    """Any numbers and texts are a refusal that can be reckoned with, or none."""
    refusal = _read(Token(value="", issued_at=NOW, details=record))
    if refusal is not None:
        assert isfinite(min(refusal.until - now, refusal.pause) + now)
        assert isfinite(now - (refusal.seen or 0) + refusal.pause)
        assert (refusal.salt + refusal.hash).isascii()


@given(families(REFUSAL))
def test_any_stored_refusal(family: Family) -> None:
    """The same holds for a record that is wrong at one place or two."""
    for value in each(family.values()):
        content = encoded(RECORD | {"token": RECORD["token"] | {"details": value}})
        token = tried(lambda: read(content), NoRecord)  # noqa: B023  called at once
        refusal = None if isinstance(token, NoRecord) else _read(token)
        assert refusal is None or isfinite(min(refusal.until - NOW.timestamp(), refusal.pause))


@pytest.mark.parametrize("odd", [{"until": 10**400}, {"pause": 10**400}, {"until": nan}, {"pause": inf}])
async def test_an_odd_refusal_stops_nobody(odd: dict[str, Any]) -> None:
    """Rule 10: a stored refusal of these very credentials with numbers that no clock has does not end a login."""
    world = World()
    record: dict[str, Any] = {**REFUSAL, **odd}
    record["hash"] = await _digest(JANE, record["salt"])
    await world.store.save(f"jane@vendor{SUFFIX}", Token(value="", issued_at=world.clock.now(), details=record))
    source = world.source()
    assert "token-1" == (await source.token()).value
    await source.aclose()


async def test_half_a_character_in_credentials() -> None:
    """Rule 10: credentials that no encoding has are told from refused ones all the same."""
    digests = [await _digest(PasswordCredentials("jane", text), "00") for text in ("\\ud800", "\ud800", "\ud800")]
    assert 2 == len(set(digests))


@given(texts, texts)
def test_any_credentials(username: str, password: str) -> None:
    """Any texts are credentials that show no password; empty ones are a ValueError."""
    outcome = tried(lambda: PasswordCredentials(username, password), ValueError)
    assert isinstance(outcome, PasswordCredentials) == bool(username and password)
    assert MARK not in repr(outcome) or MARK == username
    refresh = tried(lambda: RefreshTokenCredentials(password), ValueError)
    assert MARK not in repr(refresh)
