"""The page about other clients' bugs: complete, and nothing in it without a test."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from _pitfall_list import CANNOT_OCCUR, GROUPS, PITFALLS

TABLES: dict[str, Any] = runpy.run_path(str(Path(__file__).parent.parent / "docs" / "tables.py"))
ALL = range(1, 51)

proofs: Callable[..., list[Any]] = cache(TABLES["proofs"])


def numbers_proven() -> set[int]:
    return {number for proof in proofs() for number in proof.numbers}


def test_every_pitfall_has_a_test_or_a_reason() -> None:
    """Each of the fifty has at least one test, or a reason why it can't occur, never both."""
    proven = numbers_proven()
    assert [] == [number for number in ALL if (number in proven) == (number in CANNOT_OCCUR)]


def test_nothing_else_is_numbered() -> None:
    """No test, reason or entry has a number that is not one of the fifty, and each is in one group."""
    numbered = numbers_proven() | CANNOT_OCCUR.keys() | PITFALLS.keys()
    assert set(ALL) == numbered | set(ALL)
    assert list(ALL) == list(PITFALLS)
    assert list(ALL) == [number for numbers in GROUPS.values() for number in numbers]


def test_every_name_is_a_tests() -> None:
    """Each test is named once, by its file and its own name, and promises a sentence."""
    found = proofs()
    assert len(found) == len({proof.name for proof in found})
    assert [] == [proof.name for proof in found if not proof.promise.endswith(".")]


def test_the_page_tells_all() -> None:
    """Every promise is on the page, with the test that holds it, and every issue of other projects with a link."""
    page = TABLES["pitfalls"]()
    assert [] == [proof.name for proof in proofs() if f"`{proof.name}`" not in page]
    told = numbers_proven() | CANNOT_OCCUR.keys()
    issues = sum(place.count("#") for number in told for place in PITFALLS[number].found_in)
    assert issues == page.count("](https://github.com/")


@pytest.mark.parametrize(
    ("docstring", "name"),
    [
        ("Pitfall 34 says it.", "test_x"),
        ("Pitfall 034: it.", "test_x"),
        ("pitfall 34: it.", "test_x"),
        ("Pitfalls 1 and 2: it.", "test_x"),
        ("Pitfall 1, 100: it.", "test_x"),
        ("Pitfall 34: it.", "make"),
    ],
)
def test_slips(docstring: str, name: str, tmp_path: Path) -> None:
    """A docstring that begins with the word and has not exactly that form, or is no test's, is an error."""
    (tmp_path / "test_y.py").write_text(f'def {name}() -> None:\n    """{docstring}"""\n')
    with pytest.raises(ValueError, match=rf"^test_y.py: the docstring of {name} must be"):
        proofs(tmp_path)


@pytest.mark.parametrize(
    ("head", "numbers"), [("Pitfall 34", (34,)), ("Pitfalls 6, 37", (6, 37)), ("Pitfall 16, rule 15", (16,))]
)
def test_how_it_is_written(head: str, numbers: tuple[int, ...], tmp_path: Path) -> None:
    """Tests inside classes count, sentences are put on one line, and nothing in them is read as Markdown but code."""
    text = f'class A:\n    async def test_x(self) -> None:\n        """\n        {head}: a `b_c`\n        d_e <f>.\n        """\n'
    (tmp_path / "test_y.py").write_text(text)
    (proof,) = proofs(tmp_path)
    assert (numbers, "A `b_c` d_e <f>.", "test_y.py::test_x") == proof
    assert r"A `b_c` d\_e \<f>." == TABLES["_text"](proof.promise)


def test_tables_are_written_once(tmp_path: Path) -> None:
    """A file that would not change is left alone, so that Sphinx does not read its page again."""
    texts = iter(["one", "one", "two"])
    path, write = tmp_path / "new" / "name.md", TABLES["write_tables"]
    for expected in (True, False, True):
        before = path.stat().st_mtime_ns if path.exists() else 0
        write(path.parent, [("name", lambda: next(texts))])
        assert expected == (path.stat().st_mtime_ns != before)
    assert "two" == path.read_text("utf-8")


def test_all_tables_are_there() -> None:
    """The pages include what is written here, and nothing else is."""
    names = [name for name, _ in TABLES["TABLES"]]
    docs = Path(__file__).parent.parent / "docs"
    pages = "".join(page.read_text("utf-8") for page in docs.glob("**/*.md"))
    assert [] == [name for name in names if f"_build/tables/{name}.md" not in pages]
    assert len(names) == pages.count("/_build/tables/")
