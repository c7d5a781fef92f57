"""Prove that an export may be stopped at any moment, and comes out as if it had not been."""

from __future__ import annotations

import csv
import io
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from filelock import lock_descriptor

from _command import Outcome, glove, log_in, place, run
from vendorauth.cli import exported
from vendorauth.cli.exported import ExportFile, Progress
from vendorauth.cli.exporting import moment, part_of
from vendorauth.cli.writing import replace_file
from vendorauth.errors import ConfigurationError
from vendorauth.testing import FakeProGlove, FakeProtogrid

__all__ = ["glove", "place"]

START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(minutes=5)
BEGIN_MS = int(START.timestamp()) * 1000


class Killed(BaseException):
    """Stand for SIGKILL."""


def sample(number: int, created: int, **more: Any) -> dict[str, Any]:
    event = {"id": f"e{number}", "type": "scan", "created": created, "gateway_id": f"g{number % 2}"}
    return {**event, "scan_code": f'"{number}";é', **more}


@pytest.fixture
def full(glove: FakeProGlove, place: Path, monkeypatch: pytest.MonkeyPatch) -> FakeProGlove:
    """Give a ProGlove with events in five minutes: five parts, some events exactly on their borders."""
    glove.page_size = 3
    glove.events = [sample(i, BEGIN_MS + i * 12_000, news=i) for i in range(26)]
    glove.events += [sample(90, BEGIN_MS - 1), sample(91, BEGIN_MS + 300_001)]
    glove.events += [
        {
            "id": "t",
            "type": "telemetry",
            "created": BEGIN_MS,
            "gateway_id": "g0",
            "gateway_wifi_local_ipv6_addresses": ["::1"],
        }
    ]
    log_in(glove)
    monkeypatch.chdir(place)
    return glove


def export(*more: str, out: str = "events.ndjson") -> Outcome:
    span = ("--since", START.isoformat(), "--until", END.isoformat())
    return run("export", "w", "events", *span, "--out", out, *more)


def files() -> list[str]:
    return sorted(path.name for path in Path().glob("events*"))


