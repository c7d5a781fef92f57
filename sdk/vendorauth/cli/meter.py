"""Show on the standard error how far an export is."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self, final

import attrs
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vendorauth.cli.exported import Progress as Exported
from vendorauth.cli.exporting import Order, export
from vendorauth.cli.screen import console, local, plain, write_json


def show_export(name: str, order: Order, *, as_json: bool) -> None:
    """Export what *order* says, and show how far that is. Raises as `export`."""
    with Meter() as meter:
        done = export(name, order, meter, meter.begin)
    if as_json:
        write_json(attrs.asdict(done))
    else:
        text = f"{done.events:,} events, from {local(done.start)} to {local(done.end)}, are in {done.out}"
        console(errors=True).print(plain(text))


@final
class Meter:
    """Show a bar with the events, their rate, and the time left; nothing at all where there is no terminal."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[events]:,} events"),
            TextColumn("{task.fields[rate]:,.0f}/s"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console(errors=True),
            disable=not sys.stderr.isatty(),
        )
        self._task: TaskID | None = None
        self._events_before = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, progress: Exported, resumed: bool) -> None:  # noqa: FBT001  a callback
        """Begin where *progress* says."""
        if resumed:
            text = f"Going on from {local(progress.done)}, with {progress.events:,} events."
            console(errors=True).print(plain(text))
        self._events_before = progress.events
        total, done = ((time - progress.start).total_seconds() for time in (progress.end, progress.done))
        self._task = self._bar.add_task("events", total=total, events=progress.events, rate=0.0)
        self._bar.update(self._task, completed=done)

    def __call__(self, done: float, events: int) -> None:
        """Show how far it is."""
        assert self._task is not None
        elapsed = self._bar.tasks[0].elapsed or 0.0
        rate = (events - self._events_before) / elapsed if elapsed else 0.0
        self._bar.update(self._task, completed=done, events=events, rate=rate)
