"""The arithmetic of the benchmarks: ratios, medians, goals, tables; no other client is needed for it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import bench
from measuring import Goal, Measure, compare, compare_awaited, paired, processor_time, reference_row


def test_ratio_is_the_median_of_the_pairs_ratios() -> None:
    """A pair that a busy machine spoilt, or one slow stretch for both, changes nothing."""
    row = paired("ours", [(2.0, 1.0), (20.0, 10.0), (2.2, 1.0), (90.0, 1.0), (1.8, 1.0)])
    assert 2.0 == row.ratio
    assert (2.0, 2.2) == row.spread
    assert 2.2 == row.value


async def test_blocks_alternate() -> None:
    """Whoever comes second comes first the next time, awaited or not."""
    order = list[str]()

    def block(name: str, seconds: float) -> float:
        order.append(name)
        return seconds

    async def awaited(name: str, seconds: float) -> float:
        return block(name, seconds)

    row = compare("ours", lambda: block("ours", 3.0), lambda: block("theirs", 2.0), rounds=3)
    assert ["ours", "theirs", "theirs", "ours", "ours", "theirs"] == order
    assert 1.5 == row.ratio
    order.clear()
    assert row == await compare_awaited("ours", lambda: awaited("ours", 3.0), lambda: awaited("theirs", 2.0), rounds=3)
    assert ["ours", "theirs", "theirs", "ours", "ours", "theirs"] == order


async def test_processor_time_is_per_operation() -> None:
    """Operations run as many at once as told, all of them; the time is for one."""
    done = 0

    async def operation() -> None:
        nonlocal done
        done += 1

    assert 0 < await processor_time(operation, 1003, 10) < 1000
    assert 1000 == done


ROWS = [reference_row("bare", [1.0, 4.0, 1.5]), paired("ours", [(0.9, 1.0)] * 3, how="as told", renewals=1.0)]


@pytest.mark.parametrize(
    ("goal", "reached"),
    [
        (Goal("ours", 0.9), True),
        (Goal("ours", 0.89), False),
        (Goal("bare", 1.5, column="value"), True),
        (Goal("ours", 1, column="renewals"), True),
        (Goal("bare", 1, column="renewals"), False),
    ],
)
def test_goal_is_compared_with_its_column(goal: Goal, reached: bool) -> None:
    """A goal is reached up to its number; never where nothing was measured."""
    assert reached == goal.reached(ROWS)


def found() -> dict[str, Any]:
    measure = Measure("get", "A GET", "bare", "µs", (Goal("ours", 0.89), Goal("ours", 0.95)), "nowhere:run")
    return bench.figures(measure, ROWS)


def test_figures_name_machine_versions_and_goals() -> None:
    """What is written says what it holds for, and no date."""
    given = found()
    assert "cores" in given["machine"]
    assert sys.version.startswith(given["versions"]["Python"])
    assert [False, True] == [goal["reached"] for goal in given["goals"]]
    assert ["get: ours: ratio at most 0.89"] == bench.missed(given)
    assert {"renewals": 1.0} == given["rows"][1]["more"]
    assert 0.001235 == bench.significant(0.00123456)


def test_table_shows_each_row_and_goal() -> None:
    """The terminal's table has a line for each row, and says what was missed."""
    lines = bench.table(found()).splitlines()
    assert "get: A GET" == lines[0]
    assert ["µs", "ratio", "quartiles", "renewals"] == lines[1].split()
    assert ["bare", "1.5", "1"] == lines[2].split()
    assert ["ours", "0.9", "0.9", "0.9", "to", "0.9", "1.0"] == lines[3].split()
    assert ["goal ours: ratio at most 0.89: missed", "goal ours: ratio at most 0.95: reached"] == lines[4:]


@pytest.mark.parametrize(("arguments", "code"), [([], None), (["--strict"], "get: ours: ratio at most 0.89")])
def test_only_strict_fails(
    arguments: list[str], code: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missed goal is the exit code's business only when asked for; results and plot are written either way."""
    drawn = list[Path]()
    monkeypatch.setitem(sys.modules, "plots", SimpleNamespace(bench_plot=lambda _, path: drawn.append(path)))
    monkeypatch.setattr(bench, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(bench, "PLOTS", tmp_path / "plots")
    monkeypatch.setattr(bench, "MEASURES", {"get": None})
    monkeypatch.setattr(bench, "take", lambda _: found() | {"seconds": 0})
    with pytest.raises(SystemExit) as ended:
        bench.main(["get", *arguments])
    assert code == ended.value.code
    assert ["get.json"] == [path.name for path in (tmp_path / "results").iterdir()]
    assert [tmp_path / "plots" / "get.svg"] == drawn


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A measure that does not exist is named."""
    with pytest.raises(SystemExit):
        bench.main(["get", "nothing"])
    assert "no such measure: nothing" in capsys.readouterr().err