def test_all_events_once_as_they_were_sent(full: FakeProGlove, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every event of the time comes once, those on the borders of parts as well, with fields nobody knows."""
    monkeypatch.setattr("vendorauth.cli.exporting._TOLD_EVERY", 5)
    outcome = export()
    assert (0, "") == (outcome.code, outcome.out), outcome.err
    assert outcome.err.startswith("27 events, from ")
    rows = [msgspec.json.decode(line) for line in Path("events.ndjson").read_bytes().splitlines()]
    expected = [event for event in full.events if BEGIN_MS <= event["created"] <= BEGIN_MS + 300_000]
    assert sorted(expected, key=lambda one: one["id"]) == sorted(rows, key=lambda one: one["id"])
    assert ["events.ndjson"] == files()
    assert 0o600 == Path("events.ndjson").stat().st_mode & 0o777


def test_csv_and_one_gateway(full: FakeProGlove) -> None:
    """CSV has the same columns whatever comes, and one for what nobody knows; one gateway's events can be chosen."""
    outcome = export("--gateway", "g0", "--json", out="events.csv")
    assert (14, False) == (outcome.json["events"], outcome.json["resumed"])
    rows = list(csv.DictReader(io.StringIO(Path("events.csv").read_text("utf-8"), newline="")))
    assert {"g0"} == {row["gateway_id"] for row in rows}
    by_id = {row["id"]: row for row in rows}
    assert ('"2";é', '{"news":2}', "2026-03-01T00:00:24.000+00:00") == (
        by_id["e2"]["scan_code"],
        by_id["e2"]["extra"],
        by_id["e2"]["created_at"],
    )
    assert '["::1"]' == by_id["t"]["gateway_wifi_local_ipv6_addresses"]


def test_killed_anywhere_it_goes_on(full: FakeProGlove, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before any step that reaches the disk, and again at each start, the result is the same byte for byte."""
    out = "events.csv"
    assert 0 == export(out=f"whole-{out}").code
    whole = Path(f"whole-{out}").read_bytes()
    for module, name in ((os, "fsync"), (exported, "sync_folder"), (exported, "move_file"), (exported, "replace_file")):
        _mortal(monkeypatch, module, name)
    kills = 0
    while kills < 100:
        try:
            outcome = export(out=out)
        except Killed:
            kills += 1
            if Path(out).exists() and not Path(f"{out}.state").exists():
                break  # it was complete
        else:
            assert 0 == outcome.code, outcome.err
            break
    assert kills >= 8
    assert whole == Path(out).read_bytes()
    assert [out] == files()


def _mortal(patch: pytest.MonkeyPatch, module: Any, name: str) -> None:
    """Let *name* do its work, except at its first call, and every third one after: there the process ends."""
    real = getattr(module, name)
    calls = 0

    def step(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls % 3 == 1:
            raise Killed
        return real(*arguments)

    patch.setattr(module, name, step)


def test_ctrl_c_and_errors_lose_nothing(full: FakeProGlove, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is exit code 130, a server that fails 5; both say little, keep what is done, and the next run goes on."""
    assert 0 == export(out="events-whole.ndjson").code
    commit = ExportFile.commit

    def stop(self: ExportFile, **known: Any) -> None:
        commit(self, **known)
        if self.progress.events > 10:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ExportFile, "commit", stop)
        stopped = export()
    assert (130, "", "Stopped. The same command goes on from here.\n") == (stopped.code, stopped.out, stopped.err)
    with Path("events.ndjson.part").open("ab") as part:
        part.write(b'{"id": "torn' * 10_000)
    full.fail_next(3, status=503, on="api")
    failed = export()
    assert (5, 2) == (failed.code, failed.err.count("\n")), failed.err
    before = len(full.requests)
    resumed = export("--json")
    assert (27, True) == (resumed.json["events"], resumed.json["resumed"]), resumed.err
    assert resumed.err.startswith("Going on from ")
    assert len(full.requests) - before < 10
    assert Path("events-whole.ndjson").read_bytes() == Path("events.ndjson").read_bytes()


def begun(**options: str) -> Progress:
    return Progress(options={"--since": "1d", **options}, start=START, end=END, done=START)


def leave_complete(out: Path) -> None:
    """Be killed with all the data on the disk, before it has its name."""
    with ExportFile(out, begun(), restart=False) as file:
        file.write(b"12345")
        file.commit(done=END, events=1, edge=())


def test_what_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other options, another process, foreign files, lost data: each is one clear error, and nothing is touched."""
    monkeypatch.chdir(place)
    out = Path("events.csv")
    with ExportFile(out, begun(), restart=False) as first:
        first.write(b"12345")
        first.commit(done=START + timedelta(minutes=1), events=1, edge=("x",))
        for restart in (False, True):
            with pytest.raises(ConfigurationError, match="is being written by another export"):
                ExportFile(out, begun(), restart=restart)
        assert (first.progress.events, 5) == (1, Path("events.csv.part").stat().st_size)
    with pytest.raises(ConfigurationError, match=r"begun with another --since \(1d\): give the same, or begin anew"):
        ExportFile(out, begun(**{"--since": "2d"}), restart=False)
    with ExportFile(out, begun(), restart=False) as second:
        assert (True, False, 1, ("x",)) == (
            second.resumed,
            second.is_empty,
            second.progress.events,
            second.progress.edge,
        )
    Path("events.csv.part").write_bytes(b"1234")
    with pytest.raises(ConfigurationError, match="has lost data"):
        ExportFile(out, begun(), restart=False)
    for state in (
        b"{",
        b"{}",
        b'{"version": 2}',
        Path("events.csv.state").read_bytes().replace(b'sion":1', b'sion":2'),
    ):
        Path("events.csv.state").write_bytes(state)
        with pytest.raises(ConfigurationError, match="is no state of this release's"):
            ExportFile(out, begun(), restart=False)
    Path("events.csv.state").unlink()
    with pytest.raises(ConfigurationError, match=r"events.csv.part exists: take another name"):
        ExportFile(out, begun(), restart=False)
    with ExportFile(out, begun(), restart=True) as anew:
        assert not anew.resumed
    assert ["events.csv.part", "events.csv.state"] == files()


def test_two_at_once(full: FakeProGlove, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second run is refused in one line, with --restart as well, until the first one's file has its name, and is whole."""
    assert 0 == export(out="events-whole.csv").code
    others = list[Outcome]()

    def beside(module: Any, name: str) -> None:
        real = getattr(module, name)

        def step(*arguments: Any, **known: Any) -> None:
            monkeypatch.setattr(module, name, real)
            others.extend(export(*more, out="events.csv") for more in ((), ("--restart",)))
            real(*arguments, **known)

        monkeypatch.setattr(module, name, step)

    # Its requests would want the event loop of the first one.
    beside(ExportFile, "commit")
    beside(exported, "move_file")
    assert 0 == export(out="events.csv").code
    assert [2] * 4 == [other.code for other in others]
    assert {"events.csv.part is being written by another export: wait for it, stop it, or take another name"} == {
        other.err.removeprefix("vendorauth: ").strip() for other in others
    }
    assert Path("events-whole.csv").read_bytes() == Path("events.csv").read_bytes()
    assert ["events-whole.csv", "events.csv"] == files()


def test_renamed_while_it_is_opened(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose data another run completes between opening and locking it is refused, and leaves the complete file alone."""
    monkeypatch.chdir(place)
    out = Path("events.csv")
    leave_complete(out)
    real = lock_descriptor

    def lock(descriptor: int, *, blocking: bool) -> bool:
        Path("events.csv.part").rename(out)
        return real(descriptor, blocking=blocking)

    monkeypatch.setattr(exported, "lock_descriptor", lock)
    with pytest.raises(ConfigurationError, match="is being written by another export"):
        ExportFile(out, begun(), restart=True)
    assert b"12345" == out.read_bytes()


def test_where_nothing_open_can_be_renamed(full: FakeProGlove, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows the data is closed before it gets its name."""
    closed = list[bool]()
    monkeypatch.setattr(exported, "_CLOSED_TO_MOVE", True)
    finish = ExportFile.finish

    def finished(self: ExportFile) -> None:
        finish(self)
        closed.append(self._file.closed)

    monkeypatch.setattr(ExportFile, "finish", finished)
    assert (0, [True]) == (export().code, closed)


def test_the_state_never_says_more_than_the_disk_has(full: FakeProGlove, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever a state is written, all the data that it speaks of was synced before: a power cut loses nothing."""
    synced, states = [0], list[int]()
    fsync = os.fsync

    def sync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)
        fsync(descriptor)

    def replace(path: Path, content: bytes) -> None:
        states.append(msgspec.json.decode(content)["size"])
        assert synced[-1] >= states[-1]
        replace_file(path, content)
        synced.append(0)  # the state's own

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(exported, "replace_file", replace)
    assert 0 == export().code
    assert (6, Path("events.ndjson").stat().st_size) == (len(states), states[-1])


def test_killed_after_the_last_rename(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was killed when the file had its name already leaves nothing to do but to forget the state."""
    monkeypatch.chdir(place)
    out = Path("events.csv")
    leave_complete(out)
    Path("events.csv.part").rename(out)
    with ExportFile(out, begun(), restart=False) as second:
        assert second.progress.complete
        second.finish()
    assert (["events.csv"], b"12345") == (files(), out.read_bytes())


def test_a_finished_export_is_not_overwritten(full: FakeProGlove) -> None:
    """The same command again is refused, unless it says --restart."""
    assert 0 == export().code
    again = export()
    assert (2, 1) == (again.code, again.err.count("\n"))
    before = Path("events.ndjson").read_bytes()
    full.permitted = False
    assert (4, before) == (export("--restart").code, Path("events.ndjson").read_bytes())
    full.permitted = True
    assert 0 == export("--restart").code


def test_what_cannot_be_right(full: FakeProGlove, monkeypatch: pytest.MonkeyPatch) -> None:
    """A time, a span, a file name, or a vendor that can't be right is exit code 2, and nothing is sent."""
    before = len(full.requests)
    assert 2 == export(out="events.txt").code
    nowhere = export(out="nowhere/events.csv")
    assert (2, True) == (nowhere.code, "--out is in a folder that does not exist: make nowhere" in nowhere.err)
    assert 2 == export("--since", "sometimes").code
    assert 2 == export("--since", "2026-03-02T00:00:00+00:00").code
    assert 2 == run("export", "w", "devices", "--out", "x.csv").code
    assert before == len(full.requests)
    grid = FakeProtogrid()
    with grid:
        assert 0 == log_in(grid).code
    assert "has no events to export" in export().err
    assert [] == files()


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("7d", START - timedelta(days=7)),
        ("90s", START - timedelta(seconds=90)),
        ("2w", START - timedelta(weeks=2)),
        ("now", START),
        ("2026-01-01T06:00+02:00", datetime(2026, 1, 1, 4, tzinfo=UTC)),
        ("2026-01-01", datetime(2026, 1, 1).astimezone(UTC)),
    ],
)
def test_times(text: str, time: datetime) -> None:
    """Ages and ISO 8601 are understood; what is too long ago is no time."""
    assert time == moment(text, START.replace(microsecond=5))
    with pytest.raises(ConfigurationError, match="is no time"):
        moment("999999w", START)


@pytest.mark.parametrize(("days", "seconds"), [(0.001, 60), (7, 6048), (365, 86_400)])
def test_the_parts_of_the_time(days: float, seconds: int) -> None:
    """A part is a hundredth of the time, at least a minute and at most a day."""
    progress = Progress(options={}, start=START, end=START + timedelta(days=days), done=START)
    assert timedelta(seconds=seconds) == part_of(progress)
