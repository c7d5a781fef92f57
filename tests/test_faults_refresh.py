"""Faults while refreshing: the cells of the table, and what becomes of a refresh token that was spent (DESIGN: rules 6, 8, 9, 9a)."""

import pytest

from _fault_scenes import LIFE, Case, Scene, cases, examine, one_of_each, scene
from vendorauth.testing import FakeProGlove

ANSWERED = [case for case in cases("refresh") if case.cell.sent == 2 and case.cell.error and "MB" not in case.row.fault]
"""What is sent twice: the vendor has answered, and nobody could read it."""


@pytest.mark.parametrize("case", cases("refresh"), ids=str)
async def test_refresh(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules 9, 9a: sent twice at most, and that only where the answer was lost; the refresh token serves afterwards."""
    async with scene(case, monkeypatch) as made:
        await examine(made)


@pytest.mark.parametrize("case", ANSWERED, ids=str)
async def test_once_with_rotation(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 9a: a fault that strikes once is not noticed, though the vendor has spent the refresh token for it."""
    async with scene(case, monkeypatch) as made:
        fake = rotating(made, grace=60.0)
        await made.break_(times=1)
        await made.call()
        assert (2, 1) == (made.door.arrived, fake.count.grace_uses)
        await made.heal(LIFE)
        await made.call()
        assert (3, 1) == (fake.count.refreshes, fake.count.password_attempts)


@pytest.mark.parametrize("case", one_of_each(ANSWERED), ids=str)
async def test_spent_for_nothing(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules 8, 9a: where the vendor takes no spent refresh token, the next renewal logs in with the password, once."""
    async with scene(case, monkeypatch) as made:
        fake = rotating(made, grace=0.0)
        await made.break_(times=1)
        await made.call()
        stored, current = await made.held()
        assert current == stored
        assert (2, 2) == (fake.count.refreshes, fake.count.password_attempts)


def rotating(made: Scene, *, grace: float) -> FakeProGlove:
    """Let the vendor of *made* rotate refresh tokens, the spent one serving for *grace* seconds more."""
    assert isinstance(made.fake, FakeProGlove)
    made.fake.rotation, made.fake.grace = True, grace
    return made.fake
