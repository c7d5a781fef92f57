"""What a store of a user's own writes and reads."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from vendorauth import StoreUnavailable, StoreUnreadable, Token
from vendorauth.stores import read_record, write_record

TOKEN = Token(value="s3cret", issued_at=datetime(2026, 1, 2, tzinfo=UTC), refresh_token="", details={"a": ["ä"]})


def test_a_record_is_versioned_json() -> None:
    """A token comes back as it was, from bytes and from text."""
    record = write_record(TOKEN)
    assert 1 == msgspec.json.decode(record)["version"]
    assert TOKEN == read_record(record)
    assert TOKEN == read_record(record.decode())


@pytest.mark.parametrize("record", [b"", b"s3cret", '"s3cret"', '{"version": 0, "token": "s3cret"}', "\ud800 s3cret"])
def test_what_is_no_record(record: bytes | str) -> None:
    """It is a ValueError, which repeats nothing and shows no frame of the package (rule 16)."""
    with pytest.raises(ValueError, match="the stored record") as caught:
        read_record(record)
    assert "s3cret" not in str(caught.value)
    assert 1 == len(caught.traceback)


def test_a_record_of_a_newer_release() -> None:
    """It is not ours to read (rule 16)."""
    with pytest.raises(StoreUnreadable, match="is of version 2"):
        read_record(write_record(TOKEN).replace(b'"version":1', b'"version":2'))


def test_what_json_cannot_say() -> None:
    """It names the trouble, and shows no frame that holds the token."""
    with pytest.raises(StoreUnavailable) as caught:
        write_record(Token(value="\ud800 s3cret", issued_at=TOKEN.issued_at))
    assert 1 == len(caught.traceback)
