"""A day with an outage in `benchmarks/simulate.py`, in small: nobody is left behind, and there is no herd."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from vendorauth import RefreshPolicy

SIMULATE = runpy.run_path(str(Path(__file__).resolve().parent.parent / "benchmarks" / "simulate.py"))
HOUR = 3600.0


def lived_through(**options: Any) -> dict[str, Any]:
    """Run five hours, of which ten minutes are an outage, with a quota of 12 a second; give the figures."""
    given = {"accounts": 1000, "hours": 5.0, "begins": 3.3 * HOUR, "quota": 12, **options}
    simulation = SIMULATE["Simulation"](SIMULATE["Scenario"](**given), seed=7)
    simulation.run()
    figures: dict[str, Any] = simulation.figures()
    return {**figures, "curve": simulation.curve(), "holders": len(simulation.holders)}


@pytest.mark.parametrize("options", [{}, {"hosts": 4}, {"hosts": 4, "shared": True, "accounts": 300}])
def test_everybody_recovers_without_a_herd(options: dict[str, Any]) -> None:
    """After an outage each account has a token within a minute or so, and the quota was kept all the time."""
    day = lived_through(**options)
    assert 0 == day["without_token"]
    assert 0 < day["recovered"] <= 90
    assert day["peak_after_outage"] <= 12 + 2 * day["hosts"]
    assert day["throttled"] <= day["holders"] / 50
    assert day["first_minute"] <= 12 + 2 * day["hosts"]


def test_nobody_hammers_during_the_outage() -> None:
    """Rule 9: who fails tries again about once in 45 seconds, so that the vendor is asked by few at a time."""
    day = lived_through(paced=False, quota=10_000)
    assert day["during_outage"] < 1000 / 45
    assert day["peak_after_outage"] < 1000 / 25


def test_renewals_spread() -> None:
    """Rule 7: accounts that logged in within a second renew over minutes; without jitter they would within a second."""
    spread, herd = lived_through(paced=False, quota=10_000), lived_through(paced=False, quota=10_000, jitter=0.0)
    assert spread["peak"] < 20
    assert 900 < herd["peak"]


def test_one_store_serves_all_hosts() -> None:
    """Hosts that share a store ask the vendor as often as one host would; the others read."""
    one, four = lived_through(accounts=300), lived_through(accounts=300, hosts=4, shared=True)
    assert one["mean"] == pytest.approx(four["mean"], rel=0.25)
    assert 3 * one["mean"] * HOUR < four["adopted"]


def test_recovery_needs_pauses_with_an_end() -> None:
    """The largest pause bounds how long the recovery takes."""
    slow = lived_through(policy=RefreshPolicy(backoff=(1.0, 600.0)))
    assert 120 < slow["recovered"]


def test_curves_and_results() -> None:
    """A curve has a value for each minute; what is shown in the documentation has all scenarios."""
    assert 300 == len(lived_through(accounts=10)["curve"])
    results = json.loads((Path(SIMULATE["HERE"]) / "results" / "simulate.json").read_text())
    shown = [(one["accounts"], one["hosts"], one["shared"], one["paced"]) for one in results["scenarios"]]
    assert [(one.accounts, one.hosts, one.shared, one.paced) for one in SIMULATE["SCENARIOS"]] == shown
