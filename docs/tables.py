"""
Write the tables of the documentation that are made of the tests, and of what was measured.

It needs neither the tests' dependencies nor this package: tests are read, not imported, and the lists beside them import
nothing but the standard library.
"""

from __future__ import annotations

import ast
import json
import os
import re
import runpy
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

_PROJECT: Final = Path(__file__).resolve().parent.parent
TESTS: Final = _PROJECT / "tests"
RESULTS: Final = _PROJECT / "benchmarks" / "results"

_NUMBERED: Final = re.compile(r"Pitfalls? (?P<numbers>[1-9]\d?(, (rule )?[1-9]\d?)*): (?P<promise>\S.*)", re.ASCII)
_ANY: Final = re.compile(r"pitfalls?\b", re.IGNORECASE)
_CODE: Final = re.compile(r"(`+[^`]+`+)")
_MARKUP: Final = re.compile(r"([\\<\[{_])")
_SITE: Final = "https://github.com"


class Proof(NamedTuple):
    """Be one test: the *numbers* of the pitfalls that it guards against, its *promise* in words, its *name*."""

    numbers: tuple[int, ...]
    promise: str
    name: str


def proofs(tests: Path = TESTS) -> list[Proof]:
    """
    Find the tests whose docstrings begin with ``Pitfall N:``, in the order of the files and of the lines in them.

    ``Pitfalls N, M:`` and ``Pitfall N, rule R:`` will do as well.

    Raises:
        ValueError: A docstring begins with the word and goes on otherwise, or is no test's.
    """
    return [proof for path in sorted(tests.glob("**/*.py")) for proof in _proofs_in(path)]


def pitfalls() -> str:
    """Write, as Markdown, what went wrong elsewhere, and what this project's tests promise about it."""
    known = runpy.run_path(str(TESTS / "_pitfall_list.py"))
    proven: dict[int, list[Proof]] = {}
    for proof in proofs():
        for number in proof.numbers:
            proven.setdefault(number, []).append(proof)
    parts: list[str] = []
    for title, numbers in known["GROUPS"].items():
        parts.append(f"## {title}")
        parts += [_entry(number, known["PITFALLS"][number], proven[number]) for number in numbers if number in proven]
    if known["CANNOT_OCCUR"]:
        parts.append("## What can't occur here")
        parts += [
            f"{_heading(number, known['PITFALLS'][number])}\n\n- {_text(reason)}"
            for number, reason in sorted(known["CANNOT_OCCUR"].items())
        ]
    return "\n\n".join(parts) + "\n"


def faults() -> str:
    """Write, as Markdown, what becomes of each request when a server or the network misbehaves."""
    text: str = runpy.run_path(str(TESTS / "_fault_table.py"))["table"]()
    return text


