"""Run the examples of "Read devices, events and cards"."""

from pathlib import Path

from test_examples import Reader
from vendorauth.testing import FakeProGlove, FakeProtogrid


async def test_reading(tmp_path: Path) -> None:
    """They print what the fakes have, and end."""
    async with FakeProGlove() as glove, FakeProtogrid() as grid:
        glove.page_size = 3
        reader = Reader(glove, grid, tmp_path)
        lines = (await reader.run("reading.py")).splitlines()
        assert ["3 devices: list of devices", "2 devices: list of devices"] == lines[:2]
        assert ["Packing table 1 6 events", "Packing table 2 6 events"] == sorted(lines[2:4])
        assert "93 %" == lines[-1][-4:]
        lines = (await reader.run("reading_cards.py")).splitlines()
        assert ["Example  ['all_by_id', 'by_name']", *(f"Customer {i}" for i in range(1, 6))] == lines
    assert 3 == grid.asked["rows"]
