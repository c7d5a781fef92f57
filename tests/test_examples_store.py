"""Run the documentation's store of one's own through the suite that it is shown with."""

from __future__ import annotations

import ast
import asyncio
import stat
from functools import partial
from pathlib import Path

import pytest

from _conformance_stores import EXAMPLES, make
from vendorauth.testing.conformance import BROKEN_STORE_CHECKS, SHARED_STORE_CHECKS, STORE_CHECKS, StoreCheck

EXAMPLE = EXAMPLES / "sqlite_store.py"


@pytest.mark.parametrize("check", [*STORE_CHECKS, *SHARED_STORE_CHECKS], ids=lambda check: check.__name__)
def test_the_store_in_sqlite(check: StoreCheck, tmp_path: Path) -> None:
    """It keeps every promise, those to other processes included."""
    check(partial(make, "sqlite", tmp_path / "store"))


def test_its_trouble_costs_no_token(tmp_path: Path) -> None:
    """It raises sqlite3's errors, which a source turns into StoreErrors (rule 16)."""
    trouble_costs_no_token = BROKEN_STORE_CHECKS[1]
    trouble_costs_no_token(partial(make, "sqlite", tmp_path / "missing" / "store"))


def test_its_files_are_nobody_elses(tmp_path: Path) -> None:
    """Nobody else may read the tokens; locks hold nothing."""

    async def use() -> None:
        async with make("sqlite", tmp_path / "store") as store, store.lock("jane"):
            await store.delete("jane")

    asyncio.run(use())
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert 0o600 == stat.S_IMODE((tmp_path / "tokens.sqlite").stat().st_mode)
    assert {0} == {size for name, size in sizes.items() if name != "tokens.sqlite"}


def test_it_has_thirty_lines_at_most() -> None:
    """Without imports, blank lines, comments and its docstring."""
    text = EXAMPLE.read_text(encoding="utf-8")
    first = next(one.lineno for one in ast.parse(text).body if not isinstance(one, ast.Import | ast.ImportFrom))
    lines = [line.strip() for line in text.splitlines()[first - 1 :]]
    assert 30 >= len([line for line in lines if line and not line.startswith(("#", '"""Keep'))])
