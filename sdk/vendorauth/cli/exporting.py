"""
Export a list into a file: constant memory, one part of the time after the other, each whole or not at all.

The time is cut into parts, so that a run that goes on asks again for one of them, and never for a page whose token may
have ended. An event at the very border of two parts may come with both; its id tells.
"""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, TypeAlias, final

import attrs
import msgspec

from vendorauth.cli.choices import Resource
from vendorauth.cli.clients import client_for
from vendorauth.cli.exported import ExportFile, Progress
from vendorauth.cli.failures import naming
from vendorauth.cli.profiles import Profile, find_profile
from vendorauth.errors import ConfigurationError
from vendorauth.proglove import ProGloveClient
from vendorauth.proglove.events import Event, TelemetryEvent
from vendorauth.tokens import JSON

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_AGO: Final = re.compile(r"([0-9]{1,6})([smhdw])", re.ASCII)
_PARTS: Final = 100
_SHORTEST, _LONGEST = timedelta(minutes=1), timedelta(days=1)
_TOLD_EVERY: Final = 250
_FIELDS: Final = tuple(field.name for field in attrs.fields(TelemetryEvent) if field.name != "extra")
_COLUMNS: Final = (*_FIELDS, "created_at", "extra")


Watch: TypeAlias = Callable[[float, int], None]
"""Is told how many seconds of the time are done, and how many events there are."""


@attrs.frozen(kw_only=True)
class Order:
    """Be what the command line asks for."""

    resource: Resource
    since: str
    until: str
    gateway: str | None
    out: Path
    restart: bool

    @property
    def format(self) -> Literal["ndjson", "csv"]:
        """
        The format that the file's name asks for.

        Raises:
            ConfigurationError: It asks for none.
        """
        match self.out.suffix.lower():
            case ".csv":
                return "csv"
            case ".ndjson" | ".jsonl":
                return "ndjson"
            case _:
                message = "--out must end in .ndjson, .jsonl or .csv"
                raise ConfigurationError(message)


@attrs.frozen(kw_only=True)
class Exported:
    """Say what was exported."""

    out: str
    events: int
    start: datetime
    end: datetime
    resumed: bool


def export(name: str, order: Order, watch: Watch, began: Callable[[Progress, bool], None]) -> Exported:
    """
    Export what *order* says as the profile *name*, or go on where a run before was stopped.

    *began* is told how far that is, and whether there was such a run.

    Raises:
        ConfigurationError: Something in *order* can't be right, or differs from what was begun.
        OSError: The files can't be written.
        VendorAuthError: As `vendorauth.ProGloveClient.events`; what was exported until then stays.
    """
    profile = find_profile(name)
    if profile.vendor != "proglove":
        message = f"the profile {name!r} is of {profile.vendor}, which has no events to export"
        raise ConfigurationError(message)
    if not order.out.absolute().parent.is_dir():
        message = f"--out is in a folder that does not exist: make {order.out.parent}"
        raise ConfigurationError(message)
    with ExportFile(order.out, _fresh(profile, order, datetime.now(UTC)), restart=order.restart) as file:
        began(file.progress, file.resumed)
        if not file.progress.complete:
            with naming(name):
                asyncio.run(_export(name, profile, file, order, watch))
        file.finish()
        done = file.progress
    return Exported(out=str(order.out), events=done.events, start=done.start, end=done.end, resumed=file.resumed)


async def _export(name: str, profile: Profile, file: ExportFile, order: Order, watch: Watch) -> None:
    rows = Rows(order.format)
    if file.is_empty:
        file.write(rows.head)
    async with client_for(name, profile) as client:
        assert isinstance(client, ProGloveClient)
        while not file.progress.complete:
            await _export_part(client, file, rows, order, watch)


async def _export_part(client: ProGloveClient, file: ExportFile, rows: Rows, order: Order, watch: Watch) -> None:
    progress = file.progress
    end = min(progress.done + part_of(progress), progress.end)
    seen, edge, events = frozenset(progress.edge), list[str](), 0
    async for event in client.events(start=progress.done, end=end, gateway_id=order.gateway):
        if event.id in seen:
            continue
        file.write(rows.row(event))
        events += 1
        if event.created_at is None or event.created_at >= end:
            edge.append(event.id)
        if events % _TOLD_EVERY == 0:
            watch((progress.done - progress.start).total_seconds(), progress.events + events)
    file.commit(done=end, events=events, edge=tuple(edge))
    watch((end - progress.start).total_seconds(), file.progress.events)


def part_of(progress: Progress) -> timedelta:
    """Give the length of the parts: whole seconds, a hundred of them where that is neither too short nor too long."""
    part = timedelta(seconds=(progress.end - progress.start) // timedelta(seconds=_PARTS))
    return min(max(part, _SHORTEST), _LONGEST)


def moment(text: str, now: datetime) -> datetime:
    """
    Read a time, to the second: an age such as ``7d`` (s, m, h, d, w), ``now``, or ISO 8601, local where it has no zone.

    Raises:
        ConfigurationError: It is none of these.
    """
    age = _AGO.fullmatch(text)
    try:
        if age is not None:
            time = now - timedelta(seconds=int(age[1]) * _UNITS[age[2]])
        else:
            time = now if text == "now" else datetime.fromisoformat(text)
        return time.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        message = f"{text!r} is no time: give an age such as 7d or 12h, or ISO 8601 such as 2026-03-01T06:00"
    raise ConfigurationError(message)


def _fresh(profile: Profile, order: Order, now: datetime) -> Progress:
    start, end = moment(order.since, now), moment(order.until, now)
    if start >= end:
        message = "--since must be before --until"
        raise ConfigurationError(message)
    options = {
        "account": profile.account_name,
        "resource": order.resource,
        "format": order.format,
        "--since": order.since,
        "--until": order.until,
        "--gateway": order.gateway or "",
    }
    return Progress(options=options, start=start, end=end, done=start)


@final
class Rows:
    """Write events as lines of NDJSON, or rows of CSV."""

    def __init__(self, kind: Literal["ndjson", "csv"]) -> None:
        self._is_csv = kind == "csv"

    @property
    def head(self) -> bytes:
        """What the file begins with."""
        return _csv_row(_COLUMNS) if self._is_csv else b""

    def row(self, event: Event) -> bytes:
        """Write *event*: as the vendor sent it, but for fields that are null; CSV has a column for unknown fields."""
        if not self._is_csv:
            return msgspec.json.encode(as_sent(event)) + b"\n"
        values = {name: getattr(event, name, None) for name in _FIELDS}
        values["created_at"] = event.created_at
        values["extra"] = dict(event.extra) or None
        return _csv_row([_cell(values[name]) for name in _COLUMNS])


def as_sent(event: Event) -> dict[str, JSON]:
    """Give *event* by the vendor's names."""
    known = {field.name: getattr(event, field.name) for field in attrs.fields(type(event)) if field.name != "extra"}
    return {name: value for name, value in known.items() if value is not None} | dict(event.extra)


def _cell(value: JSON) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case datetime():
            return value.isoformat(timespec="milliseconds")
        case _:
            return msgspec.json.encode(value).decode()


def _csv_row(cells: tuple[str, ...] | list[str]) -> bytes:
    row = io.StringIO(newline="")
    csv.writer(row).writerow(cells)
    return row.getvalue().encode("utf-8", "surrogatepass")
