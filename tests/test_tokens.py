"""Credentials, tokens and challenges: strict about what they take, silent about what they hide."""

import copy
import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vendorauth.tokens import JSON, Challenge, PasswordCredentials, RefreshTokenCredentials, Token

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001  what is refused

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
TIMES = st.none() | st.datetimes(timezones=st.just(UTC))
PLAIN = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
)
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))
CHALLENGES = st.builds(
    Challenge,
    name=TEXTS,
    account=TEXTS,
    fields=st.lists(TEXTS, max_size=3).map(tuple),
    hint=TEXTS,
    expires_at=TIMES,
    hidden=st.dictionaries(TEXTS, VALUES, max_size=3),
)


def token(**changes: Any) -> Token:
    fields: dict[str, Any] = {"value": "MARK-value", "issued_at": NOW}
    return Token(**(fields | changes))


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda text: PasswordCredentials(text, "x"), "username"),
        (lambda text: PasswordCredentials("x", text), "password"),
        (RefreshTokenCredentials, "refresh_token"),
    ],
)
def test_credentials_are_validated(make: Callable[[Any], object], field: str) -> None:
    """A credential is a text and not empty; the error names the field and the type, never the value."""
    with pytest.raises(TypeError) as caught:
        make(b"MARK")
    assert f"{field} must be a str, not bytes" == str(caught.value)
    with pytest.raises(ValueError, match=f"^{field} is empty$"):
        make("")


def test_credentials_hide_their_secrets() -> None:
    """Neither repr nor str shows a password or a refresh token; the user name is for showing."""
    credentials = PasswordCredentials("jane", "MARK")
    assert "PasswordCredentials(username='jane')" == repr(credentials) == str(credentials)
    assert "RefreshTokenCredentials()" == repr(RefreshTokenCredentials("MARK")) == str(RefreshTokenCredentials("MARK"))


def test_credentials_are_values() -> None:
    """Equal credentials are equal and hash alike, so that they can tell logins apart; they can't be changed."""
    assert {PasswordCredentials("a", "b")} == {PasswordCredentials(username="a", password="b")}
    assert PasswordCredentials("a", "b") != PasswordCredentials("a", "c")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        PasswordCredentials("a", "b").password = "c"  # type: ignore[misc]  # it is what must fail


@pytest.mark.parametrize("field", ["issued_at", "expires_at"])
def test_token_times_are_aware(field: str) -> None:
    """A naive time is refused (pitfall 43); the error does not show it."""
    with pytest.raises(ValueError, match=f"^{field} must be an aware datetime$"):
        token(**{field: NAIVE})


def test_token_hides_its_secrets() -> None:
    """Value, refresh token and details are not in repr or str; the rest is, for a log line that helps."""
    one = token(expires_at=NOW, refresh_token="MARK", details={"MARK": "MARK"}, generation=7)
    assert "MARK" not in f"{one!r}{one}"
    assert "generation=7" in repr(one)


def test_token_is_a_value() -> None:
    """Tokens compare by content, hash, copy and pickle."""
    one = token(expires_at=NOW, refresh_token="r", details={"a": [1]})
    assert one == token(expires_at=NOW, refresh_token="r", details={"a": [1]})
    assert hash(one) == hash(token(expires_at=NOW, refresh_token="r", details={"a": [2]}))
    assert one == copy.copy(one) == copy.deepcopy(one) == pickle.loads(pickle.dumps(one))


@pytest.mark.parametrize(
    ("newer", "one", "other"),
    [
        (True, token(generation=2), token(generation=1)),
        (False, token(generation=1), token(generation=2)),
        (False, token(generation=1), token(generation=1)),
        (True, token(generation=1, value="rolled"), token(generation=1)),
        (False, token(generation=1, value="other"), token(generation=2)),
        (False, token(generation=1, issued_at=NOW + timedelta(1)), token(generation=1)),
    ],
)
def test_is_newer_than(newer: bool, one: Token, other: Token) -> None:
    """A later generation is newer, and so is the same one with another value, absorbed since (rule 12)."""
    assert newer is one.is_newer_than(other)


