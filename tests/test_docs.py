"""Test the documentation's own promises: its pictures, its figures, its places."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

DOCS = Path(__file__).parent.parent / "docs"
PAGES = {path: path.read_text("utf-8") for path in sorted(DOCS.rglob("*.md")) if "_build" not in path.parts}
TABLES: dict[str, Any] = runpy.run_path(str(DOCS / "tables.py"))


def test_each_picture_is_described_and_there() -> None:
    """Who can't see a picture reads what it shows; who can has it in the look of the page."""
    pictures = [
        (page, *found) for page, text in PAGES.items() for found in re.findall(r"!\[(.*?)\]\((.+?)\)(\S*)", text)
    ]
    assert len(pictures) >= 6
    for page, words, target, look in pictures:
        assert (page.parent / target).is_file(), target
        assert len(words.split()) >= 5, target
        assert look in {"{.diagram}", "{.plot}"}, target


def test_diagrams_have_both_looks_and_need_no_network() -> None:
    """A diagram is proper SVG with a title, follows the reader's light or dark, and loads nothing."""
    diagrams = sorted((DOCS / "pictures").glob("*.svg"))
    assert len(diagrams) >= 4
    for path in diagrams:
        text = path.read_text("utf-8")
        root = ET.fromstring(text)
        assert root.findtext("{http://www.w3.org/2000/svg}title"), path.name
        assert "prefers-color-scheme:dark" in text, path.name
        assert ["http://www.w3.org/2000/svg"] == re.findall(r"https?:[^\"')]+", text), path.name


def test_figures_are_those_that_were_measured() -> None:
    """Each name of a client that the front page shows is a row of at least one comparison; the figures are its own."""
    figures = TABLES["figures"]()
    found = [json.loads(path.read_text("utf-8")) for path in (TABLES["RESULTS"] / "bench").glob("*.json")]
    for client, names in TABLES["CLIENTS"].items():
        shown = [one for one in found if one["name"] in TABLES["FIGURES"]]
        rows = [row for one in shown for row in one["rows"] if row["name"] == names.get(one["name"], client)]
        assert rows, client
        (line,) = re.findall(rf"^\| {client} \|(.*)\|$", figures, re.MULTILINE)
        assert len(rows) == len(shown) - line.count("–")  # noqa: RUF001  a dash


def test_each_goal_that_was_missed_is_owned_up_to() -> None:
    """All goals stand in one table with what was found; where the time goes is said of each one that was missed."""
    goals = TABLES["goals"]()
    found = [json.loads(path.read_text("utf-8")) for path in (TABLES["RESULTS"] / "bench").glob("*.json")]
    assert sum(len(one["goals"]) for one in found) == len(
        re.findall(r", (?:reached|\*\*missed\*\*) \|$", goals, re.MULTILINE)
    )
    said = PAGES[DOCS / "explanation" / "speed.md"].partition("## Where the time goes")[2]
    phrases = re.findall(r"where \S+ was the\s+goal|goals were\s+\S+ and \S+", said)
    missed = {f"{goal['most']:g}" for one in found for goal in one["goals"] if not goal["reached"]}
    assert missed == set(re.findall(r"[\d.]*\d", " ".join(phrases)))


def test_each_client_of_the_comparison_has_its_sources() -> None:
    """Who is in the tables of the front page has a part on the page that says where each statement is to be seen."""
    sources = PAGES[DOCS / "explanation" / "peers.md"]
    parts = re.findall(r"^## (.*)$\n\n((?:.|\n)*?)(?=^## |\Z)", sources, re.MULTILINE)
    assert 7 == len(parts)
    for client in TABLES["CLIENTS"]:
        (text,) = [text for title, text in parts if client in title]
        assert "](https://github.com/" in text or client == "vendorauth", client


def test_every_page_is_of_one_of_four_kinds() -> None:
    """A reader finds each page under one of four captions."""
    assert ["Tutorials", "How-to", "Explanation", "Reference"] == re.findall(
        r"^:caption: (.*)$", PAGES[DOCS / "index.md"], re.MULTILINE
    )
    folders = {page.parent.name for page in PAGES if page.parent != DOCS}
    assert {"tutorial", "how-to", "explanation", "reference"} == folders
