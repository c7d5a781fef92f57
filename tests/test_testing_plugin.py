"""Prove the pytest plugin's fixtures, and that a fake in a thread of its own can be used from any other."""

import asyncio
import gc
import socket
import subprocess
import sys
import threading
import urllib.request
from contextlib import closing
from datetime import UTC, datetime
from time import monotonic, sleep
from typing import Any

import pytest

import vendorauth.testing
from vendorauth import PasswordCredentials, ProGloveClient, ProtogridClient, TransportError
from vendorauth.testing import FakeProGlove, FakeProtogrid, ManualClock
from vendorauth.testing._server import SHUTDOWN
from vendorauth.testing.plugin import fake_proglove, fake_protogrid, vendorauth_clock

__all__ = ["fake_proglove", "fake_protogrid", "vendorauth_clock"]

HOUR = 3600.0
COSTLY = ("aiohttp", "asyncio", "attrs", "cattrs", "msgspec", "multidict", "yarl")


def glove_of(fake: FakeProGlove, **options: Any) -> ProGloveClient:
    credentials = PasswordCredentials(fake.username, fake.password)
    return ProGloveClient(fake.base_url, fake.customer_id, credentials, cognito_url=fake.cognito_url, **options)


def grid_of(fake: FakeProtogrid) -> ProtogridClient:
    return ProtogridClient(fake.base_url, PasswordCredentials(fake.username, fake.password))


def own_threads() -> int:
    return sum(thread.name == "vendorauth fake" for thread in threading.enumerate())


def test_a_plain_test(fake_proglove: FakeProGlove, fake_protogrid: FakeProtogrid) -> None:
    """Code that blocks, and loops of the test's own, are served; both fakes at once, after a stop as well."""
    asyncio.run(fake_proglove.stop())
    asyncio.run(fake_proglove.start())
    url = f"{fake_proglove.base_url}/auth-information?id={fake_proglove.customer_id}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert 200 == answer.status

    async def apps() -> int:
        async with grid_of(fake_protogrid) as grid:
            return len(await grid.apps())

    assert [2, 2] == [asyncio.run(apps()) for _ in range(2)]
    assert (1, 2) == (fake_proglove.count.auth_information, fake_protogrid.count.logins)


async def test_hold_across_threads(fake_proglove: FakeProGlove) -> None:
    """A test sees requests arrive in the other thread, and its release wakes them."""
    async with glove_of(fake_proglove) as client:
        await client.login()
        held = fake_proglove.hold("api")
        waiting = [asyncio.create_task(client.get("/{customer_id}/features")) for _ in range(3)]
        given_up = asyncio.create_task(held.arrived(4))
        await held.arrived(3)
        given_up.cancel()
        await asyncio.wait([given_up])
        assert not any(task.done() for task in waiting)
        waiting.append(asyncio.create_task(client.get("/{customer_id}/features")))
        await held.arrived(4)
        held.release()
        held.release()
        assert 4 == len(await asyncio.gather(*waiting))


async def test_an_outage_across_threads(fake_proglove: FakeProGlove) -> None:
    """A test stops the server and starts it again, from its own loop; the fake remembers its logins."""
    async with glove_of(fake_proglove, retries=0) as client:
        await client.get("/{customer_id}/features")
        held = fake_proglove.hold("api")
        lost = asyncio.create_task(client.get("/{customer_id}/features"))
        await held.arrived()
        await fake_proglove.stop()
        with pytest.raises(TransportError):
            await lost
        with pytest.raises(TransportError):
            await client.get("/{customer_id}/features")
        await fake_proglove.start()
        with pytest.raises(RuntimeError, match="already"):
            await fake_proglove.start()
        await client.get("/{customer_id}/features")
    assert (1, 0) == (fake_proglove.count.logins, fake_proglove.count.refused)


async def test_one_clock(fake_proglove: FakeProGlove, vendorauth_clock: ManualClock) -> None:
    """The fakes of a test that has the clock go by it: who does not look at it has a dead token an hour later."""
    assert datetime(2026, 1, 1, 12, tzinfo=UTC) == vendorauth_clock.now()
    async with glove_of(fake_proglove) as blind, glove_of(fake_proglove, clock=vendorauth_clock) as client:
        for one in (blind, client):
            await one.get("/{customer_id}/features")
        vendorauth_clock.advance(HOUR)
        await client.get("/{customer_id}/features")
        assert 0 == fake_proglove.count.refused
        await blind.get("/{customer_id}/features")
        assert 1 == fake_proglove.count.refused


def test_the_thread_ends() -> None:
    """After its block neither the server nor its thread is left, whether it was running or not."""
    with FakeProtogrid() as fake:
        port = int(fake.base_url.rpartition(":")[2])
        assert 1 == own_threads()
        asyncio.run(fake.stop())
    assert 0 == own_threads()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with fake:
        assert str(port) in fake.base_url
    assert 0 == own_threads()


def test_it_waits_for_nobody() -> None:
    """Who does not read an answer, or never ends a request, is hung up on at once, and no connection is left."""
    with closing(socket.socket()) as deaf, closing(socket.socket()) as slow:
        with FakeProtogrid() as fake:
            fake.fail_next(body=b"x" * 2**25)
            for client, length in ((deaf, 0), (slow, 1)):
                client.settimeout(10)
                client.connect(("127.0.0.1", int(fake.base_url.rpartition(":")[2])))
                client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % length)
            assert b"H" == deaf.recv(1)
            while fake.connections < len((deaf, slow)):
                sleep(0.001)
            began = monotonic()
        assert SHUTDOWN > monotonic() - began
        gc.collect()  # what would be left warns


def test_no_thread_without_a_server() -> None:
    """Where the port is taken, that is said, and no thread is left."""
    with FakeProtogrid() as first:
        port = int(first.base_url.rpartition(":")[2])
        with pytest.raises(OSError, match=str(port)), FakeProGlove(port=port):
            pass
        assert 1 == own_threads()
        with pytest.raises(RuntimeError, match="already"), first:
            pass
        assert 1 == own_threads()


def test_who_asks_for_nothing_pays_nothing() -> None:
    """The plugin imports none of what the fakes need."""
    script = (
        "import sys, pytest; before = {*sys.modules}; import vendorauth.testing.plugin; print({*sys.modules} - before)"
    )
    new = subprocess.run([sys.executable, "-c", script], check=True, timeout=30, capture_output=True, text=True).stdout
    assert "vendorauth.testing.plugin" in new
    assert [] == [name for name in COSTLY if f"'{name}'" in new]


def test_names_that_are_imported_late() -> None:
    """They can be seen and had all the same; others are missing as they are from any module."""
    assert {"FakeProGlove", "ManualClock", "play"} < set(dir(vendorauth.testing))
    assert callable(vendorauth.testing.play)
    with pytest.raises(AttributeError, match=r"'vendorauth\.testing' has no attribute 'FakeX'"):
        _ = vendorauth.testing.FakeX  # type: ignore[attr-defined]  # that is the point
