"""Credentials that go with every request are on trial until the vendor has accepted them (rule 10)."""

from collections.abc import Mapping

import aiohttp
import attrs
import pytest

from _storms import ApiOfStorm, Storm, credentialed
from _vendor import JANE
from vendorauth import NotFound, TransportError


async def test_only_the_current_credentials_end_their_trial() -> None:
    """Rule 10: that older credentials were accepted proves nothing of those that are current."""
    source = credentialed(Storm(), JANE)
    token = await source.token()
    source.accepted(attrs.evolve(token, generation=token.generation - 1))
    assert source.trial is not None
    source.accepted(token)
    assert source.trial is None


async def test_an_error_of_the_api_is_not_the_passwords() -> None:
    """Rule 10: a request that fails for a reason of its own lets the next one try."""

    def answer(path: str, headers: Mapping[str, str]) -> int:
        assert headers
        return 404 if path == "/missing" else 200

    storm = Storm()
    source = credentialed(storm, JANE)
    api = ApiOfStorm(storm, source, answer)
    with pytest.raises(NotFound):
        await api.get("/missing")
    assert source.trial is not None
    assert 200 == await api.get("/x")
    assert source.trial is None


async def test_a_lost_connection_is_not_the_passwords() -> None:
    """Rule 10: nor does a request whose answer never came decide anything; the next one tries."""
    reachable = False

    def answer(path: str, headers: Mapping[str, str]) -> int:
        assert path
        assert headers
        if not reachable:
            raise aiohttp.ServerDisconnectedError
        return 200

    storm = Storm()
    source = credentialed(storm, JANE)
    api = ApiOfStorm(storm, source, answer)
    with pytest.raises(TransportError):
        await api.get("/x")
    assert source.trial is not None
    reachable = True
    assert 200 == await api.get("/x")
    assert source.trial is None