def soak() -> str:
    """Write, as Markdown, the figures of the last long run."""
    figures = json.loads((RESULTS / "soak.json").read_text())
    latency, lag = figures["latency_ms"], figures["loop_lag_ms"]
    rows = {
        "machine": f"{figures['machine']}, Python {figures['versions']['python']}, aiohttp {figures['versions']['aiohttp']}",
        "time": f"{figures['minutes']:g} minutes, {figures['per_second']:g} requests per second",
        "requests": f"{figures['requests']:,}",
        "failed": _counted(figures["failed"]),
        "injected": _counted(figures["injected"]),
        "latency": f"half below {latency['p50']} ms, 99 of 100 below {latency['p99']} ms",
        "lag of the loop": f"half below {lag['p50']} ms, 99 of 100 below {lag['p99']} ms, the worst {lag['max']} ms",
        "tasks": f"{figures['tasks'][0]:g} in the second quarter of the run, {figures['tasks'][1]:g} in the last",
        "open files and sockets": f"half of the time at most {figures['sockets'][0]:g}, never above {figures['sockets'][1]}",
        "memory in the second half": f"{figures['memory_mb_per_hour']:+.2f} MB per hour",
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(["| what | measured |", "|---|---|", *lines]) + "\n"


def speed() -> str:
    """Write, as Markdown, what the last comparisons with other clients found, one part for each."""
    return "\n\n".join(map(_comparison, _compared())) + "\n"


def goals() -> str:
    """Write, as Markdown, each goal of the comparisons, and what the last ones found."""
    lines = [
        f"| [{found['name']}](#bench-{found['name']}): {_text(goal['row'])} | {_figured(found, goal)} "
        f"{'reached' if goal['reached'] else '**missed**'} |"
        for found in _compared()
        for goal in found["goals"]
    ]
    return "\n".join(["| comparison | goal | found |", "|---|---|---|", *lines]) + "\n"


def _compared() -> list[dict[str, Any]]:
    """Give the comparisons, those of the front page first, in its order."""
    kept = [json.loads(path.read_text("utf-8")) for path in sorted((RESULTS / "bench").glob("*.json"))]
    order = list(FIGURES)
    return sorted(kept, key=lambda found: order.index(found["name"]) if found["name"] in order else len(order))


def _figured(found: Mapping[str, Any], goal: Mapping[str, Any]) -> str:
    row = next(row for row in found["rows"] if row["name"] == goal["row"])
    column = goal["column"]
    value = row["more"][column] if column in row["more"] else row[column]
    name = found["unit"] if column == "value" else column
    return f"{_text(name)} at most {goal['most']:g} | {_number(value)},"


def _comparison(found: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    conditions = f"on {_text(found['machine'])}, with {versions}."
    if found["reference"]:
        conditions += f" Ratios are to {_text(found['reference'])}."
    parts = [
        f"(bench-{found['name']})=\n## {found['title']}",
        f"`nox -s bench -- {found['name']}`, {conditions}",
        _measured(found),
        f"![{found['title']}](bench/{found['name']}.svg){{.plot}}",
    ]
    return "\n\n".join(parts)


def _measured(found: Mapping[str, Any]) -> str:
    more = list(dict.fromkeys(column for row in found["rows"] for column in row["more"]))
    lines = [["", "how", found["unit"], *(("ratio", "middle half of the ratios") if found["reference"] else ()), *more]]
    for row in found["rows"]:
        line = [_text(row["name"]), _text(row["how"]), _number(row["value"])]
        if found["reference"]:
            line += [_number(row["ratio"]), " to ".join(map(_number, row["spread"] or ()))]
        lines.append(line + [_number(row["more"].get(column)) for column in more])
    head, *body = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([head, "|" + "---|" * len(lines[0]), *body])


FIGURES: Final[Mapping[str, tuple[str, str]]] = {
    "get": ("processor time of a GET, times bare aiohttp's", "ratio"),
    "token": ("a fresh token, times one check of the time", "ratio"),
    "crowd": ("renewals for 10,000 callers at an expiry", "renewals"),
    "outage": ("requests of 100 callers while the endpoint is down", "requests"),
    "expiry": ("% of requests over 50 ms across an expiry", "% over 50 ms"),
    "accounts": ("KB for one more account", "value"),
}
"""What of each comparison the front page shows: the head of its column, and where in a row its figure is."""

CLIENTS: Final[Mapping[str, Mapping[str, str]]] = {
    "vendorauth": {"get": "vendorauth ProGlove"},
    "google-auth": {"get": "google-auth, renewing", "token": "google-auth, async"},
    "azure-core": {"get": "azure-core, as its clients", "token": "azure-core's policy"},
    "azure-identity": {},
    "aiobotocore": {},
    "gcloud-aio-auth": {},
    "Authlib": {},
    "httpx": {},
}
"""Who is on the front page, and what its row is called in a comparison where that is not its own name."""


def figures() -> str:
    """Write, as Markdown, one figure of each comparison that was taken, for each client that is in it."""
    kept = {name: RESULTS / "bench" / f"{name}.json" for name in FIGURES}
    found = {name: json.loads(path.read_text("utf-8")) for name, path in kept.items() if path.is_file()}
    heads = [f"[{FIGURES[name][0]}](#bench-{name})" for name in found]
    lines = [["", *heads]]
    for client, names in CLIENTS.items():
        lines.append([client, *(_figure(one, names.get(name, client)) for name, one in found.items())])
    head, *body = ["| " + " | ".join(line) + " |" for line in lines]
    machine = next(iter(found.values()))["machine"]
    return "\n".join([head, "|---" * len(lines[0]) + "|", *body, "", f"Measured on {_text(machine)}."]) + "\n"


def _figure(found: Mapping[str, Any], name: str) -> str:
    """Give what *found* has to say of the client that it calls *name*; a dash where it has no such row."""
    row = next((row for row in found["rows"] if row["name"] == name), None)
    if row is None:
        return "–"  # noqa: RUF001  a dash
    column = FIGURES[found["name"]][1]
    return _number(row["more"][column] if column in row["more"] else row[column])


def _number(figure: float | str | None) -> str:
    """Write *figure* with three digits, or with all that are before the point; a text as it is, ``None`` as nothing."""
    if figure is None or isinstance(figure, str):
        return _text(figure or "")
    return f"{figure:,.3g}" if abs(figure) < 1000 else f"{figure:,.0f}"  # noqa: PLR2004  no 1e+03


def scaling() -> str:
    """Write, as Markdown, what the simulated days came to."""
    columns = {
        "ordinary": "mean",
        "peak": "peak",
        "at start": "first_minute",
        "in the outage": "during_outage",
        "peak after it": "peak_after_outage",
        "back after (s)": "recovered",
        "refused for the quota": "throttled",
        "without a token (s)": "longest_wait",
    }
    lines = [f"| accounts, hosts | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for one in json.loads((RESULTS / "simulate.json").read_text())["scenarios"]:
        figures = (f"{one[name]:,.10g}" for name in columns.values())
        lines.append(f"| {_scenario(one)} | {' | '.join(figures)} |")
    return "\n".join(lines) + "\n"


def _scenario(one: Mapping[str, Any]) -> str:
    parts = [f"{one['accounts']:,}", "1 host" if one["hosts"] == 1 else f"{one['hosts']} hosts"]
    said = {"one store": one["shared"], "not paced": not one["paced"], "no jitter": not one["jitter"]}
    return ", ".join(parts + [words for words, so in said.items() if so])


SCENES: Final = {
    "steady": "{requests:,} requests in {seconds:g} s, {failures} failed; logins: {logins}, refreshes: {refreshes}, "
    "together {renewals_per_token_life:g} for each life of a token; refresh tokens spent twice: {reuse}",
    "kills": "{kills:,} kills, {requests:,} requests, {failures} failed; rotations lost: {lost_rotations}, logins: {logins}, "
    "unreadable files: {unreadable}",
    "freeze": "the newer token stayed in {newer_stayed} of {tries} tries; the others waited for {longest_wait_s:g} s at most; "
    "{failures} of the frozen failed",
    "restarts": "{restarts} restarts, {requests:,} requests, {failures} failed; logins: {logins}, tokens afterwards: "
    "{tokens_afterwards}",
    "refused": "{processes_at_once} processes at once and {restarts} restarts in {seconds:g} s; passwords sent: {passwords_sent}",
    "lag": "waiting for the lock: half below {while_waiting_ms[p50]:g} ms, 99 of 100 below {while_waiting_ms[p99]:g} ms; "
    "idle, 99 of 100 below {idle_ms[p99]:g} ms",
    "cost": "a save takes {ours_ms:g} ms, by hand {by_hand_ms:g} ms: {ratio:g} of that; 10,000 fresh tokens asked the store "
    "{store_accesses_of_10000_fresh_tokens} times",
}
"""What each scene of ``benchmarks/fleet.py`` has measured."""


def fleet() -> str:
    """Write, as Markdown, the figures of the scenes that a fleet of processes has played, and what did not hold."""
    results = json.loads((RESULTS / "fleet.json").read_text())
    lines = [f"{results['machine']}.", "", "| `nox -s fleet -- ...` | measured | broken |", "|---|---|---|"]
    for scene, form in SCENES.items():
        for name in (f"{scene}-{kind}" for kind in ("file", "redis", "kept", "lost")):
            if name in results:
                figures = results[name]
                shown = form.format_map(figures | _numbers(figures))
                lines.append(f"| `{name}` | {shown} | {', '.join(figures['broken']) or 'nothing'} |")
    return "\n".join(lines) + "\n"


def _numbers(figures: Mapping[str, Any]) -> dict[str, int]:
    """Count what *figures* list."""
    return {"failures": sum(figures.get("failed", {}).values()), "unreadable": len(figures.get("unreadable", ()))}


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} x {name}" for name, count in sorted(counts.items()))


TABLES: Final[list[tuple[str, Callable[[], str]]]] = [
    ("pitfalls", pitfalls),
    ("faults", faults),
    ("soak", soak),
    ("fleet", fleet),
    ("scaling", scaling),
    ("speed", speed),
    ("goals", goals),
    ("figures", figures),
]
"""What is written: the name of the file, without ``.md``, and what gives its text."""


def write_tables(folder: Path, tables: Sequence[tuple[str, Callable[[], str]]] = TABLES) -> None:
    """Write *tables* into *folder*, which is made; a file that would not change is left alone, for Sphinx's sake."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text_of in tables:
        path, text = folder / f"{name}.md", text_of()
        if not path.is_file() or path.read_text("utf-8") != text:
            half = path.with_suffix(f".{os.getpid()}")  # another builder may be reading
            half.write_text(text, "utf-8")
            half.replace(path)


def _proofs_in(path: Path) -> Iterator[Proof]:
    text = path.read_text("utf-8")
    if not _ANY.search(text):
        return
    for node in ast.walk(ast.parse(text, str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            said = " ".join((ast.get_docstring(node) or "").split())
            if _ANY.match(said):
                yield _proof(said, node.name, path)


def _proof(said: str, name: str, path: Path) -> Proof:
    found = _NUMBERED.fullmatch(said)
    if found is None or not name.startswith("test_"):
        message = f"{path.name}: the docstring of {name} must be a test's and begin with 'Pitfall N: '"
        raise ValueError(message)
    numbers = tuple(int(one) for one in found["numbers"].split(", ") if one.isdecimal())
    promise = found["promise"]
    return Proof(numbers, promise[0].upper() + promise[1:], f"{path.name}::{name}")


def _entry(number: int, pitfall: Any, tests: list[Proof]) -> str:
    lines = [f"- {_text(test.promise)}\\\n  `{test.name}`" for test in tests]
    return "\n".join([_heading(number, pitfall), "", *lines])


def _heading(number: int, pitfall: Any) -> str:
    places = ", ".join(_links(place) for place in pitfall.found_in)
    return f"**{number}.** {_text(pitfall.cause)} ({places})"


def _links(place: str) -> str:
    """Link ``owner/name#1, #2`` to the issues, or pull requests, of these numbers."""
    project, _, numbers = place.partition("#")
    first, *others = numbers.split(", #")
    shown = {first: f"{project}#{first}"} | {other: f"#{other}" for other in others}
    return ", ".join(f"[{text}]({_SITE}/{project}/issues/{number})" for number, text in shown.items())


def _text(words: str) -> str:
    """Keep what is code as it is, and Markdown from reading anything into the rest."""
    return "".join(part if part[:1] == "`" else _MARKUP.sub(r"\\\1", part) for part in _CODE.split(words))
