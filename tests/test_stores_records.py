from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import attrs
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vendorauth.errors import StoreError, StoreUnavailable, StoreUnreadable
from vendorauth.stores._names import stored_name
from vendorauth.stores._records import END_OF_REFRESH, NoRecord, end_of_refresh, read, write
from vendorauth.stores._reports import listener, report
from vendorauth.tokens import JSON, Token

NOW = datetime(2025, 3, 30, 1, 2, 3, 456789, tzinfo=UTC)
TOKEN = Token(value="s3cret-value", issued_at=NOW, generation=7, refresh_token="s3cret-refresh", details={"a": [1]})

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
zones = st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)))
times = st.datetimes(timezones=st.just(UTC) | zones)
tokens = st.builds(
    Token,
    value=st.text(),
    issued_at=times,
    expires_at=st.none() | times,
    refresh_token=st.none() | st.text(),
    generation=st.integers() | st.integers(min_value=2**64, max_value=10**40),
    details=st.dictionaries(st.text(), json_values, max_size=4),
)


def form(**changes: JSON) -> dict[str, JSON]:
    """Give a record's JSON with *changes* to its token."""
    whole: dict[str, JSON] = msgspec.json.decode(write(TOKEN))
    whole["token"].update(changes)
    return whole


@given(tokens)
@example(attrs.evolve(TOKEN, generation=2**200))
@example(attrs.evolve(TOKEN, value="\N{SNOWMAN}\x00\N{MAN}", refresh_token=None))
@example(attrs.evolve(TOKEN, details={"a": {"b": [{"c": [[None, 1.5, 2**70, -0.0]]}]}}))
@example(attrs.evolve(TOKEN, issued_at=datetime.min.replace(tzinfo=timezone(timedelta(hours=23)))))
def test_writing_and_reading_is_identity(token: Token) -> None:
    """Whatever a token holds comes back equal."""
    assert token == read(write(token))


