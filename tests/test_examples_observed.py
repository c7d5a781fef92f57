"""Run the example of "See what clients do"."""

from __future__ import annotations

from test_examples import Reader, reader  # noqa: F401  a fixture

LOGGED = "INFO vendorauth.engine.keeping: logged in proglove|"


async def test_observed(reader: Reader) -> None:  # noqa: F811  the fixture
    """It logs the login, and exports its spans and the age of its token, without the password or the query's values."""
    output = await reader.run("observed.py")
    assert output.startswith(LOGGED)
    for name in ("vendorauth login", "vendorauth renewal", "devices?limit=REDACTED", "vendorauth.token.age"):
        assert name in output
    assert reader.glove.password not in output
