"""Credentials that go with every request are on trial until the vendor has accepted them (rule 10)."""

import attrs

from _storms import Storm, credentialed
from _vendor import JANE


async def test_only_the_current_credentials_end_their_trial() -> None:
    """Rule 10: that older credentials were accepted proves nothing of those that are current."""
    source = credentialed(Storm(), JANE)
    token = await source.token()
    source.accepted(attrs.evolve(token, generation=token.generation - 1))
    assert source.trial is not None
    source.accepted(token)
    assert source.trial is None
