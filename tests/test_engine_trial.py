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


@pytest.mark.parametrize(
    ("fault", "error"),
    [(None, NotFound), (aiohttp.ServerDisconnectedError(), TransportError)],
    ids=["404", "no answer"],
)
async def test_what_says_nothing_of_the_password(fault: Exception | None, error: type[Exception]) -> None:
    """Rule 10: a request that fails for a reason of its own, or whose answer never came, lets the next one try."""

    def answer(path: str, headers: Mapping[str, str]) -> int:
        assert headers
        if path == "/missing" and fault is not None:
            raise fault
        return 404 if path == "/missing" else 200

    storm = Storm()
    source = credentialed(storm, JANE)
    api = ApiOfStorm(storm, source, answer)
    with pytest.raises(error):
        await api.get("/missing")
    assert source.trial is not None
    assert 200 == await api.get("/x")
    assert source.trial is None
