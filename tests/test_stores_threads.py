from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from vendorauth.stores._threads import Threads

FORKING = """
import asyncio, os, sys
from vendorauth.stores._threads import Threads
threads = Threads()
assert "parent" == asyncio.run(threads.run(lambda: "parent"))
child = os.fork()
if child == 0:
    asyncio.run(threads.run(lambda: os.write(1, b"child")))
    os._exit(0)
assert (child, 0) == os.waitpid(child, 0)
"""


class Gate:
    """A job that tells when it has begun and waits to be let go."""

    def __init__(self, outcome: Callable[[], object] = lambda: None) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.ended = False
        self._outcome = outcome

    def __call__(self) -> object:
        """Be the job."""
        self.begun.set()
        assert self.go.wait(30)
        self.ended = True
        return self._outcome()

    async def has_begun(self) -> None:
        """Wait for its beginning, without blocking the loop."""
        assert await asyncio.to_thread(self.begun.wait, 30)


async def test_a_job_runs_elsewhere_and_answers() -> None:
    """A job runs in one of the store's threads; its result and its error come back."""
    threads = Threads()
    assert (await threads.run(lambda: threading.current_thread().name)).startswith("vendorauth-store")
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)


@pytest.mark.parametrize("outcome", [lambda: None, lambda: 1 // 0])
async def test_a_cancelled_call_waits_for_its_thread(outcome: Callable[[], object]) -> None:
    """Cancelled, even twice, a call goes on only when the thread has ended (pitfall 11); its error is not lost loudly."""
    gate, threads = Gate(outcome), Threads()
    task = asyncio.create_task(threads.run(gate))
    await gate.has_begun()
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert not task.done()
    gate.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gate.ended


async def test_a_cancelled_call_that_has_not_begun_is_dropped() -> None:
    """With all threads busy, a cancelled call ends at once, and its job never runs."""
    threads = Threads()
    gates = [Gate() for _ in range(4)]
    busy = [asyncio.create_task(threads.run(gate)) for gate in gates]
    for gate in gates:
        await gate.has_begun()
    waiting = asyncio.create_task(threads.run(lambda: pytest.fail("it ran")))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not any(gate.ended for gate in gates)
    for gate in gates:
        gate.go.set()
    await asyncio.gather(*busy)


def test_the_threads_end_with_their_owner() -> None:
    """Once nobody has it, its threads end."""
    threads = Threads()
    thread = asyncio.run(threads.run(threading.current_thread))
    del threads
    gc.collect()
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_begins_without_threads(twin: Callable[[Threads], Threads]) -> None:
    """A copy or pickle works and shares no thread (pitfall 47)."""
    threads = Threads()
    first = asyncio.run(threads.run(threading.get_ident))
    assert first != asyncio.run(twin(threads).run(threading.get_ident))


def test_a_forked_child_gets_its_own() -> None:
    """After a fork the child's jobs run too (pitfall 47), and neither process is kept alive by the threads."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKING], capture_output=True, timeout=30, check=False)
    assert (0, b"child", b"") == (done.returncode, done.stdout, done.stderr)
