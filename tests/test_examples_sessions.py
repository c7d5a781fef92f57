"""Run the examples of "Use your own session, a proxy, or httpx"."""

from pathlib import Path

from test_examples import Reader
from vendorauth.testing import FakeProGlove, FakeProtogrid


async def test_sessions(tmp_path: Path) -> None:
    """Both ways with a session list the gateways; httpx lists the apps, and a second run finds the token in the file."""
    async with FakeProGlove() as glove, FakeProtogrid() as grid:
        reader = Reader(glove, grid, tmp_path)
        lines = (await reader.run("own_session.py")).splitlines()
        ways = ("2 gateways through a session that was lent", "200 2 gateways through a session with a middleware")
        assert list(ways) == lines
        for _ in range(2):
            assert "2 apps\n" == await reader.run("httpx_client.py")
        assert (2, 1) == (glove.count.logins, grid.count.logins)
