"""Write to the terminal, or to whatever is in its place: colours only where there is one."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from vendorauth.cli.failures import one_line
from vendorauth.tokens import JSON

_UNFOLDED: Final = 1_000_000
"""More columns than any row has."""


def console(*, errors: bool = False) -> Console:
    """Give the standard output, or the standard error, as rich sees it: it heeds NO_COLOR."""
    return Console(stderr=errors, highlight=False, soft_wrap=True)


def table(*columns: str) -> Table:
    """Make a table that a narrow terminal folds."""
    return Table(*(Column(name, overflow="fold") for name in columns), box=None, pad_edge=False, header_style="bold")


def write_table(shown: Table) -> None:
    """Write *shown* to the standard output: each row is one line where that is no terminal."""
    screen = console()
    if not screen.is_terminal:
        screen.width = _UNFOLDED
    screen.print(shown)


def plain(value: str) -> Text:
    """Show *value* as it is: without markup, and without what a terminal would obey."""
    return Text(one_line(value))


def write_json(value: JSON) -> None:
    """Write *value* as JSON that people can read."""
    write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def write(text: str) -> None:
    """Write *text* to the standard output, as it is."""
    sys.stdout.write(text)


def local(time: datetime) -> str:
    """Say *time* as the clock on the wall has it."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z").strip()


def span(seconds: float) -> str:
    """Say roughly how long *seconds* are, in two units at most."""
    units = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    left, parts = int(seconds), list[str]()
    for size, unit in units:
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])