def test_an_ambiguous_hour_keeps_its_instant() -> None:
    """A time in the hour that a zone has twice comes back as the same moment."""
    second_time = datetime(2025, 10, 26, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Zurich"))
    kept = read(write(attrs.evolve(TOKEN, issued_at=second_time))).issued_at
    assert second_time.astimezone(UTC) == kept.astimezone(UTC)


def test_any_mapping_is_written() -> None:
    """*details* need not be a dict."""

    class Fixed(Mapping[str, JSON]):
        def __getitem__(self, key: str) -> JSON:
            return {"a": 1}[key]

        def __iter__(self) -> Iterator[str]:
            return iter(["a"])

        def __len__(self) -> int:
            return 1

    assert {"a": 1} == read(write(attrs.evolve(TOKEN, details=Fixed()))).details


@given(st.binary())
@example(b"")
@example(b"null")
@example(b"[" * 100_000)
@example(b'{"version": 1' + b"0" * 5_000 + b"}")
def test_any_bytes_give_a_token_no_record_or_unreadable(content: bytes) -> None:
    """Bytes give a token, "no record", or "not ours to read", and nothing else."""
    with suppress(NoRecord, StoreUnreadable):
        assert isinstance(read(content), Token)


@given(json_values | st.fixed_dictionaries({"version": json_values}, optional={"token": json_values}))
def test_any_json_gives_a_token_no_record_or_unreadable(value: JSON) -> None:
    """The same holds for JSON that looks more and more like a record."""
    with suppress(NoRecord, StoreUnreadable):
        assert isinstance(read(msgspec.json.encode(value)), Token)


@given(st.integers(min_value=0, max_value=len(write(TOKEN)) - 1))
def test_a_truncated_record_is_none(length: int) -> None:
    """A record that was cut off is no record (pitfall 29)."""
    with pytest.raises(NoRecord):
        read(write(TOKEN)[:length])


@pytest.mark.parametrize(
    "wrong",
    [
        {"value": 5},
        {"value": None},
        {"issued_at": "2025-03-30T01:02:03"},
        {"issued_at": 5},
        {"issued_at": "yesterday"},
        {"expires_at": ""},
        {"refresh_token": ["s3cret-refresh"]},
        {"generation": "7"},
        {"generation": 7.0},
        {"generation": True},
        {"details": None},
        {"details": []},
    ],
)
def test_wrong_types_are_no_record_and_are_not_shown(wrong: dict[str, JSON]) -> None:
    """A mistyped field is named with its path; no value is in the error or behind it."""
    with pytest.raises(NoRecord, match=f"the file: .*{next(iter(wrong))}|the file .*{next(iter(wrong))}") as caught:
        read(msgspec.json.encode(form(**wrong)), "the file")
    assert "s3cret" not in repr((caught.value, caught.value.__cause__, caught.value.__context__))


@pytest.mark.parametrize("field", ["value", "issued_at", "expires_at", "refresh_token", "generation", "details"])
def test_a_missing_field_is_no_record(field: str) -> None:
    """Version 1 has all of its fields."""
    whole = form()
    del whole["token"][field]
    with pytest.raises(NoRecord, match=field):
        read(msgspec.json.encode(whole))


@pytest.mark.parametrize("version", [0, -1, "1", 1.0, None, True, [1]])
def test_a_version_that_never_was_is_no_record(version: JSON) -> None:
    """Only a whole number from 1 on is a version."""
    with pytest.raises(NoRecord):
        read(msgspec.json.encode({**form(), "version": version}))


@pytest.mark.parametrize("version", [2, 99, 10**30])
def test_a_newer_version_is_not_ours_to_read(version: int) -> None:
    """A newer version is told from garbage, whatever else it holds."""
    with pytest.raises(StoreUnreadable, match=f"^/x/y.json is of version {version}, .* up to version 1$"):
        read(msgspec.json.encode({"version": version, "tokens": "s3cret"}), "/x/y.json")


def test_unknown_keys_are_ignored() -> None:
    """A key that version 1 does not know hurts nothing."""
    assert TOKEN == read(msgspec.json.encode({**form(later=1), "later": 2}))


@pytest.mark.parametrize(
    "token",
    [
        attrs.evolve(TOKEN, value="s3cret\ud800"),
        attrs.evolve(TOKEN, details={"a": object()}),
        attrs.evolve(TOKEN, details={"a": {object(): 1}}),
    ],
)
def test_what_json_cannot_say_is_refused_without_showing_it(token: Token) -> None:
    """A token that can't be written says so; neither error nor chain holds the text."""
    with pytest.raises(StoreUnavailable, match=r"^this token can't be written as JSON \(\w+Error\)$") as caught:
        write(token)
    assert (None, None) == (caught.value.__cause__, caught.value.__context__)


@given(st.text(st.characters()), st.text(st.characters()))
def test_names_tell_nothing_and_differ(one: str, other: str) -> None:
    """A stored name is hexadecimal, of one length, and another one for another account, lone surrogates included."""
    assert 64 == len(stored_name(one)) == len(f"{int(stored_name(one), 16):064x}")
    assert (one == other) == (stored_name(one) == stored_name(other))


def test_names_stay_the_same() -> None:
    """A name is a promise to every later release: the same account, the same record."""
    assert "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" == stored_name("x")


def test_a_report_is_logged_and_told(caplog: pytest.LogCaptureFixture) -> None:
    """Trouble that a store dealt with reaches the log, and the listener where one is set."""
    error = StoreError("moved aside")
    heard: list[StoreError] = []
    with caplog.at_level(logging.WARNING):
        report(error)
        reset = listener.set(heard.append)
        report(error)
        listener.reset(reset)
        report(error)
    assert [error] == heard
    assert 3 * [("vendorauth.stores._reports", logging.WARNING, "moved aside")] == caplog.record_tuples


@pytest.mark.parametrize("until", [1e300, -1e300, float("nan"), 10**30, "soon", True, None])
def test_an_end_of_the_refresh_token_that_is_no_time(until: JSON) -> None:
    """It counts as not known."""
    assert end_of_refresh(attrs.evolve(TOKEN, details={END_OF_REFRESH: until})) is None
