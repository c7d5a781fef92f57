"""
Let thousands of accounts on many hosts live through a day with an outage, by the SDK's own policy and a clock of its own.

What decides is the SDK's: when a token is renewed, and how long a failure pauses. The rest is modelled: every account is
used all the time, an exchange takes no time, and the vendor refuses what is above its quota within a second. That
callers look at the store while an error is latched is left out, which would only shorten a recovery.

``python benchmarks/simulate.py`` writes results/simulate.json, and the curves for the documentation.
"""

from __future__ import annotations

import gc
import json
import random
import statistics
from collections import Counter, deque
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heappush
from math import ceil
from pathlib import Path
from typing import Any, Final

import attrs

from vendorauth import AuthServiceUnavailable, RefreshPolicy, Token
from vendorauth.engine.freshness import Life, Moment, life_of
from vendorauth.engine.pauses import pause_for

HERE: Final = Path(__file__).resolve().parent
HOUR: Final = 3600.0
QUOTA: Final = 120
"""What Amazon Cognito allows a vendor in a second, for all users of all customers."""

PACE: Final = 0.9
"""The part of the quota that a paced fleet takes: its hosts' turns may fall into the same second."""

_EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
_BEGAN: Final = _EPOCH.timestamp()
_OUT: Final = AuthServiceUnavailable("out of order")
_DONE: Final = 1e-9


@attrs.frozen(kw_only=True)
class Scenario:
    """
    Say who uses the vendor. Times in seconds.

    *shared*: each account is used on every host, through one store; else each on one host. *paced*: each host has its
    part of nine tenths of the quota as ``logins_per_second``.
    """

    accounts: int
    hosts: int = 1
    shared: bool = False
    paced: bool = True
    jitter: float = 0.5
    hours: float = 24.0
    begins: float = 12 * HOUR
    lasts: float = 600.0
    quota: int = QUOTA
    policy: RefreshPolicy = attrs.field()

    @policy.default
    def _policy(self) -> RefreshPolicy:
        return RefreshPolicy(jitter=self.jitter)

    @property
    def ends(self) -> float:
        """When the outage is over."""
        return self.begins + self.lasts


@attrs.define(eq=False)
class Stored:
    """Be an account's newest token, which is everybody's where they share a store."""

    token: Token
    generation: int = 0


@attrs.define(eq=False)
class Holder:
    """Be one account on one host: what it holds, and how often it has failed in a row."""

    stored: Stored
    host: int
    life: Life | None = None
    generation: int = 0
    attempts: int = 0
    was_out: bool = False


class Simulation:
    """Run *scenario*; the same *seed* brings the same day."""

    def __init__(self, scenario: Scenario, seed: int = 1) -> None:
        self._scenario = scenario
        self._chance = random.Random(seed)  # noqa: S311  no secret
        self._interval = scenario.hosts / (PACE * scenario.quota)
        self._free = [0.0] * scenario.hosts
        self._queues = [deque[Holder]() for _ in range(scenario.hosts)]
        self._events: list[tuple[float, int, Holder | int]] = []
        self._number = 0
        self.asked: Counter[int] = Counter()
        self.served: Counter[int] = Counter()
        self.throttled = 0
        self.refused = 0
        self.adopted = 0
        self.waiting: dict[Holder, float] = {}
        self.waits: list[float] = []
        self.recovered: float = 0.0
        self.holders: list[Holder] = []

    def run(self) -> None:
        """Live through the whole time; all accounts are first used within its first second."""
        nothing = Token(value="t", issued_at=_EPOCH, expires_at=_EPOCH)
        for account in range(self._scenario.accounts):
            stored = Stored(nothing)
            hosts = range(self._scenario.hosts) if self._scenario.shared else [account % self._scenario.hosts]
            self.holders += [Holder(stored, host) for host in hosts]
        self._events = [(self._chance.random(), number, holder) for number, holder in enumerate(self.holders)]
        self._number = len(self._events)
        heapify(self._events)
        until = self._scenario.hours * HOUR
        while self._events and self._events[0][0] < until:
            now, _, who = heappop(self._events)
            if isinstance(who, Holder):
                self._step(now, who)
            else:
                self._give_turns(now, who)

    def _later(self, when: float, who: Holder | int) -> None:
        """Let a holder begin a renewal at *when*, or a host give turns."""
        self._number += 1
        heappush(self._events, (when, self._number, who))

    def _step(self, now: float, holder: Holder) -> None:
        """Do what a renewal does: look at the store, wait for a turn, read the store again, ask the vendor."""
        if self._dead(now, holder):
            self.waiting.setdefault(holder, now)
        if holder.life is None and self._adopt(now, holder):
            return
        if self._scenario.paced:
            queue = self._queues[holder.host]
            queue.append(holder)
            if len(queue) == 1:
                self._later(max(now, self._free[holder.host]), holder.host)
        elif not self._adopt(now, holder):
            self._ask(now, holder)

    def _give_turns(self, now: float, host: int) -> None:
        """Give the next turn; who needs none, because others have renewed, leaves it to the one behind."""
        queue = self._queues[host]
        while queue:
            holder = queue.popleft()
            if not self._adopt(now, holder):
                self._free[host] = now + self._interval
                self._ask(now, holder)
                break
        if queue:
            self._later(self._free[host], host)

    def _dead(self, now: float, holder: Holder) -> bool:
        return holder.life is None or holder.life.end.monotonic <= now

    def _adopt(self, now: float, holder: Holder) -> bool:
        if holder.generation >= holder.stored.generation:
            return False
        life = self._life(now, holder.stored.token)
        if life.ahead.monotonic <= now:
            return False
        self.adopted += 1
        self._hold(now, holder, life)
        return True

    def _ask(self, now: float, holder: Holder) -> None:
        second = int(now)
        self.asked[second] += 1
        out = self._scenario.begins <= now < self._scenario.ends
        busy = self.served[second] >= self._scenario.quota
        if out or busy:
            self.refused += out
            self.throttled += busy and not out
            holder.attempts += 1
            holder.was_out = holder.was_out or out
            pause = pause_for(_OUT, holder.attempts, self._scenario.policy.backoff, self._chance.random())
            self._later(now + pause, holder)
            return
        self.served[second] += 1
        issued = _EPOCH + timedelta(seconds=now)
        holder.stored.token = Token(value="t", issued_at=issued, expires_at=issued + timedelta(hours=1))
        holder.stored.generation += 1
        self._hold(now, holder, self._life(now, holder.stored.token))

    def _life(self, now: float, token: Token) -> Life:
        return life_of(token, self._scenario.policy, Moment(_BEGAN + now, now), self._chance.random())

    def _hold(self, now: float, holder: Holder, life: Life) -> None:
        if holder.was_out:
            holder.was_out = False
            self.recovered = max(self.recovered, now - self._scenario.ends)
        holder.life, holder.generation, holder.attempts = life, holder.stored.generation, 0
        since = self.waiting.pop(holder, None)
        if since is not None:
            self.waits.append(now - since)
        self._later(max(life.ahead.monotonic, now + _DONE), holder)

    def figures(self) -> dict[str, Any]:
        """Sum it up; rates are in requests a second."""
        scenario = self._scenario
        after = range(int(scenario.ends), int(scenario.ends + HOUR))
        quiet = range(int(HOUR / 2), int(scenario.begins))
        longest = max([*self.waits, *(scenario.hours * HOUR - since for since in self.waiting.values())], default=0.0)
        return {
            "accounts": scenario.accounts,
            "hosts": scenario.hosts,
            "shared": scenario.shared,
            "paced": scenario.paced,
            "jitter": scenario.jitter,
            "mean": round(statistics.fmean(self.asked[second] for second in quiet), 3),
            "peak": max(self.asked[second] for second in quiet),
            "first_minute": max(self.asked[second] for second in range(60)),
            "during_outage": round(self.refused / scenario.lasts, 1),
            "peak_after_outage": max(self.asked[second] for second in after),
            "recovered": ceil(self.recovered),
            "throttled": self.throttled,
            "adopted": self.adopted,
            "longest_wait": ceil(longest),
            "without_token": len(self.waiting),
        }

    def curve(self) -> list[float]:
        """Give the requests a second, for each minute of the day."""
        minutes = range(int(self._scenario.hours * 60))
        return [round(sum(self.asked[minute * 60 + second] for second in range(60)) / 60, 2) for minute in minutes]


