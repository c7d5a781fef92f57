"""Test that the page about what is stored is true."""

from __future__ import annotations

import json
import re
import runpy
from datetime import timedelta
from pathlib import Path

from vendorauth.stores._records import read, write

TESTS = Path(__file__).parent
PROJECT = TESTS.parent
PAGE = (PROJECT / "docs" / "explanation" / "what-is-stored.md").read_text(encoding="utf-8")


def test_the_record_shown_is_one() -> None:
    """What the page shows as a record can be read, and has what `write` writes."""
    shown = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0].encode()
    token = read(shown)
    assert timedelta(hours=1) == (token.expires_at or token.issued_at) - token.issued_at
    assert int(token.issued_at.timestamp() * 1000) == token.generation
    assert re.sub(rb"\s", b"", shown) == write(token)


def test_each_fault_names_tests_that_are_there() -> None:
    """Each row of a fault names the files that play it."""
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and line.count("|") == 5]
    faults = [row for row in rows if "played by" not in row]
    assert len(faults) >= 25
    for row in faults:
        names = re.findall(r"`(test_\w+)`", row.rsplit("|", 2)[1])
        assert names, row
        assert [] == [name for name in names if not (TESTS / f"{name}.py").is_file()]


def test_each_scene_of_the_fleet_is_shown() -> None:
    """Each scene that a fleet can play is described, and its figures have a row in the table."""
    played = re.findall(
        r'^    "(\w+)-\w+": \w+,$', (PROJECT / "benchmarks" / "fleet.py").read_text("utf-8"), re.MULTILINE
    )
    described = re.findall(
        r"^`(\w+)`$", (PROJECT / "docs" / "explanation" / "fleet.md").read_text("utf-8"), re.MULTILINE
    )
    measured = runpy.run_path(str(PROJECT / "docs" / "tables.py"))["SCENES"]
    assert 7 == len(described)
    assert described == list(measured)
    assert described == list(dict.fromkeys(played))


def test_only_scenes_are_measured() -> None:
    """Every figure that was kept has a row, so that none is left out."""
    results = json.loads((PROJECT / "benchmarks" / "results" / "fleet.json").read_text("utf-8"))
    table = runpy.run_path(str(PROJECT / "docs" / "tables.py"))["fleet"]()
    assert {*results} - {"machine"} == {*re.findall(r"^\| `([\w-]+)` ", table, re.MULTILINE)}