@given(st.integers(), st.integers())
def test_two_generations_are_never_both_newer(one: int, other: int) -> None:
    """Of two tokens of different generations exactly one is newer."""
    a, b = token(generation=one), token(generation=other)
    assert (one != other) is (a.is_newer_than(b) != b.is_newer_than(a))


def test_challenge_hides_its_hidden_part() -> None:
    """The repr shows what a person may see, and not what answering needs besides."""
    challenge = Challenge(name="SMS_MFA", account="jane", fields=("SMS_MFA_CODE",), hint="+49…89", hidden={"s": "MARK"})
    assert "MARK" not in f"{challenge!r}{challenge}"
    assert "SMS_MFA_CODE" in repr(challenge)
    assert isinstance(hash(challenge), int)


def test_challenge_times_are_aware() -> None:
    """A naive end is refused."""
    with pytest.raises(ValueError, match=r"^expires_at must be an aware datetime$"):
        Challenge(name="X", account="jane", expires_at=NAIVE)


@given(CHALLENGES)
def test_challenge_survives_json(challenge: Challenge) -> None:
    """Written and read again it is the same challenge, hidden part included."""
    assert challenge == Challenge.from_json(challenge.to_json())


@pytest.mark.parametrize("hour", [-11, 0, 5])
def test_challenge_keeps_its_moment_in_any_zone(hour: int) -> None:
    """The end stays the same moment, whatever zone it was given in."""
    end = NOW.astimezone(tz=NOW.tzinfo).replace(hour=12) + timedelta(hours=hour)
    challenge = Challenge(name="X", account="jane", expires_at=end)
    assert end == Challenge.from_json(challenge.to_json()).expires_at


def read(text: str) -> Challenge | None:
    """Read *text*; where that fails, make sure that the error says nothing of it."""
    try:
        return Challenge.from_json(text)
    except ValueError as caught:
        error = caught
    assert "this is not a challenge that Challenge.to_json() wrote" == str(error)
    assert (None, None) == (error.__cause__, error.__context__)
    return None


@given(st.text())
def test_any_text_is_a_challenge_or_a_value_error(text: str) -> None:
    """Any text gives a challenge or a ValueError that repeats none of it, in its chain neither."""
    read(text)


WRITTEN: dict[str, Any] = {
    "name": "X",
    "account": "jane",
    "fields": ["a"],
    "hint": "",
    "expires_at": None,
    "hidden": {},
}


@given(st.sampled_from(sorted(WRITTEN)), VALUES)
def test_any_json_is_a_challenge_or_a_value_error(field: str, value: JSON) -> None:
    """A record with any JSON in any place gives a challenge or a ValueError that repeats none of it."""
    challenge = read(msgspec.json.encode(WRITTEN | {field: value}).decode())
    if challenge is not None:
        assert challenge == Challenge.from_json(challenge.to_json())


@pytest.mark.parametrize("field", sorted(WRITTEN))
def test_every_field_is_wanted(field: str) -> None:
    """A record without one of its fields is none that was written here."""
    short = {key: value for key, value in WRITTEN.items() if key != field}
    assert read(msgspec.json.encode(short).decode()) is None


def test_deep_nesting_is_a_value_error() -> None:
    """A text nested deeper than Python can go is no challenge either."""
    deep = '{"a":' * 100_000
    assert read(f'{{"hidden": {deep}') is None


def test_challenge_with_half_a_character() -> None:
    """What JSON can't say is a ValueError that repeats nothing."""
    challenge = Challenge(name="CODE", account="jane", hidden={"user": "\ud800"})
    with pytest.raises(ValueError, match=r"^half a character in it can't be written$"):
        challenge.to_json()


@pytest.mark.parametrize(("hint", "problem"), [("\ud800", "half a character"), ("x", "nested too deeply")])
def test_a_challenge_that_cannot_be_written(hint: str, problem: str) -> None:
    """What JSON can't say is a ValueError that repeats nothing of it."""
    deep: Any = "MARK"
    for _ in range(100_000 if hint == "x" else 0):
        deep = [deep]
    challenge = Challenge(name="X", account="jane", hint=hint, hidden={"s": deep})
    with pytest.raises(ValueError, match=problem) as caught:
        challenge.to_json()
    assert "MARK" not in str(caught.value)
