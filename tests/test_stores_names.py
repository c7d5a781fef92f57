"""The names of `vendorauth.stores`: all there, each extra imported only when it is asked for."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from vendorauth import stores

EXTRAS = {
    "EncryptedTokenStore": ("encrypted", "cryptography.fernet", "encryption"),
    "keys_from_env": ("encrypted", "cryptography.fernet", "encryption"),
    "keys_from_file": ("encrypted", "cryptography.fernet", "encryption"),
    "KeyringTokenStore": ("keyring", "keyring", "keyring"),
    "RedisTokenStore": ("redis", "redis", "redis"),
}

LAZY = """
import sys
import vendorauth, vendorauth.stores, vendorauth.client, vendorauth.engine.source
extras = ("cryptography", "keyring", "redis", "platformdirs", "vendorauth.stores.encrypted",
          "vendorauth.stores.keyring", "vendorauth.stores.redis")
print([name for name in extras if name in sys.modules])
"""


def test_importing_the_package_imports_no_extra() -> None:
    """Neither the extras nor the modules that need them are imported with the package: who doesn't use them pays nothing."""
    result = subprocess.run([sys.executable, "-c", LAZY], check=True, capture_output=True, text=True, timeout=30)
    assert "[]\n" == result.stdout


def test_all_names() -> None:
    """Every name in ``__all__`` is sorted, there, and listed by dir()."""
    assert sorted(stores.__all__) == stores.__all__
    assert set(stores.__all__) <= set(dir(stores))
    for name in stores.__all__:
        assert name == getattr(stores, name).__name__


@pytest.mark.parametrize("name", EXTRAS)
def test_a_name_is_its_modules(name: str) -> None:
    """The name is the same object wherever it is imported from, and is looked up only once."""
    module = importlib.import_module(f"vendorauth.stores.{EXTRAS[name][0]}")
    assert getattr(module, name) is getattr(stores, name)
    assert name in vars(stores)


def forget(monkeypatch: pytest.MonkeyPatch, name: str, missing: str) -> None:
    """Let it be as if *name* had never been imported, and what it needs were *missing*."""
    module = EXTRAS[name][0]
    getattr(stores, name)  # what is there can be taken away, and is put back at the end
    monkeypatch.delitem(vars(stores), name)
    monkeypatch.delattr(stores, module)
    monkeypatch.delitem(sys.modules, f"vendorauth.stores.{module}")
    monkeypatch.setitem(sys.modules, missing, None)


@pytest.mark.parametrize("name", EXTRAS)
def test_without_its_extra(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Without its extra, importing a name is an ImportError that says what to install; the others are there."""
    _, missing, extra = EXTRAS[name]
    forget(monkeypatch, name, missing)
    with pytest.raises(ImportError) as caught:
        exec(f"from vendorauth.stores import {name}")
    assert f"{name} needs an extra: pip install 'vendorauth[{extra}]'" == str(caught.value)
    assert missing == caught.value.name
    assert caught.value.__suppress_context__
    exec("from vendorauth.stores import FileTokenStore, MemoryTokenStore, TokenStore")


def test_a_broken_installation_is_not_taken_for_a_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another module that is missing is named as it is."""
    forget(monkeypatch, "KeyringTokenStore", "vendorauth.stores._locks")
    with pytest.raises(ModuleNotFoundError, match=r"vendorauth\.stores\._locks"):
        _ = stores.KeyringTokenStore


def test_other_names() -> None:
    """A name that is not there is an AttributeError, as of any module."""
    with pytest.raises(AttributeError, match=r"^module 'vendorauth\.stores' has no attribute 'PostgresTokenStore'$"):
        _ = stores.PostgresTokenStore  # type: ignore[attr-defined]
    assert not hasattr(stores, "_wrong")
