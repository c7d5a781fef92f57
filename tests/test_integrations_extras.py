"""What an integration says where its library is missing."""

from __future__ import annotations

import sys
from importlib import import_module

import pytest

from vendorauth.integrations._extras import told


@pytest.mark.parametrize(("library", "extra"), [("httpx", "httpx"), ("opentelemetry", "otel")])
def test_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, library: str, extra: str) -> None:
    """Not only that a module is missing, but the extra that brings it."""
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"vendorauth.integrations.{library}", raising=False)
    with pytest.raises(ModuleNotFoundError) as caught:
        import_module(f"vendorauth.integrations.{library}")
    assert f"vendorauth.integrations.{library} needs an extra: pip install 'vendorauth[{extra}]'" == str(caught.value)
    assert library == caught.value.name


def test_what_else_is_missing() -> None:
    """A module that a library itself misses is another matter."""
    error = ModuleNotFoundError("No module named 'h11'", name="h11")
    assert error is told(error, "httpx", "httpx")