SCENARIOS: Final = (
    Scenario(accounts=10),
    Scenario(accounts=1_000),
    Scenario(accounts=10_000),
    Scenario(accounts=10_000, paced=False),
    Scenario(accounts=10_000, paced=False, jitter=0.0),
    Scenario(accounts=1_000, hosts=10, shared=True),
    Scenario(accounts=1_000, hosts=10, shared=True, paced=False),
    Scenario(accounts=1_000, hosts=100, shared=True),
    Scenario(accounts=10_000, hosts=10, shared=True),
    Scenario(accounts=100_000, hosts=100),
)


def lived_through(scenario: Scenario) -> dict[str, Any]:
    """Give the figures of one day, and its curve."""
    gc.disable()  # there is nothing to collect, and much to look through
    simulation = Simulation(scenario)
    simulation.run()
    return {**simulation.figures(), "curve": simulation.curve()}


def main() -> None:
    """Run all, two at a time, write what came of it, and draw it."""
    results = list[dict[str, Any]]()
    with ProcessPoolExecutor(2) as workers:
        for result in workers.map(lived_through, SCENARIOS):
            results.append(result)
            print({name: value for name, value in result.items() if name != "curve"}, flush=True)
    (HERE / "results" / "simulate.json").write_text(json.dumps({"quota": QUOTA, "scenarios": results}) + "\n")
    draw(results, HERE.parent / "docs" / "explanation" / "scaling.svg")


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """Draw the requests a second over the hours around the outage."""
    from matplotlib.figure import Figure  # noqa: PLC0415  the tests run without it

    shown = [one for one in results if one["accounts"] >= 1_000]
    figure = Figure(figsize=(8, 1.5 * len(shown)), layout="constrained")
    for axes, one in zip(figure.subplots(len(shown), 1, sharex=True), shown, strict=True):
        hours = [minute / 60 for minute in range(len(one["curve"]))]
        axes.plot(hours, one["curve"], linewidth=0.9)
        axes.axvspan(12, 12 + 1 / 6, alpha=0.2, color="tab:red")
        axes.axhline(QUOTA, linewidth=0.6, linestyle="--", color="gray")
        axes.set(xlim=(0, 16), ylim=(0, None))
        axes.set_title(title(one), loc="left", fontsize=9)
    axes.set_xlabel("hours; the service is out in the red strip")
    figure.supylabel("exchanges asked for in a second (means of a minute)", fontsize=9)
    figure.savefig(path)


def title(one: dict[str, Any]) -> str:
    """Name a scenario."""
    hosts = "1 host" if one["hosts"] == 1 else f"{one['hosts']} hosts{', one store' if one['shared'] else ''}"
    return f"{one['accounts']:,} accounts, {hosts}{'' if one['paced'] else ', not paced'}{'' if one['jitter'] else ', no jitter'}"


if __name__ == "__main__":
    main()
