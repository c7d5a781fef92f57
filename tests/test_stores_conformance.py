from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import keyring
import pytest

from _conformance_stores import make
from _valkey import port
from vendorauth.testing.conformance import BROKEN_STORE_CHECKS, SHARED_STORE_CHECKS, STORE_CHECKS, StoreCheck

__all__ = ["port"]

SHARED = ["file", "encrypted", "keyring", "redis"]


@pytest.fixture(autouse=True)
def usual_keychain() -> Iterator[None]:
    """Put back the keychain that was there, because there is one per process."""
    before = keyring.get_keyring()
    yield
    keyring.set_keyring(before)


@pytest.mark.parametrize("name", ["memory", *SHARED])
@pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)
def test_every_store(check: StoreCheck, name: str, tmp_path: Path, port: int) -> None:
    """Each store keeps each promise of `TokenStore`; pitfalls 7, 24 to 26, 29 and 32."""
    check(partial(make, name, tmp_path / "store", port))


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("check", SHARED_STORE_CHECKS, ids=lambda check: check.__name__)
def test_every_store_of_several_processes(check: StoreCheck, name: str, tmp_path: Path, port: int) -> None:
    """Processes exclude each other, and one that is killed leaves no lock and no half token; pitfalls 27, 29 and 31."""
    check(partial(make, name, tmp_path / "store", port))


@pytest.mark.parametrize("name", ["file", "encrypted", "no keychain", "redis"])
@pytest.mark.parametrize("check", BROKEN_STORE_CHECKS, ids=lambda check: check.__name__)
def test_every_store_that_is_out_of_reach(check: StoreCheck, name: str, tmp_path: Path) -> None:
    """Storage that can't be reached is a StoreError at once, and no caller of a source goes without a token (rule 16)."""
    (tmp_path / "file").touch()
    check(partial(make, name, tmp_path / "file" / "store", 1))
