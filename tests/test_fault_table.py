"""The table of faults itself: complete, without a row that nobody plays, and readable by a page that knows no tests."""

import ast
import runpy
import sys
from pathlib import Path

import pytest

import _fault_table
from _fault_plays import play_of, variants
from _fault_table import COLUMNS, ROWS, Cell, rows, table
from vendorauth import errors

ALL = [(row, column, cell) for row in rows() for column, cell in row.cells()]


def test_every_fault_stands_once() -> None:
    """A fault has one row."""
    names = [row.fault for row in rows()]
    assert len(names) == len(set(names))


def test_every_cell_says_something() -> None:
    """A cell names one of our errors, or says that the call is served, or why there is no such case."""
    for row, column, cell in ALL:
        assert not (cell.error and cell.cannot), (row.fault, column)
        if cell.error:
            assert issubclass(getattr(errors, cell.error), errors.VendorAuthError)


def test_every_fault_is_played() -> None:
    """Each cell that can be has at least one form, and each form a way to be played."""
    for row, column, cell in ALL:
        forms = [] if cell.cannot else list(variants(row.fault, column))
        assert bool(forms) is not bool(cell.cannot), (row.fault, column)
        for form in forms:
            play_of(row.fault, column, form, "http://127.0.0.1:1")


def test_no_password_is_sent_twice() -> None:
    """Rules 9, 10: in no row."""
    logins = [cell for _, column, cell in ALL if column in {"login", "protogrid"}]
    assert {0, 1} == {cell.sent for cell in logins if not cell.cannot}


def test_what_is_sent_again() -> None:
    """DESIGN 3, rules 9a, 12: a refresh and a question twice at most, a GET three times; a POST only after a renewal."""
    most = dict.fromkeys(COLUMNS, 0)
    for _, column, cell in ALL:
        most[column] = max(most[column], cell.sent)
        assert cell.sent < 2 or cell.why, (column, cell)
    assert {"information": 2, "login": 1, "refresh": 2, "get": 3, "post": 2, "protogrid": 1} == most
    assert all(cell.why.startswith("12") for _, column, cell in ALL if column == "post" and cell.sent == 2)


def test_the_page() -> None:
    """The page has a line for each row and a column for each request."""
    lines = [line for line in table().splitlines() if line.startswith("| ")]
    assert len(lines) == 2 * len(ROWS) + len(list(rows()))
    assert {len(COLUMNS) + 2} == {line.count(" |") + 1 for line in lines}
    assert all(f"| {row.fault} |" in table() for row in rows())


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (Cell(), "served"),
        (Cell(why="why"), "served (why)"),
        (Cell("RequestTimeout", sent=2, why="9a"), "`RequestTimeout`, sent twice (9a)"),
        (Cell("TransportError", sent=3), "`TransportError`, sent three times"),
        (Cell("TransportError", sent=0, tries=1), "`TransportError`, never sent"),
        (Cell("TransportError", sent=0, tries=3), "`TransportError`, never sent, tried 3 times"),
        (Cell(cannot="it has no body"), "cannot be: it has no body"),
    ],
)
def test_cells(cell: Cell, text: str) -> None:
    """A cell reads as a sentence."""
    assert text == str(cell)


def test_it_needs_nothing() -> None:
    """The page is made without this package and without pytest: the table imports the standard library only."""
    path = Path(_fault_table.__file__)
    tree = ast.parse(path.read_text("utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {str(module).partition(".")[0] for module in modules} <= sys.stdlib_module_names
    assert not any(isinstance(node, ast.Import) for node in ast.walk(tree))
    assert table() == runpy.run_path(str(path))["table"]()
