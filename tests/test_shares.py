"""The tests are shared out among the Pythons: between them they run all."""

from __future__ import annotations

from pathlib import Path

from conftest import LEFT_OUT

SHARES = LEFT_OUT.keys() - {"all"}


def test_nothing_is_left_out_by_all() -> None:
    """Each file of tests is in one share at least; one that the patterns of several leave out would never run."""
    files = list(Path(__file__).parent.glob("test_*.py"))
    assert len(files) > 100
    assert [] == [file.name for file in files if all(any(map(file.match, LEFT_OUT[share])) for share in SHARES)]
